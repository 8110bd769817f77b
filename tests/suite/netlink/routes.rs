//! Routes: written, read back, deleted.

use crate::Test;
use crate::host::{DEVICES, FAMILIES, Host, far, gateway, hop, own, write};
use ftr_netlink::{Event, Family, Group, Listener, NetlinkError, Nexthop, Prefix, Route, RouteKind, Rtnetlink, Write};
use libtest_mimic::Failed;
use std::net::Ipv6Addr;
use std::time::Instant;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Test); 8] = [
    ("what_is_written_reads_back", what_is_written_reads_back),
    ("those_of_one_maker_are_found_in_every_table", those_of_one_maker_are_found_in_every_table),
    ("next_hops_keep_their_order", next_hops_keep_their_order),
    ("a_large_route_is_the_first_thing_read", a_large_route_is_the_first_thing_read),
    ("many_large_routes_are_written_at_once", many_large_routes_are_written_at_once),
    ("a_taken_metric_is_refused", a_taken_metric_is_refused),
    ("a_multipath_route_goes_in_one_step", a_multipath_route_goes_in_one_step),
    ("nothing_but_the_named_route_is_deleted", nothing_but_the_named_route_is_deleted),
];

/// A table whose number does not fit into the header of a message.
const TABLE: u32 = 100_000;
const OURS: u8 = 117;
/// `RTPROT_STATIC`.
const STATIC: u8 = 4;
/// `RT_SCOPE_LINK`.
const LINK: u8 = 253;

fn default(family: Family, metric: u32, nexthops: &[Nexthop]) -> Route {
    let kind = if nexthops.is_empty() { RouteKind::Unreachable } else { RouteKind::Unicast };
    Route { protocol: OURS, metric, nexthops: nexthops.to_vec(), ..Route::default(family, TABLE, kind) }
}

/// A multipath default of so many next hops, spread over the devices, no two of them alike, in no order by number.
fn multipath(family: Family, metric: u32, hops: u16) -> Route {
    let hop = |n: u16| {
        let device = u32::from(n * 7 % 13) % DEVICES + 1;
        let nexthop = Nexthop::new(Some(gateway(family, device, 250 - n)), Host::index(device));
        Nexthop { weight: 1 + n * 101 % 256, onlink: n % 3 == 0, ..nexthop }
    };
    default(family, metric, &(0..hops).map(hop).collect::<Vec<_>>())
}

/// Every kind of route that a router with several uplinks has.
fn kinds(family: Family) -> Vec<Route> {
    let far = far(family);
    let mut plain = default(family, 1, &[hop(family, 1)]);
    plain.source = Some(own(family, 1));
    let onlink = default(family, 2, &[Nexthop { onlink: true, ..Nexthop::new(Some(far), Host::index(2)) }]);
    let mut device = default(family, 3, &[Nexthop::new(None, Host::index(3))]);
    device.source = Some(own(family, 3));
    if family == Family::V4 {
        device.scope = LINK;
    }
    let several = [1, 256, 17].into_iter().zip(1..);
    let several: Vec<_> = several.map(|(weight, i)| Nexthop { weight, ..hop(family, i) }).collect();
    let balanced = default(family, 4, &several);
    let unlike = [Nexthop { onlink: true, ..Nexthop::new(Some(far), Host::index(4)) }, hop(family, 1)];
    let unlike = default(family, 5, &unlike);
    let network = Route { destination: Prefix::new(far, 24), ..default(family, 6, &[hop(family, 2)]) };
    let ends = [u32::MAX - 1, u32::MAX].map(|metric| default(family, metric, &[]));
    let mut all = vec![plain, onlink, device, balanced, unlike, network];
    if family == Family::V6 {
        let link_local = [1, 2].map(|i| Nexthop::new(Some(Ipv6Addr::LOCALHOST.into()), Host::index(i)));
        let link_local = link_local.map(|hop| Nexthop { gateway: Some([0xfe80, 0, 0, 0, 0, 0, 0, 1].into()), ..hop });
        all.push(default(family, 7, &link_local[..1]));
        all.push(default(family, 8, &link_local));
    }
    all.extend(ends);
    all
}

fn add(netlink: &mut Rtnetlink, routes: &[Route]) -> Result<(), Failed> {
    write(netlink, &routes.iter().cloned().map(Write::AddRoute).collect::<Vec<_>>())
}

fn listed(netlink: &mut Rtnetlink, family: Family) -> Result<Vec<Route>, Failed> {
    let mut routes = netlink.routes(family, Some(TABLE))?;
    routes.sort_by_key(|route| route.metric);
    Ok(routes)
}

fn what_is_written_reads_back() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let routes = kinds(family);
        add(&mut host.netlink, &routes)?;
        assert_eq!(listed(&mut host.netlink, family)?, routes);
        let deletions: Vec<_> = routes.into_iter().map(Write::DeleteRoute).collect();
        write(&mut host.netlink, &deletions)?;
        assert_eq!(listed(&mut host.netlink, family)?, []);
    }
    Ok(())
}

fn those_of_one_maker_are_found_in_every_table() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let here = default(family, 5, &[]);
        let there = Route { table: 7, ..here.clone() };
        let foreign = Route { protocol: STATIC, metric: 6, ..here.clone() };
        add(&mut host.netlink, &[here.clone(), there.clone(), foreign])?;
        let mut found = host.netlink.routes_by(family, OURS)?;
        found.sort_by_key(|route| route.table);
        assert_eq!(found, [there, here]);
    }
    Ok(())
}

fn next_hops_keep_their_order() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        for hops in [2, 3, 16, 64, 200] {
            let route = multipath(family, 1, hops);
            let began = Instant::now();
            add(&mut host.netlink, std::slice::from_ref(&route))?;
            let added = began.elapsed();
            assert!(listed(&mut host.netlink, family)? == std::slice::from_ref(&route), "{family:?}: {hops}");
            let began = Instant::now();
            write(&mut host.netlink, &[Write::DeleteRoute(route)])?;
            println!("{family:?}: {hops} next hops: added in {added:?}, deleted in {:?}", began.elapsed());
            assert_eq!(listed(&mut host.netlink, family)?, []);
        }
    }
    Ok(())
}

/// The first buffer that the kernel fills for a socket is smaller than this route.
fn a_large_route_is_the_first_thing_read() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let route = multipath(family, 1, 200);
        add(&mut host.netlink, std::slice::from_ref(&route))?;
        assert!(host.requests()?.routes(family, Some(TABLE))? == [route], "{family:?}");
    }
    Ok(())
}

/// More than the kernel takes in one datagram, and then refusals of all of them.
fn many_large_routes_are_written_at_once() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let tables = TABLE..TABLE + 64;
        let routes: Vec<_> = tables.map(|table| Route { table, ..multipath(family, 1, 200) }).collect();
        add(&mut host.netlink, &routes)?;
        let mut found = host.netlink.routes(family, None)?;
        found.retain(|route| route.protocol == OURS);
        found.sort_by_key(|route| route.table);
        assert!(found == routes, "{family:?}");
        let again: Vec<_> = routes.into_iter().map(Write::AddRoute).collect();
        let fates = host.netlink.write(&again)?;
        assert_eq!(fates.iter().filter(|fate| refused(fate, "EEXIST")).count(), 64, "{fates:?}");
    }
    Ok(())
}

fn refused(fate: &Result<(), NetlinkError>, errno: &str) -> bool {
    fate.as_ref().is_err_and(|refusal| format!("{:?}", refusal.errno) == errno)
}

fn a_taken_metric_is_refused() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let metric = 9;
        let shapes = [
            default(family, metric, &[hop(family, 1)]),
            default(family, metric, &[hop(family, 2)]),
            multipath(family, metric, 3),
            default(family, metric, &[]),
        ];
        for there in &shapes {
            add(&mut host.netlink, std::slice::from_ref(there))?;
            for wanted in &shapes {
                let wanted = Route { protocol: STATIC, ..wanted.clone() };
                let fate = host.netlink.write(&[Write::AddRoute(wanted.clone())])?.remove(0);
                assert!(refused(&fate, "EEXIST"), "{fate:?}: {wanted:?} beside {there:?}");
            }
            assert_eq!(listed(&mut host.netlink, family)?, std::slice::from_ref(there));
            write(&mut host.netlink, &[Write::DeleteRoute(there.clone())])?;
        }
    }
    Ok(())
}

/// What was heard so far of routes in the table.
fn heard(listener: &mut Listener) -> Result<Vec<Event>, Failed> {
    let mut events = Vec::new();
    while let Some(event) = listener.next_event()? {
        if matches!(&event, Event::Route(route) | Event::RouteGone(route) if route.table == TABLE) {
            events.push(event);
        }
    }
    Ok(events)
}

fn a_multipath_route_goes_in_one_step() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let route = multipath(family, 1, 8);
        let mut listener = host.listener(&[Group::Route(family)])?;
        add(&mut host.netlink, std::slice::from_ref(&route))?;
        assert_eq!(heard(&mut listener)?, [Event::Route(route.clone())]);
        write(&mut host.netlink, &[Write::DeleteRoute(route.clone())])?;
        assert_eq!(heard(&mut listener)?, [Event::RouteGone(route)]);
    }
    Ok(())
}

fn nothing_but_the_named_route_is_deleted() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let route = multipath(family, 5, 3);
        let foreign = Route { protocol: STATIC, ..route.clone() };
        let elsewhere = Route { table: TABLE + 1, ..route.clone() };
        let network = Route { destination: Prefix::new(own(family, 4), 7), ..route.clone() };
        let beside: Vec<_> = [4, 6].map(|metric| multipath(family, metric, 3)).into();
        add(&mut host.netlink, &[foreign.clone(), elsewhere.clone(), network.clone()])?;
        add(&mut host.netlink, &beside)?;
        let before = host.netlink.routes(family, None)?;
        let fate = host.netlink.write(&[Write::DeleteRoute(route.clone())])?.remove(0);
        assert!(refused(&fate, "ESRCH"), "one of another protocol: {fate:?}");
        assert_eq!(host.netlink.routes(family, None)?, before);

        write(&mut host.netlink, &[Write::DeleteRoute(foreign.clone())])?;
        let expected: Vec<_> = before.into_iter().filter(|route| *route != foreign).collect();
        assert_eq!(host.netlink.routes(family, None)?, expected);
    }
    Ok(())
}
