//! systemd-networkd, which at its start removes rules and routes that it does not know (networkd.conf(5)).

use super::hazard::{Hazard, Kind};

/// What it must leave alone. We make no nexthop objects, so `ManageForeignNextHops` is left out.
pub(super) const KEYS: [&str; 2] = ["ManageForeignRoutingPolicyRules", "ManageForeignRoutes"];

/// What a running systemd-networkd does with what others have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Networkd {
    /// Whether it removes what each of [`KEYS`] is about.
    pub(super) removes: [bool; 2],
}

/// What a running systemd-networkd would remove.
pub(super) fn evaluate(networkd: Option<&Networkd>) -> Option<Hazard> {
    let removes = networkd?.removes;
    let concerned = |(word, so): (&'static str, bool)| so.then_some(word);
    let lost: Vec<&str> = ["rules", "routes"].into_iter().zip(removes).filter_map(concerned).collect();
    let settings: Vec<String> =
        KEYS.into_iter().zip(removes).filter_map(concerned).map(|key| format!("{key}=no")).collect();
    if lost.is_empty() {
        return None;
    }
    let what = format!("removes {} that it did not make, ours included, whenever it is started", lost.join(" and "));
    let directory = "/etc/systemd/networkd.conf.d";
    let advice = format!(
        "mkdir -p {directory}; printf '%s\\n' '[Network]' {} >{directory}/ftr.conf; systemctl restart systemd-networkd",
        settings.join(" ")
    );
    Some(Hazard::new(Kind::Networkd, "systemd-networkd", what, advice))
}
