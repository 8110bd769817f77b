//! `match` of a policy: which new connections it is for.

use std::fmt;
use std::str::FromStr;

use serde_yaml::Value;

use super::scalar;
use super::section::Section;
use crate::{InterfaceName, Prefix};

/// Which new connections: all that is stated has to fit, and of a list one item. What is left out fits always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Where they come from.
    pub sources: Vec<Prefix>,
    /// Where they go to.
    pub destinations: Vec<Prefix>,
    /// The transport protocol.
    pub protocol: Option<Protocol>,
    /// The ports that they come from.
    pub sports: Vec<Ports>,
    /// The ports that they go to.
    pub dports: Vec<Ports>,
    /// The devices that they come in by; where none is stated, and they are not the router's own, any but uplinks.
    pub interfaces: Vec<InterfaceName>,
    /// Those that the router itself begins: `self` among the devices.
    pub own: bool,
    /// The name of a set of addresses that they go to, which somebody else keeps; that of IPv6 ends in a `6` more.
    pub set: Option<String>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// ICMP, or `ICMPv6` in that family.
    Icmp,
}

impl Protocol {
    /// Its word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

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

    /// A port, or two with a dash between.
    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!("{text:?} is no port, allowed: 1 to 65535, or a range such as 5060-5070")),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

/// The most characters of a set's name: the one of IPv6 has a `6` more (`IPSET_MAXNAMELEN`, with its closing zero).
const LONGEST_SET: usize = 30;

/// What stands among devices for the router itself.
pub(super) const SELF: &str = "self";

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Match {
    let words = &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp), ("icmp", Protocol::Icmp)];
    let devices = section.list("interface", scalar::parsed::<InterfaceName>);
    let (own, interfaces): (Vec<_>, Vec<_>) = devices.into_iter().partition(|name| name.as_str() == SELF);
    let matching = Match {
        sources: section.list("source", scalar::parsed),
        destinations: section.list("destination", scalar::parsed),
        protocol: section.optional("protocol", scalar::one_of(words)),
        sports: section.list("sports", scalar::parsed),
        dports: section.list("dports", scalar::parsed),
        interfaces,
        own: !own.is_empty(),
        set: section.optional("set", set),
    };
    for (key, ports) in [("sports", &matching.sports), ("dports", &matching.dports)] {
        if !ports.is_empty() && !matches!(matching.protocol, Some(Protocol::Tcp | Protocol::Udp)) {
            section.wrong(key, "ports of no protocol that has them, allowed: beside protocol: tcp or udp");
        }
    }
    section.finish();
    matching
}

fn set(value: &Value) -> Result<String, String> {
    let text = scalar::text(value)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if plain && begins && text.len() <= LONGEST_SET {
        Ok(text)
    } else {
        Err(format!(
            "{text:?} is no name of a set, allowed: 1 to {LONGEST_SET} letters, digits, _, - and ., a letter first"
        ))
    }
}
