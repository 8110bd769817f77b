//! What is chosen: who carries new connections, with which weights, and which uplinks policies use. From what is known of
//! each uplink, and nothing else.

use ftr_core::config::WhenAllDown;
use ftr_core::election::{Candidate, elect_preferred};

use super::preference::Preference;

/// The largest weight that the kernel knows.
const HEAVIEST: u64 = 256;

/// What was chosen for a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Who carries new connections, and how many of them.
    pub(crate) shares: Vec<(usize, u16)>,
    /// Every uplink that is down.
    pub(crate) failed: Vec<usize>,
    /// The uplinks of each policy, the one that takes its connections first; none for a policy that is not in force.
    pub(crate) policies: Vec<Option<Vec<usize>>>,
}

impl Choice {
    /// Who carries new connections.
    pub(crate) fn active(&self) -> Vec<usize> {
        self.shares.iter().map(|(uplink, _)| *uplink).collect()
    }

    /// Who takes the connections of a policy; none where it is not in force, or none of its uplinks is usable.
    pub(crate) fn first_of(&self, policy: usize) -> Option<usize> {
        self.policies.get(policy)?.as_ref()?.first().copied()
    }
}

/// An uplink, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) works: bool,
    pub(crate) preference: Preference,
    pub(crate) weight: u16,
    /// It has to show first that it carries connections.
    pub(crate) on_trial: bool,
}

/// Who carries new connections, and those among them that get the canary's part.
pub(crate) fn shares(
    candidates: &[Candidate],
    members: &[Member],
    (all_down, before): (WhenAllDown, &[usize]),
    canary: Option<u8>,
) -> (Vec<(usize, u16)>, Vec<usize>) {
    let is = |i: usize, holds: fn(&Member) -> bool| members.get(i).is_some_and(holds);
    let preference = |i: usize| members.get(i).map(|member| member.preference);
    let weight = |i: &usize| (*i, members.get(*i).map_or(1, |member| member.weight));
    let all = elect_preferred(candidates, |i| is(i, |one| one.works), preference, all_down, before);
    let whole: Vec<(usize, u16)> = all.iter().map(weight).collect();
    let canaries: Vec<usize> = all.iter().copied().filter(|&i| is(i, |one| one.works && one.on_trial)).collect();
    let Some(percent) = canary.filter(|_| !canaries.is_empty()) else { return (whole, Vec::new()) };
    let stays = |i: usize| is(i, |one| one.works && !one.on_trial);
    let others = elect_preferred(candidates, stays, preference, WhenAllDown::All, &[]);
    // Nothing else is to be trusted more.
    if !others.iter().any(|&i| stays(i) && preference(i) <= Some(Preference::Trusted)) {
        return (whole, Vec::new());
    }
    let (others, small): (Vec<_>, Vec<_>) =
        (others.iter().map(weight).collect(), canaries.iter().map(weight).collect());
    let beside = others.iter().all(|other| whole.contains(other));
    let weighed = weigh(&others, &small, percent, beside).unwrap_or(whole);
    (weighed, canaries)
}

/// Gives the canaries together so many percent; none where their weights already give them no more than that.
fn weigh(others: &[(usize, u16)], canaries: &[(usize, u16)], percent: u8, beside: bool) -> Option<Vec<(usize, u16)>> {
    let sum = |some: &[(usize, u16)]| some.iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>();
    let (large, small, percent) = (sum(others), sum(canaries), u64::from(percent));
    if beside && small * 100 <= percent * (large + small) {
        return None;
    }
    let others = others.iter().map(|(i, weight)| (*i, u64::from(*weight) * (100 - percent) * small));
    let canaries = canaries.iter().map(|(i, weight)| (*i, u64::from(*weight) * percent * large));
    let mut all: Vec<(usize, u64)> = others.chain(canaries).collect();
    all.sort_unstable();
    let divisor = all.iter().fold(0, |divisor, (_, weight)| gcd(divisor, *weight)).max(1);
    let heaviest = all.iter().map(|(_, weight)| weight / divisor).max().unwrap_or(1);
    let fitting = |weight: u64| if heaviest > HEAVIEST { weight * HEAVIEST / heaviest } else { weight };
    let weight = |weight: u64| u16::try_from(fitting(weight / divisor)).unwrap_or(u16::MAX).max(1);
    Some(all.into_iter().map(|(i, whole)| (i, weight(whole))).collect())
}

const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The uplinks of a policy: of those that are usable the first that is preferred to the others, and what comes after it.
pub(crate) fn of_policy<P: Ord>(
    list: &[usize],
    usable: impl Fn(usize) -> bool,
    preference: impl Fn(usize) -> P,
) -> Vec<usize> {
    let usable: Vec<usize> = list.iter().copied().filter(|&i| usable(i)).collect();
    let Some(best) = usable.iter().map(|&i| preference(i)).min() else { return usable };
    usable.into_iter().skip_while(|&i| preference(i) != best).collect()
}

#[cfg(test)]
mod tests {
    use super::{Member, of_policy, shares, weigh};
    use crate::decide::preference::Preference::{self, Drained, Held, Trusted};
    use ftr_core::config::WhenAllDown;
    use ftr_core::election::Candidate;
    use proptest::prelude::*;

    #[test]
    fn canaries_get_their_part_and_no_more_than_usual() {
        assert_eq!(weigh(&[(1, 1)], &[(0, 1)], 10, false), Some(vec![(0, 1), (1, 9)]));
        assert_eq!(weigh(&[(1, 2), (2, 1)], &[(0, 5)], 25, true), Some(vec![(0, 1), (1, 2), (2, 1)]));
        assert_eq!(weigh(&[(1, 20)], &[(0, 1)], 10, true), None, "it has less by its weight");
        assert_eq!(weigh(&[(1, 256), (2, 1)], &[(0, 256)], 1, false), Some(vec![(0, 2), (1, 256), (2, 1)]));
    }

    #[test]
    fn a_policy_prefers_and_keeps_what_comes_after() {
        let usable = |i: usize| i != 3;
        let of = |held: &'static [usize], drained: &'static [usize]| {
            of_policy(&[2, 3, 0, 1], usable, |i| match i {
                i if held.contains(&i) => Held,
                i if drained.contains(&i) => Drained,
                _ => Trusted,
            })
        };
        assert_eq!(of(&[], &[]), [2, 0, 1]);
        assert_eq!(of(&[2], &[]), [0, 1]);
        assert_eq!(of(&[0], &[2]), [1]);
        assert_eq!(of(&[0, 1], &[2]), [0, 1]);
        assert_eq!(of_policy(&[3], usable, |_| Trusted), [0; 0]);
    }

    proptest! {
        /// Whatever speaks against uplinks, somebody carries new connections; whoever does works, if anybody does.
        #[test]
        fn never_nobody(
            uplinks in proptest::collection::vec((0u32..3, any::<bool>(), 0u8..5, 1u16..=256, any::<bool>()), 1..6),
            percent in proptest::option::of(1u8..100),
        ) {
            let preferences =
                [Preference::Trusted, Preference::Kept, Preference::Held, Preference::Reserve, Preference::Drained];
            let candidates: Vec<Candidate> =
                uplinks.iter().enumerate().map(|(uplink, (group, ..))| Candidate { uplink, group: *group }).collect();
            let members: Vec<Member> = uplinks.iter().map(|(_, works, preference, weight, on_trial)| Member {
                works: *works, preference: preferences[usize::from(*preference)], weight: *weight, on_trial: *on_trial,
            }).collect();
            let (chosen, canaries) = shares(&candidates, &members, (WhenAllDown::All, &[]), percent);
            prop_assert!(!chosen.is_empty());
            prop_assert!(chosen.iter().all(|(_, weight)| (1..=256).contains(weight)));
            prop_assert!(chosen.windows(2).all(|two| two[0].0 < two[1].0));
            prop_assert!(canaries.len() < chosen.len());
            if members.iter().any(|member| member.works) {
                let best = members.iter().filter(|member| member.works).map(|member| member.preference).min().unwrap();
                prop_assert!(chosen.iter().all(|(i, _)| members[*i].works && members[*i].preference == best));
            }
        }
    }
}
