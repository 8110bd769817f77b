use super::{Device, Egress, HostView, Terms};
use crate::{Address, Counters, Family, Link, LinkFlags, Nexthop, Route, RouteKind};
use ftr_core::Config;
use ftr_core::numbering::PROTOCOL;
use ftr_core::record::Reason;
use proptest::prelude::*;
use std::net::IpAddr;
use std::path::Path;

const UP: u32 = 0x1;
const CARRIER: u32 = 0x1_0000;
const POINT_TO_POINT: u32 = 0x10;
const NO_ARP: u32 = 0x80;
/// Of `if_addr.h`; an IPv6 address is temporary by the first, an IPv4 one secondary.
const SECONDARY: u32 = 0x01;
const DEPRECATED: u32 = 0x20;
const TENTATIVE: u32 = 0x40;
const DAD_FAILED: u32 = 0x08;

/// The devices: the uplink, the LAN's, another uplink.
const WAN: u32 = 3;
const LAN: u32 = 2;
const OTHER: u32 = 4;
const TABLE: u32 = 1;

fn config(terms: &str) -> Config {
    let text = format!(
        "uplinks:\n- {{interface: wan, {terms}}}\n- {{interface: other, ip: 2.0.0.2, gateway: 2.0.0.1, type6: ra, \
         prefix6: '2001:db8:2::/56'}}\ndownlinks: {{lan: lan}}\n\
         tests: {{ips: [8.8.8.8, '2001:db8:f::1'], required_successful: 1, ping_retries: 1, interval: 1}}\n"
    );
    Config::parse(Path::new("test"), &text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn link(index: u32, name: &str, flags: u32) -> Link {
    Link {
        index,
        name: name.to_owned(),
        flags: LinkFlags(flags),
        operational: 6,
        kind: None,
        mtu: 1500,
        counters: Counters::default(),
    }
}

fn address(index: u32, text: &str, flags: u32) -> Address {
    let (local, length) = text.split_once('/').unwrap();
    let local = ip(local);
    let link_local = matches!(local, IpAddr::V6(local) if local.is_unicast_link_local());
    let scope = if link_local { 253 } else { 0 };
    Address { index, local, peer: None, prefix_length: length.parse().unwrap(), scope, flags }
}

fn default(family: Family, table: u32, gateway: Option<&str>, source: Option<&str>) -> Route {
    let protocol = if table == TABLE { PROTOCOL } else { 16 };
    let mut route = Route { protocol, source: source.map(ip), ..Route::default(family, table, RouteKind::Unicast) };
    route.nexthops.push(Nexthop::new(gateway.map(ip), WAN));
    route
}

/// A host, as one test has it.
struct Host {
    config: Config,
    links: Vec<Link>,
    addresses: Vec<Address>,
    defaults: Vec<Route>,
    ours: Vec<Route>,
}

impl Host {
    fn new(terms: &str, flags: u32, addresses: &[Address]) -> Self {
        let on = UP | CARRIER;
        Self {
            config: config(terms),
            links: vec![link(LAN, "lan", on), link(WAN, "wan", flags), link(OTHER, "other", on)],
            addresses: addresses.to_vec(),
            defaults: Vec::new(),
            ours: Vec::new(),
        }
    }

    fn told(mut self, routes: &[Route]) -> Self {
        self.defaults = routes.to_vec();
        self
    }

    fn dormant(mut self) -> Self {
        self.links[1].operational = 5;
        self
    }

    fn device(&self, family: Family) -> Device<'_> {
        let terms = Terms::of(&self.config, &self.config.uplinks[0], family);
        Device::find(terms, &self.links, &self.addresses).unwrap()
    }

    fn egress(&self, family: Family) -> Result<Egress, Reason> {
        let Self { links, addresses, defaults, ours, .. } = self;
        self.device(family).egress(TABLE, HostView { links, addresses, defaults, silent: &[], ours })
    }

    /// By which gateway, and from which address.
    fn way(&self, family: Family) -> Result<(String, String), Reason> {
        let text = |address: Option<IpAddr>| address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        self.egress(family).map(|egress| (text(egress.gateway), text(egress.source)))
    }
}

fn ends(gateway: &str, source: &str) -> (String, String) {
    (gateway.to_owned(), source.to_owned())
}

#[test]
fn a_device_without_address_resolution_needs_no_gateway() {
    let own = [address(WAN, "10.64.1.2/30", 0)];
    for terms in ["ip: 10.64.1.2, gateway: none", "type: ppp", "type: dhcp"] {
        for flags in [NO_ARP, POINT_TO_POINT, NO_ARP | POINT_TO_POINT] {
            let host = Host::new(terms, UP | CARRIER | flags, &own);
            assert_eq!(host.way(Family::V4), Ok(ends("-", "10.64.1.2")), "{terms} {flags:#x}");
        }
        assert_eq!(Host::new(terms, UP | CARRIER, &own).way(Family::V4), Err(Reason::NoGateway), "{terms}");
    }
}

#[test]
fn a_lease_beside_other_addresses_is_found_as_the_kernel_finds_it() {
    let lease = |gateway, source| {
        let all = [
            address(WAN, "192.168.100.2/24", 0),
            address(WAN, "100.64.1.2/24", 0),
            address(WAN, "100.64.1.9/24", SECONDARY),
        ];
        let host = Host::new("type: dhcp", UP | CARRIER, &all);
        host.told(&[default(Family::V4, 254, Some(gateway), source)]).way(Family::V4)
    };
    assert_eq!(lease("100.64.1.1", None), Ok(ends("100.64.1.1", "100.64.1.2")));
    assert_eq!(lease("192.168.100.1", None), Ok(ends("192.168.100.1", "192.168.100.2")));
    // Named by the route, though it is a secondary one.
    assert_eq!(lease("100.64.1.1", Some("100.64.1.9")), Ok(ends("100.64.1.1", "100.64.1.9")));
    assert_eq!(lease("9.9.9.9", None), Ok(ends("9.9.9.9", "192.168.100.2")), "the first, where none is near");
    assert_eq!(
        lease("100.64.1.1", Some("5.5.5.5")),
        Ok(ends("100.64.1.1", "100.64.1.2")),
        "not an address of this host"
    );
}

#[test]
fn the_route_with_the_lowest_metric_is_followed_also_as_one_of_several_next_hops() {
    let mut several = default(Family::V4, 254, Some("100.64.1.1"), None);
    several.nexthops.insert(0, Nexthop::new(Some(ip("2.0.0.1")), OTHER));
    let worse = Route { metric: 7, ..default(Family::V4, 254, Some("100.64.1.254"), None) };
    let host = Host::new("type: dhcp", UP | CARRIER, &[address(WAN, "100.64.1.2/24", 0)]).told(&[worse, several]);
    assert_eq!(host.way(Family::V4), Ok(ends("100.64.1.1", "100.64.1.2")));
}

#[test]
fn an_ipv6_route_needs_no_address_and_takes_one_of_the_delegated_prefix() {
    let terms = "type: dhcp, type6: ra, prefix6: '2001:db8:1::/56'";
    let local = address(WAN, "fe80::2/64", 0);
    let by = |addresses: &[Address]| {
        let host = Host::new(terms, UP | CARRIER, addresses);
        host.told(&[default(Family::V6, 254, Some("fe80::1"), None)]).way(Family::V6)
    };
    assert_eq!(by(std::slice::from_ref(&local)), Ok(ends("fe80::1", "-")));
    let [mine, others, private] = ["2001:db8:1::1/64", "2001:db8:2::1/64", "fd00::1/64"].map(|ip| address(LAN, ip, 0));
    assert_eq!(by(&[local.clone(), private.clone(), others.clone()]), Ok(ends("fe80::1", "-")), "nothing to send from");
    assert_eq!(by(&[local.clone(), private, others, mine.clone()]), Ok(ends("fe80::1", "2001:db8:1::1")));
    // An address of its own is better, but for one that the internet does not know.
    let global = address(WAN, "2001:db8:1:ff::2/64", 0);
    assert_eq!(by(&[local.clone(), mine.clone(), global]), Ok(ends("fe80::1", "2001:db8:1:ff::2")));
    let unique_local = address(WAN, "fd00:1::2/64", 0);
    assert_eq!(by(&[local.clone(), mine.clone(), unique_local.clone()]), Ok(ends("fe80::1", "2001:db8:1::1")));
    assert_eq!(by(&[local.clone(), unique_local]), Ok(ends("fe80::1", "fd00:1::2")), "the only one");
    let elsewhere = Address { index: OTHER, ..mine };
    assert_eq!(by(&[local, elsewhere]), Ok(ends("fe80::1", "-")), "that of another uplink");
}

#[test]
fn without_a_stated_prefix_an_address_that_is_no_other_uplinks_is_taken() {
    let by = |addresses: &[Address]| {
        let host = Host::new("type: dhcp, type6: ra", UP | CARRIER, addresses);
        host.told(&[default(Family::V6, 254, Some("fe80::1"), None)]).way(Family::V6)
    };
    let all = [address(OTHER, "2001:db8:9::2/64", 0), address(LAN, "2001:db8:2::1/64", 0)];
    assert_eq!(by(&all), Ok(ends("fe80::1", "-")));
    assert_eq!(by(&[&all[..], &[address(LAN, "2001:db8:7::1/64", 0)]].concat()), Ok(ends("fe80::1", "2001:db8:7::1")));
}

#[test]
fn a_blemished_address_is_used_where_there_is_no_other() {
    for (family, text, gateway) in [(Family::V4, "1.0.0.2/24", "1.0.0.1"), (Family::V6, "2001:db8:1::2/64", "fe80::1")]
    {
        for flags in [DEPRECATED, SECONDARY, DEPRECATED | SECONDARY] {
            let host = Host::new("type: dhcp, type6: ra", UP | CARRIER, &[address(WAN, text, flags)]);
            let host = host.told(&[default(family, 254, Some(gateway), None)]);
            assert_eq!(host.way(family), Ok(ends(gateway, text.split_once('/').unwrap().0)), "{text} {flags:#x}");
        }
        for flags in [TENTATIVE, DAD_FAILED] {
            let host = Host::new("type: dhcp, type6: ra", UP | CARRIER, &[address(WAN, text, flags)]);
            let way = host.told(&[default(family, 254, Some(gateway), None)]).way(family);
            assert_ne!(way, Ok(ends(gateway, text.split_once('/').unwrap().0)), "{text} {flags:#x}");
        }
    }
}

#[test]
fn a_stated_address_may_be_on_a_device_that_is_no_uplink() {
    let by = |index| {
        Host::new("ip: 203.0.113.5, gateway: 169.254.1.1", UP | CARRIER, &[address(index, "203.0.113.5/32", 0)])
    };
    let egress = by(LAN).egress(Family::V4).unwrap();
    assert_eq!((egress.source, egress.onlink), (Some(ip("203.0.113.5")), true));
    assert_eq!(by(OTHER).egress(Family::V4), Err(Reason::NoAddress), "two modems may well have the same");
}

#[test]
fn the_first_thing_that_is_wrong_is_named() {
    let stated = "ip: 1.0.0.2, gateway: 1.0.0.1";
    let own = [address(WAN, "1.0.0.2/24", 0)];
    let terms = |config| Terms::of(config, &config.uplinks[0], Family::V4);
    assert_eq!(Device::find(terms(&config(stated)), &[], &own).err(), Some(Reason::NoInterface));
    assert_eq!(Host::new(stated, 0, &own).egress(Family::V4), Err(Reason::AdminDown));
    assert_eq!(Host::new(stated, UP, &[]).egress(Family::V4), Err(Reason::NoCarrier));
    assert!(Host::new(stated, UP, &own).egress(Family::V4).is_ok(), "the route stays when the cable is out");
    let dormant = |addresses| Host::new(stated, UP | CARRIER, addresses).dormant();
    assert_eq!(dormant(&[]).egress(Family::V4), Err(Reason::Dormant));
    assert!(dormant(&own).egress(Family::V4).is_ok(), "the route stays while it waits");
    assert_eq!(dormant(&own).device(Family::V4).ready(), Err(Reason::Dormant));
    assert_eq!(Host::new(stated, UP | CARRIER, &[]).egress(Family::V4), Err(Reason::NoAddress));
    assert_eq!(Host::new("type: dhcp", UP | CARRIER, &[]).egress(Family::V4), Err(Reason::NoAddress));
    assert_eq!(Host::new("type: dhcp", UP | CARRIER, &own).egress(Family::V4), Err(Reason::NoGateway));
    let leased = Host::new("type: dhcp", UP | CARRIER, &[]).told(&[default(Family::V4, 254, Some("1.0.0.1"), None)]);
    assert_eq!(leased.egress(Family::V4), Err(Reason::NoAddress), "the kernel would take one of another device");
}

/// What the kernel answers to a packet through the uplink whose table has this route.
fn answer(host: &Host, egress: Egress) -> Route {
    let source = egress.source.or_else(|| host.device(Family::V6).address());
    let mut route = Route { source, ..default(Family::V4, TABLE, None, None) };
    route.family = egress.gateway.or(source).map_or(Family::V6, Family::of);
    route.nexthops = vec![Nexthop::new(egress.gateway, egress.index)];
    route
}

#[test]
fn what_the_kernel_makes_up_is_no_route() {
    let host = Host::new("ip: 1.0.0.2, gateway: 1.0.0.1", UP | CARRIER, &[address(WAN, "1.0.0.2/24", 0)]);
    let answer = |table, index| {
        let mut route = default(Family::V4, table, None, Some("1.0.0.2"));
        route.nexthops[0].index = index;
        host.device(Family::V4).routed(Some(&route)).map(|egress| egress.source)
    };
    assert_eq!(answer(0, WAN), Err(Reason::NoRoute), "as if the target were a neighbour");
    assert_eq!(answer(TABLE, OTHER), Err(Reason::NoRoute));
    assert_eq!(answer(TABLE, WAN), Ok(Some(ip("1.0.0.2"))));
    let unreachable = Route { kind: RouteKind::Unreachable, ..default(Family::V4, TABLE, None, None) };
    assert_eq!(host.device(Family::V4).routed(Some(&unreachable)), Err(Reason::NoRoute));
}

#[test]
fn a_device_that_no_configuration_knows_goes_by_the_kernel_alone() {
    let links = [link(WAN, "wan", UP | CARRIER)];
    let addresses = [address(WAN, "1.0.0.2/24", DEPRECATED)];
    let routed = |addresses: &[Address], route: Option<&Route>| {
        let device = Device::find(Terms::unconfigured("wan", Family::V4), &links, addresses).unwrap();
        device.routed(route).map(|egress| (egress.far_end(), egress.source))
    };
    let route = default(Family::V4, 254, Some("1.0.0.1"), Some("1.0.0.2"));
    assert_eq!(routed(&addresses, Some(&route)), Ok((Some(ip("1.0.0.1")), Some(ip("1.0.0.2")))));
    assert_eq!(routed(&addresses, None), Err(Reason::NoRoute));
    assert_eq!(routed(&[], None), Err(Reason::NoAddress));
}

fn addresses(family: Family) -> impl Strategy<Value = Vec<Address>> {
    let texts = match family {
        Family::V4 => ["1.0.0.2/24", "100.64.1.2/24", "100.64.1.9/24", "203.0.113.5/32"],
        Family::V6 => ["2001:db8:1::2/64", "2001:db8:2::2/64", "fe80::2/64", "fd00::2/64"],
    };
    let flags = prop::sample::select(vec![0, SECONDARY, DEPRECATED, TENTATIVE]);
    let one = (prop::sample::select(vec![WAN, LAN, OTHER]), prop::sample::select(texts.to_vec()), flags);
    prop::collection::vec(one.prop_map(|(index, text, flags)| address(index, text, flags)), 0..5)
}

proptest! {
    /// The one definition: what the one tool writes is what the other goes by, and where the one sees no egress the other
    /// sees none, for the same reason.
    #[test]
    fn what_is_written_is_what_is_probed_and_reasons_agree(
        v6 in any::<bool>(),
        terms in prop::sample::select(vec![
            "ip: 1.0.0.2, gateway: 1.0.0.1", "ip: 203.0.113.5, gateway: none", "type: ppp", "type: dhcp",
        ]),
        terms6 in prop::sample::select(vec![
            "type6: ra", "type6: ra, prefix6: '2001:db8:1::/56'", "ip6: '2001:db8:1::2', gateway6: 'fe80::1'",
        ]),
        flags in prop::sample::select(vec![UP | CARRIER, UP | CARRIER | NO_ARP, UP | CARRIER | POINT_TO_POINT, UP, 0]),
        (four, six) in (addresses(Family::V4), addresses(Family::V6)),
        gateway in prop::option::of(prop::option::of(Just(()))),
        (named, dormant) in any::<(bool, bool)>(),
    ) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let host = Host::new(&format!("{terms}, {terms6}"), flags, if v6 { &six } else { &four });
        let source = if v6 { "2001:db8:1::2" } else { "100.64.1.9" };
        let far = if v6 { "fe80::1" } else { "100.64.1.1" };
        let told = gateway.map(|gateway| default(family, 254, gateway.map(|()| far), named.then_some(source)));
        let host = host.told(told.as_slice());
        let host = if dormant { host.dormant() } else { host };
        match host.egress(family) {
            // Without carrier a route may stay, and while the device is dormant; a check says what is wrong.
            Ok(_) if flags & CARRIER == 0 => prop_assert_eq!(host.device(family).routed(None), Err(Reason::NoCarrier)),
            Ok(_) if dormant => prop_assert_eq!(host.device(family).routed(None), Err(Reason::Dormant)),
            Ok(egress) => match host.device(family).routed(Some(&answer(&host, egress))) {
                Ok(probed) => {
                    prop_assert_eq!((probed.gateway, probed.index), (egress.gateway, egress.index));
                    prop_assert!(egress.source.is_none() || probed.source == egress.source);
                }
                // A route without any address to send from.
                Err(reason) => prop_assert_eq!((egress.source, reason), (None, Reason::NoAddress)),
            },
            Err(reason) => {
                let seen = host.device(family).routed(None).unwrap_err();
                // The one knows that no gateway is stated, the other that there is no route.
                let same = seen == reason || (seen, reason) == (Reason::NoRoute, Reason::NoGateway);
                prop_assert!(same, "{seen} and {reason}");
            }
        }
    }
}
