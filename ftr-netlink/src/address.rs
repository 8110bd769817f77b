//! Addresses of devices (`RTM_NEWADDR`).

use std::net::IpAddr;

use ftr_core::Family;
use neli::consts::rtnl::{Ifa, IfaF, RtAddrFamily, RtScope};
use neli::rtnl::{Ifaddrmsg, IfaddrmsgBuilder};
use nix::libc;

use crate::attribute::{Payload, from_bytes, to_bytes};
use crate::{Error, Prefix, family};

/// An address of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The device.
    pub index: u32,
    /// The address itself.
    pub local: IpAddr,
    /// The far end's address on a point-to-point device.
    pub peer: Option<IpAddr>,
    /// How many bits of the address, or of the peer's, name the network.
    pub prefix_length: u8,
    /// How far it is valid: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// `IFA_F_*`.
    pub flags: u32,
}

/// How long an address stays. It is no part of [`Address`], for it changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The device.
    pub index: u32,
    /// The address itself.
    pub local: IpAddr,
    /// For how many seconds it is valid; none where it is for good.
    pub valid: Option<u32>,
}

impl Lifetime {
    /// None for a family that is neither IPv4 nor IPv6.
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        let Some(Address { index, local, .. }) = Address::decode(body)? else { return Ok(None) };
        let message: Ifaddrmsg = from_bytes(body, "address")?;
        let cache = message.rtattrs().iter().find(|attribute| *attribute.rta_type() == Ifa::Cacheinfo);
        // struct ifa_cacheinfo: for how long it is preferred, for how long valid, and when it was made and changed.
        let valid = cache.and_then(|cache| cache.octets().get(4..8)?.try_into().ok()).map(u32::from_ne_bytes);
        Ok(Some(Self { index, local, valid: valid.filter(|seconds| *seconds != u32::MAX) }))
    }
}

impl Address {
    /// Which family it belongs to.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(self.local)
    }

    /// The network that is reachable directly because of it.
    #[must_use]
    pub fn network(&self) -> Option<Prefix> {
        Prefix::new(self.peer.unwrap_or(self.local), self.prefix_length)
    }

    /// Valid beyond the link.
    #[must_use]
    pub const fn is_global(&self) -> bool {
        self.scope < libc::RT_SCOPE_LINK
    }

    /// Not usable yet or ever: duplicate address detection runs, or has found another owner.
    #[must_use]
    pub const fn is_tentative(&self) -> bool {
        let optimistic = self.flags & libc::IFA_F_OPTIMISTIC != 0;
        self.flags & libc::IFA_F_DADFAILED != 0 || (self.flags & libc::IFA_F_TENTATIVE != 0 && !optimistic)
    }

    /// Without a lifetime: nobody has to renew it.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.flags & libc::IFA_F_PERMANENT != 0
    }

    /// Still valid, but no longer to be chosen for new connections.
    #[must_use]
    pub const fn is_deprecated(&self) -> bool {
        self.flags & libc::IFA_F_DEPRECATED != 0
    }

    /// The kernel makes no route to its network.
    #[must_use]
    pub const fn is_without_route(&self) -> bool {
        self.flags & libc::IFA_F_NOPREFIXROUTE != 0
    }

    /// Not the first address of its IPv4 network, or a temporary IPv6 address (the kernel uses one bit for both).
    #[must_use]
    pub const fn is_secondary(&self) -> bool {
        self.flags & libc::IFA_F_SECONDARY != 0
    }

    /// None for a family that is neither IPv4 nor IPv6.
    pub(crate) fn decode(body: &[u8]) -> Result<Option<Self>, Error> {
        let message: Ifaddrmsg = from_bytes(body, "address")?;
        if family::from_kernel(*message.ifa_family()).is_none() {
            return Ok(None);
        }
        let (mut local, mut far) = (None, None);
        let mut flags = u32::from(message.ifa_flags().bits());
        for attribute in message.rtattrs().iter() {
            match *attribute.rta_type() {
                Ifa::Local => local = Some(attribute.address("address")?),
                Ifa::Address => far = Some(attribute.address("address")?),
                Ifa::Flags => flags = attribute.number("address flags")?,
                _ => {}
            }
        }
        // IFA_ADDRESS is the peer where there is one. Without IFA_LOCAL (IPv6) it is the address itself.
        let local_address = local.or(far).ok_or(Error::Malformed("address without address"))?;
        Ok(Some(Self {
            index: *message.ifa_index(),
            local: local_address,
            peer: far.filter(|far| *far != local_address),
            prefix_length: *message.ifa_prefixlen(),
            scope: (*message.ifa_scope()).into(),
            flags,
        }))
    }

    /// The body of a request for every address, of one family or of all.
    pub(crate) fn request(family: Option<Family>) -> Result<Vec<u8>, Error> {
        let body = IfaddrmsgBuilder::default()
            .ifa_family(family.map_or(RtAddrFamily::Unspecified, family::to_kernel))
            .ifa_prefixlen(0)
            .ifa_flags(IfaF::empty())
            .ifa_scope(RtScope::Universe)
            .ifa_index(0)
            .build()
            .map_err(|_| Error::Encode("an address request"))?;
        to_bytes(&body)
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, Lifetime};
    use nix::libc;
    use proptest::prelude::*;

    /// An address message of IPv4 with prefix length 24 on device 3, and these attributes.
    fn message(attributes: &[(u16, [u8; 4])]) -> Vec<u8> {
        let mut body = vec![2, 24, 0x80, 0, 3, 0, 0, 0];
        for (kind, payload) in attributes {
            body.extend(8u16.to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(payload);
        }
        body
    }

    #[test]
    fn a_peer_is_told_from_the_address() {
        let address = Address::decode(&message(&[(1, [10, 0, 0, 1]), (2, [10, 0, 0, 2])])).unwrap().unwrap();
        assert_eq!(
            (address.local.to_string(), address.peer.unwrap().to_string()),
            ("10.0.0.2".into(), "10.0.0.1".into())
        );
        assert_eq!(address.network().unwrap().to_string(), "10.0.0.0/24");
        let address = Address::decode(&message(&[(1, [10, 0, 0, 2]), (2, [10, 0, 0, 2])])).unwrap().unwrap();
        assert_eq!((address.local.to_string(), address.peer, address.index), ("10.0.0.2".into(), None, 3));
        assert!(Address::decode(&message(&[])).is_err());
    }

    #[test]
    fn an_address_is_valid_for_good_or_for_some_seconds() {
        let valid = |seconds: Option<u32>| {
            let mut body = message(&[(2, [10, 0, 0, 2])]);
            if let Some(seconds) = seconds {
                body.extend([20u16.to_ne_bytes(), 6u16.to_ne_bytes()].concat());
                body.extend([0, seconds, 0, 0].map(u32::to_ne_bytes).concat());
            }
            Lifetime::decode(&body).unwrap().unwrap().valid
        };
        assert_eq!([valid(None), valid(Some(u32::MAX)), valid(Some(60))], [None, None, Some(60)]);
    }

    #[test]
    fn an_optimistic_address_is_usable() {
        let mut address = Address::decode(&message(&[(2, [10, 0, 0, 2])])).unwrap().unwrap();
        assert!(!address.is_tentative() && address.is_global());
        address.flags = libc::IFA_F_TENTATIVE;
        assert!(address.is_tentative());
        address.flags |= libc::IFA_F_OPTIMISTIC;
        assert!(!address.is_tentative());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Address::decode(&bytes);
            let _ = Lifetime::decode(&bytes);
        }
    }
}
