//! The way out by a device: which address, and which gateway.

use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::{Ipv6Kind, Uplink, UplinkKind};
use ftr_netlink::{Address, Link, Nexthop, Route, RouteKind};

use super::{Host, Way};
use crate::iproute::is_ours;

/// The device of an uplink, which is switched on.
pub(super) struct Device<'a> {
    pub(super) link: &'a Link,
    /// Its addresses that others can reach.
    pub(super) own: &'a [&'a Address],
    /// The table of the uplink.
    pub(super) table: u32,
    pub(super) host: Host<'a>,
}

impl Device<'_> {
    pub(super) fn way(&self, uplink: &Uplink, family: Family) -> Option<Way> {
        // Without carrier the kernel takes no new IPv6 route by a gateway there. One that it has may stay.
        if family == Family::V6 && !self.link.flags.has_carrier() && self.ours().next().is_none() {
            return None;
        }
        let (address, gateway) = match (family, uplink.kind, uplink.ipv6) {
            (Family::V4, UplinkKind::Static { ip, gateway }, _) => self.fixed(ip.into(), gateway.map(IpAddr::V4))?,
            (Family::V4, UplinkKind::Ppp, _) => {
                let address = self.own.iter().find(|address| address.peer.is_some()).or_else(|| self.own.first())?;
                // Only a true point-to-point device takes packets without being told to whom they go.
                let gateway = if self.is_line() { None } else { Some(address.peer?) };
                (*address, gateway)
            }
            (Family::V4, UplinkKind::Dhcp, _) => {
                let address = self.leased()?;
                // The lease is as good as its address. Some clients take their route away for a moment at each renewal.
                (address, self.learned(self.advertised().or_else(|| self.remembered(address)))?)
            }
            (Family::V6, _, Some(Ipv6Kind::Static { ip, gateway })) => {
                self.fixed(ip.into(), gateway.map(IpAddr::V6))?
            }
            (Family::V6, _, Some(Ipv6Kind::Advertised)) => (self.leased()?, self.learned(self.advertised())?),
            (Family::V6, _, None) => return None,
        };
        Some(Way {
            index: self.link.index,
            source: address.local,
            gateway,
            onlink: gateway.is_some_and(|gateway| !self.reaches(gateway)),
            peer: address.peer,
        })
    }

    /// The configured address, and gateway where one is needed.
    fn fixed(&self, ip: IpAddr, gateway: Option<IpAddr>) -> Option<(&Address, Option<IpAddr>)> {
        let address = self.own.iter().find(|address| address.local == ip)?;
        (gateway.is_some() || self.is_line()).then_some((*address, gateway))
    }

    /// It has exactly one peer, and needs no gateway.
    const fn is_line(&self) -> bool {
        self.link.flags.is_point_to_point()
    }

    /// The address to send from, of those that came by themselves: the one that the default route names, else the best
    /// one; of several that are as good the one in use.
    fn leased(&self) -> Option<&Address> {
        let named = self.defaults().next().and_then(|(route, _)| route.source);
        let in_use = self.ours().next().and_then(|(route, _)| route.source);
        let best = self.own.iter().map(|address| blemishes(address)).min()?;
        let good = || self.own.iter().copied().filter(|address| blemishes(address) == best);
        let with = |source: Option<IpAddr>| good().find(|address| Some(address.local) == source);
        with(named).or_else(|| with(in_use)).or_else(|| good().next())
    }

    /// The default route in main.
    fn advertised(&self) -> Option<&Nexthop> {
        self.defaults().next().map(|(_, nexthop)| nexthop)
    }

    /// What we were using with this address.
    fn remembered(&self, address: &Address) -> Option<&Nexthop> {
        self.ours().find(|(route, _)| route.source == Some(address.local)).map(|(_, nexthop)| nexthop)
    }

    /// The gateway that was learned, none within where none is needed.
    #[expect(clippy::option_option, reason = "no way, a way without gateway and one with it are three things")]
    fn learned(&self, nexthop: Option<&Nexthop>) -> Option<Option<IpAddr>> {
        nexthop.map(|nexthop| nexthop.gateway).or(self.is_line().then_some(None))
    }

    /// The default routes of main through the device, the preferred one first, as the kernel has it: a router that died
    /// without a word is advertised for half an hour more.
    fn defaults(&self) -> impl Iterator<Item = (&Route, &Nexthop)> {
        let mut defaults: Vec<_> = self.through(self.host.defaults).collect();
        let is_silent = |gateway| self.host.silent.contains(&(self.link.index, gateway));
        defaults
            .sort_by_key(|(route, nexthop)| (nexthop.gateway.is_some_and(is_silent), route.metric, route.preference()));
        defaults.into_iter()
    }

    /// Our own routes in the table of the uplink.
    fn ours(&self) -> impl Iterator<Item = (&Route, &Nexthop)> {
        self.through(self.host.ours).filter(|(route, _)| route.table == self.table && is_ours(route.protocol))
    }

    fn through<'r>(&self, routes: &'r [Route]) -> impl Iterator<Item = (&'r Route, &'r Nexthop)> {
        let index = self.link.index;
        let defaults = routes.iter().filter(|route| route.destination.is_none() && route.kind == RouteKind::Unicast);
        defaults.filter_map(move |route| Some((route, route.nexthops.iter().find(|nexthop| nexthop.index == index)?)))
    }

    /// Whether the kernel finds the gateway on the device without being told.
    fn reaches(&self, gateway: IpAddr) -> bool {
        let link_local = matches!(gateway, IpAddr::V6(gateway) if gateway.is_unicast_link_local());
        link_local || self.own.iter().filter_map(|address| address.network()).any(|net| net.contains(gateway))
    }
}

/// What speaks against sending from an address, the worst first: it is deprecated, it is of a local network that the
/// internet does not know (RFC 4193), it is temporary or not the first of its network.
fn blemishes(address: &Address) -> [bool; 3] {
    let local = matches!(address.local, IpAddr::V6(address) if address.is_unique_local());
    [address.is_deprecated(), local, address.is_secondary()]
}
