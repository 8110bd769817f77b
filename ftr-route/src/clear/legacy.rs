//! What Fault Tolerant Router, the Ruby daemon, leaves in the kernel, known by its numbering.
//!
//! With n uplinks, counted from 0: the rule for source address `i` has priority base+i, the one for mark `i` base+n+i,
//! the last one base+2n; table `i` has a default route, and so has table n.

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_netlink::{Prefix, Route, RouteKind, Rule};

/// `RTPROT_BOOT`: what ip(8) tags routes with unless it is told otherwise.
const BY_HAND: u8 = 3;
/// `RTPROT_UNSPEC`: ip(8) does not tag rules; some versions give them the tag of routes.
const UNTAGGED: u8 = 0;

/// Whether the original would have made this rule.
pub(crate) fn is_rule(config: &Config, rule: &Rule) -> bool {
    let number = |base: u32, uplink: usize| base.saturating_add(u32::try_from(uplink).unwrap_or(u32::MAX));
    let (count, base) = (config.uplinks.len(), config.base_priority);
    let lookup = |priority, table| Rule { protocol: rule.protocol, ..Rule::lookup(Family::V4, priority, table) };
    let by_source = |uplink| {
        // Its addresses may have been others then.
        let from = rule.from.filter(|from| Prefix::host(from.address()) == *from);
        let like = Rule { from, ..lookup(number(base, uplink), number(config.base_table, uplink)) };
        from.is_some() && *rule == like
    };
    let by_mark = |uplink| {
        let mark = number(config.base_fwmark, uplink);
        let like = lookup(number(base, count + uplink), number(config.base_table, uplink));
        *rule == Rule { mark, mask: u32::MAX, ..like }
    };
    let last = lookup(number(base, count * 2), number(config.base_table, count));
    let by_hand = matches!(rule.protocol, UNTAGGED | BY_HAND);
    by_hand && (*rule == last || (0..count).any(|uplink| by_source(uplink) || by_mark(uplink)))
}

/// Whether the original would have made this route.
pub(crate) fn is_route(config: &Config, route: &Route) -> bool {
    let last = config.base_table.saturating_add(u32::try_from(config.uplinks.len()).unwrap_or(u32::MAX));
    (config.base_table..=last).contains(&route.table)
        && (route.family, route.protocol, route.metric) == (Family::V4, BY_HAND, 0)
        && (route.kind, route.destination) == (RouteKind::Unicast, None)
}

#[cfg(test)]
mod tests {
    use super::{is_route, is_rule};
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_netlink::{Prefix, Route, RouteKind, Rule};

    #[test]
    fn rules_are_known_by_number_and_shape() {
        let config = config(CONFIG);
        let rule = |priority, table| Rule { protocol: 3, ..Rule::lookup(Family::V4, priority, table) };
        let from = |priority, table| Rule { from: Some(Prefix::host([9, 9, 9, 9].into())), ..rule(priority, table) };
        let mark = |priority, table, mark| Rule { mark, mask: u32::MAX, ..rule(priority, table) };
        for theirs in [from(40000, 1), from(40002, 3), mark(40003, 1, 1), mark(40005, 3, 3), rule(40006, 4)] {
            assert!(is_rule(&config, &theirs), "{theirs:?}");
            assert!(is_rule(&config, &Rule { protocol: 0, ..theirs.clone() }));
            assert!(!is_rule(&config, &Rule { protocol: 117, ..theirs.clone() }));
            assert!(!is_rule(&config, &Rule { iif: Some("eth0".to_owned()), ..theirs }));
        }
        for other in [from(40000, 2), rule(40000, 1), mark(40003, 1, 2), rule(40007, 4), rule(40006, 3)] {
            assert!(!is_rule(&config, &other), "{other:?}");
        }
    }

    #[test]
    fn routes_are_the_defaults_of_its_tables() {
        let config = config(CONFIG);
        let route = |table| Route { protocol: 3, ..Route::default(Family::V4, table, RouteKind::Unicast) };
        assert!(is_route(&config, &route(1)) && is_route(&config, &route(4)));
        assert!(!is_route(&config, &route(5)) && !is_route(&config, &route(254)));
        assert!(!is_route(&config, &Route { metric: 5, ..route(1) }));
        assert!(!is_route(&config, &Route { protocol: 4, ..route(1) }));
    }
}
