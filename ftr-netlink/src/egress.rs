//! Where the packets of an uplink leave: by which gateway, and from which address. Pure.
//!
//! This is the one definition of a usable uplink. `ftr-route` asks what its table should hold ([`Device::egress`]),
//! `ftr-probe` whether the route that the kernel gives it is that ([`Device::routed`]); both are told the same reason
//! where there is none.
//!
//! A route needs a device that is on, and a gateway unless the device finds its far end without one. An IPv4 route needs
//! an address of this host too, for the kernel would take one of another device. An IPv6 route needs none: a provider
//! may give a link-local address and a delegated prefix, and nothing else (RFC 7084, WAA-7).

mod device;
mod source;

use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::{Config, Ipv6Kind, Uplink, UplinkKind};

use crate::{Address, Link, Route};
pub use device::Device;

/// Where packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Egress {
    /// The number of the device.
    pub index: u32,
    /// The address that packets of this host leave with; none where the kernel is to choose one for each (IPv6 only).
    pub source: Option<IpAddr>,
    /// The router that packets are sent to; none where the device needs none.
    pub gateway: Option<IpAddr>,
    /// No network of the device holds the gateway.
    pub onlink: bool,
    /// The far end of a point-to-point device.
    pub peer: Option<IpAddr>,
}

impl Egress {
    /// What people call the far end: the gateway, or the peer of a point-to-point device.
    #[must_use]
    pub fn far_end(&self) -> Option<IpAddr> {
        self.gateway.or(self.peer)
    }
}

/// What the kernel has at one look, of one family.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostView<'a> {
    /// Every device.
    pub links: &'a [Link],
    /// Every address.
    pub addresses: &'a [Address],
    /// The default routes of the table main: what DHCP clients and router advertisements have brought.
    pub defaults: &'a [Route],
    /// The hosts that do not answer the kernel's question for their link-layer address, each with its device.
    pub silent: &'a [(u32, IpAddr)],
    /// The routes of our tables, which remember what was learned.
    pub ours: &'a [Route],
}

/// An uplink in one family, by its index in the configuration; or a device alone, of which nothing more is known.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    name: &'a str,
    family: Family,
    configured: Option<(&'a Config, &'a Uplink)>,
}

/// Where an uplink's address and gateway come from, in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// From the configuration.
    Stated { ip: IpAddr, gateway: Option<IpAddr> },
    /// Both are the device's own.
    Peer,
    /// From the default route for the device in the table main.
    Learned,
    /// Nothing is known of it.
    Unknown,
}

impl<'a> Terms<'a> {
    /// What the configuration says of an uplink.
    #[must_use]
    pub fn of(config: &'a Config, uplink: &'a Uplink, family: Family) -> Self {
        Self { name: uplink.name.as_str(), family, configured: Some((config, uplink)) }
    }

    /// A device that no configuration knows.
    #[must_use]
    pub const fn unconfigured(name: &'a str, family: Family) -> Self {
        Self { name, family, configured: None }
    }

    /// The name of its device.
    #[must_use]
    pub const fn device(&self) -> &'a str {
        self.name
    }

    /// The address that its checks are sent from, where one is stated.
    #[must_use]
    pub fn tested_from(&self) -> Option<IpAddr> {
        self.configured.and_then(|(_, uplink)| uplink.tests.source(self.family))
    }

    /// The gateway is taken from the table main.
    #[must_use]
    pub fn learns_gateway(&self) -> bool {
        self.origin() == Origin::Learned
    }

    /// The address comes by itself, so that it may be missing for a while.
    #[must_use]
    pub fn learns_address(&self) -> bool {
        matches!(self.origin(), Origin::Peer | Origin::Learned)
    }

    /// Whether an address may become or cease to be the one that the uplink's packets leave with, although another device
    /// has it.
    #[must_use]
    pub fn may_use(&self, address: &Address) -> bool {
        address.family() == self.family
            && address.is_global()
            && match self.origin() {
                Origin::Stated { ip, .. } => ip == address.local,
                Origin::Learned => self.family == Family::V6,
                Origin::Peer | Origin::Unknown => false,
            }
    }

    fn origin(&self) -> Origin {
        let Some((_, uplink)) = self.configured else { return Origin::Unknown };
        match (self.family, uplink.kind, uplink.ipv6) {
            (Family::V4, UplinkKind::Static { ip, gateway }, _) => {
                Origin::Stated { ip: ip.into(), gateway: gateway.map(IpAddr::V4) }
            }
            (Family::V4, UplinkKind::Ppp, _) => Origin::Peer,
            (Family::V4, UplinkKind::Dhcp, _) | (Family::V6, _, Some(Ipv6Kind::Advertised)) => Origin::Learned,
            (Family::V6, _, Some(Ipv6Kind::Static { ip, gateway })) => {
                Origin::Stated { ip: ip.into(), gateway: gateway.map(IpAddr::V6) }
            }
            (Family::V6, _, None) => Origin::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
