//! Events: what changes is told, in the same words as a list tells it.

use crate::Test;
use crate::host::{FAMILIES, Host, gateway, own, write};
use ftr_lab::error::{Context, Result};
use ftr_netlink::{Event, Family, Group, Listener, Nexthop, Prefix, Route, RouteKind, Rule, Write};
use libtest_mimic::Failed;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsFd;
use std::time::Duration;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Test); 4] = [
    ("rules_and_routes_are_told", rules_and_routes_are_told),
    ("addresses_are_told", addresses_are_told),
    ("an_advertised_router_is_told", an_advertised_router_is_told),
    ("an_advertisement_repeated_changes_nothing", an_advertisement_repeated_changes_nothing),
];

/// `RTPROT_RA`: routes made of router advertisements.
const ADVERTISED: u8 = 9;
const MAIN: u32 = 254;
/// The router that advertises itself, at the far end of device 1.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77);
/// Far more than the kernel ever takes to tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// The next event that `wanted` picks.
fn heard<T>(listener: &mut Listener, mut wanted: impl FnMut(Event) -> Option<T>) -> std::result::Result<T, Failed> {
    loop {
        while let Some(event) = listener.next_event()? {
            if let Some(found) = wanted(event) {
                return Ok(found);
            }
        }
        let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if poll(&mut waiting, PollTimeout::try_from(PATIENCE)?)? == 0 {
            return Err("no such event".into());
        }
    }
}

fn rules_and_routes_are_told() -> std::result::Result<(), Failed> {
    let mut host = Host::new()?;
    let groups = FAMILIES.map(|family| [Group::Route(family), Group::Rule(family)]).concat();
    let mut listener = host.listener(&groups)?;
    for family in FAMILIES {
        let rule = Rule { protocol: 117, from: Some(Prefix::host(own(family, 1))), ..Rule::lookup(family, 100, 1001) };
        let nexthops = [1, 2].map(|i| Nexthop::new(Some(gateway(family, i, 1)), Host::index(i))).into();
        let default = Route::default(family, 1001, RouteKind::Unicast);
        let route = Route { protocol: 117, metric: 1, nexthops, ..default };
        let changes = [
            (Write::AddRule(rule.clone()), Event::Rule(rule.clone())),
            (Write::AddRoute(route.clone()), Event::Route(route.clone())),
            (Write::DeleteRoute(route.clone()), Event::RouteGone(route)),
            (Write::DeleteRule(rule.clone()), Event::RuleGone(rule)),
        ];
        for (change, expected) in changes {
            write(&mut host.netlink, &[change])?;
            assert_eq!(heard(&mut listener, Some)?, expected);
        }
    }
    Ok(())
}

fn addresses_are_told() -> std::result::Result<(), Failed> {
    let host = Host::new()?;
    let mut listener = host.listener(&FAMILIES.map(Group::Address))?;
    for (family, prefix) in [(Family::V4, "2.0.0.77/24"), (Family::V6, "2001:db8:2::77/64")] {
        let address = gateway(family, 2, 0x77);
        let expected = if family == Family::V4 { [2, 0, 0, 77].into() } else { address };
        host.space.ip(&format!("addr add {prefix} dev u2\naddr del {prefix} dev u2"))?;
        let new = heard(&mut listener, |event| match event {
            Event::Address(address) if address.local == expected => Some(address),
            _ => None,
        })?;
        assert_eq!((new.index, new.is_global()), (Host::index(2), true));
        heard(&mut listener, |event| match event {
            Event::AddressGone(gone) => (gone.local == expected).then_some(()),
            _ => None,
        })?;
    }
    Ok(())
}

/// Says at the far end of device 1 that there is a router, for so many seconds; 0 takes it back (RFC 4861, 4.2).
fn advertise(host: &Host, seconds: u16) -> Result<()> {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let far = Host::far_index(1);
    let [high, low] = seconds.to_be_bytes();
    // Type, code, checksum (the kernel's work), hop limit, high preference, life time; no times.
    let message = [134, 0, 0, 0, 64, 0x08, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
    host.space.enter(|| {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6));
        let socket = socket.context(|| "open ICMPv6 socket".to_owned())?;
        let sent = socket
            .bind(&SocketAddrV6::new(ROUTER, 0, 0, far).into())
            .and_then(|()| socket.set_multicast_hops_v6(255))
            .and_then(|()| socket.send_to(&message, &SocketAddrV6::new(ALL_NODES, 0, 0, far).into()));
        sent.map(drop).context(|| "send router advertisement".to_owned())
    })
}

/// A host that believes router advertisements, and a router to send them.
fn advertised() -> Result<Host> {
    let host = Host::new()?;
    host.space.sysctl("net/ipv6/conf/u1/accept_ra", "2")?;
    host.space.ip(&format!("addr add {ROUTER}/64 dev far1 nodad"))?;
    Ok(host)
}

/// The default route that was advertised, without what the kernel writes into it a moment after it has told of it: the
/// hop limit.
fn advertised_default(route: Route) -> Option<Route> {
    let default = route.protocol == ADVERTISED && route.destination.is_none();
    default.then(|| Route { others: Vec::new(), ..route })
}

fn an_advertised_router_is_told() -> std::result::Result<(), Failed> {
    let mut host = advertised()?;
    let mut listener = host.listener(&[Group::Route(Family::V6)])?;
    advertise(&host, 1800)?;
    let new = heard(&mut listener, |event| match event {
        Event::Route(route) => advertised_default(route),
        _ => None,
    })?;
    assert_eq!((new.table, new.kind, new.metric), (MAIN, RouteKind::Unicast, 1024));
    assert_eq!(new.nexthops, [Nexthop::new(Some(ROUTER.into()), Host::index(1))]);
    advertise(&host, 0)?;
    let gone = heard(&mut listener, |event| match event {
        Event::RouteGone(route) => advertised_default(route),
        _ => None,
    })?;
    assert_eq!(gone, new);
    assert!(!host.netlink.routes(Family::V6, Some(MAIN))?.iter().any(|route| route.protocol == ADVERTISED));
    Ok(())
}

/// A router repeats itself every few minutes: the life time starts anew, and that is all.
fn an_advertisement_repeated_changes_nothing() -> std::result::Result<(), Failed> {
    let mut host = advertised()?;
    let mut listener = host.listener(&[Group::Route(Family::V6)])?;
    let mut listed = Vec::new();
    for (seconds, table) in [(1800, 1001), (900, 1002)] {
        advertise(&host, seconds)?;
        // The kernel has dealt with the advertisement by now, and whatever it tells of it stands before this.
        let last = Route { protocol: 117, metric: 1, ..Route::default(Family::V6, table, RouteKind::Unreachable) };
        write(&mut host.netlink, &[Write::AddRoute(last.clone())])?;
        let mut told = 0;
        heard(&mut listener, |event| {
            told += usize::from(matches!(&event, Event::Route(route) if route.protocol == ADVERTISED));
            (event == Event::Route(last.clone())).then_some(())
        })?;
        assert_eq!(told, usize::from(seconds == 1800), "told of {seconds} s");
        let routes = host.netlink.routes(Family::V6, Some(MAIN))?;
        listed.push(routes.into_iter().find(|route| route.protocol == ADVERTISED).ok_or("no such route")?);
    }
    assert_eq!(listed.first(), listed.last());
    Ok(())
}
