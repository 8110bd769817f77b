//! Whose connections are given up, given who works and who carries new connections.
//!
//! This follows from the state of the uplinks, not from the instant at which one changes: connections of a dead uplink may
//! have begun while all were dead, or have been kept while it was merely bad, or its death may have been found by a
//! program that has ended since.

use std::collections::BTreeSet;

use super::given_up::GivenUp;
use super::health::Health;

/// When connections are given up at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Those of an uplink that is dead.
    pub(super) on_down: bool,
    /// Those of an uplink that works and is on standby again, because a better one has returned.
    pub(super) on_failback: bool,
    /// How long an uplink has to be dead first, in milliseconds.
    pub(super) delay: u64,
}

/// The uplinks whose connections are to be given up now (`mono`), and notes that they are.
///
/// `before` and `active` are the uplinks that carried new connections until now, and those that do from now on. Nothing is
/// given up unless one of the latter works, for nobody could take the connections over. Nothing is given up a second time
/// before the uplink has worked, or carried new connections, again, nor before `PAUSE_MS` are over: it is due then, if it
/// is dead then.
pub(super) fn due(
    health: &mut [Health],
    (before, active): (&[usize], &[usize]),
    policy: Policy,
    mono: u64,
) -> Vec<usize> {
    let mut due = Vec::new();
    let rescued = is_rescued(health, active);
    for (i, one) in health.iter_mut().enumerate() {
        let carries = active.contains(&i);
        one.given_up.done &= !carries;
        one.given_up.left |= policy.on_failback && works(one) && !one.leaves_in_peace(mono) && before.contains(&i);
        one.given_up.left &= !carries;
        if rescued && owed_from(one, policy).is_some_and(|from| mono >= from) {
            one.given_up = GivenUp { done: one.is_dead(), left: false, at: Some(mono) };
            due.push(i);
        }
    }
    due
}

/// When those are due next that were given up a short while ago, and why that is: the uplink. None where there are none.
pub(super) fn next(health: &[Health], active: &[usize], policy: Policy) -> Option<(u64, usize)> {
    let all = health.iter().enumerate().filter_map(|(i, one)| Some((owed_from(one, policy)?, i)));
    all.min().filter(|_| is_rescued(health, active))
}

/// From when on (`mono`) those of the uplink are to be given up; none where they are not.
fn owed_from(one: &Health, policy: Policy) -> Option<u64> {
    let died = one.dead_since().filter(|_| policy.on_down && !one.given_up.done);
    let left = works(one) && one.given_up.left;
    // Without a delay at once: the record that decides may be older than the one that told of the death.
    let due = died.map(|died| if policy.delay == 0 { 0 } else { died.saturating_add(policy.delay) });
    due.or(left.then_some(0)).map(|from| from.max(one.given_up.ends()))
}

fn is_rescued(health: &[Health], active: &[usize]) -> bool {
    active.iter().any(|&i| health.get(i).is_some_and(works))
}

fn works(one: &Health) -> bool {
    one.up() == Some(true)
}

/// Notes that nobody has carried out the order to give up these, nor can any more.
pub(super) fn take_back(health: &mut [Health], uplinks: &BTreeSet<usize>) {
    for &uplink in uplinks {
        if let Some(one) = health.get_mut(uplink) {
            one.given_up = GivenUp::default();
        }
    }
}

#[cfg(test)]
mod tests;
