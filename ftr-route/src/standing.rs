//! How each uplink stands: its device, its addresses and the way out that they give it.

use std::net::IpAddr;

use ftr_core::config::{Config, Uplink, UplinkKind};
use ftr_core::{Family, InterfaceName};
use ftr_netlink::{Address, Link};

/// An uplink as the host has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) name: InterfaceName,
    /// The device is there, switched on or not.
    pub(crate) present: bool,
    /// The device is switched on.
    pub(crate) up: bool,
    /// The device has a link partner.
    pub(crate) carrier: bool,
    /// Every address of the device that others can reach.
    pub(crate) addresses: Vec<IpAddr>,
    /// The way out; none while there is no device, it is switched off, or its address is missing.
    pub(crate) way: Option<Way>,
}

impl Standing {
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

/// How every uplink of the configuration stands, in file order.
pub(crate) fn standings(config: &Config, family: Family, links: &[Link], addresses: &[Address]) -> Vec<Standing> {
    config.uplinks.iter().map(|uplink| standing(uplink, family, links, addresses)).collect()
}

fn standing(uplink: &Uplink, family: Family, links: &[Link], addresses: &[Address]) -> Standing {
    let link = links.iter().find(|link| link.name == uplink.name.as_str());
    let own: Vec<&Address> = addresses
        .iter()
        .filter(|address| link.is_some_and(|link| link.index == address.index))
        .filter(|address| address.family() == family && address.is_global() && !address.is_tentative())
        .collect();
    let mut reachable: Vec<IpAddr> = own.iter().map(|address| address.local).collect();
    reachable.sort_unstable();
    reachable.dedup();
    let way = link.filter(|link| link.flags.is_up()).and_then(|link| way(uplink, link, &own));
    Standing {
        name: uplink.name.clone(),
        present: link.is_some(),
        up: link.is_some_and(|link| link.flags.is_up()),
        carrier: link.is_some_and(|link| link.flags.has_carrier()),
        addresses: reachable,
        way,
    }
}

fn way(uplink: &Uplink, link: &Link, own: &[&Address]) -> Option<Way> {
    let (source, gateway) = match uplink.kind {
        UplinkKind::Static { ip, gateway } => {
            (own.iter().find(|address| address.local == ip)?, Some(IpAddr::V4(gateway)))
        }
        UplinkKind::Ppp => {
            let address = own.iter().find(|address| address.peer.is_some()).or_else(|| own.first())?;
            // Only a true point-to-point device takes packets without being told to whom they go.
            let gateway = if link.flags.is_point_to_point() { None } else { Some(address.peer?) };
            (address, gateway)
        }
    };
    let connected = |gateway| own.iter().filter_map(|address| address.network()).any(|net| net.contains(gateway));
    Some(Way {
        index: link.index,
        source: source.local,
        gateway,
        onlink: gateway.is_some_and(|gateway| !connected(gateway)),
        peer: source.peer,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Standing, standings};
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
        standings(&config(CONFIG), Family::V4, links, addresses)
    }

    #[test]
    fn an_absent_device_has_no_way() {
        let all = stand(&[], &[]);
        assert!(all.iter().all(|one| !one.present && one.way.is_none() && one.addresses.is_empty()));
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
        assert_eq!((all[0].present, all[0].addresses.len(), &all[0].way), (true, 1, &None));
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
