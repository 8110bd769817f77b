//! Whether what comes from the LAN leaves with an address that providers let through.

use std::fmt;
use std::net::IpAddr;

use ftr_core::config::{Config, Ipv6Kind, Uplink, UplinkKind};
use ftr_core::{Family, InterfaceName, Prefix};
use ftr_firewall::Translation;

use super::networks::Networks;
use crate::plan::given_up::translates;

/// Networks whose packets keep their source where they leave by some of the uplinks.
#[derive(Debug)]
pub(super) struct Untranslated<'a> {
    devices: Vec<&'a str>,
    uplinks: Vec<&'a str>,
    /// Those of them where an address is stated that they do not have, and which.
    foreign: Vec<(&'a str, IpAddr)>,
    /// Those are all that the configuration has translate, and no rule does anything there.
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
    let rules = |uplink: &'a str| {
        translations.iter().filter(move |rule| {
            rule.family.is_none_or(|only| only == family)
                && rule.output.as_deref().is_none_or(|only| only == uplink)
                && rule.source.is_none_or(overlaps)
        })
    };
    let is_own = |uplink: &Uplink, to: IpAddr| may_have(config, uplink, family, networks, to);
    let is_translated =
        |uplink: &'a Uplink| rules(uplink.name.as_str()).any(|rule| rule.to.is_none_or(|to| is_own(uplink, to)));
    let rescues = |i: usize| {
        let others = config.delegated().filter(|(whose, prefix)| *whose != i && of_family(&prefix));
        config.rescues(i) && others.into_iter().any(|(_, prefix)| overlaps(prefix))
    };
    let of_family = config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.has(family));
    let meant: Vec<(usize, &Uplink)> =
        of_family.filter(|(i, uplink)| translates(uplink, family) || rescues(*i)).collect();
    let missed: Vec<&'a Uplink> =
        meant.iter().map(|(_, uplink)| *uplink).filter(|uplink| !is_translated(uplink)).collect();
    if lan.is_empty() || missed.is_empty() {
        return None;
    }
    let uplinks: Vec<&str> = missed.iter().map(|uplink| uplink.name.as_str()).collect();
    let foreign: Vec<_> =
        uplinks.iter().filter_map(|name| Some((*name, rules(name).find_map(|rule| rule.to)?))).collect();
    Some(Untranslated {
        devices: lan.iter().map(|(device, _)| *device).collect(),
        all: missed.len() == meant.len() && foreign.is_empty(),
        rescues: !missed.iter().any(|uplink| translates(uplink, family)),
        uplinks,
        foreign,
    })
}

/// Whether answers to an address come back by an uplink, as far as this host knows: the address is the one that the
/// configuration states, or that of a device, and not another uplink's. Who states his address may have others routed to it, from
/// outside the networks of uplinks. Of an uplink without an address nothing is known.
fn may_have(config: &Config, uplink: &Uplink, family: Family, networks: &[Networks], to: IpAddr) -> bool {
    let is_of_uplinks = |networks: &Networks| config.position(&networks.device).is_some();
    let stated = match (to, uplink.kind, uplink.ipv6) {
        (IpAddr::V4(_), UplinkKind::Static { ip, .. }, _) => Some(IpAddr::V4(ip)),
        (IpAddr::V6(_), _, Some(Ipv6Kind::Static { ip, .. })) => Some(IpAddr::V6(ip)),
        _ => None,
    };
    let is_routed = || {
        let mut prefixes =
            networks.iter().filter(|networks| is_of_uplinks(networks)).flat_map(|networks| &networks.prefixes);
        stated.is_some() && !prefixes.any(|prefix| prefix.contains(to))
    };
    let name = uplink.name.as_str();
    let of_uplink = networks.iter().filter(|networks| networks.device == name).flat_map(|networks| &networks.addresses);
    let is_known = of_uplink.copied().any(|address| Family::of(address) == family);
    let others = |device: &str| device != name && config.position(device).is_some();
    stated == Some(to)
        || is_routed()
        || !is_known
        || networks.iter().any(|networks| networks.addresses.contains(&to) && !others(&networks.device))
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
        let (foreign, mut ways): (Vec<&str>, Vec<String>) = self
            .foreign
            .iter()
            .map(|(uplink, to)| (*uplink, format!("by {uplink} with {to}, an address that {uplink} does not have")))
            .unzip();
        let own: Vec<&str> = self.uplinks.iter().copied().filter(|uplink| !foreign.contains(uplink)).collect();
        if !own.is_empty() {
            ways.push(format!("by {} with its own address", own.join(", ")));
        }
        write!(f, "what comes from {from} leaves {}, to which no answer comes back", ways.join(", and "))
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
            ..Networks::default()
        };
        let networks = [network("eth0", "10.0.0.0/24"), network("docker0", "172.17.0.0/16")];
        let rule = |(output, source): &(Option<&str>, Option<&str>)| Translation {
            family: Some(Family::V4),
            output: output.map(str::to_owned),
            source: source.and_then(|source| source.parse().ok()),
            ..Translation::default()
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
                ..Networks::default()
            }];
            let rule = |output: &&str| Translation { output: Some((*output).to_owned()), ..Translation::default() };
            let rules: Vec<Translation> = outputs.iter().map(rule).collect();
            lacking(&config(&text), Family::V6, &rules, &networks).map(|lacking| lacking.to_string())
        };
        let all = told("", &[]).unwrap();
        assert!(all.contains("with the prefix of an uplink that is down leaves by eth1 with that prefix"), "{all}");
        assert_eq!(told("", &["eth1"]), None);
        assert_eq!(told("routing: {ipv6_rescue: deprecate}\n", &[]), None);
    }

    #[test]
    fn an_address_that_the_uplink_does_not_have_is_no_translation() {
        let on = |device: &str, address: &str| Networks {
            device: device.to_owned(),
            prefixes: address.parse().ok().and_then(|address| Prefix::new(address, 24)).into_iter().collect(),
            addresses: address.parse().into_iter().collect(),
        };
        let networks = [on("eth0", "10.0.0.1"), on("eth2", "2.0.0.2"), on("ppp0", "3.0.0.2"), on("lo", "9.0.0.9")];
        let told = |rules: &[(&str, Option<&str>)], networks: &[Networks]| {
            let rule = |(output, to): &(&str, Option<&str>)| Translation {
                output: Some((*output).to_owned()),
                to: to.and_then(|to| to.parse().ok()),
                ..Translation::default()
            };
            let others = [("eth1", None), ("eth2", None)];
            let rules: Vec<Translation> = others.iter().chain(rules).map(rule).collect();
            lacking(&config(CONFIG), Family::V4, &rules, networks).map(|lacking| (lacking.all, lacking.to_string()))
        };
        let lacks = "what comes from eth0 leaves by ppp0 with 3.0.0.9, an address that ppp0 does not have, to which no";
        let (all, line) = told(&[("ppp0", Some("3.0.0.9"))], &networks).unwrap();
        assert!(!all && line.starts_with(lacks), "{line}");
        // Another provider's address is no better; one of a device of this host may be routed here.
        assert!(told(&[("ppp0", Some("2.0.0.2"))], &networks).is_some());
        for may in [Some("3.0.0.2"), Some("9.0.0.9"), None] {
            assert_eq!(told(&[("ppp0", may)], &networks), None, "{may:?}");
        }
        assert_eq!(told(&[("ppp0", Some("3.0.0.9")), ("ppp0", Some("3.0.0.2"))], &networks), None);
        assert_eq!(told(&[("ppp0", Some("3.0.0.9"))], &networks[..2]), None, "nothing is known of its address");
        // What the configuration states is what `ftr-rules` prints; that the device lacks it is said elsewhere.
        let old = |to: &str| {
            let rule = Translation { output: Some("eth2".to_owned()), to: to.parse().ok(), ..Translation::default() };
            lacking(&config(CONFIG), Family::V4, &[rule], &[on("eth0", "10.0.0.1"), on("eth2", "2.0.0.7")])
                .map(|lacking| lacking.to_string())
                .unwrap_or_default()
        };
        assert!(!old("2.0.0.2").contains("eth2"));
        // One of another network is routed here.
        assert!(!old("5.0.0.3").contains("eth2"));
        assert!(
            old("2.0.0.3").contains("by eth2 with 2.0.0.3, an address that eth2 does not have, and by eth1, ppp0 with")
        );
    }

    #[test]
    fn nobody_is_missed_where_nobody_is_served_or_nothing_shall_be_translated() {
        assert_eq!(told(&CONFIG.replace("lan: eth0", "lan: eth9"), &[]), None);
        let none = CONFIG.replace("weight: 2}", "weight: 2, nat: none}");
        assert_eq!(told(&none, &[(Some("eth1"), None), (Some("ppp0"), None)]), None);
    }
}
