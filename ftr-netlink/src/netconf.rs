//! Parameters of devices (`RTM_NEWNETCONF`, the kernel's `include/uapi/linux/netconf.h`).

use ftr_core::Family;
use neli::consts::rtnl::RtAddrFamily;

use crate::{Error, family, frame};

/// `NETCONFA_IFINDEX`.
const DEVICE: u16 = 1;
/// `NETCONFA_IFINDEX_ALL`.
const ALL: i32 = -1;
/// `struct netconfmsg` with its padding.
const HEADER: usize = 4;

/// Parameters of a family have changed: `forwarding`, `rp_filter`, `ignore_routes_with_linkdown`, `mc_forwarding`,
/// `bc_forwarding`, or whether neighbours are answered for. The kernel tells of no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Netconf {
    /// Of IPv4 or of IPv6.
    pub family: Family,
    /// Whose.
    pub of: NetconfOf,
}

/// Whose parameters they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetconfOf {
    /// `conf/all`.
    All,
    /// `conf/default`: those of devices to come.
    Default,
    /// The device of this number.
    Device(u32),
}

impl Netconf {
    /// None for a family that is neither IPv4 nor IPv6.
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        let malformed = || Error::Malformed("device parameters");
        let family = RtAddrFamily::from(*body.first().ok_or_else(malformed)?);
        let Some(family) = family::from_kernel(family) else { return Ok(None) };
        let device = body.get(HEADER..).and_then(|attributes| frame::payload(attributes, DEVICE));
        let device =
            device.and_then(|payload| payload.try_into().ok()).map(i32::from_ne_bytes).ok_or_else(malformed)?;
        let of = match u32::try_from(device) {
            Ok(index) => NetconfOf::Device(index),
            Err(_) if device == ALL => NetconfOf::All,
            Err(_) => NetconfOf::Default,
        };
        Ok(Some(Self { family, of }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Netconf, NetconfOf};
    use ftr_core::Family;
    use proptest::prelude::*;

    #[test]
    fn devices_have_numbers_and_the_others_have_none() {
        let body = |family: u8, index: i32| [&[family, 0, 0, 0, 8, 0, 1, 0][..], &index.to_ne_bytes()].concat();
        for (index, of) in [(7, NetconfOf::Device(7)), (-1, NetconfOf::All), (-2, NetconfOf::Default)] {
            let family = Family::V4;
            assert_eq!(Netconf::decode(&body(2, index)), Ok(Some(Netconf { family, of })));
        }
        // AF_MPLS has them, too.
        assert_eq!(Netconf::decode(&body(28, 7)), Ok(None));
        assert!(Netconf::decode(&[2, 0, 0, 0]).is_err() && Netconf::decode(&[]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = Netconf::decode(&bytes);
        }
    }
}
