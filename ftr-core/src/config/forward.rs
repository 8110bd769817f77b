//! `forwards`: services of hosts inside that can be reached from outside.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_yaml::Value;

use super::form::{ByHand, List, Needed, One as _, Scalar, Word};
use super::key::{Keys as _, keys};
use super::matching::{PORTS, Ports, Protocol};
use super::scalar;
use super::section::Section;
use super::uplink::{self, Uplink};
use crate::Family;

keys! {
    /// A service of a host inside that can be reached from outside.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Forward {
        /// The uplinks that it is reached by; without them, every one that has its family.
        "uplink" => pub uplinks: Vec<usize> = Vec::new(), ByHand("the interface of an uplink, or a list of them");
        /// The transport protocol, or both in a list.
        "protocol" => pub protocols: Vec<Protocol> = Vec::new(),
            Needed(List(SERVED), "tcp or udp, or both in a list");
        /// The ports that the internet sees.
        "port" => pub ports: Vec<Ports> = Vec::new(),
            Needed(List(PORTS), "the port that the internet sees, a range, or a list of them");
        /// The host inside, with a port where that is another than the internet sees.
        "to" => pub to: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Needed(
            ByHand("an address, with a port or without: 192.168.1.10, 192.168.1.10:8443, [fd00::10]:443"),
            "the address of the host inside, with a port or without",
        );
    }
    beside {
        /// Its port, where that is another than the internet sees.
        pub to_port: Option<u16> = None;
    }
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

/// Reads the list; an item that is wrong is left out, and noted.
pub(super) fn read(root: &mut Section<'_>, uplinks: &[Option<Uplink>]) -> Vec<Forward> {
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
    let mut forward = Forward::usual();
    forward.read(section);
    forward.uplinks = uplink::read_indices(section, "uplink", uplinks);
    (forward.to, forward.to_port) = section.optional("to", target)?;
    let several = forward.ports.len() > 1 || forward.ports.iter().any(|ports| ports.first != ports.last);
    if forward.to_port.is_some() && several {
        section.wrong("to", "one port behind several, allowed: no port here, or a single one in port");
    }
    let (to, family) = (forward.to, forward.family());
    let uplink = |index: usize| uplinks.get(index).and_then(Option::as_ref);
    let leads = |index: &usize| uplink(*index).is_none_or(|uplink| uplink.has(family));
    if let Some(index) = forward.uplinks.iter().find(|index| !leads(index)) {
        let name = uplink(*index).map_or("the uplink", |uplink| uplink.name.as_str());
        section.wrong("to", format!("{to}, but {name} has no {family}"));
    }
    if !section.has("uplink") {
        forward.uplinks = (0..uplinks.len()).filter(leads).collect();
        if forward.uplinks.is_empty() {
            section.wrong("to", format!("{to}, but no uplink has {family}"));
        }
    }
    let whole = !forward.uplinks.is_empty() && !forward.protocols.is_empty() && !forward.ports.is_empty();
    whole.then_some(forward)
}

impl Forward {
    /// Where it goes to as it is stated.
    pub(super) fn target(&self) -> String {
        self.to_port.map_or_else(|| self.to.to_string(), |port| SocketAddr::new(self.to, port).to_string())
    }
}

const SERVED: Scalar<Protocol> = Scalar {
    allowed: "tcp or udp",
    read: |value| match Word.read(value) {
        Ok(Protocol::Icmp) | Err(_) => Err("is not known, allowed: tcp, udp".to_owned()),
        served => served,
    },
    write: |protocol| protocol.as_str().into(),
};

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
        .ok_or_else(|| "is no host, allowed: such as 192.168.1.10, 192.168.1.10:8443 or [fd00::10]:443".to_owned())
}

/// A port and an uplink that both take, where the second never gets it.
fn overlap(earlier: &Forward, later: &Forward) -> Option<(u16, usize)> {
    let alike = earlier.family() == later.family()
        && earlier.protocols.iter().any(|protocol| later.protocols.contains(protocol));
    let uplink = earlier.uplinks.iter().find(|index| later.uplinks.contains(index))?;
    let mut pairs = earlier.ports.iter().flat_map(|one| later.ports.iter().map(move |other| (one, other)));
    let port = pairs.find(|(one, other)| one.first <= other.last && other.first <= one.last);
    port.filter(|_| alike).map(|(one, other)| (one.first.max(other.first), *uplink))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{ClampMss, Config, Firewall, Nat6};

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
        let again = Config { warnings: config.warnings.clone(), ..parse(&config.effective_yaml()).unwrap() };
        assert_eq!(again, config, "{}", config.effective_yaml());
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
