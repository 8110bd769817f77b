//! Policy rules (`RTM_NEWRULE`, `include/uapi/linux/fib_rules.h`).

use ftr_core::Family;
use neli::consts::rtnl::{FrAct, Frattr, Frf, RtTable};
use neli::rtnl::{Fibmsg, FibmsgBuilder, Rtattr};
use neli::types::Buffer;

use crate::attribute::{Attribute, Attributes, Payload, from_bytes, opaque, to_bytes};
use crate::{Error, Prefix, family};

/// `suppress_prefixlength` of a rule that suppresses nothing.
const NO_SUPPRESSION: u32 = u32::MAX;

/// A policy rule: which packets look into which table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Its family.
    pub family: Family,
    /// Rules are asked in rising order.
    pub priority: u32,
    /// What happens to a packet that matches.
    pub action: Action,
    /// The senders that it is for; none for all.
    pub from: Option<Prefix>,
    /// The destinations that it is for; none for all.
    pub to: Option<Prefix>,
    /// The packet mark that it is for, under `mask`.
    pub mark: u32,
    /// The bits of the mark that count; 0 for a rule that ignores marks.
    pub mask: u32,
    /// The device that packets come in by; `lo` for those of this host.
    pub iif: Option<String>,
    /// The device that the sending socket is bound to.
    pub oif: Option<String>,
    /// Routes with a prefix of this length or shorter do not count.
    pub suppress_prefixlength: Option<u32>,
    /// Who made it, as numbered in `rt_protos`.
    pub protocol: u8,
    /// The traffic class that it is for; 0 for all.
    pub tos: u8,
    /// It is for all packets that do *not* match.
    pub invert: bool,
    /// What else it has: ports, user ids, tunnel ids, virtual routing domains.
    pub others: Vec<Attribute>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Looks into this table.
    Lookup(u32),
    /// Goes on at the rule of this priority.
    Goto(u32),
    /// Any other, by number: 3 nothing, 6 drop silently, 7 unreachable, 8 prohibited.
    Other(u8),
}

impl Rule {
    /// `FRA_IP_PROTO` among the `others`: the number of the protocol that it is for, in one byte.
    pub const IP_PROTOCOL: u16 = 22;
    /// `FRA_UID_RANGE` among them: the first and the last user, four bytes each.
    pub const USERS: u16 = 20;
    /// `FRA_SPORT_RANGE` among them: the first and the last port, two bytes each.
    pub const SOURCE_PORTS: u16 = 23;
    /// `FRA_DPORT_RANGE`, the same.
    pub const DESTINATION_PORTS: u16 = 24;
    /// `FRA_SPORT_MASK` among them, in two bytes.
    pub const SOURCE_PORT_BITS: u16 = 28;
    /// `FRA_DPORT_MASK`, the same.
    pub const DESTINATION_PORT_BITS: u16 = 29;

    /// A rule that sends every packet to the table; no protocol yet.
    #[must_use]
    pub const fn lookup(family: Family, priority: u32, table: u32) -> Self {
        Self {
            family,
            priority,
            action: Action::Lookup(table),
            from: None,
            to: None,
            mark: 0,
            mask: 0,
            iif: None,
            oif: None,
            suppress_prefixlength: None,
            protocol: 0,
            tos: 0,
            invert: false,
            others: Vec::new(),
        }
    }

    /// None for a family that is neither IPv4 nor IPv6.
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        let message: Fibmsg = from_bytes(body, "rule")?;
        let Some(family) = family::from_kernel(*message.fib_family()) else { return Ok(None) };
        let table: u8 = (*message.fib_table()).into();
        let mut rule = Self::lookup(family, 0, table.into());
        rule.tos = *message.fib_tos();
        rule.invert = message.fib_flags().contains(Frf::INVERT);
        let mut target = None;
        for attribute in message.rtattrs().iter() {
            match *attribute.rta_type() {
                Frattr::Table => rule.action = Action::Lookup(attribute.number("rule table")?),
                Frattr::Goto => target = Some(attribute.number("rule target")?),
                Frattr::Src => rule.from = prefix(attribute, *message.fib_src_len())?,
                Frattr::Dst => rule.to = prefix(attribute, *message.fib_dst_len())?,
                _ => rule.decode_attribute(attribute)?,
            }
        }
        rule.action = match (*message.fib_action(), target) {
            (FrAct::FrActToTbl, _) => rule.action,
            (FrAct::FrActGoto, Some(target)) => Action::Goto(target),
            (other, _) => Action::Other(other.into()),
        };
        Ok(Some(rule))
    }

    fn decode_attribute(&mut self, attribute: &Rtattr<Frattr, Buffer>) -> Result<(), Error> {
        match *attribute.rta_type() {
            Frattr::Priority => self.priority = attribute.number("rule priority")?,
            Frattr::Fwmark => self.mark = attribute.number("rule mark")?,
            Frattr::Fwmask => self.mask = attribute.number("rule mask")?,
            Frattr::Iifname => self.iif = Some(attribute.text()),
            Frattr::Oifname => self.oif = Some(attribute.text()),
            Frattr::Protocol => self.protocol = attribute.octet("rule protocol")?,
            Frattr::SuppressPrefixlen => {
                self.suppress_prefixlength =
                    Some(attribute.number("rule suppression")?).filter(|length| *length != NO_SUPPRESSION);
            }
            Frattr::Pad => {}
            _ => self.others.push(opaque(attribute)),
        }
        Ok(())
    }

    /// The message body that adds or deletes this rule.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut attributes = Attributes::new();
        attributes.number(Frattr::Priority, self.priority)?;
        attributes.bytes(Frattr::Protocol, vec![self.protocol])?;
        for (kind, prefix) in [(Frattr::Src, self.from), (Frattr::Dst, self.to)] {
            if let Some(prefix) = prefix {
                attributes.address(kind, prefix.address())?;
            }
        }
        if self.mark != 0 || self.mask != 0 {
            attributes.number(Frattr::Fwmark, self.mark)?;
            attributes.number(Frattr::Fwmask, self.mask)?;
        }
        for (kind, device) in [(Frattr::Iifname, &self.iif), (Frattr::Oifname, &self.oif)] {
            if let Some(device) = device {
                attributes.text(kind, device)?;
            }
        }
        if let Some(length) = self.suppress_prefixlength {
            attributes.number(Frattr::SuppressPrefixlen, length)?;
        }
        match self.action {
            Action::Lookup(table) => attributes.number(Frattr::Table, table)?,
            Action::Goto(target) => attributes.number(Frattr::Goto, target)?,
            Action::Other(_) => {}
        }
        for other in &self.others {
            attributes.bytes(Frattr::from(other.kind), other.payload.clone())?;
        }
        self.body(attributes)
    }

    fn body(&self, attributes: Attributes<Frattr>) -> Result<Vec<u8>, Error> {
        let (action, table) = match self.action {
            Action::Lookup(table) => (FrAct::FrActToTbl, table),
            Action::Goto(_) => (FrAct::FrActGoto, 0),
            Action::Other(number) => (FrAct::from(number), 0),
        };
        let body = FibmsgBuilder::default()
            .fib_family(family::to_kernel(self.family))
            .fib_dst_len(self.to.map_or(0, Prefix::length))
            .fib_src_len(self.from.map_or(0, Prefix::length))
            .fib_tos(self.tos)
            .fib_table(u8::try_from(table).map_or(RtTable::Unspec, RtTable::from))
            .fib_action(action)
            .fib_flags(if self.invert { Frf::INVERT } else { Frf::empty() })
            .rtattrs(attributes.into_buffer())
            .build()
            .map_err(|_| Error::Encode("a rule"))?;
        to_bytes(&body)
    }

    /// The body of a request for every rule of a family.
    pub(crate) fn request(family: Family) -> Result<Vec<u8>, Error> {
        let mut every = Self::lookup(family, 0, 0);
        every.action = Action::Other(0);
        every.body(Attributes::new())
    }
}

fn prefix(attribute: &Rtattr<Frattr, Buffer>, length: u8) -> Result<Option<Prefix>, Error> {
    let prefix =
        Prefix::new(attribute.address("rule prefix")?, length).ok_or(Error::Malformed("rule prefix length"))?;
    Ok(Some(prefix))
}

#[cfg(test)]
mod tests {
    use super::{Action, Rule};
    use crate::{Family, Prefix};
    use proptest::prelude::*;
    use std::net::IpAddr;

    prop_compose! {
        fn rule()(
            (priority, table) in (any::<u32>(), 1u32..100_000), from in proptest::option::of((any::<[u8; 4]>(), 1u8..=32)),
            (mark, mask) in any::<(u32, u32)>(), oif in proptest::option::of("[a-z0-9._-]{1,15}"),
            suppress in proptest::option::of(0u32..33), protocol: u8, invert: bool,
            action in prop_oneof![Just(None), (1u32..40_000).prop_map(|to| Some(Action::Goto(to))), (3u8..9).prop_map(|n| Some(Action::Other(n)))],
        ) -> Rule {
            let mut rule = Rule::lookup(Family::V4, priority, table);
            rule.action = action.unwrap_or(rule.action);
            rule.from = from.and_then(|(address, length)| Prefix::new(IpAddr::from(address), length));
            (rule.mark, rule.mask, rule.iif, rule.oif) = (mark, mask, oif.clone(), oif);
            (rule.suppress_prefixlength, rule.protocol, rule.invert) = (suppress, protocol, invert);
            rule
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(rule in rule()) {
            prop_assert_eq!(Rule::decode(&rule.encode().unwrap()).unwrap().unwrap(), rule);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..150)) {
            let _ = Rule::decode(&bytes);
        }
    }
}
