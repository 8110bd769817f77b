use super::{Addresses, Known, Lost, marks};
use crate::plan::uplink_state::tests::{CONFIG, config};
use ftr_core::numbering::Numbering;
use ftr_core::{Family, Prefix};
use ftr_netlink::{InetSocket, SocketProtocol};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The addresses of eth1, eth2 and ppp0 of the configuration; eth2 and ppp0 have one in common.
fn addresses() -> Addresses {
    let of = |texts: &[&str]| texts.iter().map(|text| text.parse::<Prefix>().unwrap()).collect();
    [of(&["1.0.0.2", "1.0.0.3"]), of(&["2.0.0.2", "192.168.8.100"]), of(&["9.0.0.2", "192.168.8.100"])]
        .into_iter()
        .enumerate()
        .collect()
}

fn lost(uplinks: &[usize]) -> Lost {
    let uplinks = uplinks.iter().copied().collect();
    Lost { family: Family::V4, uplinks, moved: BTreeSet::new(), addresses: addresses(), marks: marks(&config(CONFIG)) }
}

fn socket(protocol: SocketProtocol, local: &str) -> InetSocket {
    InetSocket::new(protocol, local.parse().unwrap(), "8.8.8.8:443".parse().unwrap())
}

/// Whether a TCP socket with this address ends when these uplinks are lost.
fn ends(uplinks: &[usize], local: &str, known: Known) -> bool {
    let numbering = Numbering::of(&config(CONFIG));
    lost(uplinks).ends(&numbering, &socket(SocketProtocol::Tcp, local), known)
}

const UNKNOWN: Known = Known { tracked: 0, elsewhere: false };

#[test]
fn the_address_tells_where_nothing_is_tracked() {
    assert!(ends(&[0], "1.0.0.2:5000", UNKNOWN) && ends(&[0], "1.0.0.3:5000", UNKNOWN));
    assert!(!ends(&[0], "2.0.0.2:5000", UNKNOWN) && !ends(&[0], "192.168.1.1:22", UNKNOWN));
}

#[test]
fn of_two_uplinks_with_one_address_the_mark_tells_or_nobody_does() {
    let local = "192.168.8.100:5000";
    assert!(!ends(&[1], local, UNKNOWN) && !ends(&[2], local, UNKNOWN));
    assert!(ends(&[1, 2], local, UNKNOWN), "whichever it is");
    // The marks of the configuration are 1, 2 and 3.
    assert!(ends(&[1], local, Known { tracked: 2, ..UNKNOWN }));
    assert!(!ends(&[1], local, Known { tracked: 3, ..UNKNOWN }));
}

#[test]
fn a_policy_may_have_sent_it_by_another_uplink_than_its_address_tells() {
    assert!(!ends(&[0], "1.0.0.2:5000", Known { tracked: 2, ..UNKNOWN }));
    assert!(ends(&[1], "1.0.0.2:5000", Known { tracked: 2, ..UNKNOWN }));
    let numbering = Numbering::of(&config(CONFIG));
    let marked = |mark| {
        let mut socket = socket(SocketProtocol::Tcp, "1.0.0.2:5000");
        socket.mark = mark;
        socket
    };
    assert!(lost(&[1]).ends(&numbering, &marked(2), UNKNOWN) && !lost(&[0]).ends(&numbering, &marked(2), UNKNOWN));
    // A mark of somebody else.
    assert!(!lost(&[0, 1, 2]).ends(&numbering, &marked(77), UNKNOWN));
}

#[test]
fn what_does_not_go_by_our_tables_stays() {
    assert!(!ends(&[0], "1.0.0.2:5000", Known { elsewhere: true, ..UNKNOWN }));
    assert!(!ends(&[0], "1.0.0.2:5000", Known { tracked: 1, elsewhere: true }));
}

#[test]
fn datagrams_that_move_by_themselves_are_left_alone() {
    let numbering = Numbering::of(&config(CONFIG));
    let lost = Lost { moved: [0].into(), ..lost(&[0]) };
    let tracked = Known { tracked: 1, ..UNKNOWN };
    let ends = |protocol, known| lost.ends(&numbering, &socket(protocol, "1.0.0.2:5000"), known);
    assert!(ends(SocketProtocol::Tcp, tracked) && !ends(SocketProtocol::Udp, tracked));
    assert!(ends(SocketProtocol::Udp, UNKNOWN), "no firewall translates them");
}

#[test]
fn what_is_bound_to_a_device_or_is_dhcp_is_not_looked_at() {
    let lost = lost(&[0]);
    let plain = socket(SocketProtocol::Udp, "1.0.0.2:5000");
    assert!(lost.concerns(&plain));
    let mut bound = plain;
    bound.device = Some(3);
    assert!(!lost.concerns(&bound));
    assert!(!lost.concerns(&socket(SocketProtocol::Udp, "1.0.0.2:68")));
    assert!(lost.concerns(&socket(SocketProtocol::Tcp, "1.0.0.2:68")));
    assert!(!lost.concerns(&socket(SocketProtocol::Udp, "127.0.0.1:5000")));
    assert!(!Lost { family: Family::V6, ..lost }.concerns(&plain));
}

proptest! {
    #[test]
    fn nothing_that_is_tracked_on_an_uplink_that_is_kept_ends(
        uplinks in prop::collection::btree_set(0usize..3, 0..3), tracked in 1u32..4, elsewhere: bool,
        local in prop::sample::select(&["1.0.0.2:1", "2.0.0.2:1", "9.0.0.2:1", "192.168.8.100:1", "10.0.0.1:1"]),
    ) {
        let numbering = Numbering::of(&config(CONFIG));
        let on = usize::try_from(tracked).unwrap() - 1;
        let lost = lost(&uplinks.iter().copied().collect::<Vec<_>>());
        let ends = lost.ends(&numbering, &socket(SocketProtocol::Tcp, local), Known { tracked, elsewhere });
        prop_assert_eq!(ends, uplinks.contains(&on) && !elsewhere);
    }
}
