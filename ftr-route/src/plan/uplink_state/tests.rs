use super::{DeviceState, HostView, UplinkState, uplink_states};
use ftr_core::numbering::PROTOCOL;
use ftr_core::{Config, Family};
use ftr_netlink::{Address, Attribute, Counters, Link, LinkFlags, Nexthop, Route, RouteKind};
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

fn stand(links: &[Link], addresses: &[Address]) -> Vec<UplinkState> {
    uplink_states(&config(CONFIG), Family::V4, HostView { links, addresses, ..HostView::default() })
}

#[test]
fn an_absent_device_has_no_way() {
    let all = stand(&[], &[]);
    assert!(all.iter().all(|one| !one.is_present() && one.egress.is_none() && one.addresses.is_empty()));
}

#[test]
fn a_static_uplink_needs_its_own_address() {
    let links = [link(3, "eth1")];
    let other = address(3, "1.0.0.9", None, 24);
    let all = stand(&links, std::slice::from_ref(&other));
    assert_eq!((all[0].addresses.len(), &all[0].egress), (1, &None));
    let all = stand(&links, &[other, address(3, "1.0.0.2", None, 24)]);
    let egress = all[0].egress.unwrap();
    assert_eq!((egress.gateway.unwrap().to_string(), egress.onlink, egress.index), ("1.0.0.1".to_owned(), false, 3));
}

#[test]
fn a_gateway_outside_every_network_is_onlink() {
    let all = stand(&[link(3, "eth1")], &[address(3, "1.0.0.2", None, 32)]);
    assert!(all[0].egress.unwrap().onlink);
}

#[test]
fn a_device_that_is_switched_off_has_no_way_but_keeps_its_addresses() {
    let mut off = link(3, "eth1");
    off.flags = LinkFlags(0);
    let all = stand(&[off], &[address(3, "1.0.0.2", None, 24)]);
    assert_eq!((all[0].device, all[0].addresses.len(), &all[0].egress), (DeviceState::Off, 1, &None));
}

#[test]
fn nothing_is_unexplained_while_a_device_is_dormant() {
    let all = stand(&[Link { operational: 5, ..link(3, "eth1") }], &[]);
    assert_eq!((all[0].device, all[0].unexplained()), (DeviceState::Dormant, None));
    assert!(stand(&[link(3, "eth1")], &[])[0].unexplained().is_some());
}

#[test]
fn ppp_learns_address_and_peer_and_needs_no_gateway() {
    let links = [link(7, "ppp0")];
    assert_eq!(stand(&links, &[])[2].egress, None);
    let egress = stand(&links, &[address(7, "9.0.0.2", Some("9.0.0.1"), 32)])[2].egress.unwrap();
    assert_eq!((egress.gateway, egress.peer.unwrap().to_string()), (None, "9.0.0.1".to_owned()));
}

#[test]
fn ppp_on_a_device_with_neighbours_sends_to_the_peer() {
    let mut ether = link(7, "ppp0");
    ether.flags = LinkFlags(UP);
    let egress = stand(&[ether.clone()], &[address(7, "9.0.0.2", Some("9.0.0.1"), 32)])[2].egress.unwrap();
    assert_eq!((egress.gateway, egress.onlink), (egress.peer, false));
    assert_eq!(stand(&[ether], &[address(7, "9.0.0.2", None, 24)])[2].egress, None);
}

#[test]
fn addresses_of_the_link_alone_do_not_count() {
    let mut local = address(3, "169.254.1.1", None, 16);
    local.scope = 253;
    assert!(stand(&[link(3, "eth1")], &[local])[0].addresses.is_empty());
}

fn default_by(index: u32, table: u32, gateway: &str) -> Route {
    let gateway: IpAddr = gateway.parse().unwrap();
    let protocol = if table == 254 { 9 } else { PROTOCOL };
    let mut route = Route { protocol, ..Route::default(Family::of(gateway), table, RouteKind::Unicast) };
    route.nexthops.push(Nexthop::new(Some(gateway), index));
    route
}

#[test]
fn a_lease_keeps_its_gateway_while_its_address_is_there() {
    let config = config(&CONFIG.replace("ip: 1.0.0.2, gateway: 1.0.0.1", "type: dhcp"));
    let (links, addresses) = ([link(3, "eth1")], [address(3, "1.0.0.2", None, 24)]);
    let egress = |defaults: &[Route], ours: &[Route], addresses: &[Address]| {
        uplink_states(&config, Family::V4, HostView { links: &links, addresses, defaults, ours, ..HostView::default() })
            [0]
        .egress
    };
    assert_eq!(egress(&[], &[], &addresses), None);
    let told = [Route { metric: 200, ..default_by(3, 254, "1.0.0.9") }, default_by(3, 254, "1.0.0.1")];
    let learned = egress(&told, &[], &addresses).unwrap();
    assert_eq!(learned.gateway.unwrap().to_string(), "1.0.0.1");
    // Ours names its source, so it tells for which lease it was.
    let ours = [Route { source: learned.source, ..default_by(3, 1, "1.0.0.1") }];
    assert_eq!(egress(&[], &ours, &addresses), Some(learned));
    assert_eq!(egress(&[], &ours, &[address(3, "1.0.0.3", None, 24)]), None);
    assert_eq!(egress(&told[..1], &ours, &addresses).unwrap().gateway.unwrap().to_string(), "1.0.0.9");
    assert_eq!(egress(&[default_by(4, 254, "1.0.0.1")], &[], &addresses), None, "of another device");
}

#[test]
fn advertisements_are_followed_and_the_best_address_is_used() {
    let config = config(&CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra"));
    let links = [link(3, "eth1")];
    let with = |local: &str, flags: u32| Address { flags, ..address(3, local, None, 64) };
    let egress = |addresses: &[Address], ours: &[Route]| {
        let defaults = [default_by(3, 254, "fe80::1")];
        let host = HostView { links: &links, addresses, defaults: &defaults, ours, ..HostView::default() };
        uplink_states(&config, Family::V6, host)[0].egress
    };
    // IFA_F_TEMPORARY, IFA_F_DEPRECATED of if_addr.h.
    let all = [
        with("fd00::2", 0),
        with("2001:db8::7", 0x1),
        with("2001:db8::8", 0x20),
        with("2001:db8::9", 0),
        with("2001:db8:1::9", 0),
    ];
    let best = egress(&all, &[]).unwrap();
    assert_eq!((best.source, best.onlink), (Some(all[3].local), false));
    let in_use = [Route { source: Some(all[4].local), ..default_by(3, 1, "fe80::1") }];
    assert_eq!(egress(&all, &in_use).unwrap().source, Some(all[4].local));
    assert_eq!(egress(&all[..3], &in_use).unwrap().source, Some(all[1].local));
    let host = HostView { links: &links, addresses: &all, ours: &in_use, ..HostView::default() };
    assert_eq!(uplink_states(&config, Family::V6, host)[0].egress, None, "a router that has resigned");
    assert!(!uplink_states(&config, Family::V6, host)[1].configured);
}

#[test]
fn of_two_routers_the_one_that_wants_to_be_preferred_is_used() {
    let config = config(&CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra"));
    let (links, addresses) = ([link(3, "eth1")], [address(3, "2001:db8::9", None, 64)]);
    let router = |gateway: &str, bits: u8| {
        // RTA_PREF of rtnetlink.h.
        let preference = Attribute { kind: 20, payload: vec![bits] };
        Route { others: vec![preference], metric: 1024, ..default_by(3, 254, gateway) }
    };
    let gateway = |defaults: &[Route]| {
        let host = HostView { links: &links, addresses: &addresses, defaults, ..HostView::default() };
        uplink_states(&config, Family::V6, host)[0].egress.unwrap().gateway.unwrap().to_string()
    };
    let (low, medium, high) = (router("fe80::1", 3), router("fe80::2", 0), router("fe80::3", 1));
    assert_eq!(gateway(&[low.clone(), medium.clone()]), "fe80::2");
    assert_eq!(gateway(&[low, medium.clone(), high.clone()]), "fe80::3");
    // The metric comes first.
    assert_eq!(gateway(&[high, Route { metric: 512, ..medium }]), "fe80::2");
}

#[test]
fn a_tunnel_needs_no_gateway_and_an_ethernet_device_does() {
    let config = config(&CONFIG.replace("gateway: 1.0.0.1", "gateway: none"));
    let addresses = [address(3, "1.0.0.2", None, 32)];
    let ether = link(3, "eth1");
    let mut tunnel = ether.clone();
    tunnel.flags = LinkFlags(UP | POINT_TO_POINT);
    let egress = |link: Link| {
        uplink_states(&config, Family::V4, HostView { links: &[link], addresses: &addresses, ..HostView::default() })[0]
            .egress
    };
    assert_eq!(egress(tunnel).unwrap().gateway, None);
    assert_eq!(egress(ether), None);
}

#[test]
fn without_carrier_an_ipv6_route_is_kept_and_none_is_begun() {
    let config =
        config(&CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, ip6: '2001:db8::2', gateway6: 'fe80::1'"));
    let mut unplugged = link(3, "eth1");
    unplugged.flags = LinkFlags(1);
    let links = [unplugged];
    let addresses = [address(3, "1.0.0.2", None, 24), address(3, "2001:db8::2", None, 64)];
    let egress = |family, ours: &[Route]| {
        let host = HostView { links: &links, addresses: &addresses, ours, ..HostView::default() };
        uplink_states(&config, family, host)[0].egress.is_some()
    };
    assert!(egress(Family::V4, &[]) && !egress(Family::V6, &[]));
    assert!(egress(Family::V6, &[default_by(3, 1, "fe80::1")]));
}

#[test]
fn of_two_routers_the_one_that_answers_is_used() {
    let config = config(&CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra"));
    let links = [link(3, "eth1")];
    let addresses = [address(3, "2001:db8::2", None, 64)];
    let defaults = [default_by(3, 254, "fe80::1"), default_by(3, 254, "fe80::2")];
    let gateway = |silent: &[(u32, &str)]| {
        let silent: Vec<(u32, IpAddr)> =
            silent.iter().map(|(index, address)| (*index, address.parse().unwrap())).collect();
        let host = HostView {
            links: &links,
            addresses: &addresses,
            defaults: &defaults,
            silent: &silent,
            ..HostView::default()
        };
        uplink_states(&config, Family::V6, host)[0].egress.unwrap().gateway.unwrap().to_string()
    };
    assert_eq!(gateway(&[]), "fe80::1");
    assert_eq!(gateway(&[(3, "fe80::1")]), "fe80::2");
    assert_eq!(gateway(&[(4, "fe80::1")]), "fe80::1", "of another device");
    assert_eq!(gateway(&[(3, "fe80::1"), (3, "fe80::2")]), "fe80::1");
}

#[test]
fn what_no_failure_of_the_line_explains_is_told() {
    let config = config(&CONFIG.replace("ip: 2.0.0.2, gateway: 2.0.0.1, weight: 2", "type: dhcp"));
    let unexplained = |flags: u32, addresses: &[Address]| {
        let links: Vec<Link> = [(3, "eth1"), (4, "eth2"), (7, "ppp0")]
            .map(|(i, name)| Link { flags: LinkFlags(flags), ..link(i, name) })
            .into();
        let all = uplink_states(&config, Family::V4, HostView { links: &links, addresses, ..HostView::default() });
        all.iter().filter_map(UplinkState::unexplained).map(|one| format!("{} {}", one.uplink, one.reason)).collect()
    };
    let told: Vec<String> = unexplained(UP, &[]);
    assert_eq!(told, ["eth1 no-address"], "leases and PPP may have ended");
    let own = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24), address(7, "9.0.0.2", None, 24)];
    let told: Vec<String> = unexplained(UP, &own);
    assert_eq!(told, ["eth2 no-gateway", "ppp0 no-gateway"]);
    for flags in [0, 1] {
        let told: Vec<String> = unexplained(flags, &own[1..]);
        assert!(told.is_empty(), "off, or without cable: {told:?}");
    }
}

#[test]
fn a_stated_address_of_another_device_has_its_rule_too() {
    let links = [link(3, "eth1"), link(1, "lo")];
    let all = stand(&links, &[address(1, "1.0.0.2", None, 32)]);
    assert_eq!(
        (all[0].addresses.clone(), all[0].egress.map(|egress| egress.onlink)),
        (vec!["1.0.0.2".parse().unwrap()], Some(true))
    );
}
