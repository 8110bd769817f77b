//! `match` of a policy: which new connections it is for.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde_yaml::Value;

use super::domain::{DOMAIN, Domain};
use super::form::{ByHand, DEVICE, List, Maybe, One as _, Scalar, Word, parsed};
use super::key::{Keys as _, keys};
use super::scalar;
use super::section::Section;
use super::words::words;
use crate::{InterfaceName, Prefix};

keys! {
    /// Which new connections: all that is stated has to fit, and of a list one item. What is left out fits always.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Match {
        /// Where they come from.
        "source" => pub sources: Vec<Prefix> = Vec::new(), List(PREFIX);
        /// Where they go to.
        "destination" => pub destinations: Vec<Prefix> = Vec::new(), List(PREFIX);
        /// The transport protocol.
        "protocol" => pub protocol: Option<Protocol> = None, Maybe(Word);
        /// The ports that they come from; beside `protocol` tcp or udp.
        "sports" => pub sports: Vec<Ports> = Vec::new(), List(PORTS);
        /// The ports that they go to; beside `protocol` tcp or udp.
        "dports" => pub dports: Vec<Ports> = Vec::new(), List(PORTS);
        /// The devices that they come in by; `self` for those that the router itself begins. Without it, any device but
        /// uplinks.
        "interface" => pub interfaces: Vec<InterfaceName> = Vec::new(),
            ByHand("the name of a network device, or self; or a list of such");
        /// The name of a set of addresses that they go to, which somebody else keeps (ipset(8), nft(8)); that of IPv6 ends
        /// in a 6 more.
        "set" => pub set: Option<String> = None, Maybe(SET);
        /// The names that they go to, with all names below them: the addresses that dnsmasq(8) has resolved them to
        /// (`ftr-rules --dns`) are kept in a set of the policy for an hour.
        "domains" => pub domains: Vec<Domain> = Vec::new(), List(DOMAIN);
    }
    beside {
        /// Those that the router itself begins: `self` among the devices.
        pub own: bool = false;
    }
}

impl Match {
    /// Whether a flow of packets alone tells if it is meant: neither the device that it came in by nor a set is needed.
    #[must_use]
    pub fn is_of_flows(&self) -> bool {
        self.interfaces.is_empty() && !self.own && self.set.is_none() && self.domains.is_empty()
    }

    /// Whether a flow is one of those, as far as it tells: of what the router itself begins nothing is known.
    #[must_use]
    pub fn fits(
        &self,
        (source, destination): (IpAddr, IpAddr),
        protocol: Option<Protocol>,
        ports: Option<(u16, u16)>,
    ) -> bool {
        let listed = |prefixes: &[Prefix], address: IpAddr| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.contains(address))
        };
        let within = |all: &[Ports], port: Option<u16>| {
            all.is_empty()
                || port.is_some_and(|port| all.iter().any(|range| (range.first..=range.last).contains(&port)))
        };
        listed(&self.sources, source)
            && listed(&self.destinations, destination)
            && self.protocol.is_none_or(|wanted| protocol == Some(wanted))
            && within(&self.sports, ports.map(|(source, _)| source))
            && within(&self.dports, ports.map(|(_, destination)| destination))
    }
}

impl Default for Match {
    fn default() -> Self {
        Self::usual()
    }
}

words! {
    /// A transport protocol.
    pub enum Protocol {
        /// TCP (RFC 9293).
        "tcp" => Tcp,
        /// UDP (RFC 768).
        "udp" => Udp,
        /// ICMP, or `ICMPv6` in that family.
        "icmp" => Icmp,
    }
}

const PREFIX: Scalar<Prefix> = parsed("a prefix or an address");

/// The form of ports.
pub(super) const PORTS: Scalar<Ports> = parsed("a port, or a range such as 5060-5070");

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl FromStr for Ports {
    type Err = String;

    /// A port, or two with a dash between; the error is to be said of the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err("is no port, allowed: 1 to 65535, or a range such as 5060-5070".to_owned()),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// What stands among devices for the router itself.
const SELF: &str = "self";

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Match {
    let mut matching = Match::usual();
    matching.read(&mut section);
    let devices = section.list("interface", |value| DEVICE.read(value));
    let (own, interfaces): (Vec<_>, Vec<_>) = devices.into_iter().partition(|name| name.as_str() == SELF);
    (matching.own, matching.interfaces) = (!own.is_empty(), interfaces);
    for (key, ports) in [("sports", &matching.sports), ("dports", &matching.dports)] {
        if !ports.is_empty() && !matches!(matching.protocol, Some(Protocol::Tcp | Protocol::Udp)) {
            section.wrong(key, "ports of no protocol that has them, allowed: beside protocol: tcp or udp");
        }
    }
    if matching.set.is_some() && !matching.domains.is_empty() {
        section.wrong("domains", "beside set, allowed: one of the two");
    }
    section.finish();
    matching
}

impl Match {
    /// The devices as they are stated.
    pub(super) fn devices(&self) -> Vec<&str> {
        self.interfaces.iter().map(InterfaceName::as_str).chain(self.own.then_some(SELF)).collect()
    }
}

/// The most characters of a set's name: the one of IPv6 has a `6` more (`IPSET_MAXNAMELEN`, with its closing zero).
const LONGEST_SET: usize = 30;

const SET: Scalar<String> = Scalar {
    allowed: "1 to 30 letters, digits, _, - and ., a letter first",
    read: set,
    write: |name| name.as_str().into(),
};

fn set(value: &Value) -> Result<String, String> {
    let text = scalar::text(value)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if plain && begins && text.len() <= LONGEST_SET {
        Ok(text)
    } else {
        Err(format!("is no name of a set, allowed: 1 to {LONGEST_SET} letters, digits, _, - and ., a letter first"))
    }
}
