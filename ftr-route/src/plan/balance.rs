//! The active set, as it is asked for and as it stands in a table.

use std::collections::BTreeSet;

use ftr_core::config::{Config, WhenAllDown};
use ftr_core::record::Active;
use ftr_core::{Family, election};
use ftr_netlink::Route;

use crate::plan::uplink_state::UplinkState;

/// An uplink's part of the new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WeightedUplink {
    /// Its index in the configuration.
    pub(crate) uplink: usize,
    /// 1 to 256.
    pub(crate) weight: u16,
}

/// These uplinks, with their configured weights.
pub(crate) fn of(config: &Config, uplinks: impl IntoIterator<Item = usize>) -> Vec<WeightedUplink> {
    let weight = |uplink: usize| config.uplinks.get(uplink).map_or(1, |uplink| uplink.weight);
    let mut members: Vec<WeightedUplink> =
        uplinks.into_iter().map(|uplink| WeightedUplink { uplink, weight: weight(uplink) }).collect();
    members.sort_unstable();
    members.dedup();
    members
}

/// The uplinks that the configuration lets carry new connections now: of the lowest-numbered priority group that has a
/// working one, those that work. If none works at all, every eligible one.
pub(crate) fn eligible(
    config: &Config,
    family: Family,
    states: &[UplinkState],
    failed: &[usize],
) -> Vec<WeightedUplink> {
    let candidates = election::candidates(config, family);
    of(config, election::elect(&candidates, |i| works(states, failed, i), WhenAllDown::All, &[]))
}

/// The uplinks that would carry new connections if each had an egress: those that have not failed, of the groups up to
/// that which carries them.
pub(crate) fn hoped(config: &Config, family: Family, states: &[UplinkState], failed: &[usize]) -> Vec<usize> {
    let candidates = election::candidates(config, family);
    let best = election::best_group(&candidates, |i| works(states, failed, i));
    let intact = candidates.into_iter().filter(|one| !failed.contains(&one.uplink));
    intact.filter(|one| best.is_none_or(|best| one.group <= best)).map(|one| one.uplink).collect()
}

/// Whether the uplink has an egress and has not failed.
fn works(states: &[UplinkState], failed: &[usize], uplink: usize) -> bool {
    !failed.contains(&uplink) && states.get(uplink).is_some_and(|state| state.egress.is_some())
}

/// What an `active` record asks for, and the names in it that the configuration does not have.
///
/// It asks for nothing where it names uplinks, but none of ours: to act on it would leave new connections without a
/// route. That no uplink shall carry them is said by naming none.
pub(crate) fn asked(config: &Config, active: &Active) -> (Option<Vec<WeightedUplink>>, Vec<String>) {
    let (mut members, mut unknown) = (Vec::new(), Vec::new());
    for share in &active.uplinks {
        match config.position(share.uplink.as_str()) {
            Some(uplink) => members.push(WeightedUplink { uplink, weight: share.weight.clamp(1, 256) }),
            None => unknown.push(share.uplink.to_string()),
        }
    }
    members.sort_unstable();
    members.dedup_by_key(|member| member.uplink);
    let is_strange = members.is_empty() && !unknown.is_empty();
    ((!is_strange).then_some(members), unknown)
}

/// Which uplinks each policy may use, where a record says so; none for a policy that it does not name.
pub(crate) fn policies(config: &Config, active: &Active) -> Option<Vec<Option<BTreeSet<usize>>>> {
    let stated = active.policies.as_ref()?;
    let of = |name: &str| {
        let policy = stated.iter().find(|policy| policy.policy == name)?;
        Some(policy.uplinks.iter().filter_map(|uplink| config.position(uplink.as_str())).collect())
    };
    Some(config.policies.iter().map(|policy| of(&policy.name)).collect())
}

/// The active set by what stands in the table.
pub(crate) fn seen(config: &Config, states: &[UplinkState], routes: &[Route]) -> Vec<WeightedUplink> {
    let nexthops = || routes.iter().filter(|route| route.destination.is_none()).flat_map(|route| &route.nexthops);
    let member = |(uplink, state): (usize, &UplinkState)| {
        let index = state.egress.as_ref()?.index;
        let weight = nexthops().filter(|nexthop| nexthop.index == index).map(|nexthop| nexthop.weight).max()?;
        // A route with one nexthop knows no weight.
        let alone = !routes.iter().any(|route| route.nexthops.len() > 1);
        let weight = if alone { config.uplinks.get(uplink)?.weight } else { weight };
        Some(WeightedUplink { uplink, weight })
    };
    states.iter().enumerate().filter_map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::{WeightedUplink, asked, eligible, hoped, of, policies as policies_of, seen};
    use crate::plan::active_set::ActiveSet;
    use crate::plan::desired::{Goal, desired};
    use crate::plan::routes::DesiredRoute;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, UplinkState, uplink_states};
    use crate::snapshot::tests::bare;
    use ftr_core::Family;
    use ftr_core::record::Record;
    use ftr_netlink::Route;
    use proptest::prelude::*;

    fn two_up() -> Vec<UplinkState> {
        let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
        let links = [link(3, "eth1"), link(4, "eth2")];
        uplink_states(
            &config(CONFIG),
            Family::V4,
            HostView { links: &links, addresses: &addresses, ..HostView::default() },
        )
    }

    #[test]
    fn absent_and_failed_uplinks_carry_nothing() {
        let config = config(CONFIG);
        let members = |failed: &[usize]| eligible(&config, Family::V4, &two_up(), failed);
        assert_eq!(members(&[]), [WeightedUplink { uplink: 0, weight: 1 }, WeightedUplink { uplink: 1, weight: 2 }]);
        assert_eq!(members(&[0]), [WeightedUplink { uplink: 1, weight: 2 }]);
    }

    fn asked_by(shares: &[(&str, u16)]) -> (Option<Vec<WeightedUplink>>, Vec<String>) {
        let share = |(uplink, weight): &(&str, u16)| format!(r#"{{"uplink":"{uplink}","weight":{weight}}}"#);
        let uplinks = shares.iter().map(share).collect::<Vec<_>>().join(",");
        let active = format!(r#"{{"type":"active","time":"t","mono":1,"family":4,"uplinks":[{uplinks}]}}"#);
        let Record::Active(active) = Record::parse(active.as_bytes()).unwrap() else { panic!("not active") };
        asked(&config(CONFIG), &active)
    }

    #[test]
    fn a_record_names_uplinks_and_weights() {
        let members = vec![WeightedUplink { uplink: 0, weight: 7 }, WeightedUplink { uplink: 1, weight: 256 }];
        let unknown = vec!["eth9".to_owned()];
        assert_eq!(asked_by(&[("eth2", 300), ("eth9", 1), ("eth1", 7)]), (Some(members), unknown));
    }

    #[test]
    fn a_record_names_what_policies_use_and_leaves_out_what_is_not_in_force() {
        let listed = "policies: [{name: voip, uplinks: [eth1, eth2], otherwise: none}, {name: web, uplinks: eth2}]\n";
        let config = config(&format!("{CONFIG}{listed}"));
        let read = |policies: &str| {
            let line = format!(r#"{{"type":"active","time":"t","mono":1,"family":4,"uplinks":[]{policies}}}"#);
            let Record::Active(active) = Record::parse(line.as_bytes()).unwrap() else { panic!("not active") };
            policies_of(&config, &active)
        };
        assert_eq!(read(""), None);
        let stated = r#","policies":[{"policy":"web","uplinks":["eth2","eth9"]},{"policy":"old"}]"#;
        assert_eq!(read(stated), Some(vec![None, Some([1].into())]));
        let (members, failed) = (Vec::new(), Some(Vec::new()));
        let set = ActiveSet::These { members, failed, given_up: None, policies: read(stated) };
        let goal = Goal {
            policies: vec![[].into(), [1].into()],
            resting: set.resting(&config, &bare(HostView::default())),
            ..Goal::default()
        };
        let refuses = |goal: &Goal| {
            let tables = desired(&config, Family::V4, &two_up(), goal).tables;
            tables[0].routes.iter().flatten().any(DesiredRoute::refuses)
        };
        assert!(!refuses(&goal) && refuses(&Goal { resting: [].into(), ..goal }));
    }

    #[test]
    fn a_record_of_strange_uplinks_only_asks_for_nothing_and_an_empty_one_for_none() {
        assert_eq!(asked_by(&[("wan1", 1), ("wan2", 1)]), (None, vec!["wan1".to_owned(), "wan2".to_owned()]));
        assert_eq!(asked_by(&[]), (Some(Vec::new()), Vec::new()));
    }

    proptest! {
        #[test]
        fn who_carries_can_be_read_from_the_routes(weights in prop::collection::btree_map(0usize..2, 1u16..=256, 0..3)) {
            let (config, states) = (config(CONFIG), two_up());
            let mut members: Vec<WeightedUplink> = weights.into_iter().map(|(uplink, weight)| WeightedUplink { uplink, weight }).collect();
            if let [alone] = members.as_mut_slice() {
                alone.weight = config.uplinks[alone.uplink].weight;
            }
            let goal = Goal { balanced: Some(members.clone()), ..Goal::default() };
            let tables = desired(&config, Family::V4, &states, &goal).tables;
            let routes: Vec<Route> =
                tables.last().unwrap().routes.iter().flatten().map(|desired| desired.route.clone()).collect();
            prop_assert_eq!(seen(&config, &states, &routes), members.clone());
            // The kernel has dropped the multipath route with one of its devices.
            let fallbacks: Vec<Route> = routes.into_iter().filter(|route| route.nexthops.len() < 2).collect();
            let left: Vec<usize> = seen(&config, &states, &fallbacks).iter().map(|member| member.uplink).collect();
            prop_assert_eq!(left, members.iter().map(|member| member.uplink).collect::<Vec<_>>());
        }
    }

    #[test]
    fn when_none_works_all_that_are_eligible_do() {
        let config = config(CONFIG);
        assert_eq!(eligible(&config, Family::V4, &two_up(), &[0, 1]), of(&config, 0..3));
    }

    #[test]
    fn the_lowest_group_with_a_working_member_carries() {
        let text = CONFIG
            .replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, priority_group: 1")
            .replace("weight: 2", "weight: 2, priority_group: 2");
        let config = config(&text);
        assert_eq!(eligible(&config, Family::V4, &two_up(), &[]), of(&config, [0]));
        assert_eq!(eligible(&config, Family::V4, &two_up(), &[0]), of(&config, [1]));
        // ppp0 states no group, so it takes no new connections even when nothing works.
        assert_eq!(eligible(&config, Family::V4, &two_up(), &[0, 1]), of(&config, [0, 1]));
    }

    #[test]
    fn one_of_the_best_group_without_a_way_out_is_hoped_for_all_the_same() {
        let text = CONFIG
            .replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, priority_group: 2")
            .replace("weight: 2", "weight: 2, priority_group: 3")
            .replace("type: ppp", "type: ppp, priority_group: 1");
        let config = config(&text);
        // ppp0 is absent, so eth1 carries.
        assert_eq!(eligible(&config, Family::V4, &two_up(), &[]), of(&config, [0]));
        assert_eq!(hoped(&config, Family::V4, &two_up(), &[]), [0, 2]);
        assert_eq!(hoped(&config, Family::V4, &two_up(), &[2]), [0]);
    }

    #[test]
    fn default_route_false_keeps_an_uplink_out() {
        let config = config(&CONFIG.replace("weight: 2", "default_route: false"));
        assert_eq!(eligible(&config, Family::V4, &two_up(), &[]), of(&config, [0]));
        assert_eq!(eligible(&config, Family::V4, &two_up(), &[0]), of(&config, [0, 2]));
    }
}
