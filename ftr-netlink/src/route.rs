//! Routes (`RTM_NEWROUTE`).

use std::net::IpAddr;

use ftr_core::Family;
use neli::consts::rtnl::{RtScope, RtTable, Rta, RtmF, Rtprot};
use neli::rtnl::{Rtattr, Rtmsg, RtmsgBuilder};
use neli::types::Buffer;

use crate::attribute::{Attribute, Attributes, Payload, from_bytes, opaque, to_bytes};
use crate::nexthop::{decode_multipath, encode_multipath};
use crate::{Error, Nexthop, Prefix, family};

mod kind;
mod preference;

pub use kind::RouteKind;
pub use preference::Preference;

/// `IP6_RT_PRIO_USER`: what the kernel makes of an IPv6 route that names no metric.
const IPV6_METRIC: u32 = 1024;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Its family.
    pub family: Family,
    /// Where it leads to; none for everywhere (a default route).
    pub destination: Option<Prefix>,
    /// The senders that it is for (IPv6 only); none for all.
    pub from: Option<Prefix>,
    /// The table that it stands in.
    pub table: u32,
    /// Who made it, as numbered in `rt_protos`. In a deletion 0 means "anybody".
    pub protocol: u8,
    /// How far away the destination is: 0 anywhere, 253 on the link, 254 this host. IPv6 always has 0.
    pub scope: u8,
    /// What happens to a packet.
    pub kind: RouteKind,
    /// The traffic class that it is for; 0 for all.
    pub tos: u8,
    /// Its preference among routes to the same destination: the lowest wins. For IPv6 0 stands for 1024, as the kernel
    /// has it; in a deletion for IPv4 it means "any".
    pub metric: u32,
    /// The source address of packets that have none yet.
    pub source: Option<IpAddr>,
    /// Where it leads: one nexthop, several for multipath, none where packets are refused. The kernel keeps their order.
    /// Each of several IPv6 ones has to name a gateway.
    pub nexthops: Vec<Nexthop>,
    /// What else it has: metrics, encapsulation, a nexthop object.
    pub others: Vec<Attribute>,
}

impl Route {
    /// A default route of metric 0, protocol 0 and scope 0, as yet without nexthop.
    #[must_use]
    pub const fn default(family: Family, table: u32, kind: RouteKind) -> Self {
        Self {
            family,
            destination: None,
            from: None,
            table,
            protocol: 0,
            scope: 0,
            kind,
            tos: 0,
            metric: 0,
            source: None,
            nexthops: Vec::new(),
            others: Vec::new(),
        }
    }

    /// How the router wants it preferred to other routes of the same metric (IPv6 only).
    #[must_use]
    pub fn preference(&self) -> Preference {
        let stated = self.others.iter().find(|attribute| attribute.kind == u16::from(Rta::Pref));
        stated.and_then(|attribute| attribute.payload.first()).map_or(Preference::Medium, |bits| Preference::of(*bits))
    }

    /// None for a family that is neither IPv4 nor IPv6.
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        let message: Rtmsg = from_bytes(body, "route")?;
        let Some(family) = family::from_kernel(*message.rtm_family()) else { return Ok(None) };
        let table: u8 = (*message.rtm_table()).into();
        let mut route = Self::default(family, table.into(), RouteKind::of(*message.rtm_type()));
        route.protocol = (*message.rtm_protocol()).into();
        route.scope = (*message.rtm_scope()).into();
        route.tos = *message.rtm_tos();
        let mut single = Nexthop::new(None, 0).flagged(message.rtm_flags().bits());
        for attribute in message.rtattrs().iter() {
            if !single.decode_gateway(attribute)? {
                route.decode_attribute(attribute, &message, &mut single)?;
            }
        }
        if route.kind.refuses() {
            route.nexthops.clear();
        } else if route.nexthops.is_empty() && (single.index != 0 || single.gateway.is_some()) {
            route.nexthops.push(single);
        }
        Ok(Some(route))
    }

    fn decode_attribute(
        &mut self,
        attribute: &Rtattr<Rta, Buffer>,
        message: &Rtmsg,
        single: &mut Nexthop,
    ) -> Result<(), Error> {
        match *attribute.rta_type() {
            Rta::Dst => self.destination = prefix(attribute, *message.rtm_dst_len())?,
            Rta::Src => self.from = prefix(attribute, *message.rtm_src_len())?,
            Rta::Table => self.table = attribute.number("route table")?,
            Rta::Priority => self.metric = attribute.number("route metric")?,
            Rta::Prefsrc => self.source = Some(attribute.address("route source")?),
            Rta::Oif => single.index = attribute.number("route device")?,
            Rta::Multipath => self.nexthops = decode_multipath(attribute.octets())?,
            // State, or an echo of what was looked up. A preference of 0 (RFC 4191 "medium") is the default.
            Rta::Cacheinfo | Rta::Iif | Rta::Mark | Rta::Uid | Rta::Pad => {}
            Rta::Pref if attribute.octets() == [0] => {}
            _ => self.others.push(opaque(attribute)),
        }
        Ok(())
    }

    /// The message body that deletes this route.
    ///
    /// IPv6 deletes the nexthops that are named one by one, with a message to everybody for each. Where none is named
    /// it deletes the route of this table, metric and protocol whole, in one step.
    pub(crate) fn encode_deletion(&self) -> Result<Vec<u8>, Error> {
        if self.family == Family::V4 {
            return self.encode();
        }
        let mut route = self.clone();
        if route.metric == 0 {
            // It would mean "any", and what was added without metric has this one.
            route.metric = IPV6_METRIC;
        }
        if route.nexthops.len() > 1 {
            route.nexthops.clear();
        }
        route.encode()
    }

    /// The message body that adds this route.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut attributes = Attributes::new();
        if let Some(destination) = self.destination {
            attributes.address(Rta::Dst, destination.address())?;
        }
        if let Some(from) = self.from {
            attributes.address(Rta::Src, from.address())?;
        }
        attributes.number(Rta::Table, self.table)?;
        if self.metric != 0 {
            attributes.number(Rta::Priority, self.metric)?;
        }
        if let Some(source) = self.source {
            attributes.address(Rta::Prefsrc, source)?;
        }
        let mut flags = 0;
        match self.nexthops.as_slice() {
            [] => {}
            [single] => {
                flags = single.request_flags();
                single.encode_gateway(self.family, &mut attributes)?;
                if single.index != 0 {
                    attributes.number(Rta::Oif, single.index)?;
                }
            }
            several => attributes.bytes(Rta::Multipath, encode_multipath(self.family, several)?)?,
        }
        for other in &self.others {
            attributes.bytes(Rta::from(other.kind), other.payload.clone())?;
        }
        self.body(flags, attributes)
    }

    fn body(&self, flags: u32, attributes: Attributes<Rta>) -> Result<Vec<u8>, Error> {
        let body = RtmsgBuilder::default()
            .rtm_family(family::to_kernel(self.family))
            .rtm_dst_len(self.destination.map_or(0, Prefix::length))
            .rtm_src_len(self.from.map_or(0, Prefix::length))
            .rtm_tos(self.tos)
            .rtm_table(u8::try_from(self.table).map_or(RtTable::Unspec, RtTable::from))
            .rtm_protocol(Rtprot::from(self.protocol))
            .rtm_scope(RtScope::from(self.scope))
            .rtm_type(self.kind.to_kernel())
            .rtm_flags(RtmF::from_bits_retain(flags))
            .rtattrs(attributes.into_buffer())
            .build()
            .map_err(|_| Error::Encode("a route"))?;
        to_bytes(&body)
    }

    /// The body of a request for every route of a family, of one table and one protocol where they are named (0 is any).
    pub(crate) fn request(family: Family, table: Option<u32>, protocol: u8) -> Result<Vec<u8>, Error> {
        let mut attributes = Attributes::new();
        if let Some(table) = table {
            attributes.number(Rta::Table, table)?;
        }
        Self { protocol, ..Self::default(family, 0, RouteKind::Other(0)) }.body(0, attributes)
    }
}

fn prefix(attribute: &Rtattr<Rta, Buffer>, length: u8) -> Result<Option<Prefix>, Error> {
    let prefix =
        Prefix::new(attribute.address("route prefix")?, length).ok_or(Error::Malformed("route prefix length"))?;
    Ok(Some(prefix))
}

#[cfg(test)]
mod tests {
    use super::{Preference, Route, RouteKind};
    use crate::attribute::Attribute;
    use crate::nexthop::tests::nexthop;
    use crate::{Family, Prefix};
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn address(family: Family) -> BoxedStrategy<IpAddr> {
        match family {
            Family::V4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
            Family::V6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
        }
    }

    prop_compose! {
        fn route(family: Family)(
            destination in proptest::option::of((address(family), 1u8..=32)), source in proptest::option::of(address(family)),
            table in 1u32..100_000, protocol: u8, metric: u32, number in 1u8..12,
            nexthops in prop::collection::vec(nexthop(), 0..5),
        ) -> Route {
            let mut route = Route::default(family, table, RouteKind::of(number.into()));
            route.destination = destination.and_then(|(address, length)| Prefix::new(address, length));
            (route.protocol, route.metric, route.source) = (protocol, metric, source);
            if !route.kind.refuses() {
                route.nexthops = nexthops;
            }
            if let [only] = route.nexthops.as_mut_slice() {
                only.weight = 1;
            }
            route
        }
    }

    #[test]
    fn a_preference_is_as_rfc_4191_numbers_it() {
        let preference = |bits: &[u8]| {
            let mut route = Route::default(Family::V6, 254, RouteKind::Unicast);
            route.others.extend(bits.iter().map(|bits| Attribute { kind: 20, payload: vec![*bits] }));
            Route::decode(&route.encode().unwrap()).unwrap().unwrap().preference()
        };
        assert_eq!((preference(&[1]), preference(&[3])), (Preference::High, Preference::Low));
        assert_eq!([&[][..], &[0], &[2]].map(preference), [Preference::Medium; 3]);
        assert!(Preference::High < Preference::Medium && Preference::Medium < Preference::Low);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(route in prop_oneof![route(Family::V4), route(Family::V6)]) {
            prop_assert_eq!(Route::decode(&route.encode().unwrap()).unwrap().unwrap(), route);
        }

        #[test]
        fn a_deletion_names_what_identifies_the_route(route in prop_oneof![route(Family::V4), route(Family::V6)]) {
            let deletion = Route::decode(&route.encode_deletion().unwrap()).unwrap().unwrap();
            let mut expected = route.clone();
            if route.family == Family::V6 {
                expected.metric = if route.metric == 0 { 1024 } else { route.metric };
                if route.nexthops.len() > 1 {
                    expected.nexthops.clear();
                }
            }
            prop_assert_eq!(deletion, expected);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..150)) {
            let _ = Route::decode(&bytes);
        }
    }
}
