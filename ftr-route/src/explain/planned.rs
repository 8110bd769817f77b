//! What the kernel would have after a plan.

use ftr_netlink::{Nexthop, Route, Rule, Write};

use crate::plan::diff::Plan;
use crate::plan::operation::Operation;

/// Rules and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Routing {
    pub(super) rules: Vec<Rule>,
    pub(super) routes: Vec<Route>,
}

impl Routing {
    /// The same after these changes. The kernel uses no nexthop whose device is `dead`.
    pub(super) fn after(&self, plan: &Plan, dead: &dyn Fn(u32) -> bool) -> Self {
        let mut routing = self.clone();
        let writes = plan.stages.iter().flatten().filter_map(|operation| match operation {
            Operation::Write { write, .. } => Some(write),
            Operation::Sysctl(_) => None,
        });
        for write in writes {
            match write {
                Write::AddRule(rule) => routing.rules.push(rule.clone()),
                Write::DeleteRule(rule) => remove(&mut routing.rules, rule),
                Write::AddLabel(_) | Write::DeleteLabel(_) => {}
                Write::DeleteRoute(route) => remove(&mut routing.routes, route),
                Write::AddRoute(route) => {
                    let hop = |hop: &Nexthop| Nexthop { dead: dead(hop.index), ..hop.clone() };
                    let nexthops = route.nexthops.iter().map(hop).collect();
                    routing.routes.push(Route { nexthops, ..route.clone() });
                }
            }
        }
        routing
    }

    /// The same without what others have put where ours should be, which no plan takes away.
    pub(super) fn tidied(mut self, plan: &Plan) -> Self {
        plan.conflicts.iter().for_each(|rule| remove(&mut self.rules, rule));
        plan.foreign.iter().for_each(|route| remove(&mut self.routes, route));
        self
    }
}

fn remove<T: PartialEq>(from: &mut Vec<T>, what: &T) {
    if let Some(at) = from.iter().position(|one| one == what) {
        from.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::Routing;
    use crate::plan::diff::Plan;
    use crate::plan::operation::Operation;
    use ftr_core::Family;
    use ftr_netlink::{Nexthop, Route, RouteKind, Rule, Write};

    #[test]
    fn every_change_is_made_and_dead_devices_are_known() {
        let rule = |priority| Rule::lookup(Family::V4, priority, 1);
        let route = |index| Route {
            nexthops: vec![Nexthop::new(None, index)],
            ..Route::default(Family::V4, 1, RouteKind::Unicast)
        };
        let writes = [
            Write::AddRule(rule(2)),
            Write::DeleteRule(rule(1)),
            Write::AddRoute(route(4)),
            Write::DeleteRoute(route(3)),
            Write::DeleteRoute(route(9)),
        ];
        let plan = Plan { stages: vec![writes.map(Operation::write).to_vec()], ..Plan::default() };
        let plan = Plan { conflicts: vec![rule(5)], foreign: vec![route(5)], ..plan };
        let before = Routing { rules: vec![rule(1)], routes: vec![route(3)] };
        let after = before.after(&plan, &|index| index == 4);
        assert_eq!(after.rules, [rule(2)]);
        assert_eq!(after.routes.len(), 1);
        assert!(after.routes[0].nexthops[0].dead && after.routes[0].nexthops[0].index == 4);
        let theirs = Routing { rules: vec![rule(5), rule(6)], routes: vec![route(5), route(6)] };
        assert_eq!(theirs.tidied(&plan), Routing { rules: vec![rule(6)], routes: vec![route(6)] });
    }
}
