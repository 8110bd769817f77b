//! The device of an uplink, and the egress that it gives.

use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::numbering::PROTOCOL;
use ftr_core::record::Reason;

use super::source::Sources;
use super::{Egress, HostView, Origin, Terms};
use crate::{Address, Link, Nexthop, Route, RouteKind};

/// The device of an uplink, in whatever state, and the addresses that may be used with it.
#[derive(Clone, Debug)]
pub struct Device<'a> {
    terms: Terms<'a>,
    link: &'a Link,
    sources: Sources<'a>,
}

impl<'a> Device<'a> {
    /// The device of an uplink.
    ///
    /// # Errors
    /// There is none ([`Reason::NoInterface`]).
    pub fn find(terms: Terms<'a>, links: &'a [Link], addresses: &'a [Address]) -> Result<Self, Reason> {
        let link = links.iter().find(|link| link.name == terms.name).ok_or(Reason::NoInterface)?;
        Ok(Self { terms, link, sources: Sources::of(terms, link, links, addresses) })
    }

    /// Its number.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.link.index
    }

    /// Its addresses that others can reach and that are ready to be used.
    #[must_use]
    pub fn addresses(&self) -> &[&'a Address] {
        &self.sources.own
    }

    /// The address that the uplink would use as far as is known without a route: none while it has none.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let address = match self.terms.origin() {
            Origin::Stated { ip, .. } => self.sources.find(ip),
            Origin::Peer => self.sources.with_peer(),
            Origin::Learned | Origin::Unknown => self.sources.choose(None, None, None),
        };
        address.map(|address| address.local)
    }

    /// The IPv4 address that a rule with MASQUERADE gives the packets of others that leave by this gateway: that of a route
    /// that names none, whatever the route names (`nf_nat_masquerade_ipv4`).
    #[must_use]
    pub fn masquerade(&self, gateway: Option<IpAddr>) -> Option<&'a Address> {
        self.sources.first(gateway).filter(|_| self.terms.family == Family::V4)
    }

    /// Whether a packet to this address goes no farther than the device's own network.
    #[must_use]
    pub fn is_near(&self, target: IpAddr) -> bool {
        self.sources.networks().any(|network| network.contains(target))
    }

    /// The egress that the uplink should have; `table` is the one that remembers what it had.
    ///
    /// # Errors
    /// What is missing, as a check names it: the first thing that is wrong from here to the gateway.
    pub fn egress(&self, table: u32, host: HostView<'_>) -> Result<Egress, Reason> {
        if !self.link.flags.is_up() {
            return Err(Reason::AdminDown);
        }
        let seen = Seen { device: self, table, host };
        // Without carrier the kernel takes no new IPv6 route by a gateway there. One that it has may stay.
        if self.terms.family == Family::V6 && !self.link.flags.has_carrier() && seen.ours().next().is_none() {
            return Err(Reason::NoCarrier);
        }
        let (source, gateway) = self.ends(&seen).map_err(|reason| self.obstacle().unwrap_or(reason))?;
        Ok(Egress {
            index: self.link.index,
            source: source.map(|address| address.local),
            gateway,
            onlink: gateway.is_some_and(|gateway| !self.reaches(gateway)),
            peer: source.and_then(|address| address.peer),
        })
    }

    /// Whether anything can be sent at all.
    ///
    /// # Errors
    /// The device is off, has no link partner, is dormant, or lacks the address that is stated.
    pub fn ready(&self) -> Result<(), Reason> {
        if !self.link.flags.is_up() {
            return Err(Reason::AdminDown);
        }
        match (self.obstacle(), self.terms.origin()) {
            (Some(reason), _) => Err(reason),
            (None, Origin::Stated { ip, .. }) if self.sources.find(ip).is_none() => Err(Reason::NoAddress),
            _ => Ok(()),
        }
    }

    /// Why nothing passes a device that is on. The kernel would send through one that is dormant, but leaves it to routing
    /// daemons to do without (`Documentation/networking/operstates.rst`).
    fn obstacle(&self) -> Option<Reason> {
        let without_carrier = (!self.link.flags.has_carrier()).then_some(Reason::NoCarrier);
        without_carrier.or(self.link.is_dormant().then_some(Reason::Dormant))
    }

    /// The egress that the kernel gives, by its answer to the question where a packet to some target would go that is
    /// sent through the device; no answer where it would go nowhere.
    ///
    /// # Errors
    /// The first thing that is wrong from here to the gateway.
    pub fn routed(&self, answer: Option<&Route>) -> Result<Egress, Reason> {
        self.ready()?;
        let nexthop = answer.filter(|route| is_known(route)).and_then(|route| self.through(route));
        let Some((route, nexthop)) = nexthop else {
            let missing = if self.terms.learns_gateway() { Reason::NoGateway } else { Reason::NoRoute };
            return Err(if self.address().is_none() { Reason::NoAddress } else { missing });
        };
        let source = match self.terms.tested_from().or(route.source) {
            Some(source) if self.sources.permit(source) => source,
            Some(_) => return Err(Reason::NoAddress),
            None => self.address().ok_or(Reason::NoAddress)?,
        };
        let peer = self.sources.find(source).and_then(|address| address.peer).filter(|_| !self.needs_gateway());
        let Nexthop { gateway, onlink, .. } = *nexthop;
        Ok(Egress { index: self.link.index, source: Some(source), gateway, onlink, peer })
    }

    /// The address to send from and the gateway, none within where none is needed.
    fn ends(&self, seen: &Seen<'_, '_>) -> Result<(Option<&'a Address>, Option<IpAddr>), Reason> {
        match self.terms.origin() {
            Origin::Stated { ip, gateway } => {
                let address = self.sources.find(ip).ok_or(Reason::NoAddress)?;
                if gateway.is_none() && self.needs_gateway() {
                    return Err(Reason::NoGateway);
                }
                Ok((Some(address), gateway))
            }
            Origin::Peer => {
                let address = self.sources.with_peer().ok_or(Reason::NoAddress)?;
                let gateway = if self.needs_gateway() { Some(address.peer.ok_or(Reason::NoGateway)?) } else { None };
                Ok((Some(address), gateway))
            }
            Origin::Learned => self.learned(seen),
            Origin::Unknown => Err(Reason::NoGateway),
        }
    }

    /// What the default route in main gives, or what it gave before.
    fn learned(&self, seen: &Seen<'_, '_>) -> Result<(Option<&'a Address>, Option<IpAddr>), Reason> {
        let is_v4 = self.terms.family == Family::V4;
        let in_use = seen.ours().next().and_then(|(route, _)| route.source);
        if let Some((route, nexthop)) = seen.defaults().next() {
            let source = self.sources.choose(route.source, nexthop.gateway, in_use);
            return if source.is_none() && is_v4 { Err(Reason::NoAddress) } else { Ok((source, nexthop.gateway)) };
        }
        // The lease is as good as its address. Some clients take their route away for a moment at each renewal. Router
        // advertisements are followed to the letter instead: a lifetime of zero is how a router resigns.
        let remembered =
            |(route, nexthop): (&Route, &Nexthop)| Some((self.sources.find(route.source?)?, nexthop.gateway));
        if let Some((source, gateway)) = seen.ours().find_map(remembered).filter(|_| is_v4) {
            return Ok((Some(source), gateway));
        }
        let source = self.sources.choose(None, None, in_use).ok_or(Reason::NoAddress)?;
        if self.needs_gateway() { Err(Reason::NoGateway) } else { Ok((Some(source), None)) }
    }

    /// It has neighbours, one of whom has to be named. A point-to-point device has one peer; one without address
    /// resolution, such as an LTE modem, knows no addresses below IP.
    const fn needs_gateway(&self) -> bool {
        !self.link.flags.is_point_to_point() && !self.link.flags.no_arp()
    }

    /// Whether the kernel finds the gateway on the device without being told.
    fn reaches(&self, gateway: IpAddr) -> bool {
        let link_local = matches!(gateway, IpAddr::V6(gateway) if gateway.is_unicast_link_local());
        link_local || self.sources.networks().any(|network| network.contains(gateway))
    }

    /// The nexthop of a route that leads through the device.
    fn through<'r>(&self, route: &'r Route) -> Option<(&'r Route, &'r Nexthop)> {
        Some((route, route.nexthops.iter().find(|nexthop| nexthop.index == self.link.index)?))
    }
}

/// Whether the kernel has found a route in a table.
///
/// Where none leads through a device that a socket is bound to, IPv4 takes the target for a neighbour and asks for it by
/// ARP, and a provider that answers for everybody makes a dead uplink look alive. Such an answer is of no table.
fn is_known(route: &Route) -> bool {
    route.kind == RouteKind::Unicast && (route.family == Family::V6 || route.table != 0)
}

/// What a device has in the tables.
struct Seen<'d, 's> {
    device: &'d Device<'d>,
    table: u32,
    host: HostView<'s>,
}

impl<'s> Seen<'_, 's> {
    /// The default routes of main through the device, the preferred one first, as the kernel has it: a router that died
    /// without a word is advertised for half an hour more.
    fn defaults(&self) -> impl Iterator<Item = (&'s Route, &'s Nexthop)> {
        let mut defaults: Vec<_> = self.through(self.host.defaults).collect();
        let is_silent = |gateway| self.host.silent.contains(&(self.device.link.index, gateway));
        defaults
            .sort_by_key(|(route, nexthop)| (nexthop.gateway.is_some_and(is_silent), route.metric, route.preference()));
        defaults.into_iter()
    }

    /// Our own routes in the table of the uplink.
    fn ours(&self) -> impl Iterator<Item = (&'s Route, &'s Nexthop)> {
        let table = self.table;
        self.through(self.host.ours).filter(move |(route, _)| route.table == table && route.protocol == PROTOCOL)
    }

    fn through(&self, routes: &'s [Route]) -> impl Iterator<Item = (&'s Route, &'s Nexthop)> {
        let defaults = routes.iter().filter(|route| route.destination.is_none() && route.kind == RouteKind::Unicast);
        defaults.filter_map(|route| self.device.through(route))
    }
}
