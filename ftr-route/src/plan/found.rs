//! Who uses what, as rules and routes of ours tell that an earlier run has left.

use std::collections::BTreeSet;

use ftr_core::config::Config;
use ftr_core::numbering::Numbering;
use ftr_netlink::{Action, Prefix, Route, Rule};

use super::balance::{self, WeightedUplink};
use super::foundation::is_of_foundation;
use crate::iproute;
use crate::snapshot::Snapshot;

impl Snapshot {
    /// The active set by the kernel.
    pub(crate) fn carrying(&self, config: &Config) -> Vec<WeightedUplink> {
        self.carrying_by(config, self.moved_from(config).unwrap_or_else(|| Numbering::of(config).balanced_table()))
    }

    /// The uplinks that carry the connections which look into this table.
    pub(crate) fn carrying_by(&self, config: &Config, table: u32) -> Vec<WeightedUplink> {
        let ours = |route: &&Route| route.table == table && iproute::is_ours(route.protocol);
        let routes: Vec<Route> = self.routes.iter().filter(ours).cloned().collect();
        balance::seen(config, &self.states, &routes)
    }

    /// The balanced table of an earlier configuration, with another number, where it is still in use.
    pub(super) fn moved_from(&self, config: &Config) -> Option<u32> {
        let now = Numbering::of(config).balanced_table();
        let last = |rule: &&Rule| iproute::is_ours(rule.protocol) && !is_of_foundation(rule);
        let rule = self.rules.iter().filter(last).max_by_key(|rule| rule.priority)?;
        match rule.action {
            Action::Lookup(table) if table != now => {
                let plain = Rule { protocol: rule.protocol, ..Rule::lookup(rule.family, rule.priority, table) };
                (*rule == plain).then_some(table)
            }
            _ => None,
        }
    }

    /// The uplinks that an earlier run has given up, as the rules for it tell.
    pub(crate) fn given_up_as_found(&self, config: &Config) -> BTreeSet<usize> {
        let numbering = Numbering::of(config);
        let given_up = (numbering.given_up_priority(), Action::Lookup(numbering.balanced_table()));
        let is_for = |rule: &Rule| {
            iproute::is_ours(rule.protocol) && (rule.priority, rule.action) == given_up && rule.iif.is_some()
        };
        let found: BTreeSet<Prefix> =
            self.rules.iter().filter(|rule| is_for(rule)).filter_map(|rule| rule.from).collect();
        let own = self.addresses(config).into_iter();
        own.filter(|(_, prefixes)| !found.is_disjoint(prefixes)).map(|(uplink, _)| uplink).collect()
    }

    /// The uplinks whose prefixes an earlier run has kept from them, as the rules for it tell.
    pub(crate) fn rescued_as_found(&self, config: &Config) -> BTreeSet<usize> {
        let priority = Numbering::of(config).given_up_priority();
        let is_for = |rule: &&Rule| iproute::is_ours(rule.protocol) && rule.priority == priority && rule.iif.is_none();
        let found: BTreeSet<Prefix> = self.rules.iter().filter(is_for).filter_map(|rule| rule.from).collect();
        let config = &*self.learned.within(config);
        let of_family = config.delegated().filter(|(_, prefix)| prefix.family() == self.family);
        of_family.filter(|(_, prefix)| found.contains(prefix)).map(|(uplink, _)| uplink).collect()
    }

    /// The uplinks that a policy uses now; none while its rule is not in place, tables have other numbers now, or its table
    /// is that of another list of uplinks: what is missing there tells nothing of who works.
    pub(super) fn policy_as_found(&self, config: &Config, k: usize) -> Option<BTreeSet<usize>> {
        let numbering = Numbering::of(config);
        let (mark, table) = (numbering.policy_mark(k), numbering.policy_table(k));
        // By its mark: another version gave it another priority.
        let is_its =
            |rule: &Rule| iproute::is_ours(rule.protocol) && (rule.mark, rule.action) == (mark, Action::Lookup(table));
        if self.moved_from(config).is_some() || !self.rules.iter().any(is_its) {
            return None;
        }
        let found: BTreeSet<usize> = self.carrying_by(config, table).into_iter().map(|member| member.uplink).collect();
        let listed = &config.policies.get(k)?.uplinks;
        found.iter().all(|uplink| listed.contains(uplink)).then_some(found)
    }
}
