use ftr_core::Family;
use ftr_core::host::Host;
use ftr_netlink::{Address, Link, LinkFlags, Nexthop, Route, RouteKind};

use super::{Seen, lines};
use crate::leases::{Client, Lease};

const UP: u32 = 0x1_0041;

fn link(index: u32, name: &str, flags: u32) -> Link {
    let counters = ftr_netlink::Counters::default();
    Link { index, name: name.to_owned(), flags: LinkFlags(flags), operational: 6, kind: None, mtu: 1500, counters }
}

fn address(index: u32, local: &str, prefix_length: u8, flags: u32) -> Address {
    Address { index, local: local.parse().unwrap(), peer: None, prefix_length, scope: 0, flags }
}

fn default(family: Family, table: u32, protocol: u8, nexthops: &[(Option<&str>, u32)]) -> Route {
    let nexthop =
        |(gateway, index): &(Option<&str>, u32)| Nexthop::new(gateway.map(|gateway| gateway.parse().unwrap()), *index);
    let nexthops = nexthops.iter().map(nexthop).collect();
    Route { protocol, nexthops, ..Route::default(family, table, RouteKind::Unicast) }
}

fn seen(routes: &[Route]) -> Host {
    let links = [link(1, "lo", 0x9), link(2, "eth1", UP), link(3, "eth2", UP), link(4, "eth3", 0x1)];
    let addresses = [
        address(1, "127.0.0.1", 8, 0x80),
        address(2, "192.0.2.2", 24, 0x80),
        address(3, "198.51.100.7", 24, 0),
        address(3, "2001:db8::7", 64, 0),
        address(4, "203.0.113.9", 24, 0x80),
        address(4, "2001:db8:3::9", 64, 0x80),
    ];
    let leases = [Lease { file: "/run/lease".to_owned(), text: b"ADDRESS=198.51.100.7\n".to_vec() }];
    let clients = [Client { name: "udhcpc", device: "eth3".to_owned() }];
    let ppp = ["eth3".to_owned()];
    Seen { links: &links, addresses: &addresses, routes, leases: &leases, clients: &clients, ppp: &ppp }.host()
}

#[test]
fn devices_are_told_in_the_words_of_ip() {
    let host = seen(&[default(Family::V4, 254, 3, &[(Some("192.0.2.1"), 2)])]);
    assert_eq!(
        lines(&host),
        [
            "eth1: up",
            "  192.0.2.2/24",
            "eth2: up",
            "  198.51.100.7/24 dynamic (/run/lease)",
            "  2001:db8::7/64 dynamic",
            "eth3: no carrier",
            "  203.0.113.9/24 (udhcpc)",
            "  2001:db8:3::9/64",
            "default via 192.0.2.1 dev eth1 proto boot"
        ]
    );
    let carriers: Vec<&str> =
        host.devices.iter().filter(|one| one.ppp_sessions == 1).map(|device| device.name.as_str()).collect();
    assert_eq!(carriers, ["eth3"]);
}

#[test]
fn defaults_of_every_table_are_seen_those_of_main_first_and_ours_last() {
    let routes = [
        default(Family::V6, 254, 9, &[(Some("fe80::1"), 3)]),
        default(Family::V4, 118, 117, &[(Some("198.51.100.1"), 3)]),
        Route { metric: 5, ..default(Family::V4, 102, 4, &[(Some("198.51.100.1"), 3)]) },
        Route { metric: 100, ..default(Family::V4, 254, 16, &[(Some("192.0.2.1"), 2), (None, 3)]) },
        // Nothing that leads anywhere, and a device that is gone.
        default(Family::V4, 255, 2, &[(None, 2)]),
        Route::default(Family::V4, 117, RouteKind::Unreachable),
        default(Family::V4, 254, 3, &[(None, 99)]),
    ];
    let host = seen(&routes);
    let told: Vec<&str> = host.defaults.iter().map(|route| route.line.as_str()).collect();
    assert_eq!(
        told,
        [
            "default via 192.0.2.1 dev eth1 proto dhcp metric 100",
            "default dev eth2 proto dhcp metric 100",
            "default via 198.51.100.1 dev eth2 proto static metric 5 table 102",
            "default via 198.51.100.1 dev eth2 proto ftr table 118",
            "default via fe80::1 dev eth2 proto ra",
        ]
    );
    let json = serde_json::to_string(&host).unwrap();
    assert_eq!(serde_json::from_str::<Host>(&json).unwrap(), host);
}

#[test]
fn a_delegated_prefix_is_one_that_a_client_refuses_as_a_whole() {
    let refused = |prefix: &str, protocol| Route {
        destination: prefix.parse().ok(),
        protocol,
        ..Route::default(Family::V6, 254, RouteKind::Unreachable)
    };
    let routes = [
        refused("2001:db8:100::/56", 16),
        refused("fd00::/48", 16),
        refused("2001:db8:200::/56", 4),
        refused("2001:db8::7/128", 16),
        Route { kind: RouteKind::Unicast, ..refused("2001:db8:300::/56", 16) },
    ];
    let told: Vec<String> = seen(&routes).delegated.into_iter().map(|delegated| delegated.line).collect();
    assert_eq!(told, ["unreachable 2001:db8:100::/56 proto dhcp"]);
}
