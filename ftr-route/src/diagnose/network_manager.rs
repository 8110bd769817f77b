//! `NetworkManager`, which leaves tables other than main alone unless a profile names a table of its own: then it
//! removes whatever it does not know from all of them (nm-settings(5), `ipv4.route-table`).

use ftr_core::shell::quoted;

use super::hazard::{Hazard, Kind};

/// An uplink that `NetworkManager` looks after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Managed {
    pub(super) device: String,
    /// The number of the profile that is active on it.
    pub(super) profile: String,
    pub(super) table: Table,
}

/// Where a profile puts routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Main,
    Own(u32),
    /// The profile could not be read.
    Unseen,
}

/// Those that lose routes of ours to it, or may.
pub(super) fn evaluate(managed: &[Managed]) -> Vec<Hazard> {
    let hazard = |it: &Managed| {
        let Managed { device, profile, table } = it;
        let profile = quoted(profile);
        let (what, advice) = match table {
            Table::Main => return None,
            Table::Own(table) => (
                format!(
                    "NetworkManager puts its routes into table {table}, and removes those that it does not know from all \
                     tables"
                ),
                format!(
                    "nmcli connection modify {profile} ipv4.route-table 0 ipv6.route-table 0; \
                     nmcli connection up {profile}"
                ),
            ),
            Table::Unseen => (
                "NetworkManager looks after it, and whether its profile has a route-table, which makes it remove our \
                 routes, could not be looked at"
                    .to_owned(),
                format!("nmcli -f ipv4.route-table,ipv6.route-table connection show {profile}"),
            ),
        };
        Some(Hazard::new(Kind::NetworkManager, device, what, advice))
    };
    managed.iter().filter_map(hazard).collect()
}
