//! How the kernel decides about one packet: the rules in their order, and the routes of the tables that they name.
//!
//! It decides as `fib_rules_lookup`, `fib_table_lookup` (IPv4) and `fib6_table_lookup` (IPv6, on a host that forwards)
//! of Linux do. Packets here have traffic class 0, belong to no tunnel and to no virtual routing domain. Not followed
//! are preferences of advertised routers (RFC 4191) and, over IPv4, that a packet bound to a device for which there is
//! no route is sent all the same, as if everybody were on its link.

pub(crate) mod condition;
pub(crate) mod packet;

use std::cmp::Reverse;

use ftr_core::Family;
use ftr_netlink::{Action, Nexthop, Prefix, Route, RouteKind, Rule};

use condition::Condition;
use packet::Packet;

/// `FR_ACT_NOP`, an action that does nothing.
const NOP: u8 = 3;

/// A rule that was asked, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) answer: Answer<'a>,
}

/// What came of asking a rule. The kernel goes on to the next one unless packets are refused or a route was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer<'a> {
    /// The rule is not for this packet.
    Mismatch(Condition),
    /// The kernel goes on at the rule of this priority.
    Goto(u32),
    /// The rule does nothing.
    Nothing,
    /// The table has no usable route to there.
    Empty,
    /// A route says to go on.
    Thrown(&'a Route),
    /// The route found does not count for this rule.
    Suppressed(&'a Route),
    /// The packet is refused: by the route, or where there is none by the rule itself.
    Refused(Option<&'a Route>),
    /// The way, by any of these nexthops.
    Found(&'a Route, Vec<&'a Nexthop>),
}

impl Answer<'_> {
    const fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Found(..))
    }
}

/// The rules that the kernel asks about this packet, in their order. The last one decides; if it neither refuses nor
/// has a route, there is none.
///
/// Rules and routes are of the packet's family. Where two are equal in what orders them, the earlier one comes first.
pub(crate) fn walk<'a>(packet: &Packet<'_>, rules: &'a [Rule], routes: &'a [Route]) -> Vec<Step<'a>> {
    let mut order: Vec<&Rule> = rules.iter().collect();
    order.sort_by_key(|rule| rule.priority);
    let mut steps = Vec::new();
    let mut rest = order.as_slice();
    while let Some((rule, later)) = rest.split_first() {
        let answer = ask(packet, rule, routes);
        rest = match answer {
            // To a rule that is not there nothing jumps, and never backwards.
            Answer::Goto(target) => {
                later.iter().position(|rule| rule.priority == target).and_then(|at| later.get(at..)).unwrap_or(later)
            }
            _ => later,
        };
        let decided = answer.is_final();
        steps.push(Step { rule, answer });
        if decided {
            break;
        }
    }
    steps
}

fn ask<'a>(packet: &Packet<'_>, rule: &Rule, routes: &'a [Route]) -> Answer<'a> {
    if let Some(condition) = condition::unmet(packet, rule) {
        return Answer::Mismatch(condition);
    }
    let table = match rule.action {
        Action::Lookup(table) => table,
        Action::Goto(target) => return Answer::Goto(target),
        Action::Other(NOP) => return Answer::Nothing,
        Action::Other(_) => return Answer::Refused(None),
    };
    match look_up(packet, table, routes) {
        None => Answer::Empty,
        Some((route, _)) if route.kind == RouteKind::Throw => Answer::Thrown(route),
        Some((route, _)) if is_refusal(route.kind) => Answer::Refused(Some(route)),
        Some((route, _)) if rule.suppress_prefixlength.is_some_and(|most| length(route.destination) <= most) => {
            Answer::Suppressed(route)
        }
        Some((route, nexthops)) => Answer::Found(route, nexthops),
    }
}

/// The route of the table: the longest prefix, then the lowest metric, of those that can be used.
fn look_up<'a>(packet: &Packet<'_>, table: u32, routes: &'a [Route]) -> Option<(&'a Route, Vec<&'a Nexthop>)> {
    let leads_there = |route: &&Route| {
        route.table == table
            && route.tos == 0
            && route.destination.is_none_or(|prefix| prefix.contains(packet.destination))
            && route.from.is_none_or(|prefix| packet.source.is_some_and(|source| prefix.contains(source)))
    };
    let mut candidates: Vec<&Route> = routes.iter().filter(leads_there).collect();
    candidates.sort_by_key(|route| (Reverse(length(route.destination)), Reverse(length(route.from)), route.metric));
    candidates.into_iter().find_map(|route| {
        if is_refusal(route.kind) || route.kind == RouteKind::Throw {
            // To IPv6 a refusal is a way by the loopback device, to which the packet is not bound.
            let is_seen = packet.oif.is_none() || route.family == Family::V4;
            return is_seen.then(|| (route, Vec::new()));
        }
        let usable = |nexthop: &&Nexthop| !nexthop.dead && packet.oif.is_none_or(|oif| oif.index == nexthop.index);
        let nexthops: Vec<&Nexthop> = route.nexthops.iter().filter(usable).collect();
        (!nexthops.is_empty()).then_some((route, nexthops))
    })
}

const fn is_refusal(kind: RouteKind) -> bool {
    matches!(kind, RouteKind::Unreachable | RouteKind::Blackhole | RouteKind::Prohibit)
}

fn length(prefix: Option<Prefix>) -> u32 {
    prefix.map_or(0, |prefix| prefix.length().into())
}

#[cfg(test)]
mod tests;
