//! The source address that a new connection leaves with, as the rules that `ftr-rules` prints translate it.

use std::net::{IpAddr, Ipv6Addr};

use ftr_core::config::{Config, Ipv6Kind, Nat, Nat6, Uplink, UplinkKind};
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

/// What becomes of a source address when a connection leaves by this uplink.
pub(super) fn translation(config: &Config, index: usize, source: Option<IpAddr>, family: Family) -> Translation {
    let Some(uplink) = config.uplinks.get(index) else { return Translation::None };
    if let (Family::V6, Some(IpAddr::V6(source))) = (family, source) {
        let rescue = rescue(config, index, uplink, source);
        if rescue != Translation::None {
            return rescue;
        }
    }
    usual(uplink, config.downlinks.prefix6, source, family)
}

/// What becomes of a source that another provider has delegated.
fn rescue(config: &Config, index: usize, uplink: &Uplink, source: Ipv6Addr) -> Translation {
    let whose = |own: bool| {
        // What an uplink had until lately is at home nowhere.
        let former = config.formerly_delegated().filter(|_| !own);
        let mut all = config.delegated().filter(|(whose, _)| (*whose == index) == own).chain(former);
        all.any(|(_, prefix)| prefix.contains(source.into()))
    };
    if !config.rescues(index) || whose(true) || !whose(false) {
        return Translation::None;
    }
    let stated = uplink.prefixes6.first().filter(|_| !uplink.prefixes6.auto);
    match (uplink.nat6, stated.map(|prefix| (prefix.address(), prefix.length())), uplink.ipv6) {
        (Nat6::None, Some((IpAddr::V6(outer), length)), _) => mapped(source, length, outer),
        (_, _, Some(Ipv6Kind::Static { ip, .. })) => Translation::To(ip.into()),
        (_, _, Some(Ipv6Kind::Advertised)) => Translation::Masquerade,
        _ => Translation::None,
    }
}

/// What becomes of any other; `inner` is the prefix inside for `nat6: npt`.
fn usual(uplink: &Uplink, inner: Option<Prefix>, source: Option<IpAddr>, family: Family) -> Translation {
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
