//! The router's configuration file for a lab, in the original's form, with a test's overrides merged in.

use crate::error::{Result, malformed};
use crate::ipv6;
use crate::plan::{Kind, Kind6, TARGETS, Uplink};
use serde_yaml::{Mapping, Value};
use std::path::Path;

/// Base table, priority and mark of the original's example.
const BASE: &str = "base_table: 1\nbase_priority: 40000\nbase_fwmark: 1\n";

/// The same where DHCP or router advertisements put default routes into the table main, which must not come first.
const BEFORE_MAIN: &str = "base_table: 1\nbase_priority: 20000\nbase_fwmark: 0x100\nfwmark_mask: 0xff00\n";

/// The whole file: the lab's uplinks, a check every second of 4 of 6 targets of each family, and `overrides` on top.
/// Nothing is held down, for a scenario puts into seconds what takes days.
///
/// A mapping is merged key by key; anything else replaces what was there; null takes the key away.
///
/// # Errors
/// When the result cannot be written as YAML.
pub fn text(uplinks: &[Uplink], ipv6: bool, directory: &Path, overrides: &Mapping) -> Result<String> {
    let mut whole = base(uplinks, ipv6, directory)?;
    merge(&mut whole, overrides);
    serde_yaml::to_string(&whole).map_err(|error| malformed("configuration of the lab", &error))
}

fn base(uplinks: &[Uplink], ipv6: bool, directory: &Path) -> Result<Mapping> {
    let mut targets = TARGETS.map(|target| target.to_string()).to_vec();
    if ipv6 {
        // In quotes: a colon ends a key in YAML.
        targets.extend(ipv6::TARGETS.map(|target| format!("'{target}'")));
    }
    let targets = targets.join(", ");
    let learns = |uplink: &Uplink| uplink.wish.kind == Kind::Dhcp || ipv6 && uplink.wish.type6 == Kind6::Ra;
    let numbering = if uplinks.iter().any(learns) { BEFORE_MAIN } else { BASE };
    let lines: Vec<String> = uplinks.iter().map(|uplink| uplink_line(uplink, ipv6)).collect();
    let text = format!(
        "uplinks:\n{}downlinks: {{lan: eth0, dmz: }}\n\
         tests: {{ips: [{targets}], required_successful: 4, ping_retries: 1, interval: 1, timeout: 450ms}}\n\
         routing: {{hold_down: 0s}}\n\
         log: {{file: {}/ftr.log, max_size: 1024000, old_files: 10}}\n\
         email: {{send: false, sender: router@example.net, recipients: [admin@ftr.test], \
         smtp_parameters: {{address: 127.0.0.1, port: 2525}}}}\n{numbering}",
        lines.concat(),
        directory.display(),
    );
    parse(&text)
}

/// Reads a piece of configuration.
///
/// # Errors
/// When it is not a YAML mapping.
pub fn parse(text: &str) -> Result<Mapping> {
    serde_yaml::from_str(text).map_err(|error| malformed("configuration of the lab", &error))
}

fn uplink_line(uplink: &Uplink, ipv6: bool) -> String {
    let mut keys = vec![format!("interface: {}", uplink.device())];
    match uplink.wish.kind {
        Kind::Static | Kind::Macvlan => {
            keys.push(format!("type: static, ip: {}, gateway: {}", uplink.address(), uplink.gateway()));
        }
        Kind::Tunnel | Kind::Modem => keys.push(format!("type: static, ip: {}, gateway: none", uplink.address())),
        Kind::Ppp => keys.push("type: ppp".to_owned()),
        Kind::Dhcp => keys.push("type: dhcp".to_owned()),
    }
    if ipv6 {
        match uplink.wish.type6 {
            Kind6::Static => {
                keys.push(format!("ip6: '{}', gateway6: '{}'", ipv6::address(uplink), ipv6::gateway(uplink)));
            }
            Kind6::Ra => keys.push("type6: ra".to_owned()),
            Kind6::None => {}
        }
        keys.extend(uplink.wish.delegated.then(|| format!("prefix6: '{}'", ipv6::delegated(uplink))));
        // Addresses of the LAN mean nothing outside; those of a prefix that came with the uplink go as they are.
        let translates = uplink.wish.type6 != Kind6::None && !uplink.wish.native;
        keys.extend(translates.then(|| "nat6: masquerade".to_owned()));
    }
    keys.push(format!("description: Provider {}", uplink.number));
    keys.extend(uplink.wish.weight.map(|weight| format!("weight: {weight}")));
    keys.extend(uplink.wish.priority_group.map(|group| format!("priority_group: {group}")));
    keys.extend(uplink.wish.default_route.map(|eligible| format!("default_route: {eligible}")));
    keys.extend((!uplink.wish.dns.is_empty()).then(|| format!("dns: ['{}']", uplink.wish.dns.join("', '"))));
    format!("- {{{}}}\n", keys.join(", "))
}

fn merge(into: &mut Mapping, overrides: &Mapping) {
    for (key, value) in overrides {
        match (into.get_mut(key), value) {
            (Some(Value::Mapping(old)), Value::Mapping(new)) => merge(old, new),
            (_, Value::Null) => drop(into.remove(key)),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{three, uplinks};

    #[test]
    fn overrides_reach_into_mappings_and_null_removes() {
        let overrides: Mapping = serde_yaml::from_str("{tests: {timeout: 2s}, log: }").unwrap();
        let text = text(&uplinks(&three()), false, Path::new("/x"), &overrides).unwrap();
        let whole: Mapping = serde_yaml::from_str(&text).unwrap();
        assert_eq!(whole["tests"]["timeout"], Value::from("2s"));
        assert_eq!(whole["tests"]["interval"], Value::from(1));
        assert!(!whole.contains_key("log"));
        assert_eq!(whole["uplinks"][1]["gateway"], Value::from("2.0.0.1"));
    }
}
