use super::{Tables, foreign, main};
use crate::plan::uplink_state::tests::{CONFIG, config};
use ftr_core::Family;
use ftr_core::numbering::Numbering;
use ftr_netlink::{Action, Attribute, Nexthop, Prefix, Route, RouteKind, Rule};

fn told(text: &str, rules: &[Rule], routes: &[Route]) -> Vec<String> {
    let config = config(text);
    let numbering = Numbering::of(&config);
    let names = |_| Some("tun0");
    let tables = Tables { family: Family::V4, rules, routes, own: routes, names: &names };
    let hazards = main(&config, &numbering, &tables).into_iter().chain(foreign(&config, &numbering, &tables));
    hazards.map(|hazard| hazard.to_string()).collect()
}

fn before_main() -> String {
    CONFIG.replace("40000", "20000")
}

fn default(table: u32) -> Route {
    let mut route = Route::default(Family::V4, table, RouteKind::Unicast);
    route.nexthops.push(Nexthop::new(Some([9, 0, 0, 1].into()), 9));
    route
}

fn to(table: u32, network: [u8; 4], length: u8) -> Route {
    Route { destination: Prefix::new(network.into(), length), ..default(table) }
}

fn rule(priority: u32, table: u32) -> Rule {
    Rule::lookup(Family::V4, priority, table)
}

#[test]
fn a_default_in_main_is_a_hazard_only_where_main_is_asked_first() {
    let lines = told(CONFIG, &[], &[default(254)]);
    assert!(lines[0].starts_with("warning: route default via 9.0.0.1 dev tun0 table 254"), "{lines:?}");
    assert!(lines[0].contains("base_priority: 20000 in test"), "{lines:?}");
    assert!(lines[0].ends_with("ip -4 route del default via 9.0.0.1 dev tun0 table 254 proto 0"), "{lines:?}");
    assert_eq!(told(CONFIG, &[], &[default(253)]).len(), 1);
    assert_eq!(told(&before_main(), &[], &[default(254), default(253)]), [""; 0]);
}

#[test]
fn halves_of_a_default_are_passed_over_and_told() {
    let halves = [to(254, [0, 0, 0, 0], 1), to(254, [128, 0, 0, 0], 1)];
    let lines = told(&before_main(), &[], &halves);
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].contains("is passed over") && lines[0].contains("name its device as an uplink in test"),
        "{lines:?}"
    );
    assert_eq!(told(CONFIG, &[], &halves).len(), 2);
    let lines = told(&before_main(), &[], &[to(254, [0, 0, 0, 0], 2)]);
    assert!(lines[0].contains("takes new connections past the uplinks"), "{lines:?}");
}

#[test]
fn networks_and_multicast_are_none_of_our_business() {
    let networks = [to(254, [10, 0, 0, 0], 8), to(254, [224, 0, 0, 0], 4), to(254, [192, 168, 0, 0], 16)];
    assert_eq!(told(CONFIG, &[], &networks), [""; 0]);
    let throw = Route { kind: RouteKind::Throw, ..Route::default(Family::V4, 254, RouteKind::Throw) };
    assert_eq!(told(CONFIG, &[], &[throw]), [""; 0]);
}

#[test]
fn a_rule_that_leads_everywhere_takes_what_it_is_for() {
    let all = told(CONFIG, &[rule(5270, 52)], &[default(52)]);
    assert!(all[0].contains("(tailscale)") && all[0].contains("takes all packets past the uplinks"), "{all:?}");
    assert!(all[0].ends_with(": tailscale set --exit-node="), "{all:?}");
    let some = Rule { from: Prefix::new([10, 9, 0, 0].into(), 16), ..rule(7, 99) };
    let some = told(CONFIG, &[some], &[default(99)]);
    assert!(some[0].contains("takes the packets that it is for"), "{some:?}");
    assert!(some[0].ends_with("ip -4 rule del priority 7 from 10.9.0.0/16 lookup 99 protocol 0"), "{some:?}");
    assert_eq!(told(CONFIG, &[rule(5270, 52)], &[to(52, [100, 64, 0, 0], 10)]), [""; 0]);
}

#[test]
fn wireguard_takes_all_that_is_not_its_own() {
    let wireguard = Rule { mark: 51820, mask: u32::MAX, invert: true, ..rule(32765, 51820) };
    let lines = told(CONFIG, std::slice::from_ref(&wireguard), &[default(51820)]);
    assert!(lines[0].contains("(wg-quick)") && lines[0].contains("Table = off"), "{lines:?}");
    assert_eq!(told(&before_main(), &[wireguard], &[default(51820)]), [""; 0]);
    let local = Rule { suppress_prefixlength: Some(0), ..rule(32764, 254) };
    assert_eq!(told(&before_main(), &[local], &[default(254)]), [""; 0]);
}

#[test]
fn marked_packets_of_others_that_find_no_way_get_one() {
    let marked = |priority, action| Rule { action, mark: 0x80000, mask: 0xff_0000, ..rule(priority, 0) };
    let rules = [marked(5210, Action::Lookup(254)), marked(5250, Action::Other(7))];
    let lines = told(&before_main(), &rules, &[]);
    assert!(lines[0].ends_with("ip -4 rule add priority 5249 fwmark 0x80000/0xff0000 lookup 4"), "{lines:?}");
    // Above 32766 main is asked before ours anyway.
    assert!(
        told(CONFIG, &rules, &[default(254)]).iter().all(|line| line.contains("for the table main is asked before"))
    );
    let cured = [marked(5210, Action::Lookup(254)), marked(5249, Action::Lookup(4)), marked(5250, Action::Other(7))];
    assert_eq!(told(&before_main(), &cured, &[Route { protocol: 117, ..default(4) }]), [""; 0]);
}

#[test]
fn marked_packets_of_others_that_go_by_the_default_of_main_are_led_to_ours() {
    let marked = |priority, action| Rule { action, mark: 0x80000, mask: 0xff_0000, ..rule(priority, 0) };
    let to_main = marked(5210, Action::Lookup(254));
    let lines = told(&before_main(), std::slice::from_ref(&to_main), &[default(254)]);
    assert!(lines[0].starts_with("warning: rule priority 5210 fwmark 0x80000/0xff0000 lookup 254"), "{lines:?}");
    assert!(lines[0].contains("(tailscale)") && lines[0].contains("go by default via 9.0.0.1 dev tun0"), "{lines:?}");
    let cure = "ip -4 rule add priority 5209 fwmark 0x80000/0xff0000 goto 20000 protocol 0";
    assert!(lines[0].ends_with(cure), "{lines:?}");
    assert_eq!(told(&before_main(), std::slice::from_ref(&to_main), &[]), [""; 0]);
    for cure in [marked(5209, Action::Goto(20000)), marked(100, Action::Lookup(4))] {
        assert_eq!(told(&before_main(), &[cure, to_main.clone()], &[default(254)]), [""; 0]);
    }
    let late = marked(5211, Action::Goto(20000));
    let elsewhere = marked(5209, Action::Goto(30000));
    let narrow = Rule { iif: Some("eth9".to_owned()), ..marked(5209, Action::Goto(20000)) };
    for other in [late, elsewhere, narrow] {
        assert_eq!(told(&before_main(), &[other, to_main.clone()], &[default(254)]).len(), 1);
    }
    // A table of the program's own is not ours to judge.
    assert_eq!(told(&before_main(), &[marked(5210, Action::Lookup(99))], &[default(99)]), [""; 0]);
}

#[test]
fn marked_packets_are_led_to_ours_whatever_else_their_rule_asks_for() {
    let others = |kind, payload: &[u8]| vec![Attribute { kind, payload: payload.to_vec() }];
    let users = [1000_u32.to_ne_bytes(), 1009_u32.to_ne_bytes()].concat();
    let ports = [53_u16.to_ne_bytes(), 53_u16.to_ne_bytes()].concat();
    let marked = |action| Rule { action, mark: 0x80000, mask: 0xff_0000, ..rule(5210, 0) };
    let to_main = marked(Action::Lookup(254));
    for (rule, words) in [
        (Rule { others: others(Rule::USERS, &users), ..to_main.clone() }, "uidrange 1000-1009 "),
        (Rule { others: others(Rule::IP_PROTOCOL, &[17]), ..to_main.clone() }, "ipproto udp "),
        (Rule { others: others(Rule::DESTINATION_PORTS, &ports), ..to_main.clone() }, "dport 53 "),
        (Rule { others: others(Rule::SOURCE_PORTS, &ports), ..to_main.clone() }, "sport 53 "),
        (Rule { iif: Some("lo".to_owned()), ..to_main.clone() }, "iif lo "),
    ] {
        let lines = told(&before_main(), std::slice::from_ref(&rule), &[default(254)]);
        let cure = format!("ip -4 rule add priority 5209 fwmark 0x80000/0xff0000 {words}goto 20000 protocol 0");
        assert!(lines.len() == 1 && lines[0].ends_with(&cure), "{words}: {lines:?}");
        let cured = Rule { priority: 5209, action: Action::Goto(20000), ..rule.clone() };
        assert_eq!(told(&before_main(), &[cured, rule], &[default(254)]), [""; 0]);
    }
    // What cannot be said in words would be led elsewhere with the rest.
    let tunnel = Rule { others: others(12, &[0; 8]), ..to_main };
    assert_eq!(told(&before_main(), &[tunnel], &[default(254)]), [""; 0]);
}

#[test]
fn marked_packets_that_jump_to_main_are_led_to_ours() {
    let kernel = Rule { protocol: 2, ..rule(32766, 254) };
    let jump =
        |priority, target| Rule { action: Action::Goto(target), mark: 0x80000, mask: 0xff_0000, ..rule(priority, 0) };
    let lines = |rules: &[Rule]| told(&before_main(), rules, &[default(254)]);
    for rules in [
        [jump(5210, 32766), kernel.clone()].as_slice(),
        &[jump(5210, 32000), kernel.clone()],
        &[jump(5210, 5300), jump(5300, 32766), kernel.clone()],
    ] {
        let told = lines(rules);
        let cure = ": ip -4 rule add priority 5209 fwmark 0x80000/0xff0000 goto 20000 protocol 0";
        assert!(told[0].contains("leads packets with that mark past ours to default via 9.0.0.1 dev tun0"), "{told:?}");
        assert!(told[0].ends_with(cure), "{told:?}");
        assert_eq!(lines(&[&[jump(5209, 20000)], rules].concat()), [""; 0]);
    }
    // What is behind it is not met.
    let refused = Rule { action: Action::Other(7), ..jump(5250, 0) };
    assert_eq!(lines(&[jump(5210, 32766), refused, kernel.clone()]).len(), 1);
    // It comes to ours first, or to a table of its program's own.
    assert_eq!(lines(&[jump(5210, 5300), kernel.clone()]), [""; 0]);
    let own = Rule { mark: 0x80000, mask: 0xff_0000, ..rule(32000, 99) };
    assert_eq!(told(&before_main(), &[jump(5210, 32000), own, kernel], &[default(99), default(254)]), [""; 0]);
}

#[test]
fn rules_of_ours_of_the_kernel_and_between_ours_are_left_out() {
    let rules = [
        Rule { protocol: 117, ..rule(7, 99) },
        Rule { protocol: 2, ..rule(1000, 99) },
        rule(40003, 99),
        Rule { to: Prefix::new([10, 0, 0, 0].into(), 8), ..rule(7, 99) },
        rule(50000, 99),
    ];
    assert_eq!(told(CONFIG, &rules, &[default(99)]), [""; 0]);
}

#[test]
fn others_in_our_tables_are_told_of_free_ones() {
    let rules = [rule(50000, 2), rule(7, 101)];
    assert_eq!(told(CONFIG, &rules, &[Route { protocol: 117, ..default(2) }]), [""; 0]);
    let lines = told(CONFIG, &rules, &[default(2)]);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("looks into a table of ours") && lines[0].contains("base_table: 200"), "{lines:?}");
}
