//! What is decided because of the time alone: connections that are given up later, for they were a short while ago, and
//! uplinks that are trusted again.

use ftr_core::Family;
use ftr_core::record::{Check, Record, Stamp};

use super::health::{Change, Health};
use super::{Decider, flush, word};

/// What becomes of an uplink by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Its connections are given up.
    GivenUp,
    /// It is trusted again.
    Trusted,
    /// It is trusted again by a policy.
    TrustedByPolicy,
    /// It gets its whole part of the new connections.
    Whole,
    /// It is not drained any more.
    Undrained,
}

impl Decider {
    /// When something is to be decided (`mono`, milliseconds) because of the time alone: see [`Decider::look_again`]. None
    /// where nothing is.
    pub(crate) fn due(&self) -> Option<u64> {
        self.waiting().map(|(_, due, ..)| due).chain(self.timetable.next()).min()
    }

    /// Decides anew because of the time alone. A check of any uplink does the same, but the next one may be a minute away.
    pub(crate) fn look_again(&mut self, at: &Stamp) -> Vec<Record> {
        let mut due: Vec<(Family, u64, usize, What)> = self.waiting().filter(|(_, due, ..)| *due <= at.mono).collect();
        due.sort_by_key(|(_, due, ..)| *due);
        let mut out = self.look_at_hours(at);
        for family in [Family::V4, Family::V6] {
            // One election for all that is due; the first gives it its name.
            let Some(&(_, _, index, what)) = due.iter().find(|(of, ..)| *of == family) else { continue };
            let Some(uplink) = self.uplinks.get(index).map(|uplink| uplink.name.clone()) else { continue };
            let up = self.health_of(family, index).and_then(Health::up) == Some(true);
            let cause = match what {
                What::GivenUp => format!("{uplink} {}", word(up)),
                What::Trusted | What::TrustedByPolicy => format!("{uplink} is trusted again"),
                What::Whole => format!("{uplink} has carried its first part well"),
                What::Undrained => format!("{uplink} is no longer drained"),
            };
            let as_if = Check::without_questions(at.clone(), uplink, family, up, None);
            out.extend(self.settle(index, &as_if, &Change::default(), &cause));
        }
        out
    }

    /// Decides anew where the time of an uplink or a policy has come, or is over.
    fn look_at_hours(&mut self, at: &Stamp) -> Vec<Record> {
        let Some(index) = self.timetable.look(at) else { return Vec::new() };
        let Some(uplink) = self.uplinks.get(index).map(|uplink| uplink.name.clone()) else { return Vec::new() };
        let mut out = Vec::new();
        for family in [Family::V4, Family::V6] {
            if !self.last.contains_key(&family.number()) {
                continue;
            }
            let up = self.health_of(family, index).and_then(Health::up) == Some(true);
            let as_if = Check::without_questions(at.clone(), uplink.clone(), family, up, None);
            out.extend(self.settle(index, &as_if, &Change::default(), "by the hour"));
        }
        out
    }

    /// What each family waits for: when, of which uplink, and what.
    fn waiting(&self) -> impl Iterator<Item = (Family, u64, usize, What)> {
        [Family::V4, Family::V6].into_iter().flat_map(move |family| {
            let number = family.number();
            let looked = self.looked.get(&number).copied().unwrap_or_default();
            let health = self.last.get(&number).and_then(|_| self.memory.uplinks.get(&number));
            let health = health.map_or(&[][..], Vec::as_slice);
            let active = self.last.get(&number).map(super::Choice::active).unwrap_or_default();
            let departures = self.memory.departures.get(&number).filter(|_| !health.is_empty());
            let flush = flush::next(health, &active, self.flush).into_iter();
            let flush =
                flush.chain(departures.and_then(super::Departures::next)).map(|(due, i)| (due, i, What::GivenUp));
            let moments = health.iter().enumerate().flat_map(move |(i, one)| {
                self.moments(i, one).filter(move |(due, _)| *due > looked).map(move |(due, what)| (due, i, what))
            });
            flush.chain(moments).map(move |(due, i, what)| (family, due, i, what))
        })
    }

    /// When what is known of an uplink changes by itself.
    fn moments(&self, index: usize, one: &Health) -> impl Iterator<Item = (u64, What)> {
        let works = one.up() == Some(true);
        let trusted = works.then(|| (one.damping.until(self.hold), What::Trusted));
        let listed = move |policy: &&super::Policy| works && policy.uplinks.contains(&index);
        let by_policies =
            self.policies.iter().filter(listed).filter_map(|policy| {
                Some((one.damping.until(self.hold.with_delay(policy.delay?)), What::TrustedByPolicy))
            });
        let whole = self.canary.and_then(|canary| one.trial.ends(canary)).map(|end| (end, What::Whole));
        let undrained = one.drained.and_then(|drain| drain.until).map(|until| (until, What::Undrained));
        trusted.into_iter().chain(by_policies).chain(whole.filter(|_| works)).chain(undrained)
    }
}
