//! What holds for every change, from any state to any other.

use ftr_core::Family;
use ftr_core::numbering::{DEFAULT_PRIORITY, MAIN_PRIORITY, PROTOCOL};
use ftr_netlink::{Nexthop, Route, RouteKind, Rule};
use proptest::prelude::*;

use super::super::Plan;
use super::kernel::{Kernel, Look, Ways};
use super::state::{Change, State, edit, events};
use crate::iproute;
use crate::plan::desired::Desired;
use crate::plan::operation::Operation;
use ftr_core::numbering::MAIN_TABLE;

/// Tables that ours may be, in any of the configurations.
const TABLES: std::ops::Range<u32> = 1..12;

/// Metrics that ours may have, and some of every kind that they may not.
const METRICS: [u32; 8] = [1, 2, 10, 999_999, 1_000_000, 2_000_000, 2_000_003, u32::MAX];

prop_compose! {
    /// Something of ours that nothing explains: left by a version that numbered otherwise, or half of a change.
    fn stray()(
        table in TABLES, metric in prop::sample::select(&METRICS[..]), index in 10u32..16, end in any::<bool>(),
    ) -> Route {
        let kind = if end { RouteKind::Unreachable } else { RouteKind::Unicast };
        let mut route = Route { metric, protocol: PROTOCOL, ..Route::default(Family::V4, table, kind) };
        if !end {
            route.nexthops.push(Nexthop::new(None, index));
        }
        route
    }
}

fn strays() -> impl Strategy<Value = Vec<Route>> {
    prop::collection::vec(stray(), 0..4)
}

/// A kernel that already is as `desired`, with strays beside.
pub(super) fn grown(desired: &Desired, strays: Vec<Route>) -> Kernel {
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

/// The same before a change: the kernel's own rules are there as well, and others have made of main what the new state
/// found in it.
fn kernel(family: Family, from: &State, to: &State, strays: Vec<Route>) -> Kernel {
    let strays = strays.into_iter().map(|stray| Route { family, ..stray }).collect();
    let mut kernel = grown(&from.desired, strays);
    for (priority, table) in [(0, 255), (MAIN_PRIORITY, MAIN_TABLE), (DEFAULT_PRIORITY, 253)] {
        kernel.rules.push(Rule { protocol: 2, ..Rule::lookup(family, priority, table) });
    }
    kernel.routes.extend(to.main.iter().cloned());
    kernel
}

/// Makes the changes, and looks after each one at where packets go: before, now and in the end.
fn watch(kernel: &mut Kernel, plan: &Plan, family: Family, looks: &[Look], fine: fn(&Ways, &Ways, &Ways) -> bool) {
    let before = kernel.ways(family, looks);
    let mut end = kernel.clone();
    end.make_all(plan);
    let after = end.ways(family, looks);
    let line = |operation: &Operation| iproute::command(operation, &|_| None);
    for operation in plan.stages.iter().flatten() {
        kernel.make(operation);
        let now = kernel.ways(family, looks);
        for (((look, before), after), now) in looks.iter().zip(&before).zip(&after).zip(&now) {
            let all = || plan.stages.iter().flatten().map(line).collect::<Vec<_>>().join("\n");
            assert!(
                fine(before, now, after),
                "{look:?} goes by {now:?} after `{}`, before by {before:?}, in the end by {after:?}:\n{}",
                line(operation),
                all()
            );
        }
    }
}

/// Whoever has a way before and after has one on the way there.
pub(super) fn unbroken(kernel: &mut Kernel, plan: &Plan, family: Family, looks: &[Look]) {
    watch(kernel, plan, family, looks, |before, now, after| before.is_empty() || after.is_empty() || !now.is_empty());
}

/// Nobody goes by an uplink that he would take neither before nor after. What goes to name servers may be balanced between
/// an uplink and its rule.
fn straight(kernel: &mut Kernel, plan: &Plan, family: Family, looks: &[Look]) {
    let looks: Vec<Look> = looks.iter().filter(|look| look.to.is_none()).cloned().collect();
    watch(kernel, plan, family, &looks, |before, now, after| {
        now.iter().all(|way| before.contains(way) || after.contains(way))
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_event_sends_anybody_astray(change in events()) {
        let Change { family, from, to } = &change;
        let mut kernel = kernel(*family, from, to, Vec::new());
        let plan = kernel.plan(&to.desired);
        straight(&mut kernel, &plan, *family, &change.lasting_looks());
    }

    #[test]
    fn no_event_opens_a_hole_even_beside_strays(change in events(), strays in strays()) {
        let Change { family, from, to } = &change;
        let mut kernel = kernel(*family, from, to, strays);
        let plan = kernel.plan(&to.desired);
        unbroken(&mut kernel, &plan, *family, &change.looks());
    }

    #[test]
    fn no_edit_of_the_configuration_opens_a_hole(change in edit()) {
        let Change { family, from, to } = &change;
        let mut kernel = kernel(*family, from, to, Vec::new());
        let plan = kernel.plan(&to.desired);
        unbroken(&mut kernel, &plan, *family, &change.looks());
    }

    #[test]
    fn nothing_is_left_to_do_afterwards(change in prop_oneof![events(), edit()], strays in strays()) {
        let Change { family, from, to } = &change;
        let mut kernel = kernel(*family, from, to, strays);
        kernel.make_all(&kernel.plan(&to.desired));
        prop_assert_eq!(kernel.plan(&to.desired), Plan::default());
    }

    #[test]
    fn killed_anywhere_the_next_run_completes_it_without_a_hole(change in events(), stop in any::<prop::sample::Index>()) {
        let Change { family, from, to } = &change;
        let mut kernel = kernel(*family, from, to, Vec::new());
        let plan = kernel.plan(&to.desired);
        let stop = stop.index(plan.len() + 1);
        plan.stages.iter().flatten().take(stop).for_each(|operation| kernel.make(operation));
        let rest = kernel.plan(&to.desired);
        unbroken(&mut kernel.clone(), &rest, *family, &change.looks());
        straight(&mut kernel, &rest, *family, &change.lasting_looks());
        prop_assert_eq!(kernel.plan(&to.desired), Plan::default());
    }

    #[test]
    fn what_others_made_stays(
        change in prop_oneof![events(), edit()], routes in prop::collection::vec((stray(), 1u8..116), 0..5),
        rules in prop::collection::vec((prop_oneof![0u32..19_999, 41_000u32..60_000], 1u32..9), 0..5),
    ) {
        let Change { family, from, to } = &change;
        let mut kernel = kernel(*family, from, to, Vec::new());
        for (route, protocol) in routes {
            // A device that we never name, lest it be a route that we want: those are taken over.
            let nexthops = vec![Nexthop::new(None, 99)];
            let taken = kernel.routes.iter().any(|other| (other.table, other.metric) == (route.table, route.metric));
            if !taken {
                kernel.routes.push(Route { family: *family, protocol, nexthops, kind: RouteKind::Unicast, ..route });
            }
        }
        kernel.rules.extend(rules.into_iter().map(|(priority, table)| Rule { protocol: 3, ..Rule::lookup(*family, priority, table) }));
        let foreign = |kernel: &Kernel| {
            let rules: Vec<Rule> = kernel.rules.iter().filter(|rule| rule.protocol != PROTOCOL).cloned().collect();
            let routes: Vec<Route> = kernel.routes.iter().filter(|route| route.protocol != PROTOCOL).cloned().collect();
            (rules, routes)
        };
        let before = foreign(&kernel);
        kernel.make_all(&kernel.plan(&to.desired));
        prop_assert_eq!(foreign(&kernel), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_host_in_the_former_order_moves_without_a_hole(change in prop_oneof![events(), edit()], strays in strays()) {
        let Change { family, from, to } = &change;
        let mut kernel = kernel(*family, &from.formerly(), to, strays);
        let plan = kernel.plan(&to.desired);
        unbroken(&mut kernel, &plan, *family, &change.looks());
        prop_assert_eq!(kernel.plan(&to.desired), Plan::default());
    }

    #[test]
    fn nobody_goes_astray_while_a_host_moves_from_the_former_order(
        change in events(), stop in any::<prop::sample::Index>(),
    ) {
        let Change { family, from: now, .. } = &change;
        let looks: Vec<Look> = now.looks.iter().cloned().collect();
        let mut kernel = kernel(*family, &now.formerly(), now, Vec::new());
        let plan = kernel.plan(&now.desired);
        straight(&mut kernel.clone(), &plan, *family, &looks);
        let stop = stop.index(plan.len() + 1);
        plan.stages.iter().flatten().take(stop).for_each(|operation| kernel.make(operation));
        let rest = kernel.plan(&now.desired);
        straight(&mut kernel, &rest, *family, &looks);
        prop_assert_eq!(kernel.plan(&now.desired), Plan::default());
    }
}
