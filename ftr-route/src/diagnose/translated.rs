//! Whether what comes from the LAN leaves with an address that providers let through.

use std::fmt;

use ftr_core::config::{Config, Uplink};
use ftr_core::{Family, InterfaceName, Prefix};
use ftr_firewall::Translation;

use super::networks::Networks;
use crate::plan::given_up::translates;

/// Networks whose packets keep their source where they leave by some of the uplinks.
#[derive(Debug)]
pub(super) struct Untranslated<'a> {
    devices: Vec<&'a str>,
    uplinks: Vec<&'a str>,
    /// Those are all that the configuration has translate.
    pub(super) all: bool,
    /// They have to translate only what comes from the prefix of another uplink, while that is down.
    rescues: bool,
}

/// The uplinks that no rule translates at, though the configuration has it so.
///
/// A rule for one device or for one network counts for that; all others count for all, whatever else they ask: which
/// packets reach them through chains of others nobody follows here.
pub(super) fn lacking<'a>(
    config: &'a Config,
    family: Family,
    translations: &[Translation],
    networks: &[Networks],
) -> Option<Untranslated<'a>> {
    let of_family = |prefix: &&Prefix| prefix.family() == family;
    let inside = |device: &str| {
        let known = networks.iter().filter(move |networks| networks.device == device);
        known.flat_map(|networks| &networks.prefixes).filter(of_family).copied().collect::<Vec<Prefix>>()
    };
    let lan = config.downlinks.lan.iter().map(InterfaceName::as_str);
    let lan: Vec<(&str, Vec<Prefix>)> = lan.map(|device| (device, inside(device))).collect();
    let lan: Vec<_> = lan.into_iter().filter(|(_, prefixes)| !prefixes.is_empty()).collect();
    let overlaps = |source: Prefix| {
        let mut prefixes = lan.iter().flat_map(|(_, prefixes)| prefixes);
        prefixes.any(|prefix| prefix.contains(source.address()) || source.contains(prefix.address()))
    };
    let is_translated = |uplink: &str| {
        translations.iter().any(|rule| {
            rule.family.is_none_or(|only| only == family)
                && rule.output.as_deref().is_none_or(|only| only == uplink)
                && rule.source.is_none_or(overlaps)
        })
    };
    let rescues = |i: usize| {
        let others = config.delegated().filter(|(whose, prefix)| *whose != i && of_family(&prefix));
        config.rescues(i) && others.into_iter().any(|(_, prefix)| overlaps(prefix))
    };
    let of_family = config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.has(family));
    let meant: Vec<(usize, &Uplink)> =
        of_family.filter(|(i, uplink)| translates(uplink, family) || rescues(*i)).collect();
    let missed: Vec<&(usize, &Uplink)> =
        meant.iter().filter(|(_, uplink)| !is_translated(uplink.name.as_str())).collect();
    if lan.is_empty() || missed.is_empty() {
        return None;
    }
    Some(Untranslated {
        devices: lan.iter().map(|(device, _)| *device).collect(),
        all: missed.len() == meant.len(),
        rescues: !missed.iter().any(|(_, uplink)| translates(uplink, family)),
        uplinks: missed.into_iter().map(|(_, uplink)| uplink.name.as_str()).collect(),
    })
}

impl fmt::Display for Untranslated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, by) = (self.devices.join(", "), self.uplinks.join(", "));
        if self.rescues {
            return write!(
                f,
                "what comes from {from} with the prefix of an uplink that is down leaves by {by} with that prefix, to which \
                 no answer comes back"
            );
        }
        write!(f, "what comes from {from} leaves by {by} with its own address, to which no answer comes back")
    }
}

#[cfg(test)]
mod tests {
    use super::lacking;
    use crate::diagnose::networks::Networks;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::{Family, Prefix};
    use ftr_firewall::Translation;

    /// The uplinks that are named, and whether they are all, with these rules: device and network.
    fn told(text: &str, rules: &[(Option<&str>, Option<&str>)]) -> Option<String> {
        let network = |device: &str, prefix: &str| Networks {
            device: device.to_owned(),
            prefixes: prefix.parse::<Prefix>().into_iter().collect(),
        };
        let networks = [network("eth0", "10.0.0.0/24"), network("docker0", "172.17.0.0/16")];
        let rule = |(output, source): &(Option<&str>, Option<&str>)| Translation {
            family: Some(Family::V4),
            output: output.map(str::to_owned),
            source: source.and_then(|source| source.parse().ok()),
        };
        let rules: Vec<Translation> = rules.iter().map(rule).collect();
        let config = config(text);
        let lacking = lacking(&config, Family::V4, &rules, &networks)?;
        Some(format!("{}{}", lacking.uplinks.join(" "), if lacking.all { ", all" } else { "" }))
    }

    #[test]
    fn each_uplink_needs_a_rule_for_the_lan() {
        let named = |uplinks: &str| Some(uplinks.to_owned());
        assert_eq!(told(CONFIG, &[]), named("eth1 eth2 ppp0, all"));
        assert_eq!(told(CONFIG, &[(Some("eth1"), None), (Some("ppp0"), Some("10.0.0.0/8"))]), named("eth2"));
        assert_eq!(told(CONFIG, &[(None, Some("172.17.0.0/16"))]), named("eth1 eth2 ppp0, all"));
        assert_eq!(told(CONFIG, &[(None, None)]), None);
        assert_eq!(told(CONFIG, &[(None, Some("10.0.0.128/25"))]), None);
    }

    #[test]
    fn where_a_prefix_is_rescued_every_other_uplink_has_to_translate_it() {
        let told = |more: &str, outputs: &[&str]| {
            let six = |i: u8, more: &str| format!(", ip6: '2001:db8:{i}::2', gateway6: '2001:db8:{i}::1'{more}");
            let text = CONFIG.replace("gateway: 1.0.0.1", &format!("gateway: 1.0.0.1{}", six(1, "")));
            let prefix = ", prefix6: '2001:db8:2:100::/56'";
            let text = text.replace("gateway: 2.0.0.1", &format!("gateway: 2.0.0.1{}", six(2, prefix))) + more;
            let networks = [Networks {
                device: "eth0".to_owned(),
                prefixes: "2001:db8:2:100::/64".parse::<Prefix>().into_iter().collect(),
            }];
            let rule = |output: &&str| Translation { family: None, output: Some((*output).to_owned()), source: None };
            let rules: Vec<Translation> = outputs.iter().map(rule).collect();
            lacking(&config(&text), Family::V6, &rules, &networks).map(|lacking| lacking.to_string())
        };
        let all = told("", &[]).unwrap();
        assert!(all.contains("with the prefix of an uplink that is down leaves by eth1 with that prefix"), "{all}");
        assert_eq!(told("", &["eth1"]), None);
        assert_eq!(told("routing: {ipv6_rescue: deprecate}\n", &[]), None);
    }

    #[test]
    fn nobody_is_missed_where_nobody_is_served_or_nothing_shall_be_translated() {
        assert_eq!(told(&CONFIG.replace("lan: eth0", "lan: eth9"), &[]), None);
        let none = CONFIG.replace("weight: 2}", "weight: 2, nat: none}");
        assert_eq!(told(&none, &[(Some("eth1"), None), (Some("ppp0"), None)]), None);
    }
}
