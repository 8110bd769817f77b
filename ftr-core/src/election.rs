//! The election of the active set: of the lowest-numbered priority group that has a working member, those that work.

use crate::config::{Config, WhenAllDown};
use crate::family::Family;

/// An uplink that the configuration lets carry new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the configuration.
    pub uplink: usize,
    /// Its priority group.
    pub group: u32,
}

/// The uplinks that may carry new connections of a family, in file order: those that have the family, are in a priority
/// group, and are not kept from it.
#[must_use]
pub fn candidates(config: &Config, family: Family) -> Vec<Candidate> {
    let uplinks = config.uplinks.iter().enumerate();
    let eligible = uplinks.filter(|(_, uplink)| uplink.has(family) && config.eligible(uplink));
    eligible.filter_map(|(i, uplink)| Some(Candidate { uplink: i, group: config.group(uplink)? })).collect()
}

/// The lowest-numbered group with a member that works; none where nobody does.
pub fn best_group(candidates: &[Candidate], works: impl Fn(usize) -> bool) -> Option<u32> {
    candidates.iter().filter(|one| works(one.uplink)).map(|one| one.group).min()
}

/// The indexes of those that carry new connections, in file order: the working members of the best group.
///
/// Where none works: all candidates, so that whichever comes back is used at once, or those of `before`, as `all_down`
/// says.
pub fn elect(
    candidates: &[Candidate],
    works: impl Fn(usize) -> bool,
    all_down: WhenAllDown,
    before: &[usize],
) -> Vec<usize> {
    let best = best_group(candidates, &works);
    if best.is_none() && all_down == WhenAllDown::Keep && !before.is_empty() {
        return before.to_vec();
    }
    let elected = candidates.iter().filter(|one| best.is_none_or(|best| one.group == best && works(one.uplink)));
    elected.map(|one| one.uplink).collect()
}

/// As [`elect`], but of those that work only those that are preferred to the others, whatever their group: a lower value
/// is better. Where none works, of all.
pub fn elect_preferred<P: Ord>(
    candidates: &[Candidate],
    works: impl Fn(usize) -> bool,
    preference: impl Fn(usize) -> P,
    all_down: WhenAllDown,
    before: &[usize],
) -> Vec<usize> {
    let working = candidates.iter().filter(|one| works(one.uplink));
    if let Some(best) = working.map(|one| preference(one.uplink)).min() {
        return elect(candidates, |i| works(i) && preference(i) == best, all_down, before);
    }
    let best = candidates.iter().map(|one| preference(one.uplink)).min();
    let tried = candidates.iter().filter(|one| Some(preference(one.uplink)) == best).copied();
    elect(&tried.collect::<Vec<_>>(), |_| false, all_down, before)
}

#[cfg(test)]
mod tests {
    use super::{Candidate, candidates, elect, elect_preferred};
    use crate::config::WhenAllDown;
    use crate::{Config, Family};
    use proptest::prelude::*;

    /// One for each group stated.
    fn of_groups(groups: &[Option<u32>]) -> Vec<Candidate> {
        let all = groups.iter().enumerate();
        all.filter_map(|(uplink, group)| Some(Candidate { uplink, group: (*group)? })).collect()
    }

    #[test]
    fn the_lowest_group_with_a_working_member_carries() {
        let all = of_groups(&[Some(1), Some(1), Some(2), None]);
        for (up, expected) in [
            ([true, true, true, true], vec![0, 1]),
            ([false, true, true, true], vec![1]),
            ([false, false, true, true], vec![2]),
            ([false, false, false, true], vec![0, 1, 2]),
        ] {
            assert_eq!(elect(&all, |i| up[i], WhenAllDown::All, &[]), expected, "{up:?}");
        }
    }

    #[test]
    fn with_keep_the_last_ones_stay() {
        let all = of_groups(&[Some(1), Some(2)]);
        assert_eq!(elect(&all, |_| false, WhenAllDown::Keep, &[1]), [1]);
        assert_eq!(elect(&all, |_| false, WhenAllDown::Keep, &[]), [0, 1]);
        assert_eq!(elect(&all, |i| i == 0, WhenAllDown::Keep, &[1]), [0]);
    }

    #[test]
    fn one_that_is_preferred_carries_though_its_group_is_lower() {
        let all = of_groups(&[Some(1), Some(1), Some(2)]);
        let elected =
            |up: [bool; 3], worse: [u8; 3]| elect_preferred(&all, |i| up[i], |i| worse[i], WhenAllDown::All, &[]);
        assert_eq!(elected([true, true, true], [1, 0, 0]), [1]);
        assert_eq!(elected([true, false, true], [1, 0, 0]), [2]);
        assert_eq!(elected([true, false, false], [1, 0, 0]), [0], "it is all that works");
        assert_eq!(elected([false, false, false], [1, 0, 0]), [1, 2]);
    }

    #[test]
    fn candidates_have_the_family_and_a_group_and_take_new_connections() {
        let text = "\
uplinks:
- {interface: eth1, ip: 1.0.0.2, gateway: 1.0.0.1, ip6: '2001:db8::2', gateway6: '2001:db8::1', priority_group: 2}
- {interface: eth2, ip: 2.0.0.2, gateway: 2.0.0.1, priority_group: 1}
- {interface: eth3, ip: 3.0.0.2, gateway: 3.0.0.1}
- {interface: eth4, ip: 4.0.0.2, gateway: 4.0.0.1, priority_group: 1, default_route: false}
downlinks: {lan: eth0}
tests: {ips: [192.0.2.1], required_successful: 1}
base_table: 1
base_priority: 40000
base_fwmark: 1
";
        let config = Config::parse(std::path::Path::new("ftr.yaml"), text).unwrap();
        let both = [Family::V4, Family::V6].map(|family| candidates(&config, family));
        let [first, second] = [Candidate { uplink: 0, group: 2 }, Candidate { uplink: 1, group: 1 }];
        assert_eq!(both, [vec![first, second], vec![first]]);
    }

    proptest! {
        #[test]
        fn never_an_ineligible_one_and_never_a_dead_one_beside_a_working_one(
            uplinks in proptest::collection::vec((proptest::option::of(0u32..4), any::<bool>()), 1..8)
        ) {
            let (groups, up): (Vec<_>, Vec<_>) = uplinks.into_iter().unzip();
            let chosen = elect(&of_groups(&groups), |i| up[i], WhenAllDown::All, &[]);
            prop_assert!(chosen.iter().all(|&i| groups[i].is_some()));
            let works = |i: usize| up[i] && groups[i].is_some();
            if (0..up.len()).any(works) {
                prop_assert!(!chosen.is_empty() && chosen.iter().all(|&i| works(i)));
                let best = (0..up.len()).filter(|&i| works(i)).filter_map(|i| groups[i]).min();
                prop_assert!(chosen.iter().all(|&i| groups[i] == best));
            } else {
                prop_assert_eq!(chosen.len(), groups.iter().flatten().count());
            }
        }
    }
}
