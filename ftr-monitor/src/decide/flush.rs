//! Whose connections are given up, given who works and who carries new connections.
//!
//! This follows from the state of the uplinks, not from the instant at which one changes: connections of a dead uplink may
//! have begun while all were dead, or have been kept while it was merely bad, or its death may have been found by a
//! program that has ended since.

use std::collections::BTreeSet;

use crate::judge::Judged;

/// When connections are given up at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Those of an uplink that is dead.
    pub(super) on_down: bool,
    /// Those of an uplink that works and is on standby again, because a better one has returned.
    pub(super) on_failback: bool,
}

/// The uplinks whose connections are to be given up now, and notes that they are.
///
/// `before` and `active` are the uplinks that carried new connections until now, and those that do from now on. Nothing is
/// given up unless one of the latter works, for nobody could take the connections over. Nothing is given up a second time
/// before the uplink has worked, or carried new connections, again.
pub(super) fn due(judged: &mut [Judged], (before, active): (&[usize], &[usize]), policy: Policy) -> Vec<usize> {
    let works = |one: &Judged| one.up() == Some(true);
    let rescued = active.iter().any(|&i| judged.get(i).is_some_and(works));
    let mut due = Vec::new();
    for (i, one) in judged.iter_mut().enumerate() {
        let carries = active.contains(&i);
        one.given_up &= !carries;
        let died = policy.on_down && one.is_dead() && !one.given_up;
        let left = policy.on_failback && works(one) && before.contains(&i) && !carries;
        if rescued && (died || left) {
            one.given_up |= died;
            due.push(i);
        }
    }
    due
}

/// Notes that nobody has carried out the order to give up these, nor can any more.
pub(super) fn take_back(judged: &mut [Judged], uplinks: &BTreeSet<usize>) {
    for &uplink in uplinks {
        if let Some(one) = judged.get_mut(uplink) {
            one.given_up = false;
        }
    }
}

#[cfg(test)]
mod tests;
