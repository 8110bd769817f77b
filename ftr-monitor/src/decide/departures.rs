//! Connections that are to go with their policy to a better uplink: whose are given up, and when.

use std::collections::BTreeMap;

use super::choice::Choice;
use super::given_up::PAUSE_MS;
use super::health::Health;
use super::uplink::Policy;

/// What is noted of the uplinks that policies have left, in one family.
#[derive(Clone, Debug, Default)]
pub(super) struct Departures(BTreeMap<(usize, usize), Departure>);

/// The connections of a policy over one uplink.
#[derive(Clone, Copy, Debug, Default)]
struct Departure {
    /// They are still to be given up.
    owed: bool,
    /// When they last were (`mono`, milliseconds).
    at: Option<u64>,
}

impl Departure {
    /// When they may be given up again.
    fn ends(self) -> u64 {
        self.at.map_or(0, |at| at.saturating_add(PAUSE_MS))
    }
}

impl Departures {
    /// The policies that give up connections now (`mono`), each with an uplink; and notes that they do.
    ///
    /// What is dead is given up anyway, and what is drained may end. What was given up a short while ago is due later, if
    /// the policy goes by a better uplink then.
    pub(super) fn due(
        &mut self,
        policies: &[Policy],
        health: &[Health],
        (last, chosen): (Option<&Choice>, &Choice),
        mono: u64,
    ) -> Vec<(usize, usize)> {
        let is_better = |k: usize, than: usize| {
            let place = |uplink: usize| policies.get(k)?.uplinks.iter().position(|one| *one == uplink);
            chosen.first_of(k).is_some_and(|now| place(now) < place(than))
        };
        for (k, _) in policies.iter().enumerate().filter(|(_, policy)| policy.moves_all) {
            let before = last.and_then(|last| last.first_of(k));
            if let Some(before) = before.filter(|before| is_better(k, *before)) {
                self.0.entry((k, before)).or_default().owed = true;
            }
        }
        let mut due = Vec::new();
        for (&(k, uplink), departure) in &mut self.0 {
            let works = |one: &Health| one.up() == Some(true) && !one.leaves_in_peace(mono);
            departure.owed &= is_better(k, uplink) && health.get(uplink).is_some_and(works);
            if departure.owed && mono >= departure.ends() {
                *departure = Departure { owed: false, at: Some(mono) };
                due.push((k, uplink));
            }
        }
        due
    }

    /// When those are due next that were given up a short while ago, and of which uplink; none where there are none.
    pub(super) fn next(&self) -> Option<(u64, usize)> {
        self.0.iter().filter(|(_, one)| one.owed).map(|(&(_, uplink), one)| (one.ends(), uplink)).min()
    }
}
