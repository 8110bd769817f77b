//! From what the kernel has to what it should have, in an order that never opens a hole.
//!
//! Whoever finds a route before and after finds one after every single change in between, so that it does not matter
//! where we are killed. Routes that lead somewhere are added first and deleted last; rules change in between; routes
//! that refuse are the other way round, deleted first and added only when no rule that should not see them is left.

use std::cmp::Reverse;

use ftr_netlink::{Route, RouteKind, Rule, Write};

use crate::iproute::is_ours;
use crate::plan::desired::Desired;
use crate::plan::foundation::is_of_foundation;
use crate::plan::operation::Operation;
use crate::plan::routes::{DesiredRoute, Metrics, Table};

/// `RTPROT_UNSPEC`.
const UNTAGGED: u8 = 0;

/// The changes to make, and what stands in their way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Changes that may go to the kernel together, group after group: a later one needs what an earlier one made.
    pub(crate) stages: Vec<Vec<Operation>>,
    /// Rules of others between ours. While there is one nothing may be touched.
    pub(crate) conflicts: Vec<Rule>,
    /// Routes of others in our tables.
    pub(crate) foreign: Vec<Route>,
    /// An untagged rule of others is among the deletions. The kernel deletes the first rule that fits, and no tag fits
    /// any tag: if ours stands before theirs it is ours that goes, and a second look is needed.
    pub(crate) takes_over: bool,
}

impl Plan {
    /// How many changes there are.
    pub(crate) fn len(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }
}

/// Changes of one kind of moment, over all tables.
#[derive(Default)]
struct Changes {
    freed: Vec<Operation>,
    fallbacks: Vec<Operation>,
    multipaths: Vec<Operation>,
    ends: Vec<Operation>,
    obsolete: Vec<Operation>,
    foreign: Vec<Route>,
}

/// The changes from what was seen to what is desired.
pub(crate) fn diff(desired: &Desired, rules: &[Rule], routes: &[Route]) -> Plan {
    let mut changes = Changes::default();
    for table in &desired.tables {
        let seen: Vec<&Route> = routes.iter().filter(|route| route.table == table.number).collect();
        changes.table(table, &seen);
    }
    // A table that is no longer in the numbering, after a change of the configuration.
    let stray = routes.iter().filter(|route| desired.tables.iter().all(|table| table.number != route.table));
    for route in stray.filter(|route| is_ours(route.protocol)) {
        changes.delete(route);
    }
    let (wanted, obsolete, conflicts) = diff_rules(desired, rules);
    // Before anything else: without them the others would cut this host off from itself or from its networks. Besides,
    // IPv6 looks up each gateway by the rules that are there, and may meet one of ours whose table refuses. They lead to
    // nothing but this host and those networks, so they keep nobody from the internet.
    let (foundation, wanted) = wanted.into_iter().partition(adds_foundation);
    let takes_over = obsolete.iter().any(|rule| rule.protocol == UNTAGGED);
    let obsolete = obsolete.into_iter().map(|rule| Operation::write(Write::DeleteRule(rule))).collect();
    // Tables are filled in the order in which they are asked, and emptied the other way round: what finds nothing in a
    // policy's table falls on, and must not find the routes of others there before or after its own.
    changes.obsolete.reverse();
    let Changes { freed, fallbacks, multipaths, ends, obsolete: routes, foreign } = changes;
    let stages = [foundation, freed, fallbacks, multipaths, wanted, obsolete, ends, routes];
    let stages = stages.into_iter().filter(|stage| !stage.is_empty()).collect();
    Plan { stages, conflicts, foreign, takes_over }
}

fn adds_foundation(operation: &Operation) -> bool {
    matches!(operation, Operation::Write { write: Write::AddRule(rule), .. } if is_of_foundation(rule))
}

/// The rules to add, in this order; to delete, in this order; and those in the way.
fn diff_rules(desired: &Desired, seen: &[Rule]) -> (Vec<Operation>, Vec<Rule>, Vec<Rule>) {
    let (first, last) = desired.priorities;
    let add = desired.rules.iter().filter(|rule| !seen.contains(rule));
    let add = add.map(|rule| Operation::write(Write::AddRule(rule.clone()))).collect();
    let (mut obsolete, mut conflicts) = (Vec::new(), Vec::new());
    // From the last one on, as the new ones are added from the first one on: a packet then never meets a rule that one
    // before it has kept it from.
    let mut seen: Vec<&Rule> = seen.iter().collect();
    seen.sort_by_key(|rule| Reverse(rule.priority));
    for rule in seen {
        if is_ours(rule.protocol) {
            if !desired.rules.contains(rule) {
                obsolete.push(rule.clone());
            }
        } else if (first..=last).contains(&rule.priority) {
            // The original's rules are ours but for the tag; its last one also has another priority.
            let equal = |wanted: &Rule| {
                Rule { protocol: wanted.protocol, priority: wanted.priority, ..rule.clone() } == *wanted
            };
            if desired.rules.iter().any(equal) {
                obsolete.push(rule.clone());
            } else {
                conflicts.push(rule.clone());
            }
        }
    }
    (add, obsolete, conflicts)
}

impl Changes {
    fn table(&mut self, table: &Table, seen: &[&Route]) {
        let Some(wanted) = &table.routes else { return };
        let mut kept: Vec<&Route> = Vec::new();
        let mut freed: Vec<&Route> = Vec::new();
        for desired in wanted {
            if let Some(route) = met(desired, seen) {
                kept.push(route);
            } else if let Some(metric) = self.free_metric(desired, seen, &kept, &mut freed) {
                self.add(desired, metric);
            }
        }
        for route in seen {
            if kept.contains(route) || freed.contains(route) {
                continue;
            }
            if is_ours(route.protocol) || wanted.iter().any(|desired| desired.is_met_by(route)) {
                self.delete(route);
            } else {
                self.foreign.push((*route).clone());
            }
        }
    }

    /// A metric for the desired route that no route has. If both of two are taken, the route of ours that matters least makes room.
    fn free_metric<'a>(
        &mut self,
        desired: &DesiredRoute,
        seen: &[&'a Route],
        kept: &[&Route],
        freed: &mut Vec<&'a Route>,
    ) -> Option<u32> {
        let holder = |metric: u32| seen.iter().find(|route| route.metric == metric && collides(desired, route));
        let both = match desired.metrics {
            Metrics::Falling { highest } => {
                let taken = seen.iter().filter(|route| collides(desired, route)).map(|route| route.metric);
                let lowest = taken.filter(|metric| desired.metrics.contains(*metric)).min();
                let below = lowest.map_or(highest, |lowest| lowest - 1);
                // After a million changes it begins above again.
                let above = || (1..=highest).rev().find(|metric| holder(*metric).is_none());
                return Some(below).filter(|metric| *metric > 0).or_else(above);
            }
            Metrics::Either(both) => both,
        };
        if let Some(metric) = both.into_iter().find(|metric| holder(*metric).is_none()) {
            return Some(metric);
        }
        let holders = both.into_iter().filter_map(holder);
        let least = holders
            .filter(|route| is_ours(route.protocol) && !kept.contains(route) && !freed.contains(route))
            .max_by_key(|route| route.metric)?;
        freed.push(least);
        self.freed.push(Operation::write(Write::DeleteRoute((*least).clone())));
        Some(least.metric)
    }

    fn add(&mut self, desired: &DesiredRoute, metric: u32) {
        let route = Route { metric, ..desired.route.clone() };
        let stage = match &route {
            _ if desired.refuses() => &mut self.ends,
            route if route.nexthops.len() > 1 => &mut self.multipaths,
            _ => &mut self.fallbacks,
        };
        stage.push(Operation::Write { write: Write::AddRoute(route), uplink: desired.uplink });
    }

    fn delete(&mut self, route: &Route) {
        let stage = if route.kind == RouteKind::Unicast { &mut self.obsolete } else { &mut self.freed };
        stage.push(Operation::write(Write::DeleteRoute(route.clone())));
    }
}

/// The route of ours that is what is wished for.
fn met<'a>(desired: &DesiredRoute, seen: &[&'a Route]) -> Option<&'a Route> {
    let held =
        || seen.iter().copied().filter(|route| is_ours(route.protocol) && desired.metrics.contains(route.metric));
    let met = held().filter(|route| desired.is_met_by(route)).min_by_key(|route| route.metric)?;
    // Where another stands before it, of a change that was not finished, deleting that one would not do: see the metrics.
    let falling = matches!(desired.metrics, Metrics::Falling { .. });
    let is_first = held().all(|route| route.metric >= met.metric);
    (is_first || !falling).then_some(met)
}

/// Whether the kernel would not take the desired route beside this route under the same metric.
fn collides(desired: &DesiredRoute, route: &Route) -> bool {
    route.destination == desired.route.destination && route.tos == desired.route.tos
}

#[cfg(test)]
mod tests;
