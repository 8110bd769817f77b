//! `ip6`, `gateway6`, `type6`, `prefix6`: the IPv6 side of an uplink.

use std::net::Ipv6Addr;

use serde_yaml::Value;

use super::scalar;
use super::section::Section;
use super::uplink::is_none;
use crate::{Family, Prefix};

/// Where an uplink's IPv6 address and gateway come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Kind {
    /// From the configuration.
    Static {
        /// The address.
        ip: Ipv6Addr,
        /// The provider's router, often a link-local address; none on a point-to-point device.
        gateway: Option<Ipv6Addr>,
    },
    /// From router advertisements, as the kernel or a daemon takes them.
    Advertised,
}

/// What becomes of the source address of IPv6 connections that leave by an uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nat6 {
    /// Nothing: hosts inside have addresses of the provider.
    #[default]
    None,
    /// It becomes the uplink's own.
    Masquerade,
    /// The prefix that is used inside becomes the one that the provider delegated (RFC 6296).
    Prefix,
}

/// None where the uplink has no IPv6, or what is stated of it is wrong (which is noted).
pub(super) fn read(section: &mut Section<'_>) -> Option<Ipv6Kind> {
    let advertised = section.optional("type6", scalar::one_of(&[("static", false), ("ra", true)]));
    let stated = section.has("ip6") || section.has("gateway6");
    if advertised == Some(true) {
        for key in ["ip6", "gateway6"] {
            if section.has(key) {
                section.wrong(key, "router advertisements tell it, allowed: nothing here, or type6: static");
            }
        }
        return (!stated).then_some(Ipv6Kind::Advertised);
    }
    if !stated && advertised.is_none() {
        return None;
    }
    let ip = section.required("ip6", "the IPv6 address that the provider gave you", host);
    let gateway = section.required("gateway6", "the IPv6 address of the provider's router, or none", |value| {
        if is_none(value) { Ok(None) } else { host(value).map(Some) }
    });
    let (ip, gateway) = (ip?, gateway?);
    if ip.is_unicast_link_local() {
        section.wrong("ip6", format!("{ip} is valid on its link only, allowed: a global address"));
        return None;
    }
    if gateway == Some(ip) {
        section.wrong("gateway6", format!("{ip} is the uplink's own address, allowed: the provider's router"));
        return None;
    }
    Some(Ipv6Kind::Static { ip, gateway })
}

/// The prefixes that the provider routes to us.
pub(super) fn read_prefixes(section: &mut Section<'_>, ipv6: Option<Ipv6Kind>) -> Vec<Prefix> {
    let prefixes = section.list("prefix6", prefix);
    if ipv6.is_none() && !prefixes.is_empty() {
        section.wrong("prefix6", "without IPv6 on the uplink, allowed: beside ip6 and gateway6, or type6: ra");
    }
    prefixes
}

/// How sources are translated, which takes IPv6, and for a prefix one that it can become.
pub(super) fn read_nat(section: &mut Section<'_>, ipv6: Option<Ipv6Kind>, prefixes: &[Prefix]) -> Nat6 {
    let words = &[("none", Nat6::None), ("masquerade", Nat6::Masquerade), ("npt", Nat6::Prefix)];
    let nat = section.optional("nat6", scalar::one_of(words)).unwrap_or_default();
    if nat != Nat6::None && ipv6.is_none() {
        section.wrong("nat6", "without IPv6 on the uplink, allowed: beside ip6 and gateway6, or type6: ra");
    } else if nat == Nat6::Prefix && prefixes.is_empty() {
        section.wrong("nat6", "npt without a prefix, allowed: beside prefix6");
    }
    nat
}

fn host(value: &Value) -> Result<Ipv6Addr, String> {
    let text = scalar::text(value)?;
    text.parse()
        .ok()
        .filter(|address: &Ipv6Addr| !address.is_unspecified() && !address.is_loopback() && !address.is_multicast())
        .ok_or_else(|| format!("{text:?} is not the address of a host, allowed: an IPv6 address such as 2001:db8::1"))
}

pub(super) fn prefix(value: &Value) -> Result<Prefix, String> {
    let prefix: Prefix = scalar::parsed(value)?;
    if prefix.family() == Family::V6 && prefix.length() > 0 {
        Ok(prefix)
    } else {
        Err(format!("{prefix} is no prefix of a network, allowed: an IPv6 prefix such as 2001:db8:1::/56"))
    }
}
