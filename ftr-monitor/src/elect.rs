//! Who carries new connections, given who works.

use ftr_core::config::WhenAllDown;
use ftr_core::{Config, Family, InterfaceName};

/// What a configuration says of an uplink for this purpose.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) name: InterfaceName,
    pub(crate) weight: u16,
    /// None: never chosen for new connections.
    pub(crate) group: Option<u32>,
    pub(crate) ipv6: Ipv6,
}

/// What an uplink has of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6 {
    None,
    /// The configuration has no IPv6 host to ask: it is taken to work while IPv4 does.
    Untested,
    Tested,
}

impl Candidate {
    /// Whether it leads anywhere in the family.
    pub(crate) fn has(&self, family: Family) -> bool {
        family == Family::V4 || self.ipv6 != Ipv6::None
    }
}

/// The candidates of a configuration, in file order.
pub(crate) fn candidates(config: &Config) -> Vec<Candidate> {
    config
        .uplinks
        .iter()
        .map(|uplink| Candidate {
            name: uplink.name.clone(),
            weight: uplink.weight,
            group: config.group(uplink).filter(|_| config.eligible(uplink)),
            ipv6: match uplink.ipv6 {
                None => Ipv6::None,
                Some(_) if uplink.tests.targets.iter().any(|target| target.family() == Family::V6) => Ipv6::Tested,
                Some(_) => Ipv6::Untested,
            },
        })
        .collect()
}

/// The places of those that carry new connections of the family: the members that are up of the lowest-numbered group that has any.
///
/// If none is up, all that are eligible (so that whichever comes back is used at once), or those of before.
pub(crate) fn elect(
    candidates: &[Candidate],
    family: Family,
    up: &[bool],
    all_down: WhenAllDown,
    before: &[usize],
) -> Vec<usize> {
    let working = |&(_, _, up): &(usize, u32, bool)| up;
    let eligible: Vec<(usize, u32, bool)> = candidates
        .iter()
        .zip(up)
        .enumerate()
        .filter(|(_, (candidate, _))| candidate.has(family))
        .filter_map(|(place, (candidate, &up))| candidate.group.map(|group| (place, group, up)))
        .collect();
    if let Some(best) = eligible.iter().filter(|one| working(one)).map(|&(_, group, _)| group).min() {
        return eligible.iter().filter(|one| working(one) && one.1 == best).map(|one| one.0).collect();
    }
    match (all_down, before) {
        (WhenAllDown::Keep, [_, ..]) => before.to_vec(),
        _ => eligible.iter().map(|one| one.0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(groups: &[Option<u32>]) -> Vec<Candidate> {
        groups
            .iter()
            .enumerate()
            .map(|(i, &group)| Candidate {
                name: format!("eth{i}").parse().unwrap(),
                weight: 1,
                group,
                ipv6: Ipv6::None,
            })
            .collect()
    }

    #[test]
    fn the_lowest_group_with_a_working_member_carries() {
        let candidates = group(&[Some(1), Some(1), Some(2), None]);
        for (up, expected) in [
            ([true, true, true, true], vec![0, 1]),
            ([false, true, true, true], vec![1]),
            ([false, false, true, true], vec![2]),
            ([false, false, false, true], vec![0, 1, 2]),
        ] {
            assert_eq!(elect(&candidates, Family::V4, &up, WhenAllDown::All, &[]), expected, "{up:?}");
        }
    }

    #[test]
    fn an_uplink_without_ipv6_never_carries_any() {
        let mut candidates = group(&[Some(1), Some(1)]);
        candidates[1].ipv6 = Ipv6::Tested;
        for up in [[true, true], [true, false], [false, false]] {
            assert_eq!(elect(&candidates, Family::V6, &up, WhenAllDown::All, &[]), [1], "{up:?}");
        }
    }

    #[test]
    fn with_keep_the_last_ones_stay() {
        let candidates = group(&[Some(1), Some(2)]);
        assert_eq!(elect(&candidates, Family::V4, &[false, false], WhenAllDown::Keep, &[1]), [1]);
        assert_eq!(elect(&candidates, Family::V4, &[false, false], WhenAllDown::Keep, &[]), [0, 1]);
    }

    proptest! {
        #[test]
        fn never_an_ineligible_one_and_never_a_dead_one_beside_a_working_one(
            uplinks in proptest::collection::vec((proptest::option::of(0u32..4), any::<bool>()), 1..8)
        ) {
            let (groups, up): (Vec<_>, Vec<_>) = uplinks.into_iter().unzip();
            let candidates = group(&groups);
            let chosen = elect(&candidates, Family::V4, &up, WhenAllDown::All, &[]);
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
