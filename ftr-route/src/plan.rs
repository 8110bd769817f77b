//! What the kernel should have, and the changes that lead there: data in, data out.

pub(crate) mod active_set;
pub(crate) mod balance;
pub(crate) mod desired;
pub(crate) mod diff;
pub(crate) mod former;
pub(crate) mod found;
pub(crate) mod foundation;
pub(crate) mod given_up;
pub(crate) mod kept;
pub(crate) mod labels;
pub(crate) mod learned;
pub(crate) mod operation;
pub(crate) mod rescue;
mod resolvers;
mod routes;
pub(crate) mod sysctl;
pub(crate) mod uplink_state;

use std::collections::BTreeSet;

use ftr_core::config::Config;
use ftr_core::numbering::Numbering;

use crate::iproute;
use crate::snapshot::Snapshot;
use active_set::ActiveSet;
use desired::{Goal, desired};
use diff::{Plan, diff};
use foundation::Foundation;
use operation::Operation;

impl Snapshot {
    /// The changes to make. Uplinks that the kernel refused are treated as if they had no egress.
    pub(crate) fn plan(&self, config: &Config, active_set: &ActiveSet, refused: &BTreeSet<usize>) -> Plan {
        let config = &*self.learned.within(config);
        let balanced = active_set.members(config, self);
        let carrying = balanced.clone().unwrap_or_else(|| self.carrying(config));
        let goal = Goal {
            balanced,
            carrying: carrying.into_iter().map(|member| member.uplink).collect(),
            policies: active_set.policies(config, self),
            resting: active_set.resting(config, self),
            given_up: active_set.given_up(config, self),
            rescued: active_set.rescued(config, self),
            refused: refused.clone(),
            learned: self.learned.clone(),
            resolvers: self.reached(&active_set.resolving(config, self)),
            foundation: Foundation::of(&Numbering::of(config), &self.rules),
        };
        let mut desired = desired(config, self.family, &self.states, &goal);
        desired.rules.extend(self.awaited(config));
        desired.rules.sort_by_key(|rule| rule.priority);
        let mut plan = diff(&desired, &self.rules, &self.routes);
        let settings = sysctl::wanted(config, self.family, &self.states, &self.sysctls);
        let labels = labels::changes(self.family, &self.states, &self.labels);
        if !labels.is_empty() {
            plan.stages.insert(0, labels);
        }
        if !settings.is_empty() {
            plan.stages.insert(0, settings.into_iter().map(Operation::Sysctl).collect());
        }
        plan
    }

    /// The changes that are missing. The active set is for others to decide: the one that is there may stay. But if
    /// it is empty, those that the configuration lets should.
    pub(crate) fn missing(&self, config: &Config) -> Plan {
        let carrying = self.carrying(config);
        let active_set = if carrying.is_empty() {
            ActiveSet::Eligible { failed: Vec::new() }
        } else {
            ActiveSet::These { members: carrying, failed: None, given_up: None, policies: None }
        };
        self.plan(config, &active_set, &BTreeSet::new())
    }

    /// What others have put where ours should be, in words.
    pub(crate) fn objections(&self, plan: &Plan) -> Vec<String> {
        let names = |index| self.name(index);
        let route = |route| {
            let route = iproute::route(route, &names);
            format!("route {route}: not ours, in a table of ours; left alone, see `ftr-route clear --legacy`")
        };
        conflicts(plan).chain(plan.foreign.iter().map(route)).collect()
    }
}

/// The rules of others between ours, in words.
pub(crate) fn conflicts(plan: &Plan) -> impl Iterator<Item = String> {
    plan.conflicts.iter().rev().map(|rule| {
        let rule = iproute::rule(rule);
        format!("rule {rule}: not ours, between our priorities; remove it, or see `ftr-route clear --legacy`")
    })
}

#[cfg(test)]
mod tests {
    use super::active_set::ActiveSet;
    use super::balance;
    use super::diff::Plan;
    use super::uplink_state::HostView;
    use super::uplink_state::tests::{CONFIG, address, config, link};
    use crate::snapshot::Snapshot;
    use crate::snapshot::tests::bare;
    use ftr_core::Family;
    use ftr_core::numbering::PROTOCOL;
    use ftr_netlink::{Nexthop, Route, RouteKind, Rule};

    /// A kernel whose last rule of ours looks into this table, with a default through eth2 in it.
    fn snapshot(table: u32) -> Snapshot {
        let links = [link(3, "eth1"), link(4, "eth2")];
        let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
        let mut route = Route { protocol: PROTOCOL, ..Route::default(Family::V4, table, RouteKind::Unicast) };
        route.nexthops.push(Nexthop::new(None, 4));
        let rule = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(Family::V4, priority, table) };
        Snapshot {
            rules: vec![Rule { oif: Some("eth1".to_owned()), ..rule(40006, 1) }, rule(40009, table)],
            routes: vec![route],
            ..bare(HostView { links: &links, addresses: &addresses, ..HostView::default() })
        }
    }

    #[test]
    fn balanced_routes_are_left_as_found_unless_their_table_has_another_number_now() {
        let config = config(CONFIG);
        assert_eq!(ActiveSet::AsFound.members(&config, &snapshot(4)), None);
        assert_eq!(ActiveSet::AsFound.members(&config, &snapshot(7)), Some(balance::of(&config, [1])));
        for table in [4, 7] {
            assert_eq!(snapshot(table).carrying(&config), balance::of(&config, [1]));
        }
    }

    #[test]
    fn a_policy_table_of_another_list_tells_nothing_of_who_works() {
        // The policy's table is 5, its mark 4; eth2 is in it.
        let policies = |list: &str| {
            let config = config(&format!("{CONFIG}policies: [{{name: voip, uplinks: [{list}], otherwise: none}}]\n"));
            let mut snapshot = snapshot(5);
            let rule = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(Family::V4, priority, table) };
            snapshot.rules = vec![Rule { mark: 4, mask: u32::MAX, ..rule(40003, 5) }, rule(40010, 4)];
            ActiveSet::AsFound.policies(&config, &snapshot)
        };
        assert_eq!(policies("eth1, eth2"), [[1].into()]);
        assert_eq!(policies("eth1, ppp0"), [[0, 2].into()]);
    }

    #[test]
    fn a_rule_of_others_is_told() {
        let plan = Plan { conflicts: vec![Rule::lookup(Family::V4, 40001, 99)], ..Plan::default() };
        let told = snapshot(4).objections(&plan);
        assert!(told[0].starts_with("rule priority 40001 lookup 99 protocol 0: not ours"), "{told:?}");
    }
}
