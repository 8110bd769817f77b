//! Prefixes that are not stated (`prefix6: auto`): `ftr-route` knows them.

use std::time::Duration;

use ftr_core::{Config, Prefix};
use ftr_tool::programs;
use ftr_tool::run::{Bounds, run};
use serde::Deserialize;

const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 4 << 20 };

/// What `ftr-route show -j` says of a family, as far as it is needed.
#[derive(Deserialize)]
struct Overview {
    uplinks: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    uplink: String,
    #[serde(default)]
    prefixes: Vec<Prefix>,
    #[serde(default)]
    former: Vec<Prefix>,
}

/// Fills in what is known now.
///
/// # Errors
/// Why nothing is. The rules can be printed without, for marks and the filter do not need it.
pub(crate) fn fill(config: &mut Config) -> Result<(), String> {
    let overview =
        ask(config).map_err(|reason| format!("warning: prefix6: auto: nothing is known of it: ftr-route: {reason}"))?;
    take(config, &overview);
    Ok(())
}

fn ask(config: &Config) -> Result<Overview, String> {
    let mut command = programs::sibling("ftr-route").map_err(|error| error.to_string())?;
    command.arg("--config").arg(&config.file).args(["-6", "--json", "show"]);
    let text = run(&mut command, &[], BOUNDS).map_err(|error| error.to_string())?.text()?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn take(config: &mut Config, overview: &Overview) {
    for uplink in config.uplinks.iter_mut().filter(|uplink| uplink.prefixes6.auto) {
        let row = overview.uplinks.iter().filter(|row| row.uplink == uplink.name.as_str());
        let (prefixes, former): (Vec<_>, Vec<_>) = row.map(|row| (row.prefixes.clone(), row.former.clone())).unzip();
        uplink.prefixes6.known = prefixes.concat();
        uplink.prefixes6.former = former.concat();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Overview, take};
    use crate::model::Table;
    use crate::render::{Backend, Request, render};
    use ftr_core::{Config, Family};

    const TEXT: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, type6: ra, prefix6: '2001:db8:1::/56'}
- {interface: eth2, type: dhcp, type6: ra, prefix6: auto}
downlinks: {lan: eth0}
tests: {ips: [203.0.113.1, '2001:db8:f::1']}
";

    /// The rules of the nat table for IPv6 once `ftr-route` has said this.
    fn rules(said: &str) -> Vec<String> {
        let mut config = Config::parse(Path::new("test"), TEXT).unwrap();
        let overview: Overview = serde_json::from_str(said).unwrap();
        take(&mut config, &overview);
        let request = Request { backend: Backend::Iptables, families: vec![Family::V6], tables: vec![Table::Nat] };
        let text = render(&config, &request);
        let lines = text.lines().map(|line| line.trim_start_matches("[0:0] "));
        lines.filter(|line| line.starts_with("-A ")).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_known_is_at_home_and_what_was_until_lately_is_nowhere() {
        let jump = "-m policy --dir out --pol none -j RESCUE";
        let expected = [
            "-A POSTROUTING -o eth1 -s 2001:db8:1::/56 -j ACCEPT".to_owned(),
            format!("-A POSTROUTING -s 2001:db8:1::/56 {jump}"),
            "-A RESCUE -o eth1 -j NETMAP --to 2001:db8:1::/56".to_owned(),
            "-A RESCUE -o eth2 -j MASQUERADE".to_owned(),
        ];
        assert_eq!(rules(r#"{"family":6,"uplinks":[{"uplink":"eth2"}]}"#), expected);
        let said = r#"{"uplinks":[{"uplink":"eth1","prefixes":["2001:db8:9::/56"]},
            {"uplink":"eth2","prefixes":["2001:db8:2::/56"],"former":["2001:db8:3::/64"]}]}"#;
        let all = rules(said);
        for line in [
            "-o eth2 -s 2001:db8:2::/56 -j ACCEPT".to_owned(),
            format!("-s 2001:db8:2::/56 {jump}"),
            format!("-s 2001:db8:3::/64 {jump}"),
        ] {
            assert!(all.contains(&format!("-A POSTROUTING {line}")), "{line}: {all:#?}");
        }
        assert_eq!(all.len(), expected.len() + 3, "what is stated is not learned: {all:#?}");
    }
}
