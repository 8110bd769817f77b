//! `type6`, `ip6`, `gateway6`, `prefix6`: the IPv6 side of an uplink.

use std::net::Ipv6Addr;
use std::ops::Deref;

use serde_json::Value as Json;
use serde_yaml::Value;

use super::form::{Gateway, List, Maybe, OrNone, Scalar, Together, Word};
use super::key::{Form, Key, keys};
use super::scalar;
use super::section::Section;
use super::words::words;
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

words! {
    /// What becomes of the source address of IPv6 connections that leave by an uplink.
    pub enum Nat6 {
        /// Nothing: hosts inside have addresses of the provider.
        "none" => None,
        /// It becomes the uplink's own.
        "masquerade" => Masquerade,
        /// The prefix that is used inside becomes the one that the provider delegated (RFC 6296).
        "npt" => Prefix,
    }
}

words! {
    /// What becomes of new IPv6 connections from the prefixes of an uplink that is down, while another one works.
    pub enum Ipv6Rescue {
        /// They leave by the uplinks that carry new connections, with the prefix of that uplink instead of theirs, or with its
        /// address where it has none.
        "translate" => Translate,
        /// They are refused at once; hosts are told by router advertisements to use another prefix, see `docs/ipv6.md`.
        "deprecate" => Deprecate,
        /// They are translated, and hosts are told.
        "both" => Both,
        /// They are refused at once.
        "none" => None,
    }
}

impl Ipv6Rescue {
    /// Whether they leave by another uplink.
    #[must_use]
    pub const fn translates(self) -> bool {
        matches!(self, Self::Translate | Self::Both)
    }

    /// Whether hosts are told not to use the prefix.
    #[must_use]
    pub const fn deprecates(self) -> bool {
        matches!(self, Self::Deprecate | Self::Both)
    }
}

words! {
    /// Where they come from, in a word.
    pub(super) enum Type6 {
        /// From `ip6` and `gateway6`.
        "static" => Static,
        /// From router advertisements, as the kernel or a daemon takes them.
        "ra" => Advertised,
    }
}

keys! {
    /// The IPv6 side as it is stated.
    pub(super) struct Stated {
        /// The IPv6 address that the provider gave; beside `gateway6`.
        "ip6" => ip: Option<Ipv6Addr> = None, Maybe(HOST6);
        /// The provider's router, often a link-local address; `none` where none is needed.
        "gateway6" => gateway: Option<Gateway<Ipv6Addr>> = None, Maybe(OrNone(HOST6));
        /// Where IPv6 address and gateway come from; an uplink that states none of the three has no IPv6.
        "type6" => kind: Option<Type6> = None, Maybe(Word);
    }
}

const HOST6: Scalar<Ipv6Addr> =
    Scalar { allowed: "an IPv6 address", read: host, write: |address| address.to_string().into() };

/// The prefixes that a provider routes to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefixes6 {
    /// They are learned from what a DHCP client has been delegated, and change.
    pub auto: bool,
    /// Those that are stated, or known by now.
    pub known: Vec<Prefix>,
    /// Those that it had until lately: hosts may still use them, and its provider takes them no longer.
    pub former: Vec<Prefix>,
}

impl Prefixes6 {
    /// Whether there are none and never will be.
    #[must_use]
    pub fn is_none(&self) -> bool {
        !self.auto && self.known.is_empty()
    }
}

impl Deref for Prefixes6 {
    type Target = [Prefix];

    fn deref(&self) -> &[Prefix] {
        &self.known
    }
}

/// The word for those that are learned.
const AUTO: &str = "auto";

/// The form of [`Prefixes6`].
pub(super) struct AutoOr(List<Scalar<Prefix>>);

pub(super) const AUTO_OR_PREFIXES: AutoOr = AutoOr(List(PREFIX6));

impl Form<Prefixes6> for AutoOr {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut Prefixes6) {
        if section.is_word(key, AUTO) {
            *slot = Prefixes6 { auto: true, ..Prefixes6::default() };
        } else {
            self.0.update(section, key, &mut slot.known);
        }
    }

    fn write(&self, value: &Prefixes6) -> Json {
        if value.auto { AUTO.into() } else { self.0.write(&value.known) }
    }

    fn describe(&self, key: Key) -> Key {
        let key = self.0.describe(key);
        Key { allowed: format!("{}; or {AUTO}", key.allowed), ..key }
    }
}

/// The form of a prefix of a network.
pub(super) const PREFIX6: Scalar<Prefix> =
    Scalar { allowed: "an IPv6 prefix", read: prefix, write: |prefix| prefix.to_string().into() };

impl Together for Option<Ipv6Kind> {
    type Stated = Stated;

    fn understood(self, stated: Stated, section: &mut Section<'_>) -> Self {
        let addressed = section.has("ip6") || section.has("gateway6");
        match stated.kind {
            Some(Type6::Advertised) => {
                for key in ["ip6", "gateway6"] {
                    if section.has(key) {
                        section.wrong(key, "router advertisements tell it, allowed: nothing here, or type6: static");
                    }
                }
                (!addressed).then_some(Ipv6Kind::Advertised)
            }
            None if !addressed => None,
            Some(Type6::Static) | None => fixed(section, &stated),
        }
    }

    fn stated(&self) -> Stated {
        match *self {
            Some(Ipv6Kind::Static { ip, gateway }) => {
                Stated { kind: None, ip: Some(ip), gateway: Some(Gateway(gateway)) }
            }
            Some(Ipv6Kind::Advertised) => Stated { kind: Some(Type6::Advertised), ip: None, gateway: None },
            None => Stated { kind: None, ip: None, gateway: None },
        }
    }
}

fn fixed(section: &mut Section<'_>, stated: &Stated) -> Option<Ipv6Kind> {
    section.require("ip6", "the IPv6 address that the provider gave you");
    section.require("gateway6", "the IPv6 address of the provider's router, or none");
    let (ip, Gateway(gateway)) = (stated.ip?, stated.gateway?);
    if ip.is_unicast_link_local() {
        section.wrong("ip6", format!("{ip} is valid on its link only, allowed: a global address"));
    } else if gateway == Some(ip) {
        section.wrong("gateway6", format!("{ip} is the uplink's own address, allowed: the provider's router"));
    }
    Some(Ipv6Kind::Static { ip, gateway })
}

/// Prefixes take IPv6, and so does translation, which takes for a prefix one that it can become.
pub(super) fn check_prefixes(section: &mut Section<'_>, prefixes: &Prefixes6, nat: Nat6, ipv6: Option<Ipv6Kind>) {
    const WITHOUT: &str = "without IPv6 on the uplink, allowed: beside ip6 and gateway6, or type6: ra";
    if ["type6", "ip6", "gateway6"].iter().any(|key| section.faulty(key)) {
        return;
    }
    if ipv6.is_none() && !prefixes.is_none() {
        section.wrong("prefix6", WITHOUT);
    }
    if nat != Nat6::None && ipv6.is_none() {
        section.wrong("nat6", WITHOUT);
    } else if nat == Nat6::Prefix && prefixes.auto {
        section
            .wrong("nat6", "npt with a prefix that changes, allowed: beside a prefix6 that is stated, or masquerade");
    } else if nat == Nat6::Prefix && prefixes.is_empty() {
        section.wrong("nat6", "npt without a prefix, allowed: beside prefix6");
    }
}

fn host(value: &Value) -> Result<Ipv6Addr, String> {
    let text = scalar::text(value)?;
    text.parse()
        .ok()
        .filter(|address: &Ipv6Addr| !address.is_unspecified() && !address.is_loopback() && !address.is_multicast())
        .ok_or_else(|| "is not the address of a host, allowed: an IPv6 address such as 2001:db8::1".to_owned())
}

fn prefix(value: &Value) -> Result<Prefix, String> {
    let prefix: Prefix = scalar::parsed(value)?;
    if prefix.family() == Family::V6 && prefix.length() > 0 {
        Ok(prefix)
    } else {
        Err("is no prefix of a network, allowed: an IPv6 prefix such as 2001:db8:1::/56".to_owned())
    }
}
