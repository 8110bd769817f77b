//! `firewall` and `forwards`: what passes the router besides what its own people begin.

use std::net::{IpAddr, SocketAddr};

use serde_yaml::Value;

use super::matching::{Ports, Protocol};
use super::scalar;
use super::section::Section;
use super::uplink::{self, Uplink};
use crate::Family;

/// Which filter the rules have, where that is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// One that a router can live with: its own network reaches it, and the DMZ.
    Safe,
    /// None: the administrator has another.
    None,
}

/// A service of a host inside that can be reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The uplinks that it is reached by, by place in the configuration.
    pub uplinks: Vec<usize>,
    /// TCP, UDP, or both.
    pub protocols: Vec<Protocol>,
    /// The ports that the internet sees.
    pub ports: Vec<Ports>,
    /// The host.
    pub to: IpAddr,
    /// Its port, where that is another than the internet sees.
    pub to_port: Option<u16>,
}

impl Forward {
    /// Which family it is for: that of the host.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.to)
    }

    /// The ports that the host sees.
    #[must_use]
    pub fn inner_ports(&self) -> Vec<Ports> {
        self.to_port.map_or_else(|| self.ports.clone(), |port| vec![Ports { first: port, last: port }])
    }
}

pub(super) fn read_firewall(root: &mut Section<'_>) -> Option<Firewall> {
    root.optional("firewall", scalar::one_of(&[("safe", Firewall::Safe), ("none", Firewall::None)]))
}

/// Reads the list; an item that is wrong is left out, and noted.
pub(super) fn read_forwards(root: &mut Section<'_>, uplinks: &[Option<Uplink>]) -> Vec<Forward> {
    if !root.has("forwards") {
        return Vec::new();
    }
    let mut taken: Vec<Forward> = Vec::new();
    root.sections("forwards", |mut section| {
        let forward = one(&mut section, uplinks);
        if let Some(forward) = &forward {
            if let Some((port, uplink)) = taken.iter().find_map(|earlier| overlap(earlier, forward)) {
                let name = uplinks.get(uplink).and_then(Option::as_ref).map_or("it", |uplink| uplink.name.as_str());
                section.wrong("port", format!("port {port} of {name} is forwarded already, allowed: each once"));
            }
            taken.push(forward.clone());
        }
        section.finish();
        forward
    });
    taken
}

fn one(section: &mut Section<'_>, uplinks: &[Option<Uplink>]) -> Option<Forward> {
    let stated = section.has("uplink");
    let named = uplink::read_places(section, "uplink", uplinks);
    for (key, what) in [
        ("protocol", "tcp or udp, or both in a list"),
        ("port", "the port that the internet sees, a range, or a list of them"),
    ] {
        if !section.has(key) {
            section.missing(key, what);
        }
    }
    let protocols = section.list("protocol", scalar::one_of(&[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)]));
    let ports: Vec<Ports> = section.list("port", scalar::parsed);
    let (to, to_port) = section.required("to", "the address of the host inside, with a port or without", target)?;
    let several = ports.len() > 1 || ports.iter().any(|ports| ports.first != ports.last);
    if to_port.is_some() && several {
        section.wrong("to", "one port behind several, allowed: no port here, or a single one in port");
    }
    let family = Family::of(to);
    let leads = |place: &usize| uplinks.get(*place).and_then(Option::as_ref).is_none_or(|uplink| uplink.has(family));
    if let Some(place) = named.iter().find(|place| !leads(place)) {
        let name = uplinks.get(*place).and_then(Option::as_ref).map_or("the uplink", |uplink| uplink.name.as_str());
        section.wrong("to", format!("{to}, but {name} has no {family}"));
    }
    let places = if stated { named } else { (0..uplinks.len()).filter(leads).collect() };
    if !stated && places.is_empty() {
        section.wrong("to", format!("{to}, but no uplink has {family}"));
    }
    let whole = !places.is_empty() && !protocols.is_empty() && !ports.is_empty();
    whole.then_some(Forward { uplinks: places, protocols, ports, to, to_port })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn target(value: &Value) -> Result<(IpAddr, Option<u16>), String> {
    let text = scalar::text(value)?;
    let both = text.parse::<SocketAddr>().ok().filter(|both| both.port() > 0);
    let (address, port) = match both {
        Some(both) => (Some(both.ip()), Some(both.port())),
        None => (text.parse::<IpAddr>().ok(), None),
    };
    address
        .filter(|address| !address.is_unspecified() && !address.is_loopback() && !address.is_multicast())
        .map(|address| (address, port))
        .ok_or_else(|| {
            format!("{text:?} is no host, allowed: such as 192.168.1.10, 192.168.1.10:8443 or [fd00::10]:443")
        })
}

/// A port and an uplink that both take, where the second never gets it.
fn overlap(earlier: &Forward, later: &Forward) -> Option<(u16, usize)> {
    let alike = earlier.family() == later.family()
        && earlier.protocols.iter().any(|protocol| later.protocols.contains(protocol));
    let uplink = earlier.uplinks.iter().find(|place| later.uplinks.contains(place))?;
    let mut pairs = earlier.ports.iter().flat_map(|one| later.ports.iter().map(move |other| (one, other)));
    let port = pairs.find(|(one, other)| one.first <= other.last && other.first <= one.last);
    port.filter(|_| alike).map(|(one, other)| (one.first.max(other.first), *uplink))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{ClampMss, Config, Nat6};
    use super::Firewall;

    const BASE: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, type6: ra, prefix6: '2001:db8:1::/56', nat6: npt}
- {interface: ppp0, type: ppp, clamp_mss: 1452}
downlinks: {lan: eth0, prefix6: 'fd00:1::/64'}
tests: {ips: [198.51.100.1, '2001:db8:9::1']}
firewall: safe
forwards:
- {protocol: [tcp, udp], port: [443, 5060-5070], to: 192.168.1.10}
- {uplink: eth1, protocol: tcp, port: 80, to: '[fd00:1::10]:8080'}
";

    fn parse(text: &str) -> Result<Config, Vec<String>> {
        Config::parse(Path::new("f"), text).map_err(|problems| problems.lines())
    }

    #[test]
    fn forwards_take_every_uplink_of_their_family_or_those_they_name() {
        let config = parse(BASE).unwrap();
        let [both, one] = config.forwards.as_slice() else { panic!("two forwards") };
        assert_eq!((both.uplinks.as_slice(), both.ports.len(), both.to_port), (&[0, 1][..], 2, None));
        assert_eq!((one.uplinks.as_slice(), one.to_port, one.inner_ports()[0].first), (&[0][..], Some(8080), 8080));
        assert_eq!(config.firewall, Some(Firewall::Safe));
        assert_eq!((config.uplinks[0].nat6, config.uplinks[1].clamp_mss), (Nat6::Prefix, Some(ClampMss::Bytes(1452))));
        assert_eq!(parse(&config.effective_yaml()).unwrap(), config, "{}", config.effective_yaml());
        let unnamed = parse(&BASE.replace("uplink: eth1, ", "")).unwrap();
        assert_eq!(unnamed.forwards[1].uplinks, [0]);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (from, to, what) in [
            ("to: 192.168.1.10}", "to: 192.168.1.10:443}", "one port behind several"),
            ("to: 192.168.1.10}", "to: 127.0.0.1}", "is no host"),
            ("to: 192.168.1.10}", "to: 'fd00::1:'}", "is no host"),
            ("to: 192.168.1.10}", "to: }", "to is missing"),
            ("protocol: tcp, ", "", "protocol is missing"),
            ("protocol: tcp, ", "protocol: icmp, ", "allowed: tcp, udp"),
            ("port: 80", "port: 0", "is no port"),
            ("port: 80", "ports: 80", "did you mean port"),
            ("uplink: eth1", "uplink: eth9", "no uplink of this file"),
            ("uplink: eth1", "uplink: ppp0", "ppp0 has no IPv6"),
            ("port: 80, to: '[fd00:1::10]:8080'", "port: 5065, to: 192.168.1.11", "port 5065 of eth1 is forwarded"),
            ("firewall: safe", "firewall: open", "allowed: safe, none"),
            ("clamp_mss: 1452", "clamp_mss: 100", "allowed: 536 to 8960, or true"),
            ("clamp_mss: 1452", "nat6: masquerade", "without IPv6"),
            ("prefix6: '2001:db8:1::/56', ", "", "npt without a prefix"),
            (", prefix6: 'fd00:1::/64'}", "}", "as prefix6 in downlinks"),
            ("fd00:1::/64", "fd00::/48", "fd00::/48 is larger than 2001:db8:1::/56"),
        ] {
            assert!(BASE.contains(from), "{from}");
            let told = parse(&BASE.replacen(from, to, 1)).expect_err(to);
            assert!(told.iter().any(|line| line.contains(what)), "{to}: {told:?}");
        }
    }

    #[test]
    fn policies_are_for_all_but_what_comes_in_by_uplinks() {
        let with = |device: &str| {
            parse(&format!("{BASE}policies: [{{name: a, uplinks: eth1, match: {{interface: {device}}}}}]\n"))
        };
        for device in ["eth0", "docker0", "[self, eth0]"] {
            let config = with(device).unwrap();
            assert_eq!(parse(&config.effective_yaml()).unwrap().policies, config.policies);
        }
        assert!(with("self").unwrap().policies[0].matching.as_ref().is_some_and(|matching| matching.own));
        assert!(with("[self, eth1]").expect_err("an uplink")[0].contains("eth1 is an uplink"));
    }
}
