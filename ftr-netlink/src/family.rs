//! The numbers that the kernel gives to the families, and addresses as it writes them.

use std::net::IpAddr;

use ftr_core::Family;
use neli::consts::rtnl::RtAddrFamily;

/// `AF_INET` or `AF_INET6`.
pub(crate) const fn to_kernel(family: Family) -> RtAddrFamily {
    match family {
        Family::V4 => RtAddrFamily::Inet,
        Family::V6 => RtAddrFamily::Inet6,
    }
}

/// The family behind `AF_INET` or `AF_INET6`; none for every other.
pub(crate) const fn from_kernel(family: RtAddrFamily) -> Option<Family> {
    match family {
        RtAddrFamily::Inet => Some(Family::V4),
        RtAddrFamily::Inet6 => Some(Family::V6),
        _ => None,
    }
}

/// An address in network byte order: 4 or 16 bytes.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The address in 4 or 16 bytes of network byte order; none for any other length.
pub(crate) fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(octets));
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}
