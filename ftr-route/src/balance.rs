//! Who carries new connections.

use ftr_core::config::Config;
use ftr_core::record::Active;
use ftr_netlink::Route;

use crate::standing::Standing;

/// An uplink's part of the new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    /// Its place in the configuration.
    pub(crate) uplink: usize,
    /// 1 to 256.
    pub(crate) weight: u16,
}

/// These uplinks, with their configured weights.
pub(crate) fn of(config: &Config, uplinks: impl IntoIterator<Item = usize>) -> Vec<Part> {
    let weight = |uplink: usize| config.uplinks.get(uplink).map_or(1, |uplink| uplink.weight);
    let mut parts: Vec<Part> = uplinks.into_iter().map(|uplink| Part { uplink, weight: weight(uplink) }).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

/// The uplinks that the configuration lets carry new connections now: of the lowest-numbered priority group that has a
/// working one, those that work. If none works at all, every eligible one.
pub(crate) fn eligible(config: &Config, standings: &[Standing], failed: &[usize]) -> Vec<Part> {
    let has_way = |i: &usize| standings.get(*i).is_some_and(|standing| standing.way.is_some());
    let (all, asked) = by_configuration(config, standings, failed);
    let working: Vec<usize> = asked.into_iter().filter(has_way).collect();
    of(config, if working.is_empty() { all } else { working })
}

/// The uplinks that would carry new connections if each had a way out: those that have not failed, of the groups up to
/// that which carries them.
pub(crate) fn hoped(config: &Config, standings: &[Standing], failed: &[usize]) -> Vec<usize> {
    by_configuration(config, standings, failed).1
}

/// All that the configuration lets carry new connections; and of them those that have not failed and are of no higher
/// group than the first with a way out.
fn by_configuration(config: &Config, standings: &[Standing], failed: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let configured = |i: &usize| standings.get(*i).is_some_and(|standing| standing.configured);
    let eligible = |i: &usize| configured(i) && config.uplinks.get(*i).is_some_and(|uplink| config.eligible(uplink));
    let has_way = |i: &&usize| standings.get(**i).is_some_and(|standing| standing.way.is_some());
    let group = |i: &usize| config.uplinks.get(*i).and_then(|uplink| config.group(uplink));
    let all: Vec<usize> = (0..config.uplinks.len()).filter(eligible).collect();
    let intact: Vec<usize> = all.iter().copied().filter(|i| !failed.contains(i)).collect();
    let first = intact.iter().filter(has_way).filter_map(group).min();
    let asked = intact.into_iter().filter(|i| first.is_none() || group(i) <= first).collect();
    (all, asked)
}

/// What an `active` record asks for, and the names in it that the configuration does not have.
///
/// It asks for nothing where it names uplinks, but none of ours: to act on it would leave new connections without a
/// route. That no uplink shall carry them is said by naming none.
pub(crate) fn asked(config: &Config, active: &Active) -> (Option<Vec<Part>>, Vec<String>) {
    let (mut parts, mut unknown) = (Vec::new(), Vec::new());
    for share in &active.uplinks {
        match config.position(share.uplink.as_str()) {
            Some(uplink) => parts.push(Part { uplink, weight: share.weight.clamp(1, 256) }),
            None => unknown.push(share.uplink.to_string()),
        }
    }
    parts.sort_unstable();
    parts.dedup_by_key(|part| part.uplink);
    let is_strange = parts.is_empty() && !unknown.is_empty();
    ((!is_strange).then_some(parts), unknown)
}

/// Who carries new connections by what stands in the table.
pub(crate) fn seen(config: &Config, standings: &[Standing], routes: &[Route]) -> Vec<Part> {
    let nexthops = || routes.iter().filter(|route| route.destination.is_none()).flat_map(|route| &route.nexthops);
    let part = |(uplink, standing): (usize, &Standing)| {
        let index = standing.way.as_ref()?.index;
        let weight = nexthops().filter(|nexthop| nexthop.index == index).map(|nexthop| nexthop.weight).max()?;
        // A route with one next hop knows no weight.
        let alone = !routes.iter().any(|route| route.nexthops.len() > 1);
        let weight = if alone { config.uplinks.get(uplink)?.weight } else { weight };
        Some(Part { uplink, weight })
    };
    standings.iter().enumerate().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::{Part, asked, eligible, hoped, of, seen};
    use crate::desired::{Goal, desired};
    use crate::standing::tests::{CONFIG, address, config, link};
    use crate::standing::{Host, Standing, standings};
    use ftr_core::Family;
    use ftr_core::record::Record;
    use ftr_netlink::Route;
    use proptest::prelude::*;

    fn standing() -> Vec<Standing> {
        let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
        let links = [link(3, "eth1"), link(4, "eth2")];
        standings(&config(CONFIG), Family::V4, Host { links: &links, addresses: &addresses, ..Host::default() })
    }

    #[test]
    fn absent_and_failed_uplinks_carry_nothing() {
        let config = config(CONFIG);
        let parts = |failed: &[usize]| eligible(&config, &standing(), failed);
        assert_eq!(parts(&[]), [Part { uplink: 0, weight: 1 }, Part { uplink: 1, weight: 2 }]);
        assert_eq!(parts(&[0]), [Part { uplink: 1, weight: 2 }]);
    }

    fn asked_by(shares: &[(&str, u16)]) -> (Option<Vec<Part>>, Vec<String>) {
        let share = |(uplink, weight): &(&str, u16)| format!(r#"{{"uplink":"{uplink}","weight":{weight}}}"#);
        let uplinks = shares.iter().map(share).collect::<Vec<_>>().join(",");
        let active = format!(r#"{{"type":"active","time":"t","mono":1,"family":4,"uplinks":[{uplinks}]}}"#);
        let Record::Active(active) = Record::parse(active.as_bytes()).unwrap() else { panic!("not active") };
        asked(&config(CONFIG), &active)
    }

    #[test]
    fn a_record_names_uplinks_and_weights() {
        let parts = vec![Part { uplink: 0, weight: 7 }, Part { uplink: 1, weight: 256 }];
        let unknown = vec!["eth9".to_owned()];
        assert_eq!(asked_by(&[("eth2", 300), ("eth9", 1), ("eth1", 7)]), (Some(parts), unknown));
    }

    #[test]
    fn a_record_of_strange_uplinks_only_asks_for_nothing_and_an_empty_one_for_none() {
        assert_eq!(asked_by(&[("wan1", 1), ("wan2", 1)]), (None, vec!["wan1".to_owned(), "wan2".to_owned()]));
        assert_eq!(asked_by(&[]), (Some(Vec::new()), Vec::new()));
    }

    proptest! {
        #[test]
        fn who_carries_can_be_read_from_the_routes(weights in prop::collection::btree_map(0usize..2, 1u16..=256, 0..3)) {
            let (config, standings) = (config(CONFIG), standing());
            let mut parts: Vec<Part> = weights.into_iter().map(|(uplink, weight)| Part { uplink, weight }).collect();
            if let [alone] = parts.as_mut_slice() {
                alone.weight = config.uplinks[alone.uplink].weight;
            }
            let goal = Goal { balanced: Some(parts.clone()), ..Goal::default() };
            let tables = desired(&config, Family::V4, &standings, &goal).tables;
            let routes: Vec<Route> =
                tables.last().unwrap().routes.iter().flatten().map(|wish| wish.route.clone()).collect();
            prop_assert_eq!(seen(&config, &standings, &routes), parts.clone());
            // The kernel has dropped the multipath route with one of its devices.
            let singles: Vec<Route> = routes.into_iter().filter(|route| route.nexthops.len() < 2).collect();
            let left: Vec<usize> = seen(&config, &standings, &singles).iter().map(|part| part.uplink).collect();
            prop_assert_eq!(left, parts.iter().map(|part| part.uplink).collect::<Vec<_>>());
        }
    }

    #[test]
    fn when_none_works_all_that_are_eligible_do() {
        let config = config(CONFIG);
        assert_eq!(eligible(&config, &standing(), &[0, 1]), of(&config, 0..3));
    }

    #[test]
    fn the_lowest_group_with_a_working_member_carries() {
        let text = CONFIG
            .replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, priority_group: 1")
            .replace("weight: 2", "weight: 2, priority_group: 2");
        let config = config(&text);
        assert_eq!(eligible(&config, &standing(), &[]), of(&config, [0]));
        assert_eq!(eligible(&config, &standing(), &[0]), of(&config, [1]));
        // ppp0 states no group, so it takes no new connections even when nothing works.
        assert_eq!(eligible(&config, &standing(), &[0, 1]), of(&config, [0, 1]));
    }

    #[test]
    fn one_of_the_best_group_without_a_way_out_is_hoped_for_all_the_same() {
        let text = CONFIG
            .replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, priority_group: 2")
            .replace("weight: 2", "weight: 2, priority_group: 3")
            .replace("type: ppp", "type: ppp, priority_group: 1");
        let config = config(&text);
        // ppp0 is absent, so eth1 carries.
        assert_eq!(eligible(&config, &standing(), &[]), of(&config, [0]));
        assert_eq!(hoped(&config, &standing(), &[]), [0, 2]);
        assert_eq!(hoped(&config, &standing(), &[2]), [0]);
    }

    #[test]
    fn default_route_false_keeps_an_uplink_out() {
        let config = config(&CONFIG.replace("weight: 2", "default_route: false"));
        assert_eq!(eligible(&config, &standing(), &[]), of(&config, [0]));
        assert_eq!(eligible(&config, &standing(), &[0]), of(&config, [0, 2]));
    }
}
