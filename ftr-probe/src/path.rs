//! What the kernel knows of the way through an uplink, before anything is sent.

use std::net::IpAddr;

use ftr_core::record::Reason;
use ftr_netlink::{Address, Family, Prefix, Route, RouteKind};

use crate::survey::Survey;

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
    /// The device of this name, if it is fit to send: with this address, or with any of the family where none is given.
    pub(crate) fn device(&self, name: &str, family: Family, ip: Option<IpAddr>) -> Result<Device, Break> {
        let link = self.links.iter().find(|link| link.name == name);
        let link = link.ok_or(Break { reason: Reason::NoInterface, address: None })?;
        let own = || self.addresses.iter().filter(|a| a.index == link.index && a.family() == family);
        let usable = |a: &&Address| !a.is_tentative();
        let address = match ip {
            Some(ip) => own().filter(usable).find(|a| a.local == ip),
            None => own().filter(usable).find(|a| a.is_global() && !a.is_secondary() && !a.is_deprecated()),
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

    /// Whether a packet to this address goes no farther than the device's own network.
    pub(crate) fn is_near(&self, target: IpAddr) -> bool {
        self.peer == Some(target) || self.networks.iter().any(|network| network.contains(target))
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
        if gateway.is_none() && !self.direct && !self.is_near(target) {
            return Err(no_route);
        }
        Ok(Way { address: route.source.unwrap_or(self.address), gateway })
    }
}

#[cfg(test)]
mod tests {
    use super::{Break, Survey, Way};
    use ftr_core::record::Reason;
    use ftr_netlink::{Address, Counters, Family, Link, LinkFlags, Nexthop, Route, RouteKind};
    use std::net::IpAddr;

    const V4: Family = Family::V4;
    const UP: u32 = 0x1;
    const POINT_TO_POINT: u32 = 0x10;
    const CARRIER: u32 = 0x1_0000;
    const TARGET: [u8; 4] = [198, 51, 100, 1];

    fn survey(flags: u32, addresses: &[([u8; 4], Option<[u8; 4]>)]) -> Survey {
        let link = |index, name: &str, flags| Link {
            index,
            name: name.to_owned(),
            flags: LinkFlags(flags),
            operational: 0,
            kind: None,
            mtu: 1500,
            counters: Counters::default(),
        };
        let address = |&(local, peer): &([u8; 4], Option<[u8; 4]>)| Address {
            index: 7,
            local: local.into(),
            peer: peer.map(Into::into),
            prefix_length: if peer.is_some() { 32 } else { 24 },
            scope: 0,
            flags: 0,
        };
        let mut addresses: Vec<_> = addresses.iter().map(address).collect();
        // Another device with the same address.
        addresses.push(Address { index: 8, ..address(&([192, 0, 2, 2], None)) });
        Survey { links: vec![link(8, "eth2", UP | CARRIER), link(7, "eth1", flags)], addresses }
    }

    fn reason(survey: &Survey, ip: Option<[u8; 4]>) -> Option<(Reason, Option<IpAddr>)> {
        survey.device("eth1", V4, ip.map(Into::into)).err().map(|Break { reason, address }| (reason, address))
    }

    fn route(index: u32, gateway: Option<[u8; 4]>) -> Route {
        let mut route = Route::default(Family::V4, 1, RouteKind::Unicast);
        route.nexthops.push(Nexthop::new(gateway.map(Into::into), index));
        route
    }

    #[test]
    fn the_first_thing_that_is_broken_is_named() {
        let (ip, other) = ([192, 0, 2, 2], [192, 0, 2, 9]);
        let one = [(ip, None)];
        assert_eq!(Survey::default().device("eth1", V4, None).err().map(|b| b.reason), Some(Reason::NoInterface));
        assert_eq!(reason(&survey(0, &one), Some(ip)), Some((Reason::AdminDown, Some(ip.into()))));
        assert_eq!(reason(&survey(UP, &one), Some(ip)), Some((Reason::NoCarrier, Some(ip.into()))));
        assert_eq!(reason(&survey(UP | CARRIER, &[]), Some(ip)), Some((Reason::NoAddress, None)));
        assert_eq!(reason(&survey(UP | CARRIER, &one), Some(other)), Some((Reason::NoAddress, None)));
        assert_eq!(reason(&survey(UP | CARRIER, &[]), None), Some((Reason::NoAddress, None)));
        assert_eq!(reason(&survey(UP | CARRIER, &one), Some(ip)), None);
        assert_eq!(reason(&survey(UP | CARRIER, &one), None), None);
    }

    #[test]
    fn only_a_way_that_the_kernel_knows_is_taken() {
        let device = survey(UP | CARRIER, &[([192, 0, 2, 2], None)]).device("eth1", V4, None).unwrap();
        let gateway =
            |route: Option<Route>, target: [u8; 4]| device.way(target.into(), route.as_ref()).map(|way| way.gateway);
        let none = Err(device.broken(Reason::NoRoute));
        assert_eq!(gateway(Some(route(7, Some([192, 0, 2, 1]))), TARGET), Ok(Some([192, 0, 2, 1].into())));
        assert_eq!(gateway(Some(route(7, None)), [192, 0, 2, 77]), Ok(None));
        // What the kernel says where no route leads: as if the target were a neighbour.
        assert_eq!(gateway(Some(route(7, None)), TARGET), none);
        assert_eq!(gateway(Some(route(8, Some([192, 0, 2, 1]))), TARGET), none);
        assert_eq!(gateway(None, TARGET), none);
        let mut unreachable = route(7, Some([192, 0, 2, 1]));
        unreachable.kind = RouteKind::Unreachable;
        assert_eq!(gateway(Some(unreachable), TARGET), none);
    }

    #[test]
    fn a_point_to_point_device_leads_to_its_peer() {
        let survey = survey(UP | CARRIER | POINT_TO_POINT, &[([10, 0, 0, 2], Some([10, 0, 0, 1]))]);
        let way = survey.device("eth1", V4, None).unwrap().way(TARGET.into(), Some(&route(7, None)));
        assert_eq!(way, Ok(Way { address: [10, 0, 0, 2].into(), gateway: Some([10, 0, 0, 1].into()) }));
    }

    #[test]
    fn the_address_is_the_one_that_the_route_gives() {
        let device = survey(UP | CARRIER, &[([192, 0, 2, 2], None)]).device("eth1", V4, None).unwrap();
        let mut route = route(7, Some([192, 0, 2, 1]));
        route.source = Some([192, 0, 2, 3].into());
        assert_eq!(device.way(TARGET.into(), Some(&route)).map(|way| way.address), Ok([192, 0, 2, 3].into()));
    }
}
