//! One direction of a tracked connection: the tuple that connection tracking knows it by.
//!
//! Numbers and attributes are in `include/uapi/linux/netfilter/nfnetlink_conntrack.h`; ports and identifiers travel in
//! network byte order.

use std::net::IpAddr;

use ftr_core::Family;
use nix::libc;

use crate::frame::{append, payload};
use crate::{Error, family};

/// `NLA_F_NESTED`: the attribute has attributes inside.
pub(crate) const NESTED: u16 = 0x8000;
/// `CTA_TUPLE_IP`, `CTA_TUPLE_PROTO`.
const ADDRESSES: u16 = 1;
const PROTOCOL: u16 = 2;
/// `CTA_PROTO_NUM`, `CTA_PROTO_SRC_PORT`, `CTA_PROTO_DST_PORT`.
const NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;

/// A flow of packets in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Where they come from.
    pub source: IpAddr,
    /// Where they go to.
    pub destination: IpAddr,
    /// Their protocol, and what tells them from others of it.
    pub transport: Transport,
}

/// A transport protocol, and what tells its flows apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A protocol with ports: 6 is TCP, 17 UDP. To connection tracking the keys of GRE (47) are ports as well.
    Ports {
        /// Its number.
        protocol: u8,
        /// Where the packets come from.
        source: u16,
        /// Where they go to.
        destination: u16,
    },
    /// ICMP of the flow's family.
    Icmp {
        /// Its type: 8 is an echo request of ICMP, 128 that of IPv6.
        kind: u8,
        /// Its code.
        code: u8,
        /// The identifier in it.
        id: u16,
    },
    /// Any other protocol, by number: all packets between two hosts are one flow.
    Other(u8),
}

impl Transport {
    /// The number of the protocol in a family.
    #[must_use]
    pub const fn protocol(self, family: Family) -> u8 {
        match self {
            Self::Ports { protocol, .. } | Self::Other(protocol) => protocol,
            Self::Icmp { .. } => icmp(family),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "they are 1 and 58")]
const fn icmp(family: Family) -> u8 {
    match family {
        Family::V4 => libc::IPPROTO_ICMP as u8,
        Family::V6 => libc::IPPROTO_ICMPV6 as u8,
    }
}

/// `CTA_PROTO_ICMP_ID`, `_TYPE`, `_CODE`, or `CTA_PROTO_ICMPV6_…`.
const fn icmp_attributes(family: Family) -> [u16; 3] {
    match family {
        Family::V4 => [4, 5, 6],
        Family::V6 => [7, 8, 9],
    }
}

/// `CTA_IP_V4_SRC` and `_DST`, or `CTA_IP_V6_…`.
const fn address_attributes(family: Family) -> [u16; 2] {
    match family {
        Family::V4 => [1, 2],
        Family::V6 => [3, 4],
    }
}

/// What of a [`sender`] the kernel can tell others apart by: `CTA_FILTER_F_CTA_IP_SRC`, `CTA_FILTER_F_CTA_PROTO_NUM`.
pub(crate) const fn told_apart(family: Family) -> u32 {
    const PROTOCOL: u32 = 1 << 3;
    match family {
        Family::V4 => 1 | PROTOCOL,
        // Asked for an IPv6 address, Linux lists the connections of all others (seen with 6.18).
        Family::V6 => PROTOCOL,
    }
}

/// The part of a tuple that tells who sends, and what protocol.
pub(crate) fn sender(source: IpAddr, protocol: u8) -> Result<Vec<u8>, Error> {
    let [attribute, _] = address_attributes(Family::of(source));
    let (mut address, mut number, mut tuple) = (Vec::new(), Vec::new(), Vec::new());
    append(&mut address, attribute, &family::octets(source))?;
    append(&mut number, NUMBER, &[protocol])?;
    append(&mut tuple, ADDRESSES | NESTED, &address)?;
    append(&mut tuple, PROTOCOL | NESTED, &number)?;
    Ok(tuple)
}

impl Flow {
    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.destination)
    }

    /// The payload of a tuple attribute (`CTA_TUPLE_ORIG` or `CTA_TUPLE_REPLY`).
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let family = self.family();
        if Family::of(self.source) != family {
            return Err(Error::Encode("a flow between two families"));
        }
        let [source, destination] = address_attributes(family);
        let mut addresses = Vec::new();
        append(&mut addresses, source, &family::octets(self.source))?;
        append(&mut addresses, destination, &family::octets(self.destination))?;
        let mut protocol = Vec::new();
        append(&mut protocol, NUMBER, &[self.transport.protocol(family)])?;
        match self.transport {
            Transport::Ports { source, destination, .. } => {
                append(&mut protocol, SOURCE_PORT, &source.to_be_bytes())?;
                append(&mut protocol, DESTINATION_PORT, &destination.to_be_bytes())?;
            }
            Transport::Icmp { kind, code, id } => {
                let [id_attribute, kind_attribute, code_attribute] = icmp_attributes(family);
                append(&mut protocol, id_attribute, &id.to_be_bytes())?;
                append(&mut protocol, kind_attribute, &[kind])?;
                append(&mut protocol, code_attribute, &[code])?;
            }
            Transport::Other(_) => {}
        }
        let mut tuple = Vec::new();
        append(&mut tuple, ADDRESSES | NESTED, &addresses)?;
        append(&mut tuple, PROTOCOL | NESTED, &protocol)?;
        Ok(tuple)
    }

    /// The flow in the payload of a tuple attribute.
    pub(crate) fn decode(tuple: &[u8]) -> Result<Self, Error> {
        let decoded = payload(tuple, ADDRESSES).zip(payload(tuple, PROTOCOL)).and_then(|(addresses, protocol)| {
            let address = |kind| payload(addresses, kind).and_then(family::address);
            let pair = |family| {
                let [source, destination] = address_attributes(family);
                address(source).zip(address(destination))
            };
            let (source, destination) = pair(Family::V4).or_else(|| pair(Family::V6))?;
            let transport = Transport::decode(Family::of(destination), protocol)?;
            Some(Self { source, destination, transport })
        });
        decoded.ok_or(Error::Malformed("tuple of a connection"))
    }
}

impl Transport {
    fn decode(family: Family, attributes: &[u8]) -> Option<Self> {
        let octet = |kind| payload(attributes, kind)?.first().copied();
        let number = |kind| payload(attributes, kind)?.try_into().ok().map(u16::from_be_bytes);
        let protocol = octet(NUMBER)?;
        if let Some((source, destination)) = number(SOURCE_PORT).zip(number(DESTINATION_PORT)) {
            return Some(Self::Ports { protocol, source, destination });
        }
        let [id, kind, code] = icmp_attributes(family);
        match (number(id), octet(kind), octet(code)) {
            (Some(id), Some(kind), Some(code)) => Some(Self::Icmp { kind, code, id }),
            _ => Some(Self::Other(protocol)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Flow, Transport};
    use crate::Family;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn transport() -> impl Strategy<Value = Transport> {
        prop_oneof![
            any::<(u8, u16, u16)>().prop_map(|(protocol, source, destination)| Transport::Ports {
                protocol,
                source,
                destination
            }),
            any::<(u8, u8, u16)>().prop_map(|(kind, code, id)| Transport::Icmp { kind, code, id }),
            any::<u8>().prop_map(Transport::Other),
        ]
    }

    pub(crate) fn flow() -> impl Strategy<Value = Flow> {
        let addresses = prop_oneof![
            any::<[[u8; 4]; 2]>().prop_map(|pair| pair.map(IpAddr::from)),
            any::<[[u8; 16]; 2]>().prop_map(|pair| pair.map(IpAddr::from)),
        ];
        (addresses, transport()).prop_map(|([source, destination], transport)| Flow { source, destination, transport })
    }

    #[test]
    fn a_flow_stays_within_its_family() {
        let (source, destination) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([0; 16]));
        assert!(Flow { source, destination, transport: Transport::Other(47) }.encode().is_err());
    }

    #[test]
    fn icmp_has_the_number_of_its_family() {
        let echo = Transport::Icmp { kind: 8, code: 0, id: 1 };
        assert_eq!([Family::V4, Family::V6].map(|family| echo.protocol(family)), [1, 58]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(flow in flow()) {
            prop_assert_eq!(Flow::decode(&flow.encode().unwrap()).unwrap(), flow);
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(0u8..12, 0..120)) {
            let _ = Flow::decode(&bytes);
        }
    }
}
