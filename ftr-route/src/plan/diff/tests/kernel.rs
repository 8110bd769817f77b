//! A kernel to change: it keeps rules and routes, refuses what Linux refuses, and decides as `walk` says.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ftr_core::Family;
use ftr_netlink::{Route, RouteKind, Rule, Write};

use super::super::{Plan, diff};
use crate::plan::desired::Desired;
use crate::plan::operation::Operation;
use crate::walk::packet::{Device, Packet};
use crate::walk::{Answer, walk};

/// Rules and routes as the kernel keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Kernel {
    pub(super) rules: Vec<Rule>,
    pub(super) routes: Vec<Route>,
}

/// A packet whose way is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub(super) mark: u32,
    pub(super) source: Option<IpAddr>,
    /// Where it goes; none: to nowhere in particular.
    pub(super) to: Option<IpAddr>,
    /// The device that it is bound to, by name and number.
    pub(super) device: Option<(String, u32)>,
}

/// Where a packet may go, by number of the device. Empty where it is refused or finds nothing.
pub(super) type Ways = BTreeSet<u32>;

impl Kernel {
    /// Makes the change as the kernel would, with its refusals.
    pub(super) fn make(&mut self, operation: &Operation) {
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
            Write::AddLabel(_) | Write::DeleteLabel(_) => {}
            Write::DeleteRule(rule) => {
                let at = self.rules.iter().position(|other| other == rule).expect("ENOENT");
                self.rules.remove(at);
            }
        }
    }

    /// Which ways each of these packets may go.
    pub(super) fn ways(&self, family: Family, looks: &[Look]) -> Vec<Ways> {
        looks.iter().map(|look| self.way(family, look)).collect()
    }

    fn way(&self, family: Family, look: &Look) -> Ways {
        let far = if family == Family::V4 { "203.0.113.9" } else { "2001:db8:ffff::9" };
        let oif = look.device.as_ref().map(|(name, index)| Device { name, index: *index });
        let packet =
            Packet { mark: look.mark, source: look.source, oif, ..Packet::to(look.to.unwrap_or(far.parse().unwrap())) };
        match walk(&packet, &self.rules, &self.routes).last().map(|step| &step.answer) {
            Some(Answer::Found(route, nexthops)) if route.kind == RouteKind::Unicast => {
                nexthops.iter().map(|nexthop| nexthop.index).collect()
            }
            _ => Ways::new(),
        }
    }

    pub(super) fn plan(&self, desired: &Desired) -> Plan {
        diff(desired, &self.rules, &self.routes)
    }

    pub(super) fn make_all(&mut self, plan: &Plan) {
        plan.stages.iter().flatten().for_each(|operation| self.make(operation));
    }
}
