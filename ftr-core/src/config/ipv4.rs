//! `type`, `ip`, `gateway`: the IPv4 side of an uplink.

use std::net::Ipv4Addr;

use serde_yaml::Value;

use super::form::{Gateway, Maybe, OrNone, Scalar, Together, Word};
use super::key::keys;
use super::scalar;
use super::section::Section;
use super::target::is_host;
use super::words::words;

/// Where an uplink's address and gateway come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkKind {
    /// From the configuration.
    Static {
        /// The primary address, which new connections are translated to.
        ip: Ipv4Addr,
        /// The provider's router; none on a point-to-point device.
        gateway: Option<Ipv4Addr>,
    },
    /// From the kernel: a point-to-point device, whose address and peer come, change and go.
    Ppp,
    /// From the kernel: the address of the device, and the default route for it in the table main, as DHCP clients put
    /// them there.
    Dhcp,
}

words! {
    /// Where they come from, in a word.
    pub(super) enum Type {
        /// From `ip` and `gateway`.
        "static" => Static,
        /// From the kernel: a point-to-point device, whose address and peer may change at any time.
        "ppp" => Ppp,
        /// From the kernel, where a DHCP client puts them; its default route in main is left alone.
        "dhcp" => Dhcp,
    }
}

keys! {
    /// The IPv4 side as it is stated.
    pub(super) struct Stated {
        /// Where address and gateway come from; without it, from `ip` and `gateway`.
        "type" => kind: Option<Type> = None, Maybe(Word);
        /// The address that the provider gave, which new connections are translated to; the device may have more. Needed
        /// where `type` is static, as `gateway` is.
        "ip" => ip: Option<Ipv4Addr> = None, Maybe(HOST);
        /// The provider's router; `none` where none is needed, as on a tunnel.
        "gateway" => gateway: Option<Gateway<Ipv4Addr>> = None, Maybe(OrNone(HOST));
    }
}

const HOST: Scalar<Ipv4Addr> =
    Scalar { allowed: "an IPv4 address", read: host, write: |address| address.to_string().into() };

impl Together for UplinkKind {
    type Stated = Stated;

    fn understood(self, stated: Stated, section: &mut Section<'_>) -> Self {
        match stated.kind {
            Some(Type::Ppp) => learned(section, Self::Ppp, Type::Ppp),
            Some(Type::Dhcp) => learned(section, Self::Dhcp, Type::Dhcp),
            // Of a wrong type nobody knows what it needs.
            None if section.has("type") => self,
            Some(Type::Static) | None => fixed(section, &stated).unwrap_or(self),
        }
    }

    fn stated(&self) -> Stated {
        match *self {
            Self::Static { ip, gateway } => {
                Stated { kind: Some(Type::Static), ip: Some(ip), gateway: Some(Gateway(gateway)) }
            }
            Self::Ppp => Stated { kind: Some(Type::Ppp), ip: None, gateway: None },
            Self::Dhcp => Stated { kind: Some(Type::Dhcp), ip: None, gateway: None },
        }
    }
}

fn fixed(section: &mut Section<'_>, stated: &Stated) -> Option<UplinkKind> {
    section.require("ip", "the address that the provider gave you");
    section.require("gateway", "the address of the provider's router, or none");
    let (ip, Gateway(gateway)) = (stated.ip?, stated.gateway?);
    if gateway == Some(ip) {
        section.wrong(
            "gateway",
            format!("{ip} is the uplink's own address, allowed: the address of the provider's router"),
        );
    }
    Some(UplinkKind::Static { ip, gateway })
}

fn learned(section: &mut Section<'_>, kind: UplinkKind, word: Type) -> UplinkKind {
    for key in ["ip", "gateway"] {
        if section.has(key) {
            let word = word.as_str();
            section.wrong(
                key,
                format!("a {word} uplink learns it from the kernel, allowed: nothing here, or type: static"),
            );
        }
    }
    kind
}

fn host(value: &Value) -> Result<Ipv4Addr, String> {
    let text = scalar::text(value)?;
    text.parse()
        .ok()
        .filter(|&address| is_host(address))
        .ok_or_else(|| "is not the address of a host, allowed: an IPv4 address such as 192.0.2.1".to_owned())
}
