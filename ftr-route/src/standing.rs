//! How each uplink stands: its device, its addresses and the way out that they give it.

use std::net::IpAddr;

use ftr_core::config::{Config, Ipv6Kind, Uplink, UplinkKind};
use ftr_core::layout::Layout;
use ftr_core::{Family, InterfaceName, Prefix};
use ftr_netlink::{Address, Link, Nexthop, Route, RouteKind};

use crate::iproute::is_ours;

/// An uplink as the host has it now, for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: InterfaceName,
    /// The configuration gives it this family.
    pub(crate) configured: bool,
    pub(crate) device: DeviceState,
    /// Every address of the device that others can reach.
    pub(crate) addresses: Vec<IpAddr>,
    /// The networks that are reachable directly because of them.
    pub(crate) networks: Vec<Prefix>,
    /// The way out; none while there is no device, it is switched off, or its address or gateway is missing.
    pub(crate) way: Option<Way>,
}

/// How far the device of an uplink is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DeviceState {
    Absent,
    /// Switched off by the administrator.
    Off,
    /// No link partner.
    NoCarrier,
    Running,
}

impl Standing {
    /// The device is there, in whatever state.
    pub(crate) fn is_present(&self) -> bool {
        self.device != DeviceState::Absent
    }

    /// What people call the far end: the gateway, or the peer of a point-to-point device.
    pub(crate) fn far_end(&self) -> Option<IpAddr> {
        self.way.as_ref().and_then(|way| way.gateway.or(way.peer))
    }
}

/// A way out of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// The number of the device.
    pub(crate) index: u32,
    /// The address that packets are sent from.
    pub(crate) source: IpAddr,
    /// The router that packets are sent to; none on a point-to-point device.
    pub(crate) gateway: Option<IpAddr>,
    /// No network of the device holds the gateway.
    pub(crate) onlink: bool,
    /// The far end of a point-to-point device.
    pub(crate) peer: Option<IpAddr>,
}

/// What the host has, of one family.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Host<'a> {
    pub(crate) links: &'a [Link],
    pub(crate) addresses: &'a [Address],
    /// The default routes of the table main: what DHCP clients and router advertisements have brought.
    pub(crate) defaults: &'a [Route],
    /// The routes of our tables, which remember what was learned.
    pub(crate) ours: &'a [Route],
}

/// How every uplink of the configuration stands, in file order.
pub(crate) fn standings(config: &Config, family: Family, host: Host<'_>) -> Vec<Standing> {
    let layout = Layout::of(config);
    let standing = |(place, uplink)| standing(uplink, layout.table(place), family, host);
    config.uplinks.iter().enumerate().map(standing).collect()
}

fn standing(uplink: &Uplink, table: u32, family: Family, host: Host<'_>) -> Standing {
    let link = host.links.iter().find(|link| link.name == uplink.name.as_str());
    let configured = uplink.has(family);
    let own: Vec<&Address> = host
        .addresses
        .iter()
        .filter(|address| configured && link.is_some_and(|link| link.index == address.index))
        .filter(|address| address.family() == family && address.is_global() && !address.is_tentative())
        .collect();
    let mut reachable: Vec<IpAddr> = own.iter().map(|address| address.local).collect();
    reachable.sort_unstable();
    reachable.dedup();
    let mut networks: Vec<Prefix> = own.iter().filter_map(|address| address.network()).collect();
    networks.sort_unstable();
    networks.dedup();
    let way = link
        .filter(|link| link.flags.is_up())
        .and_then(|link| Device { link, own: &own, table, host }.way(uplink, family));
    Standing {
        name: uplink.name.clone(),
        configured,
        device: match link.map(|link| link.flags) {
            None => DeviceState::Absent,
            Some(flags) if !flags.is_up() => DeviceState::Off,
            Some(flags) if !flags.has_carrier() => DeviceState::NoCarrier,
            Some(_) => DeviceState::Running,
        },
        addresses: reachable,
        networks,
        way,
    }
}

/// The device of an uplink, which is switched on.
struct Device<'a> {
    link: &'a Link,
    /// Its addresses that others can reach.
    own: &'a [&'a Address],
    /// The table of the uplink.
    table: u32,
    host: Host<'a>,
}

impl Device<'_> {
    fn way(&self, uplink: &Uplink, family: Family) -> Option<Way> {
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

    /// The address to send from, of those that came by themselves: the one in use while it is good, else the one that
    /// the default route names, else the first that is neither deprecated nor temporary.
    fn leased(&self) -> Option<&Address> {
        let good = || self.own.iter().copied().filter(|address| !address.is_deprecated());
        let with = |source: Option<IpAddr>| good().find(|address| Some(address.local) == source);
        let in_use = self.ours().next().and_then(|(route, _)| route.source);
        let named = self.defaults().next().and_then(|(route, _)| route.source);
        with(named)
            .or_else(|| with(in_use))
            .or_else(|| good().find(|address| !address.is_secondary()))
            .or_else(|| good().next())
            .or_else(|| self.own.first().copied())
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

    /// The default routes of main through the device, the preferred one first.
    fn defaults(&self) -> impl Iterator<Item = (&Route, &Nexthop)> {
        let mut defaults: Vec<_> = self.through(self.host.defaults).collect();
        defaults.sort_by_key(|(route, _)| route.metric);
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

#[cfg(test)]
pub(crate) mod tests {
    use super::{DeviceState, Host, Standing, standings};
    use ftr_core::{Config, Family};
    use ftr_netlink::{Address, Counters, Link, LinkFlags};
    use std::net::IpAddr;
    use std::path::Path;

    pub(crate) const CONFIG: &str = "\
uplinks:
- {interface: eth1, ip: 1.0.0.2, gateway: 1.0.0.1}
- {interface: eth2, ip: 2.0.0.2, gateway: 2.0.0.1, weight: 2}
- {interface: ppp0, type: ppp}
downlinks: {lan: eth0}
tests: {ips: [8.8.8.8], required_successful: 1, ping_retries: 1, interval: 1}
base_table: 1
base_priority: 40000
base_fwmark: 1
";

    pub(crate) fn config(text: &str) -> Config {
        Config::parse(Path::new("test"), text).unwrap()
    }

    const UP: u32 = 0x1_0041;
    const POINT_TO_POINT: u32 = 0x10;

    pub(crate) fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.to_owned(),
            flags: LinkFlags(if name.starts_with("ppp") { UP | POINT_TO_POINT } else { UP }),
            operational: 6,
            kind: None,
            mtu: 1500,
            counters: Counters::default(),
        }
    }

    pub(crate) fn address(index: u32, local: &str, peer: Option<&str>, prefix_length: u8) -> Address {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        Address { index, local: parse(local), peer: peer.map(parse), prefix_length, scope: 0, flags: 0x80 }
    }

    fn stand(links: &[Link], addresses: &[Address]) -> Vec<Standing> {
        standings(&config(CONFIG), Family::V4, Host { links, addresses, ..Host::default() })
    }

    #[test]
    fn an_absent_device_has_no_way() {
        let all = stand(&[], &[]);
        assert!(all.iter().all(|one| !one.is_present() && one.way.is_none() && one.addresses.is_empty()));
    }

    #[test]
    fn a_static_uplink_needs_its_own_address() {
        let links = [link(3, "eth1")];
        let other = address(3, "1.0.0.9", None, 24);
        let all = stand(&links, std::slice::from_ref(&other));
        assert_eq!((all[0].addresses.len(), &all[0].way), (1, &None));
        let all = stand(&links, &[other, address(3, "1.0.0.2", None, 24)]);
        let way = all[0].way.clone().unwrap();
        assert_eq!((way.gateway.unwrap().to_string(), way.onlink, way.index), ("1.0.0.1".to_owned(), false, 3));
    }

    #[test]
    fn a_gateway_outside_every_network_is_onlink() {
        let all = stand(&[link(3, "eth1")], &[address(3, "1.0.0.2", None, 32)]);
        assert!(all[0].way.clone().unwrap().onlink);
    }

    #[test]
    fn a_device_that_is_switched_off_has_no_way_but_keeps_its_addresses() {
        let mut off = link(3, "eth1");
        off.flags = LinkFlags(0);
        let all = stand(&[off], &[address(3, "1.0.0.2", None, 24)]);
        assert_eq!((all[0].device, all[0].addresses.len(), &all[0].way), (DeviceState::Off, 1, &None));
    }

    #[test]
    fn ppp_learns_address_and_peer_and_needs_no_gateway() {
        let links = [link(7, "ppp0")];
        assert_eq!(stand(&links, &[])[2].way, None);
        let way = stand(&links, &[address(7, "9.0.0.2", Some("9.0.0.1"), 32)])[2].way.clone().unwrap();
        assert_eq!((way.gateway, way.peer.unwrap().to_string()), (None, "9.0.0.1".to_owned()));
    }

    #[test]
    fn ppp_on_a_device_with_neighbours_sends_to_the_peer() {
        let mut ether = link(7, "ppp0");
        ether.flags = LinkFlags(UP);
        let way = stand(&[ether.clone()], &[address(7, "9.0.0.2", Some("9.0.0.1"), 32)])[2].way.clone().unwrap();
        assert_eq!((way.gateway, way.onlink), (way.peer, false));
        assert_eq!(stand(&[ether], &[address(7, "9.0.0.2", None, 24)])[2].way, None);
    }

    #[test]
    fn addresses_of_the_link_alone_do_not_count() {
        let mut local = address(3, "169.254.1.1", None, 16);
        local.scope = 253;
        assert!(stand(&[link(3, "eth1")], &[local])[0].addresses.is_empty());
    }
}
