use std::net::IpAddr;

use ftr_core::Family;
use ftr_netlink::{Action, Attribute, Nexthop, Prefix, Route, RouteKind, Rule};

use super::packet::{Device, Packet};
use super::{Answer, walk};

const V4: Family = Family::V4;
const ETH1: Device<'static> = Device { name: "eth1", index: 3 };
const ETH2: Device<'static> = Device { name: "eth2", index: 4 };

fn far() -> Packet<'static> {
    Packet::to("203.0.113.9".parse().unwrap())
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn route(table: u32, to: Option<Prefix>, metric: u32, devices: &[u32]) -> Route {
    let nexthops = devices.iter().map(|index| Nexthop::new(None, *index)).collect();
    Route { destination: to, metric, nexthops, ..Route::default(V4, table, RouteKind::Unicast) }
}

fn end(kind: RouteKind, metric: u32) -> Route {
    Route { metric, ..Route::default(V4, 1, kind) }
}

/// What came of each rule, in words short enough to compare.
fn story(packet: Packet<'_>, rules: &[Rule], routes: &[Route]) -> Vec<String> {
    let devices = |route: &Route| route.nexthops.iter().map(|hop| hop.index.to_string()).collect::<Vec<_>>().join(",");
    let word = |answer: &Answer<'_>| match answer {
        Answer::Mismatch(condition) => format!("{condition:?}"),
        Answer::Goto(target) => format!("goto {target}"),
        Answer::Nothing => "nothing".to_owned(),
        Answer::Empty => "empty".to_owned(),
        Answer::Thrown(_) => "thrown".to_owned(),
        Answer::Suppressed(route) => format!("suppressed {}", devices(route)),
        Answer::Refused(route) => format!("refused {}", route.map_or(0, |route| route.metric)),
        Answer::Found(_, hops) => {
            format!("by {}", hops.iter().map(|hop| hop.index.to_string()).collect::<Vec<_>>().join(","))
        }
    };
    walk(&packet, rules, routes).iter().map(|step| format!("{} {}", step.rule.priority, word(&step.answer))).collect()
}

/// By which device, where a single rule leads into table 1.
fn by(packet: Packet<'_>, routes: &[Route]) -> String {
    story(packet, &[Rule::lookup(V4, 5, 1)], routes).concat()
}

fn asked(packet: Packet<'_>, rule: Rule) -> String {
    let rule = Rule { priority: 5, action: Action::Lookup(1), ..rule };
    story(packet, &[rule], &[route(1, None, 0, &[3])]).concat()
}

fn any() -> Rule {
    Rule::lookup(V4, 5, 1)
}

fn with(kind: u16, payload: &[u8]) -> Rule {
    Rule { others: vec![Attribute { kind, payload: payload.to_vec() }], ..any() }
}

#[test]
fn rules_are_asked_in_their_order_until_one_decides() {
    let rules = [Rule::lookup(V4, 30, 3), Rule::lookup(V4, 10, 1), Rule::lookup(V4, 20, 2), Rule::lookup(V4, 20, 9)];
    let routes = [route(2, None, 0, &[3]), route(9, None, 0, &[4]), route(3, None, 0, &[4])];
    assert_eq!(story(far(), &rules, &routes), ["10 empty", "20 by 3"]);
    assert_eq!(story(far(), &rules, &[]), ["10 empty", "20 empty", "20 empty", "30 empty"]);
}

#[test]
fn the_longest_prefix_wins_and_then_the_lowest_metric() {
    let net = || Some(prefix("203.0.113.0/24"));
    let routes = [
        route(1, None, 1, &[3]),
        route(1, net(), 9, &[4]),
        route(1, net(), 5, &[5]),
        route(1, Some(prefix("198.51.100.0/24")), 0, &[6]),
    ];
    assert_eq!(by(far(), &routes), "5 by 5");
    assert_eq!(by(Packet::to("192.0.2.1".parse().unwrap()), &routes), "5 by 3");
    // A route for another traffic class is not for this packet.
    assert_eq!(by(far(), &[Route { tos: 16, ..route(1, net(), 0, &[7]) }, route(1, None, 1, &[3])]), "5 by 3");
}

#[test]
fn dead_next_hops_are_passed_over() {
    let mut first = route(1, None, 1, &[3, 4]);
    first.nexthops[0].dead = true;
    let second = route(1, None, 2, &[5]);
    assert_eq!(by(far(), &[first.clone(), second.clone()]), "5 by 4");
    first.nexthops[1].dead = true;
    assert_eq!(by(far(), &[first.clone(), second]), "5 by 5");
    assert_eq!(by(far(), std::slice::from_ref(&first)), "5 empty");
    // Without a carrier alone it is used all the same, unless the kernel is told otherwise: then it calls it dead.
    (first.nexthops[0].dead, first.nexthops[0].linkdown) = (false, true);
    assert_eq!(by(far(), &[first]), "5 by 3");
}

#[test]
fn what_is_bound_to_a_device_leaves_by_it_alone() {
    let bound = Packet { oif: Some(ETH2), ..far() };
    let routes = [route(1, None, 1, &[3]), route(1, None, 2, &[3, 4]), route(1, None, 3, &[4])];
    assert_eq!(by(bound, &routes), "5 by 4");
    assert_eq!(by(bound, &[route(1, None, 1, &[3]), end(RouteKind::Unreachable, 7)]), "5 refused 7");
    let v6 = Route { family: Family::V6, ..end(RouteKind::Unreachable, 7) };
    assert_eq!(by(bound, std::slice::from_ref(&v6)), "5 empty");
    assert_eq!(by(far(), &[v6]), "5 refused 7");
}

#[test]
fn a_refusal_ends_it_and_a_throw_goes_on() {
    let rules = [any(), Rule::lookup(V4, 6, 2)];
    let other = route(2, None, 0, &[4]);
    for kind in [RouteKind::Unreachable, RouteKind::Blackhole, RouteKind::Prohibit] {
        assert_eq!(story(far(), &rules, &[end(kind, 9), other.clone()]), ["5 refused 9"]);
    }
    assert_eq!(story(far(), &rules, &[end(RouteKind::Throw, 9), other.clone()]), ["5 thrown", "6 by 4"]);
    let refusing = Rule { action: Action::Other(7), ..any() };
    assert_eq!(story(far(), &[refusing], std::slice::from_ref(&other)), ["5 refused 0"]);
    let nop = Rule { action: Action::Other(3), ..any() };
    assert_eq!(story(far(), &[nop, Rule::lookup(V4, 6, 2)], &[other]), ["5 nothing", "6 by 4"]);
}

#[test]
fn a_prefix_that_is_too_short_is_suppressed_and_a_refusal_is_not() {
    let rules = [Rule { suppress_prefixlength: Some(0), ..any() }, Rule::lookup(V4, 6, 2)];
    let other = route(2, None, 0, &[4]);
    assert_eq!(story(far(), &rules, &[route(1, None, 0, &[3]), other.clone()]), ["5 suppressed 3", "6 by 4"]);
    assert_eq!(story(far(), &rules, &[route(1, Some(prefix("203.0.0.0/8")), 0, &[3]), other.clone()]), ["5 by 3"]);
    assert_eq!(story(far(), &rules, &[end(RouteKind::Unreachable, 9), other]), ["5 refused 9"]);
}

#[test]
fn a_jump_leads_forward_to_where_there_is_a_rule() {
    let jump = |target| Rule { action: Action::Goto(target), ..any() };
    let rules = |target| [jump(target), Rule::lookup(V4, 6, 1), Rule::lookup(V4, 7, 2)];
    let routes = [route(1, None, 0, &[3]), route(2, None, 0, &[4])];
    assert_eq!(story(far(), &rules(7), &routes), ["5 goto 7", "7 by 4"]);
    for nowhere in [8, 5, 1] {
        assert_eq!(story(far(), &rules(nowhere), &routes)[1], "6 by 3");
    }
}

#[test]
fn marks_count_under_their_mask() {
    let marked = |mark| Packet { mark, ..far() };
    let rule = || Rule { mark: 0x200, mask: 0xff00, ..any() };
    assert_eq!(asked(marked(0x1_0234), rule()), "5 by 3");
    assert_eq!(asked(marked(0x300), rule()), "5 Mark");
    assert_eq!(asked(marked(7), any()), "5 by 3");
}

#[test]
fn sources_destinations_and_devices_have_to_fit() {
    let from = |source: &str| Packet { source: Some(source.parse::<IpAddr>().unwrap()), ..far() };
    let rule = || Rule { from: Some(prefix("192.168.0.0/16")), ..any() };
    assert_eq!(
        [asked(from("192.168.1.1"), rule()), asked(from("10.0.0.1"), rule()), asked(far(), rule())],
        ["5 by 3", "5 Source", "5 Source"]
    );
    assert_eq!(asked(far(), Rule { to: Some(prefix("10.0.0.0/8")), ..any() }), "5 Destination");
    let iif = |name: &str| Rule { iif: Some(name.to_owned()), ..any() };
    assert_eq!([asked(far(), iif("lo")), asked(far(), iif("lan"))], ["5 by 3", "5 Incoming"]);
    let arrived = Packet { iif: Some("lan"), ..far() };
    assert_eq!([asked(arrived, iif("lan")), asked(arrived, iif("lo"))], ["5 by 3", "5 Incoming"]);
    let oif = || Rule { oif: Some("eth1".to_owned()), ..any() };
    let bound = |device| Packet { oif: device, ..far() };
    assert_eq!(asked(bound(Some(ETH1)), oif()), "5 by 3");
    assert_eq!([asked(bound(Some(ETH2)), oif()), asked(bound(None), oif())], ["5 Bound", "5 Bound"]);
}

#[test]
fn a_negated_rule_is_for_all_others() {
    let rule = || Rule { invert: true, mark: 7, mask: u32::MAX, ..any() };
    assert_eq!(asked(far(), rule()), "5 by 3");
    assert_eq!(asked(Packet { mark: 7, ..far() }, rule()), "5 Negation");
}

#[test]
fn protocols_ports_and_users_are_read_from_what_the_kernel_shows() {
    let packet = Packet { protocol: 6, sport: Some(40_000), dport: Some(443), user: 1000, ..far() };
    let ports = |from: u16, to: u16| [from.to_ne_bytes(), to.to_ne_bytes()].concat();
    let users = |from: u32, to: u32| [from.to_ne_bytes(), to.to_ne_bytes()].concat();
    let cases = [
        (22, vec![6], "5 by 3"),
        (22, vec![17], "5 Protocol"),
        (23, ports(1, 65_535), "5 by 3"),
        (23, ports(1, 39_999), "5 SourcePort"),
        (24, ports(443, 443), "5 by 3"),
        (24, ports(444, 500), "5 DestinationPort"),
        (20, users(0, 1000), "5 by 3"),
        (20, users(0, 999), "5 User"),
        (25, vec![0], "5 by 3"),
        (25, vec![46], "5 Class"),
        (11, vec![0; 4], "5 by 3"),
        (19, vec![1], "5 Other"),
        // What is cut short fits nothing.
        (24, vec![1, 2], "5 DestinationPort"),
        (20, vec![], "5 User"),
    ];
    for (kind, payload, expected) in cases {
        assert_eq!(asked(packet, with(kind, &payload)), expected, "{kind} {payload:?}");
    }
    let mut masked = with(24, &ports(0x01b0, 0x01b0));
    masked.others.push(Attribute { kind: 29, payload: 0xfff0u16.to_ne_bytes().to_vec() });
    assert_eq!(asked(packet, masked.clone()), "5 by 3");
    assert_eq!(asked(Packet { dport: Some(80), ..packet }, masked), "5 DestinationPort");
    // What has no ports is for no rule about them.
    assert_eq!(asked(Packet { sport: None, ..packet }, with(23, &ports(0, 65_535))), "5 SourcePort");
    assert_eq!(asked(packet, Rule { tos: 16, ..any() }), "5 Class");
}

#[test]
fn an_ipv6_route_may_be_for_some_senders_only() {
    let destination = "2001:db8:f::1".parse().unwrap();
    let rule = [Rule::lookup(Family::V6, 5, 1)];
    let mut narrow = Route { family: Family::V6, from: Some(prefix("2001:db8:1::/48")), ..route(1, None, 9, &[4]) };
    let wide = Route { family: Family::V6, ..route(1, None, 1, &[3]) };
    let from = |source: &str| Packet { source: Some(source.parse().unwrap()), ..Packet::to(destination) };
    let routes = [narrow.clone(), wide.clone()];
    assert_eq!(story(from("2001:db8:1::5"), &rule, &routes), ["5 by 4"]);
    assert_eq!(story(from("2001:db8:2::5"), &rule, &routes), ["5 by 3"]);
    assert_eq!(story(Packet::to(destination), &rule, &routes), ["5 by 3"]);
    narrow.nexthops[0].dead = true;
    assert_eq!(story(from("2001:db8:1::5"), &rule, &[narrow, wide]), ["5 by 3"]);
}
