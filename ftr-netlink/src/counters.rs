//! What went through a device, and the request that reads it of all devices at once (`RTM_GETSTATS`).
//!
//! A dump of links tells the counters too, at some twenty times the cost. This one is made ten times a second, so it is
//! put together and taken apart without memory of its own.

use crate::Error;
use crate::frame::{payload, u32_at};

/// `RTM_GETSTATS` of `include/uapi/linux/rtnetlink.h`, since Linux 4.7.
const GET_STATS: u16 = 94;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;
/// `IFLA_STATS_LINK_64` of `include/uapi/linux/if_link.h`: a `struct rtnl_link_stats64`.
const LINK_64: u16 = 1;

/// What went through a device since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Multicast packets among those received. Not every driver counts them (veth does not).
    pub multicast: u64,
}

impl Counters {
    /// The head of `struct rtnl_link_stats64`: numbers of 64 bits.
    pub(crate) fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut fields = octets.chunks_exact(8).filter_map(|field| field.try_into().ok()).map(u64::from_ne_bytes);
        let mut field = |skipped| fields.nth(skipped).ok_or(Error::Malformed("link counters"));
        Ok(Self {
            rx_packets: field(0)?,
            tx_packets: field(0)?,
            rx_bytes: field(0)?,
            tx_bytes: field(0)?,
            // Behind errors and drops of both directions.
            multicast: field(4)?,
        })
    }
}

/// The datagram that asks for the counters of every device, in words of 32 bits: a `struct nlmsghdr` and a
/// `struct if_stats_msg`.
pub(crate) fn request(number: u32) -> [[u8; 4]; 7] {
    let ([a, b], [c, d]) = (GET_STATS.to_ne_bytes(), DUMP.to_ne_bytes());
    let (port, family, device) = ([0; 4], [0; 4], [0; 4]);
    // The bit of attribute number n is the one of value 2^(n-1).
    let wanted = 1u32 << (LINK_64 - 1);
    [28u32.to_ne_bytes(), [a, b, c, d], number.to_ne_bytes(), port, family, device, wanted.to_ne_bytes()]
}

/// A device's number and its counters, from the body of an `RTM_NEWSTATS`.
pub(crate) fn decode(body: &[u8]) -> Result<(u32, Counters), Error> {
    let device = u32_at(body, 4);
    let octets = body.get(12..).and_then(|attributes| payload(attributes, LINK_64));
    let (Some(device), Some(octets)) = (device, octets) else {
        return Err(Error::Malformed("device counters"));
    };
    Ok((device, Counters::decode(octets)?))
}

#[cfg(test)]
mod tests {
    use super::{Counters, decode, request};
    use crate::frame::Frames;
    use proptest::prelude::*;

    const COUNTERS: Counters = Counters { rx_packets: 1, tx_packets: 2, rx_bytes: 3, tx_bytes: 4, multicast: 9 };

    fn structure() -> Vec<u8> {
        (1u64..=25).flat_map(u64::to_ne_bytes).collect()
    }

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 0];
        body.extend(7u32.to_ne_bytes());
        body.extend(1u32.to_ne_bytes());
        for (kind, payload) in attributes {
            body.extend(u16::try_from(payload.len() + 4).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(*payload);
        }
        body
    }

    #[test]
    fn the_structure_is_read_in_its_order() {
        assert_eq!(Counters::decode(&structure()), Ok(COUNTERS));
        assert!(Counters::decode(&structure()[..71]).is_err());
    }

    #[test]
    fn counters_are_found_behind_the_padding_that_some_machines_need() {
        assert_eq!(decode(&message(&[(1, &structure())])), Ok((7, COUNTERS)));
        assert_eq!(decode(&message(&[(0, &[]), (1, &structure())])), Ok((7, COUNTERS)));
        assert!(decode(&message(&[(2, &structure())])).is_err());
        assert!(decode(&message(&[])).is_err());
    }

    #[test]
    fn the_request_is_one_message_about_all_devices() {
        let datagram = request(5);
        let frames: Vec<_> = Frames::of(datagram.as_flattened()).map(Result::unwrap).collect();
        assert_eq!(frames.len(), 1);
        assert_eq!((frames[0].kind, frames[0].flags.bits(), frames[0].sequence), (94, 0x301, 5));
        assert_eq!(frames[0].body, [&[0; 8][..], &1u32.to_ne_bytes()].concat());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
        }
    }
}
