//! Devices that are in one network: an uplink and another, or an uplink and the people who are served.

use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::{Config, Uplink, UplinkKind};
use ftr_core::shell;
use ftr_netlink::Prefix;

use super::hazard::{Hazard, Kind};
use crate::plan::sysctl::{ANNOUNCE, IGNORE, Net, Values};

/// The networks of a device, and its addresses in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    pub(super) device: String,
    pub(super) prefixes: Vec<Prefix>,
    pub(super) addresses: Vec<IpAddr>,
}

/// The parameters that say how a device answers ARP.
pub(super) fn relevant(config: &Config) -> Vec<String> {
    let names = config.uplinks.iter().map(|uplink| uplink.name.as_str()).chain(["all"]);
    names.flat_map(|name| [IGNORE, ANNOUNCE].map(|key| path(name, key))).collect()
}

fn path(device: &str, key: &str) -> String {
    Net(Family::V4).device(device, key)
}

/// What overlaps.
pub(super) fn evaluate(config: &Config, networks: &[Networks], values: &Values) -> Vec<Hazard> {
    let of = |device: &str| networks.iter().find(|networks| networks.device == device);
    let mut hazards = Vec::new();
    for (i, uplink) in config.uplinks.iter().enumerate() {
        let Some(own) = of(uplink.name.as_str()) else { continue };
        for other in config.downlinks.lan.iter().chain(&config.downlinks.dmz) {
            if let Some(shared) = of(other.as_str()).and_then(|other| overlap(own, other)) {
                let what =
                    format!("{shared} is its network and that of {other}: hosts of one of them are out of reach");
                let advice = format!("give {other} another network: ip address replace ADDRESS/LENGTH dev {other}");
                hazards.push(Hazard::new(Kind::SameNetwork, uplink.name.as_str(), what, advice));
            }
        }
        for other in config.uplinks.iter().skip(i + 1) {
            let shared = of(other.name.as_str()).and_then(|other| overlap(own, other));
            let Some(shared) = shared.filter(|shared| Family::of(shared.address()) == Family::V4) else { continue };
            let names = [uplink.name.as_str(), other.name.as_str()];
            let missing: Vec<String> = names.iter().flat_map(|name| answers_for_others(name, values)).collect();
            if !missing.is_empty() {
                let object = names.join(" and ");
                let what = format!("both are in {shared}, and each answers ARP for the other's address");
                let advice = format!("sysctl -w {}", shell::line(&missing));
                hazards.push(Hazard::new(Kind::SameNetwork, object, what, advice));
            }
        }
    }
    hazards
}

/// Gateways outside every network of their uplinks. They are reached all the same (`onlink`), but are more often a slip; not
/// where a provider gives an address without a network.
pub(super) fn far_gateways(config: &Config, networks: &[Networks]) -> Vec<Hazard> {
    let hazard = |uplink: &Uplink| {
        let UplinkKind::Static { gateway: Some(gateway), .. } = uplink.kind else { return None };
        let own = networks.iter().find(|networks| networks.device == uplink.name.as_str())?;
        let four = own.prefixes.iter().filter(|prefix| prefix.family() == Family::V4);
        let mut four = four.filter(|prefix| **prefix != Prefix::host(prefix.address())).peekable();
        let is_far = four.peek().is_some() && !four.any(|prefix| prefix.contains(gateway.into()));
        let what = format!("its gateway {gateway} is outside every network of the device, and asked for on its link");
        let advice = format!("if that is a slip, correct the gateway of {} in {}", uplink.name, config.file.display());
        is_far.then(|| Hazard::new(Kind::FarGateway, uplink.name.as_str(), what, advice))
    };
    config.uplinks.iter().filter_map(hazard).collect()
}

fn overlap(one: &Networks, other: &Networks) -> Option<Prefix> {
    let pairs = one.prefixes.iter().flat_map(|a| other.prefixes.iter().map(move |b| (a, b)));
    let mut shared = pairs.filter(|(a, b)| a.contains(b.address()) || b.contains(a.address()));
    shared.next().map(|(a, b)| if a.length() < b.length() { *a } else { *b })
}

/// The settings that a device lacks to answer for its own addresses alone. The larger of the device's value and that
/// of `all` is in force.
fn answers_for_others(device: &str, values: &Values) -> Vec<String> {
    let value = |path: String| values.get(&path).and_then(|value| value.parse::<u8>().ok()).unwrap_or(0);
    let lacks = |(key, needed): &(&str, u8)| value(path(device, key)).max(value(path("all", key))) < *needed;
    let wanted = [(IGNORE, 1), (ANNOUNCE, 2)];
    wanted.iter().filter(|one| lacks(one)).map(|(key, needed)| format!("{}={needed}", path(device, key))).collect()
}

#[cfg(test)]
mod tests {
    use super::{Networks, evaluate, far_gateways};
    use crate::plan::sysctl::Values;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_netlink::Prefix;

    fn told(networks: &[(&str, [u8; 4], u8)], values: &[(&str, &str)]) -> Vec<String> {
        let networks: Vec<Networks> = networks
            .iter()
            .map(|(device, address, length)| Networks {
                device: (*device).to_owned(),
                prefixes: Prefix::new((*address).into(), *length).into_iter().collect(),
                ..Networks::default()
            })
            .collect();
        let values: Values = values.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect();
        evaluate(&config(CONFIG), &networks, &values).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_uplinks_in_one_network_need_arp_to_be_strict() {
        let same = [("eth1", [192, 168, 1, 0], 24), ("eth2", [192, 168, 0, 0], 16)];
        let lines = told(&same, &[]);
        assert!(lines[0].starts_with("warning: eth1 and eth2: both are in 192.168.0.0/16"), "{lines:?}");
        assert!(lines[0].contains("sysctl -w net/ipv4/conf/eth1/arp_ignore=1 net/ipv4/conf/eth1/arp_announce=2"));
        let all = [("net/ipv4/conf/all/arp_ignore", "1"), ("net/ipv4/conf/all/arp_announce", "2")];
        assert_eq!(told(&same, &all), [""; 0]);
        let lines = told(&same, &[all[0], ("net/ipv4/conf/eth1/arp_announce", "2")]);
        assert!(lines[0].ends_with(": sysctl -w net/ipv4/conf/eth2/arp_announce=2"), "{lines:?}");
        assert_eq!(told(&[("eth1", [1, 0, 0, 0], 24), ("eth2", [2, 0, 0, 0], 24)], &[]), [""; 0]);
    }

    #[test]
    fn a_gateway_outside_the_network_is_seen_where_there_is_a_network() {
        let told = |address: [u8; 4], length| {
            let prefixes = Prefix::new(address.into(), length).into_iter().collect();
            let networks = [Networks { device: "eth2".to_owned(), prefixes, ..Networks::default() }];
            far_gateways(&config(CONFIG), &networks).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(told([2, 0, 0, 0], 24), [""; 0]);
        assert_eq!(told([9, 9, 9, 9], 32), [""; 0]);
        let lines = told([2, 0, 1, 0], 24);
        assert!(lines[0].starts_with("warning: eth2: its gateway 2.0.0.1 is outside every network"), "{lines:?}");
    }

    #[test]
    fn a_provider_may_use_the_network_of_the_lan() {
        let lines = told(&[("eth1", [192, 168, 1, 0], 24), ("eth0", [192, 168, 1, 0], 24)], &[]);
        assert!(lines[0].starts_with("warning: eth1: 192.168.1.0/24 is its network and that of eth0"), "{lines:?}");
    }
}
