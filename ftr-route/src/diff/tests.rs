use ftr_core::Family;
use ftr_core::layout::PROTOCOL;
use ftr_netlink::{Address, Link, Nexthop, Route, RouteKind, Rule, Write};
use proptest::prelude::*;

use super::{Plan, diff};
use crate::balance::Part;
use crate::desired::{Desired, Goal, Metrics, desired};
use crate::operation::Operation;
use crate::standing::tests::{CONFIG, address, config, link};
use crate::standing::{Host, standings};

/// Rules and routes as the kernel keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kernel {
    rules: Vec<Rule>,
    routes: Vec<Route>,
}

impl Kernel {
    /// Makes the change as the kernel would, with its refusals.
    fn make(&mut self, operation: &Operation) {
        let Operation::Write { write, .. } = operation else { panic!("no sysctl is among them") };
        match write {
            Write::AddRoute(route) => {
                let taken = self.routes.iter().any(|other| {
                    (other.table, other.destination, other.metric, other.tos)
                        == (route.table, route.destination, route.metric, route.tos)
                });
                assert!(!taken, "EEXIST: {route:?}");
                self.routes.push(route.clone());
            }
            Write::AddRule(rule) => {
                assert!(!self.rules.contains(rule), "EEXIST: {rule:?}");
                self.rules.push(rule.clone());
            }
            Write::DeleteRoute(route) => {
                let at = self.routes.iter().position(|other| other == route).expect("ESRCH");
                self.routes.remove(at);
            }
            Write::DeleteRule(rule) => {
                let at = self.rules.iter().position(|other| other == rule).expect("ENOENT");
                self.rules.remove(at);
            }
        }
    }

    /// Whether a packet with this mark, bound device and source finds a way out.
    fn leads_somewhere(&self, mark: u32, device: Option<&str>, source: Option<&str>) -> bool {
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        rules.sort_by_key(|rule| rule.priority);
        let matching = rules.into_iter().filter(|rule| {
            rule.mark == mark & rule.mask
                && rule.oif.as_deref().is_none_or(|oif| device == Some(oif))
                && rule.from.is_none_or(|from| source == Some(from.address().to_string().as_str()))
                && rule.suppress_prefixlength.is_none()
        });
        for rule in matching {
            let ftr_netlink::Action::Lookup(table) = rule.action else { continue };
            let routes = self.routes.iter().filter(|route| route.table == table);
            if let Some(route) = routes.min_by_key(|route| route.metric) {
                return route.kind == RouteKind::Unicast;
            }
        }
        false
    }

    fn lookups(&self) -> Vec<bool> {
        let mut found = Vec::new();
        for mark in [0, 1, 2, 3, 7] {
            for device in [None, Some("eth1"), Some("eth2"), Some("ppp0"), Some("lan")] {
                for source in [None, Some("1.0.0.2"), Some("2.0.0.2"), Some("9.0.0.2"), Some("9.0.0.3")] {
                    found.push(self.leads_somewhere(mark, device, source));
                }
            }
        }
        found
    }

    fn plan(&self, desired: &Desired) -> Plan {
        diff(desired, &self.rules, &self.routes)
    }

    fn make_all(&mut self, plan: &Plan) {
        plan.stages.iter().flatten().for_each(|operation| self.make(operation));
    }
}

prop_compose! {
    /// What the world may ask for: devices there or not, addresses there or not, any active set, any layout.
    fn wish()(
        present in any::<[bool; 3]>(), addressed in any::<[bool; 3]>(), renewed: bool, second: bool,
        balanced in proptest::option::of(prop::collection::btree_map(0usize..3, 1u16..=256, 0..4)),
        refused in prop::collection::btree_set(0usize..3, 0..2), indexes in Just([3u32, 4, 5]), fewer: bool,
    ) -> Desired {
        let text = if fewer { CONFIG.replace("- {interface: ppp0, type: ppp}\n", "") } else { CONFIG.to_owned() };
        let config = config(&text);
        let [one, two, three] = indexes;
        let ppp = if renewed { "9.0.0.3" } else { "9.0.0.2" };
        let mut links: Vec<Link> = Vec::new();
        let mut addresses: Vec<Address> = Vec::new();
        let all = [(one, "eth1", "1.0.0.2", None), (two, "eth2", "2.0.0.2", None), (three, "ppp0", ppp, Some("9.0.0.1"))];
        for (i, (index, name, local, peer)) in all.into_iter().enumerate() {
            if present[i] {
                links.push(link(index, name));
            }
            if addressed[i] {
                addresses.push(address(index, local, peer, 24));
            }
        }
        if second {
            addresses.push(address(one, "1.0.0.77", None, 24));
        }
        let standings = standings(&config, Family::V4, Host { links: &links, addresses: &addresses, ..Host::default() });
        let parts = |map: std::collections::BTreeMap<usize, u16>| {
            map.into_iter().filter(|(uplink, _)| *uplink < standings.len()).map(|(uplink, weight)| Part { uplink, weight }).collect()
        };
        desired(&config, Family::V4, &standings, &Goal { balanced: balanced.map(parts), refused, ..Goal::default() })
    }
}

prop_compose! {
    /// Something of ours that nothing explains: left by a version that numbered otherwise, or half of a change.
    fn stray()(table in 1u32..6, metric in prop_oneof![Just(1u32), Just(2), Just(999_999), Just(1_000_000), Just(2_000_000), Just(2_000_003), Just(u32::MAX)], index in 3u32..6, end: bool) -> Route {
        let kind = if end { RouteKind::Unreachable } else { RouteKind::Unicast };
        let mut route = Route { metric, protocol: PROTOCOL, ..Route::default(Family::V4, table, kind) };
        if !end {
            route.nexthops.push(Nexthop::new(None, index));
        }
        route
    }
}

/// A kernel that already is as `desired`, with strays beside.
fn kernel(desired: &Desired, strays: Vec<Route>) -> Kernel {
    let mut kernel = Kernel::default();
    kernel.make_all(&kernel.plan(desired));
    for stray in strays {
        let taken = kernel.routes.iter().any(|other| (other.table, other.metric) == (stray.table, stray.metric));
        if !taken {
            kernel.routes.push(stray);
        }
    }
    kernel
}

/// Makes the changes, and after each one looks that whoever has a way out before and after has one now.
fn no_hole(kernel: &mut Kernel, plan: &Plan) {
    let before = kernel.lookups();
    let mut end = kernel.clone();
    end.make_all(plan);
    let after = end.lookups();
    let line = |operation: &Operation| crate::iproute::command(operation, &|_| None);
    for operation in plan.stages.iter().flatten() {
        kernel.make(operation);
        let hole =
            before.iter().zip(&after).zip(kernel.lookups()).any(|((before, after), now)| *before && *after && !now);
        let all = || plan.stages.iter().flatten().map(line).collect::<Vec<_>>().join("\n");
        assert!(!hole, "hole after {}, of\n{}", line(operation), all());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn no_change_on_the_way_opens_a_hole(from in wish(), to in wish(), strays in prop::collection::vec(stray(), 0..4)) {
        let mut kernel = kernel(&from, strays);
        let plan = kernel.plan(&to);
        no_hole(&mut kernel, &plan);
    }

    #[test]
    fn nothing_is_left_to_do_afterwards(from in wish(), to in wish(), strays in prop::collection::vec(stray(), 0..4)) {
        let mut kernel = kernel(&from, strays);
        kernel.make_all(&kernel.plan(&to));
        prop_assert_eq!(kernel.plan(&to), Plan::default());
    }

    #[test]
    fn killed_anywhere_the_next_run_completes_it(from in wish(), to in wish(), stop in 0usize..40) {
        let mut kernel = kernel(&from, Vec::new());
        let plan = kernel.plan(&to);
        plan.stages.iter().flatten().take(stop).for_each(|operation| kernel.make(operation));
        kernel.make_all(&kernel.plan(&to));
        prop_assert_eq!(kernel.plan(&to), Plan::default());
    }

    #[test]
    fn what_others_made_stays(
        from in wish(), to in wish(), routes in prop::collection::vec((stray(), 1u8..116), 0..5),
        rules in prop::collection::vec((prop_oneof![0u32..39_999, 40_011u32..60_000], 1u32..9), 0..5),
    ) {
        let mut kernel = kernel(&from, Vec::new());
        for (route, protocol) in routes {
            // A device that we never name, lest it be a route that we want: those are taken over.
            let nexthops = vec![Nexthop::new(None, 99)];
            let taken = kernel.routes.iter().any(|other| (other.table, other.metric) == (route.table, route.metric));
            if !taken {
                kernel.routes.push(Route { protocol, nexthops, kind: RouteKind::Unicast, ..route });
            }
        }
        kernel.rules.extend(rules.into_iter().map(|(priority, table)| Rule { protocol: 3, ..Rule::lookup(Family::V4, priority, table) }));
        let foreign = |kernel: &Kernel| {
            let rules: Vec<Rule> = kernel.rules.iter().filter(|rule| rule.protocol != PROTOCOL).cloned().collect();
            let routes: Vec<Route> = kernel.routes.iter().filter(|route| route.protocol != PROTOCOL).cloned().collect();
            (rules, routes)
        };
        let before = foreign(&kernel);
        kernel.make_all(&kernel.plan(&to));
        prop_assert_eq!(foreign(&kernel), before);
    }
}

fn everything() -> Desired {
    let config = config(CONFIG);
    let links = [link(3, "eth1"), link(4, "eth2")];
    let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
    let standings = standings(&config, Family::V4, Host { links: &links, addresses: &addresses, ..Host::default() });
    let balanced = Some(crate::balance::of(&config, [0, 1]));
    desired(&config, Family::V4, &standings, &Goal { balanced, ..Goal::default() })
}

/// What the original leaves: the same by its own numbering, untagged.
fn original(desired: &Desired) -> Kernel {
    let mut kernel = Kernel::default();
    for wish in desired.tables.iter().flat_map(|table| table.routes.iter().flatten()) {
        if matches!(wish.metrics, Metrics::Falling { .. }) {
            kernel.routes.push(Route { protocol: 3, metric: 0, ..wish.route.clone() });
        }
    }
    for rule in desired.rules.iter().filter(|rule| rule.oif.is_none()) {
        let priority = rule.priority.min(40006);
        kernel.rules.push(Rule { protocol: 3, priority, ..rule.clone() });
    }
    kernel
}

#[test]
fn what_the_original_left_is_taken_over_without_a_hole() {
    let desired = everything();
    let mut kernel = original(&desired);
    let plan = kernel.plan(&desired);
    assert!(plan.conflicts.is_empty() && plan.foreign.is_empty(), "{plan:#?}");
    no_hole(&mut kernel, &plan);
    assert!(kernel.rules.iter().all(|rule| rule.protocol == PROTOCOL));
    assert!(kernel.routes.iter().all(|route| route.protocol == PROTOCOL));
    assert_eq!(kernel.plan(&desired), Plan::default());
}

#[test]
fn a_rule_of_others_between_ours_is_a_conflict() {
    let mut kernel = kernel(&everything(), Vec::new());
    kernel.rules.push(Rule { protocol: 3, ..Rule::lookup(Family::V4, 40005, 99) });
    assert_eq!(kernel.plan(&everything()).conflicts.len(), 1);
}

#[test]
fn a_route_of_others_in_our_tables_is_reported() {
    let mut kernel = kernel(&everything(), Vec::new());
    let mut route = Route { protocol: 4, ..Route::default(Family::V4, 4, RouteKind::Unicast) };
    route.nexthops.push(Nexthop::new(None, 77));
    kernel.routes.push(route.clone());
    let plan = kernel.plan(&everything());
    assert_eq!((plan.len(), plan.foreign), (0, vec![route]));
}

#[test]
fn state_of_the_devices_is_no_difference() {
    let desired = everything();
    let mut kernel = kernel(&desired, Vec::new());
    for nexthop in kernel.routes.iter_mut().flat_map(|route| &mut route.nexthops) {
        (nexthop.dead, nexthop.linkdown) = (true, true);
    }
    assert_eq!(kernel.plan(&desired).len(), 0);
}

#[test]
fn a_change_of_membership_writes_little() {
    let config = config(CONFIG);
    let kernel = kernel(&everything(), Vec::new());
    let links = [link(3, "eth1"), link(4, "eth2")];
    let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
    let standings = standings(&config, Family::V4, Host { links: &links, addresses: &addresses, ..Host::default() });
    let balanced = Some(crate::balance::of(&config, [1]));
    let goal = Goal { balanced, ..Goal::default() };
    // The balanced route is written and the old one deleted, and the single one of the uplink that left goes.
    assert_eq!(kernel.plan(&desired(&config, Family::V4, &standings, &goal)).len(), 3);
}
