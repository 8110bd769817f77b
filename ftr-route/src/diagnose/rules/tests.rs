use super::{Tables, foreign, main};
use crate::plan::uplink_state::tests::{CONFIG, config};
use ftr_core::Family;
use ftr_core::numbering::Numbering;
use ftr_netlink::{Action, Nexthop, Prefix, Route, RouteKind, Rule};

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
