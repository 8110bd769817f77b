//! The source address that a new connection leaves with, as the rules that `ftr-rules` prints translate it.

use std::net::{IpAddr, Ipv6Addr};

use ftr_core::config::{Ipv6Kind, Nat, Nat6, Uplink, UplinkKind};
use ftr_core::{Family, Prefix};

/// What becomes of a source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Translation {
    /// It stays as it is.
    None,
    /// It becomes this one.
    To(IpAddr),
    /// It becomes one of the device's, as the kernel chooses it (`MASQUERADE` in iptables-extensions(8)).
    Masquerade,
}

/// What becomes of a source address when a connection leaves by an uplink; `inner` is the prefix inside for `nat6: npt`.
pub(super) fn translation(
    uplink: &Uplink,
    inner: Option<Prefix>,
    source: Option<IpAddr>,
    family: Family,
) -> Translation {
    match (family, uplink.kind, uplink.nat6, uplink.ipv6) {
        (Family::V4, ..) if uplink.nat == Nat::None => Translation::None,
        (Family::V4, UplinkKind::Static { ip, .. }, ..) => Translation::To(ip.into()),
        (Family::V4, UplinkKind::Ppp | UplinkKind::Dhcp, ..) => Translation::Masquerade,
        (Family::V6, _, Nat6::Masquerade, Some(kind)) => {
            let delegated = source.is_some_and(|source| uplink.prefixes6.iter().any(|prefix| prefix.contains(source)));
            match kind {
                _ if delegated => Translation::None,
                Ipv6Kind::Static { ip, .. } => Translation::To(ip.into()),
                Ipv6Kind::Advertised => Translation::Masquerade,
            }
        }
        (Family::V6, _, Nat6::Prefix, Some(_)) => {
            let outer = uplink.prefixes6.first().map(|prefix| prefix.address());
            let (Some(inner), Some(IpAddr::V6(outer)), Some(IpAddr::V6(source))) = (inner, outer, source) else {
                return Translation::None;
            };
            if inner.contains(source.into()) { mapped(source, inner.length(), outer) } else { Translation::None }
        }
        (Family::V6, ..) => Translation::None,
    }
}

/// The address with its first bits replaced, as NETMAP does it.
fn mapped(source: Ipv6Addr, length: u8, outer: Ipv6Addr) -> Translation {
    let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
    let bits = (outer.to_bits() & !host) | (source.to_bits() & host);
    Translation::To(Ipv6Addr::from_bits(bits).into())
}
