//! What a rule asks of a packet (`fib_rule_match` of Linux).

use std::fmt;
use std::net::IpAddr;

use ftr_netlink::{Attribute, Prefix, Rule};

use super::packet::Packet;

/// Attributes of a rule that ftr-netlink passes on as they are (`include/uapi/linux/fib_rules.h`).
mod number {
    pub(super) const FLOW: u16 = 11;
    pub(super) const SUPPRESS_GROUP: u16 = 13;
    pub(super) const USERS: u16 = 20;
    pub(super) const PROTOCOL: u16 = 22;
    pub(super) const SPORTS: u16 = 23;
    pub(super) const DPORTS: u16 = 24;
    pub(super) const CLASS: u16 = 25;
    pub(super) const FLOW_LABEL: u16 = 26;
    pub(super) const FLOW_LABEL_MASK: u16 = 27;
    pub(super) const SPORT_MASK: u16 = 28;
    pub(super) const DPORT_MASK: u16 = 29;
    pub(super) const CLASS_MASK: u16 = 30;
}

/// What a packet would need for a rule to be for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Source,
    Destination,
    Mark,
    /// The device that it came in by.
    Incoming,
    /// The device that its socket is bound to.
    Bound,
    Class,
    Protocol,
    SourcePort,
    DestinationPort,
    User,
    /// Something that ordinary packets do not have: a tunnel, a virtual routing domain, a flow label.
    Other,
    /// The rule is for packets that differ from what it describes, and this one does not.
    Negation,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "for other senders",
            Self::Destination => "for other destinations",
            Self::Mark => "for another mark",
            Self::Incoming => "for what comes in by another device",
            Self::Bound => "for what is bound to that device",
            Self::Class => "for another traffic class",
            Self::Protocol => "for another protocol",
            Self::SourcePort => "for other source ports",
            Self::DestinationPort => "for other destination ports",
            Self::User => "for other users",
            Self::Other => "for a tunnel, routing domain or flow label",
            Self::Negation => "for all but such packets",
        })
    }
}

/// What the rule asks for and the packet does not have; none where the rule is for it.
pub(super) fn unmet(packet: &Packet<'_>, rule: &Rule) -> Option<Condition> {
    let unmet = described(packet, rule);
    if rule.invert { unmet.is_none().then_some(Condition::Negation) } else { unmet }
}

fn described(packet: &Packet<'_>, rule: &Rule) -> Option<Condition> {
    let within = |prefix: Prefix, address: Option<IpAddr>| address.is_some_and(|address| prefix.contains(address));
    // Packets of this host come from its loopback device.
    let incoming = packet.iif.unwrap_or("lo");
    let bound = packet.oif.map(|oif| oif.name);
    if rule.from.is_some_and(|from| !within(from, packet.source)) {
        Some(Condition::Source)
    } else if rule.to.is_some_and(|to| !within(to, Some(packet.destination))) {
        Some(Condition::Destination)
    } else if (rule.mark ^ packet.mark) & rule.mask != 0 {
        Some(Condition::Mark)
    } else if rule.iif.as_ref().is_some_and(|iif| iif != incoming) {
        Some(Condition::Incoming)
    } else if rule.oif.as_ref().is_some_and(|oif| Some(oif.as_str()) != bound) {
        Some(Condition::Bound)
    } else if rule.tos != 0 {
        Some(Condition::Class)
    } else {
        rule.others.iter().find_map(|other| special(packet, rule, other))
    }
}

fn special(packet: &Packet<'_>, rule: &Rule, attribute: &Attribute) -> Option<Condition> {
    let Attribute { kind, payload } = attribute;
    let ports = |mask: u16, port: Option<u16>| fits(payload, mask_of(rule, mask), port);
    let (is_met, condition) = match *kind {
        // What these say is either no condition or part of another.
        number::FLOW
        | number::SUPPRESS_GROUP
        | number::SPORT_MASK
        | number::DPORT_MASK
        | number::CLASS_MASK
        | number::FLOW_LABEL_MASK => return None,
        number::USERS => {
            (range32(payload).is_some_and(|(from, to)| (from..=to).contains(&packet.user)), Condition::User)
        }
        number::PROTOCOL => (payload.as_slice() == [packet.protocol], Condition::Protocol),
        number::SPORTS => (ports(number::SPORT_MASK, packet.sport), Condition::SourcePort),
        number::DPORTS => (ports(number::DPORT_MASK, packet.dport), Condition::DestinationPort),
        number::CLASS => (payload.as_slice() == [0], Condition::Class),
        number::FLOW_LABEL => (payload.iter().all(|octet| *octet == 0), Condition::Other),
        _ => (false, Condition::Other),
    };
    (!is_met).then_some(condition)
}

/// Whether a port is in the range, or where there is a mask equal to its beginning in the bits that count.
fn fits(range: &[u8], mask: Option<u16>, port: Option<u16>) -> bool {
    let (Some((from, to)), Some(port)) = (range16(range), port) else { return false };
    mask.map_or((from..=to).contains(&port), |mask| (from ^ port) & mask == 0)
}

fn mask_of(rule: &Rule, kind: u16) -> Option<u16> {
    let mask = rule.others.iter().find(|other| other.kind == kind)?;
    mask.payload.as_slice().try_into().ok().map(u16::from_ne_bytes).filter(|mask| *mask != 0)
}

/// Two numbers in the host's byte order, both ends of a range.
fn range16(payload: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *payload else { return None };
    Some((u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d])))
}

fn range32(payload: &[u8]) -> Option<(u32, u32)> {
    let (from, to) = payload.split_first_chunk::<4>()?;
    Some((u32::from_ne_bytes(*from), u32::from_ne_bytes(to.try_into().ok()?)))
}
