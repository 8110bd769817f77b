mod day;
mod kernel;
mod properties;
mod state;

use ftr_core::Family;
use ftr_core::numbering::PROTOCOL;
use ftr_netlink::{Action, Nexthop, Route, RouteKind, Rule};

use super::Plan;
use crate::plan::desired::{Desired, Goal, desired};
use crate::plan::routes::Metrics;
use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
use crate::plan::uplink_state::{HostView, uplink_states};
use kernel::{Kernel, Look};
use properties::{grown, unbroken};

fn everything() -> Desired {
    let config = config(CONFIG);
    let links = [link(3, "eth1"), link(4, "eth2")];
    let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
    let states =
        uplink_states(&config, Family::V4, HostView { links: &links, addresses: &addresses, ..HostView::default() });
    let balanced = Some(crate::plan::balance::of(&config, [0, 1]));
    desired(&config, Family::V4, &states, &Goal { balanced, ..Goal::default() })
}

/// What the original leaves for three uplinks: the same by its own numbering (addresses, marks, everything else), untagged.
fn original(desired: &Desired) -> Kernel {
    let mut kernel = Kernel::default();
    for desired in desired.tables.iter().flat_map(|table| table.routes.iter().flatten()) {
        if matches!(desired.metrics, Metrics::Falling { .. }) {
            kernel.routes.push(Route { protocol: 3, metric: 0, ..desired.route.clone() });
        }
    }
    for rule in desired.rules.iter().filter(|rule| rule.oif.is_none()) {
        let Action::Lookup(table) = rule.action else { panic!("{rule:?}") };
        // The fourth table is the last rule's, which follows the third mark's.
        let block = if rule.from.is_some() { 40000 } else { 40003 };
        kernel.rules.push(Rule { protocol: 3, priority: block + table - 1, ..rule.clone() });
    }
    kernel
}

#[test]
fn what_the_original_left_is_taken_over_without_a_hole() {
    let desired = everything();
    let mut kernel = original(&desired);
    let plan = kernel.plan(&desired);
    assert!(plan.conflicts.is_empty() && plan.foreign.is_empty(), "{plan:#?}");
    let looks = [Look::default(), Look { mark: 1, ..Look::default() }, Look { mark: 2, ..Look::default() }];
    unbroken(&mut kernel, &plan, Family::V4, &looks);
    assert!(kernel.rules.iter().all(|rule| rule.protocol == PROTOCOL));
    assert!(kernel.routes.iter().all(|route| route.protocol == PROTOCOL));
    assert_eq!(kernel.plan(&desired), Plan::default());
}

#[test]
fn a_rule_of_others_between_ours_is_a_conflict() {
    let mut kernel = grown(&everything(), Vec::new());
    kernel.rules.push(Rule { protocol: 3, ..Rule::lookup(Family::V4, 40005, 99) });
    assert_eq!(kernel.plan(&everything()).conflicts.len(), 1);
}

#[test]
fn a_route_of_others_in_our_tables_is_reported() {
    let mut kernel = grown(&everything(), Vec::new());
    let mut route = Route { protocol: 4, ..Route::default(Family::V4, 4, RouteKind::Unicast) };
    route.nexthops.push(Nexthop::new(None, 77));
    kernel.routes.push(route.clone());
    let plan = kernel.plan(&everything());
    assert_eq!((plan.len(), plan.foreign), (0, vec![route]));
}

#[test]
fn state_of_the_devices_is_no_difference() {
    let desired = everything();
    let mut kernel = grown(&desired, Vec::new());
    for nexthop in kernel.routes.iter_mut().flat_map(|route| &mut route.nexthops) {
        (nexthop.dead, nexthop.linkdown) = (true, true);
    }
    assert_eq!(kernel.plan(&desired).len(), 0);
}

#[test]
fn a_change_of_membership_writes_little() {
    let config = config(CONFIG);
    let kernel = grown(&everything(), Vec::new());
    let links = [link(3, "eth1"), link(4, "eth2")];
    let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
    let states =
        uplink_states(&config, Family::V4, HostView { links: &links, addresses: &addresses, ..HostView::default() });
    let balanced = Some(crate::plan::balance::of(&config, [1]));
    let goal = Goal { balanced, ..Goal::default() };
    // The balanced route is written and the old one deleted, and the fallback of the uplink that left goes.
    assert_eq!(kernel.plan(&desired(&config, Family::V4, &states, &goal)).len(), 3);
}
