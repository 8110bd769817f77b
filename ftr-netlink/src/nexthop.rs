//! Nexthops, and the multipath attribute that lists several (`struct rtnexthop` of rtnetlink(7)).

use std::net::IpAddr;

use neli::consts::rtnl::Rta;
use neli::rtnl::Rtattr;
use neli::types::{Buffer, RtBuffer};

use crate::attribute::{Attribute, Attributes, Payload, from_bytes, opaque, to_bytes};
use crate::{Error, Family, family};

pub(crate) const DEAD: u32 = 1;
pub(crate) const ONLINK: u32 = 4;
pub(crate) const LINKDOWN: u32 = 16;
/// Length, flags, weight and device, in this order.
const HEADER: usize = 8;

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Nexthop {
    /// The router to send to; none where the destination itself is on the link. An IPv4 route may name an IPv6 one.
    pub gateway: Option<IpAddr>,
    /// The device to send through; 0 for none.
    pub index: u32,
    /// Its share beside the other nexthops of the route: 1 to 256. The only nexthop of a route always has 1.
    pub weight: u16,
    /// The gateway is on the link although no network of the device holds it.
    pub onlink: bool,
    /// The kernel does not use it: the device is off, or has no carrier and the kernel is told to heed that.
    pub dead: bool,
    /// The device has no carrier.
    pub linkdown: bool,
    /// What else it has.
    pub others: Vec<Attribute>,
}

impl Nexthop {
    /// A nexthop of weight 1.
    #[must_use]
    pub const fn new(gateway: Option<IpAddr>, index: u32) -> Self {
        Self { gateway, index, weight: 1, onlink: false, dead: false, linkdown: false, others: Vec::new() }
    }

    pub(crate) const fn flagged(mut self, flags: u32) -> Self {
        self.onlink = flags & ONLINK != 0;
        self.dead = flags & DEAD != 0;
        self.linkdown = flags & LINKDOWN != 0;
        self
    }

    /// The flags that may be asked for; the others are the kernel's to set.
    pub(crate) const fn request_flags(&self) -> u32 {
        if self.onlink { ONLINK } else { 0 }
    }

    /// `RTA_GATEWAY`, or `RTA_VIA` for a gateway of the other family.
    pub(crate) fn encode_gateway(&self, family: Family, attributes: &mut Attributes<Rta>) -> Result<(), Error> {
        match self.gateway {
            Some(gateway) if Family::of(gateway) == family => attributes.address(Rta::Gateway, gateway),
            Some(gateway) => {
                let number: u8 = family::to_kernel(Family::of(gateway)).into();
                let mut via = u16::from(number).to_ne_bytes().to_vec();
                via.extend(family::octets(gateway));
                attributes.bytes(Rta::Via, via)
            }
            None => Ok(()),
        }
    }

    /// Takes the attribute if it is about the gateway.
    pub(crate) fn decode_gateway(&mut self, attribute: &Rtattr<Rta, Buffer>) -> Result<bool, Error> {
        let octets = match *attribute.rta_type() {
            Rta::Gateway => attribute.octets(),
            Rta::Via => attribute.octets().get(2..).unwrap_or_default(),
            _ => return Ok(false),
        };
        self.gateway = Some(family::address(octets).ok_or(Error::Malformed("gateway"))?);
        Ok(true)
    }

    fn encode(&self, family: Family, into: &mut Vec<u8>) -> Result<(), Error> {
        let mut attributes = Attributes::new();
        self.encode_gateway(family, &mut attributes)?;
        for other in &self.others {
            attributes.bytes(Rta::from(other.kind), other.payload.clone())?;
        }
        let attributes = to_bytes(&attributes.into_buffer())?;
        let length = u16::try_from(HEADER + attributes.len()).map_err(|_| Error::Encode("so long a nexthop"))?;
        let hops = self.weight.checked_sub(1).and_then(|hops| u8::try_from(hops).ok());
        let flags = u8::try_from(self.request_flags()).map_err(|_| Error::Encode("these nexthop flags"))?;
        into.extend(length.to_ne_bytes());
        into.push(flags);
        into.push(hops.ok_or(Error::Encode("a weight outside 1..256"))?);
        into.extend(self.index.to_ne_bytes());
        into.extend(attributes);
        Ok(())
    }

    fn decode(header: [u8; HEADER], attributes: &[u8]) -> Result<Self, Error> {
        let [_, _, flags, hops, index @ ..] = header;
        let mut nexthop = Self::new(None, u32::from_ne_bytes(index)).flagged(u32::from(flags));
        nexthop.weight = u16::from(hops) + 1;
        let attributes: RtBuffer<Rta, Buffer> = from_bytes(attributes, "nexthop attributes")?;
        for attribute in attributes.iter() {
            if !nexthop.decode_gateway(attribute)? {
                nexthop.others.push(opaque(attribute));
            }
        }
        Ok(nexthop)
    }
}

/// The payload of `RTA_MULTIPATH`.
pub(crate) fn encode_multipath(family: Family, nexthops: &[Nexthop]) -> Result<Vec<u8>, Error> {
    let mut payload = Vec::new();
    for nexthop in nexthops {
        nexthop.encode(family, &mut payload)?;
    }
    Ok(payload)
}

/// The nexthops in the payload of `RTA_MULTIPATH`.
pub(crate) fn decode_multipath(mut payload: &[u8]) -> Result<Vec<Nexthop>, Error> {
    const MALFORMED: Error = Error::Malformed("multipath");
    let mut nexthops = Vec::new();
    while !payload.is_empty() {
        let (header, _) = payload.split_first_chunk::<HEADER>().ok_or(MALFORMED)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let attributes = payload.get(HEADER..length).ok_or(MALFORMED)?;
        nexthops.push(Nexthop::decode(*header, attributes)?);
        payload = payload.get(crate::frame::aligned(length)..).unwrap_or_default();
    }
    Ok(nexthops)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Nexthop, decode_multipath, encode_multipath};
    use crate::Family;
    use proptest::prelude::*;
    use std::net::IpAddr;

    prop_compose! {
        pub(crate) fn nexthop()(
            gateway in proptest::option::of(prop_oneof![
                any::<[u8; 4]>().prop_map(IpAddr::from),
                any::<[u8; 16]>().prop_map(IpAddr::from),
            ]),
            index in 1u32..70_000, weight in 1u16..=256, onlink: bool,
        ) -> Nexthop {
            Nexthop { weight, onlink, ..Nexthop::new(gateway, index) }
        }
    }

    #[test]
    fn weight_is_one_more_than_the_hops_on_the_wire() {
        let nexthop = Nexthop { weight: 256, ..Nexthop::new(Some("10.0.0.1".parse().unwrap()), 3) };
        let bytes = encode_multipath(Family::V4, std::slice::from_ref(&nexthop)).unwrap();
        assert_eq!((bytes.len(), bytes[3]), (16, 255));
        for weight in [0, 257] {
            assert!(encode_multipath(Family::V4, &[Nexthop { weight, ..nexthop.clone() }]).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(nexthops in prop::collection::vec(nexthop(), 0..8), v6: bool) {
            let family = if v6 { Family::V6 } else { Family::V4 };
            let bytes = encode_multipath(family, &nexthops).unwrap();
            prop_assert_eq!(decode_multipath(&bytes).unwrap(), nexthops);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(0u8..40, 0..100)) {
            let _ = decode_multipath(&bytes);
        }
    }
}
