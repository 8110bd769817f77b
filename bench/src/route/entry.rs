//! What `ftr-route` has put into a kernel, known again when it is put there anew.

use super::host::netlink;
use ftr_lab::error::Result;
use ftr_netlink::{Event, Family, Route, RouteKind, Rtnetlink, Rule, Write};
use std::ops::RangeInclusive;

/// The tag of what is ftr's.
const PROTOCOL: u8 = 117;

/// Metrics of the route that packets take; a newer one has a lower one. Those behind it have higher ones, in pairs.
pub(super) const FIRST: RangeInclusive<u32> = 1..=1_000_000;

/// Both families.
pub(super) const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// A rule, or a place for a route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    /// A rule.
    Rule(Rule),
    /// A place for a route, which may come back under another one of its metrics.
    Route {
        /// Its family.
        family: Family,
        /// Its table.
        table: u32,
        /// The lowest of the metrics.
        metric: u32,
        /// Whether it refuses.
        kind: RouteKind,
    },
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there now.
    Added(Entry),
    /// It is gone.
    Gone(Entry),
}

impl Entry {
    fn rule(rule: &Rule) -> Option<Self> {
        (rule.protocol == PROTOCOL).then(|| Self::Rule(rule.clone()))
    }

    fn route(route: &Route) -> Option<Self> {
        let metric = if FIRST.contains(&route.metric) { *FIRST.start() } else { route.metric & !1 };
        let entry = Self::Route { family: route.family, table: route.table, metric, kind: route.kind };
        (route.protocol == PROTOCOL).then_some(entry)
    }

    /// What an event says of an entry of ftr's; none where it is of something else.
    pub(super) fn fate(event: &Event) -> Option<Fate> {
        match event {
            Event::Rule(rule) => Self::rule(rule).map(Fate::Added),
            Event::RuleGone(rule) => Self::rule(rule).map(Fate::Gone),
            Event::Route(route) => Self::route(route).map(Fate::Added),
            Event::RouteGone(route) => Self::route(route).map(Fate::Gone),
            _ => None,
        }
    }
}

/// All entries in the kernel's order, each with the change that would take it away.
pub(super) fn all(requests: &mut Rtnetlink) -> Result<Vec<(Entry, Write)>> {
    let mut all = Vec::new();
    for family in FAMILIES {
        let rules = requests.rules(family).map_err(|error| netlink(&error))?;
        all.extend(rules.into_iter().filter_map(|rule| Some((Entry::rule(&rule)?, Write::DeleteRule(rule)))));
        let routes = requests.routes(family, None).map_err(|error| netlink(&error))?;
        all.extend(routes.into_iter().filter_map(|route| Some((Entry::route(&route)?, Write::DeleteRoute(route)))));
    }
    Ok(all)
}

/// The entries alone. Rules keep the kernel's order; routes are sorted, for theirs follows from their metrics.
pub(super) fn order(requests: &mut Rtnetlink) -> Result<(Vec<Entry>, Vec<String>)> {
    let entries = all(requests)?.into_iter().map(|(entry, _)| entry);
    let (rules, routes): (Vec<Entry>, Vec<Entry>) = entries.partition(|entry| matches!(entry, Entry::Rule(_)));
    let mut routes: Vec<String> = routes.iter().map(|route| format!("{route:?}")).collect();
    routes.sort_unstable();
    Ok((rules, routes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(metric: u32, protocol: u8) -> Route {
        Route { metric, protocol, ..Route::default(Family::V4, 4, RouteKind::Unicast) }
    }

    #[test]
    fn a_route_is_known_by_any_of_its_metrics() {
        for pair in [(1, 1_000_000), (2_000_000, 2_000_001), (u32::MAX - 1, u32::MAX)] {
            assert_eq!(Entry::route(&route(pair.0, PROTOCOL)), Entry::route(&route(pair.1, PROTOCOL)), "{pair:?}");
        }
        assert_ne!(Entry::route(&route(1_000_000, PROTOCOL)), Entry::route(&route(2_000_000, PROTOCOL)));
        assert_ne!(Entry::route(&route(2_000_001, PROTOCOL)), Entry::route(&route(2_000_002, PROTOCOL)));
        assert_eq!(Entry::fate(&Event::Route(route(1, 3))), None);
    }
}
