//! Look-ups: the kernel's answer is understood.

use crate::Test;
use crate::host::{FAMILIES, Host, far, gateway, hop, own, write};
use ftr_netlink::{Error, Family, Lookup, Prefix, Route, RouteKind, Rule, Write};
use libtest_mimic::Failed;
use nix::errno::Errno;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Test); 4] = [
    ("an_answer_tells_the_way", an_answer_tells_the_way),
    ("whatever_a_rule_can_match_counts", whatever_a_rule_can_match_counts),
    ("a_refusal_tells_why", a_refusal_tells_why),
    ("what_came_in_has_to_be_forwarded", what_came_in_has_to_be_forwarded),
];

/// The tables that lead out by devices 1, 2 and 3.
const TABLES: [u32; 3] = [1001, 1002, 1003];
/// Who is forwarded comes in by this device.
const LAN: u32 = 4;

fn refusal(answer: Result<Route, Error>) -> Option<Errno> {
    answer.err()?.netlink_error().map(|refusal| refusal.errno)
}

/// A host where each table leads out by its device, and everything that no rule catches leaves by the first.
fn host() -> Result<Host, Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        let mut writes = Vec::new();
        for (device, table) in (1..).zip(TABLES) {
            let nexthops = vec![hop(family, device)];
            let source = Some(own(family, device));
            writes.push(Write::AddRoute(Route {
                metric: 1,
                source,
                nexthops,
                ..Route::default(family, table, RouteKind::Unicast)
            }));
        }
        let [first, ..] = TABLES;
        writes.push(Write::AddRule(Rule::lookup(family, 30_000, first)));
        write(&mut host.netlink, &writes)?;
    }
    Ok(host)
}

fn an_answer_tells_the_way() -> Result<(), Failed> {
    let mut host = host()?;
    for family in FAMILIES {
        let [first, second, _] = TABLES;
        let rule = Rule { mark: 7, mask: u32::MAX, ..Rule::lookup(family, 100, second) };
        write(&mut host.netlink, &[Write::AddRule(rule)])?;
        let to = Lookup::to(far(family));
        for (lookup, device, table) in [(to, 1, first), (Lookup { mark: 7, ..to }, 2, second)] {
            let way = host.netlink.lookup(&lookup)?;
            assert_eq!((way.table, way.kind, way.nexthops.len()), (table, RouteKind::Unicast, 1), "{way:?}");
            let nexthop = way.nexthops.first().ok_or("no next hop")?;
            assert_eq!((nexthop.gateway, nexthop.index), (Some(gateway(family, device, 1)), Host::index(device)));
            assert_eq!(way.source, Some(own(family, device)));
        }
        let named = host.netlink.lookup(&Lookup { source: Some(own(family, 2)), ..to })?;
        assert_eq!(named.from, Some(Prefix::host(own(family, 2))));
        let here = host.netlink.lookup(&Lookup::to(own(family, 3)))?;
        assert_eq!((here.kind, here.table), (RouteKind::Local, 255));
    }
    Ok(())
}

fn whatever_a_rule_can_match_counts() -> Result<(), Failed> {
    let mut host = host()?;
    host.space.sysctl("net/ipv4/ip_forward", "1")?;
    for family in FAMILIES {
        let [first, second, third] = TABLES;
        let option = if family == Family::V4 { "-4" } else { "-6" };
        let rules = ["ipproto udp dport 53", "ipproto tcp sport 1000-1999", "tos 0x10", "oif u2"];
        for rule in rules {
            host.space.sh(&format!("ip {option} rule add priority 200 {rule} lookup {second}"))?;
        }
        host.space.sh(&format!("ip {option} rule add priority 201 iif u{LAN} lookup {third}"))?;
        let to = Lookup::to(far(family));
        let udp = Lookup { protocol: Some(17), sport: Some(1500), dport: Some(53), ..to };
        let tcp = Lookup { protocol: Some(6), ..udp };
        let lan = Lookup { source: Some(gateway(family, LAN, 9)), iif: Some(Host::index(LAN)), ..to };
        let expected = [
            (to, first),
            (udp, second),
            (Lookup { dport: Some(54), ..udp }, first),
            (tcp, second),
            (Lookup { sport: Some(2000), ..tcp }, first),
            (Lookup { tos: 0x10, ..to }, second),
            (Lookup { oif: Some(Host::index(2)), ..to }, second),
            (lan, third),
            (Lookup { source: lan.source, iif: lan.iif, ..udp }, second),
        ];
        for (lookup, table) in expected {
            assert_eq!(host.netlink.lookup(&lookup)?.table, table, "{lookup:?}");
        }
    }
    Ok(())
}

fn a_refusal_tells_why() -> Result<(), Failed> {
    let mut host = Host::new()?;
    let kinds = [
        (RouteKind::Unreachable, Errno::EHOSTUNREACH),
        (RouteKind::Prohibit, Errno::EACCES),
        (RouteKind::Blackhole, Errno::EINVAL),
    ];
    for family in FAMILIES {
        let to = Lookup::to(far(family));
        assert_eq!(refusal(host.netlink.lookup(&to)), Some(Errno::ENETUNREACH));
        let [table, ..] = TABLES;
        write(&mut host.netlink, &[Write::AddRule(Rule::lookup(family, 30_000, table))])?;
        for (kind, errno) in kinds {
            let route = Route { metric: 1, ..Route::default(family, table, kind) };
            write(&mut host.netlink, &[Write::AddRoute(route.clone())])?;
            assert_eq!(refusal(host.netlink.lookup(&to)), Some(errno));
            write(&mut host.netlink, &[Write::DeleteRoute(route)])?;
        }
        assert_eq!(refusal(host.netlink.lookup(&Lookup { protocol: Some(47), ..to })), Some(Errno::EOPNOTSUPP));
    }
    Ok(())
}

fn what_came_in_has_to_be_forwarded() -> Result<(), Failed> {
    let mut host = host()?;
    for family in FAMILIES {
        let came = Lookup { iif: Some(Host::index(LAN)), ..Lookup::to(far(family)) };
        let from = |source| Lookup { source: Some(source), ..came };
        let client = from(gateway(family, LAN, 9));
        let looked_at = (family == Family::V4).then_some(());
        let refused = host.netlink.lookup(&client);
        assert_eq!(refusal(refused), looked_at.map(|()| Errno::EHOSTUNREACH), "{family:?}: forwarding is off");
        host.space.sysctl("net/ipv4/ip_forward", "1")?;
        host.space.sysctl("net/ipv6/conf/all/forwarding", "1")?;
        let way = host.netlink.lookup(&client)?;
        assert_eq!(way.nexthops, [hop(family, 1)]);
        for odd in [came, from(own(family, 1)), from(own(family, LAN))] {
            assert_eq!(refusal(host.netlink.lookup(&odd)), looked_at.map(|()| Errno::EINVAL), "{odd:?}");
        }
        host.space.sysctl("net/ipv4/conf/u4/rp_filter", "1")?;
        let spoofed = from(far(family));
        assert_eq!(refusal(host.netlink.lookup(&spoofed)), looked_at.map(|()| Errno::EINVAL), "{spoofed:?}");
    }
    Ok(())
}
