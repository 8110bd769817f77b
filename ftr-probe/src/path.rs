//! What the kernel knows of the way through an uplink, before anything is sent.

use std::net::{IpAddr, Ipv4Addr};

use ftr_core::record::Reason;
use ftr_netlink::{Address, Family, Link, Prefix, Route, RouteKind};

/// The devices and addresses of this host at one moment, for all checks that start then.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
}

/// A device that is on, with link and address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) index: u32,
    address: IpAddr,
    peer: Option<IpAddr>,
    /// It has one peer, or no addresses below IP: a packet needs no gateway to be sent to.
    direct: bool,
    networks: Vec<Prefix>,
}

/// The way through an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The address that packets leave with.
    pub(crate) address: IpAddr,
    /// The gateway, or the peer of a point-to-point device; none where the targets are on the link.
    pub(crate) gateway: Option<IpAddr>,
}

/// Where the way breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) reason: Reason,
    /// The address of the uplink, if it still has one.
    pub(crate) address: Option<IpAddr>,
}

impl Survey {
    /// The device of this name, if it is fit to send: with this address, or with any where none is given.
    pub(crate) fn device(&self, name: &str, ip: Option<Ipv4Addr>) -> Result<Device, Break> {
        let link = self.links.iter().find(|link| link.name == name);
        let link = link.ok_or(Break { reason: Reason::NoInterface, address: None })?;
        let own = || self.addresses.iter().filter(|a| a.index == link.index && a.family() == Family::V4);
        let address = match ip {
            Some(ip) => own().find(|a| a.local == IpAddr::V4(ip)),
            None => own().find(|a| a.is_global() && !a.is_secondary()),
        };
        let broken = |reason| Break { reason, address: address.map(|a| a.local) };
        if !link.flags.is_up() {
            return Err(broken(Reason::AdminDown));
        }
        if !link.flags.has_carrier() {
            return Err(broken(Reason::NoCarrier));
        }
        let address = address.ok_or(broken(Reason::NoAddress))?;
        Ok(Device {
            index: link.index,
            address: address.local,
            peer: address.peer,
            direct: link.flags.is_point_to_point() || link.flags.no_arp(),
            networks: own().filter_map(Address::network).collect(),
        })
    }
}

impl Device {
    /// The way through it breaks here.
    pub(crate) const fn broken(&self, reason: Reason) -> Break {
        Break { reason, address: Some(self.address) }
    }

    /// The way to a target, from the kernel's answer to "where would this go through that device?"; none where the
    /// kernel says nowhere.
    ///
    /// A socket that is bound to a device sends even where no route leads: IPv4 then takes the target for a neighbour
    /// and asks for it by ARP, and a provider that answers for everybody makes a dead uplink look alive.
    pub(crate) fn way(&self, target: IpAddr, route: Option<&Route>) -> Result<Way, Break> {
        let no_route = self.broken(Reason::NoRoute);
        let route = route.filter(|route| route.kind == RouteKind::Unicast).ok_or(no_route)?;
        let nexthop = route.nexthops.iter().find(|nexthop| nexthop.index == self.index).ok_or(no_route)?;
        let gateway = nexthop.gateway.or(self.peer.filter(|_| self.direct));
        let near = || self.direct || self.networks.iter().any(|network| network.contains(target));
        if gateway.is_none() && !near() {
            return Err(no_route);
        }
        Ok(Way { address: route.source.unwrap_or(self.address), gateway })
    }
}
