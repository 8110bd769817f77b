//! When to look at the kernel again: after changes, after what may have been somebody else's doing, and from time to
//! time in any case.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two looks after changes of devices and addresses, which come in swarms.
const SETTLE: Duration = Duration::from_millis(5);
/// The longest time without a look: what made no event is found then.
const AUDIT: Duration = Duration::from_secs(10);
/// What is undone again within this time after its repair is fought over.
const QUARREL: Duration = Duration::from_millis(50);
/// The pause before the next repair of what is fought over: the first, and the longest.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(10);
/// So many repairs of the same in a row are worth a word.
const LOUD: u32 = 5;

/// Paces looks: the first comes at once, and where somebody undoes each repair they come ever more seldom.
#[derive(Debug)]
pub(crate) struct Drift {
    /// Devices or addresses have changed.
    changed: bool,
    /// Something of ours may be gone.
    suspected: bool,
    last: Instant,
    /// No repair before this instant.
    rest: Option<Instant>,
    /// How long the last rest was.
    pause: Duration,
    /// When what was repaired last.
    repaired: BTreeMap<String, Instant>,
    /// Repairs in a row of what is fought over.
    rounds: u32,
}

impl Drift {
    /// Everything has just been looked at.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            changed: false,
            suspected: false,
            last: now,
            rest: None,
            pause: Duration::ZERO,
            repaired: BTreeMap::new(),
            rounds: 0,
        }
    }

    /// A device or an address has changed.
    pub(crate) const fn change(&mut self) {
        self.changed = true;
    }

    /// Something of ours may be gone.
    pub(crate) const fn suspect(&mut self) {
        self.suspected = true;
    }

    /// The kernel could not be looked at, or not be changed, for now.
    pub(crate) fn fail(&mut self, now: Instant) {
        self.suspected = true;
        self.lengthen(now);
    }

    /// Whether to look now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// How long until it is time to look.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let changed = self.changed.then_some(self.last + SETTLE);
        let suspected = self.suspected.then(|| self.rest.unwrap_or(now));
        let audit = self.last.max(self.rest.unwrap_or(self.last)) + AUDIT;
        let next = [changed, suspected].into_iter().flatten().fold(audit, Instant::min);
        next.saturating_duration_since(now)
    }

    /// Everything has been looked at, and these were repaired. Whether to tell people that somebody undoes it all.
    pub(crate) fn looked(&mut self, now: Instant, repairs: &[String]) -> bool {
        (self.changed, self.suspected, self.last) = (false, false, now);
        if repairs.is_empty() {
            return false;
        }
        let window = self.pause + QUARREL;
        let recent = |one: &String| self.repaired.get(one).is_some_and(|at| now <= *at + window);
        let fought = repairs.iter().any(recent);
        self.repaired.retain(|_, at| now <= *at + LONGEST + QUARREL);
        self.repaired.extend(repairs.iter().map(|one| (one.clone(), now)));
        if fought {
            self.lengthen(now);
            self.rounds += 1;
        } else {
            (self.rest, self.pause, self.rounds) = (None, Duration::ZERO, 0);
        }
        self.rounds == LOUD
    }

    fn lengthen(&mut self, now: Instant) {
        self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
        self.rest = Some(now + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::{AUDIT, Drift, LONGEST, SETTLE};
    use std::time::{Duration, Instant};

    /// Somebody who deletes the same again so long after each repair, for a minute: the repairs, and the loud words.
    fn minute(undone_after: Duration) -> (u32, u32) {
        let mut now = Instant::now();
        let end = now + Duration::from_secs(60);
        let (mut drift, mut repairs, mut words, mut undone) = (Drift::new(now), 0, 0, now);
        while now < end {
            let gone = now >= undone;
            if gone {
                drift.suspect();
            }
            if gone && drift.is_due(now) {
                words += u32::from(drift.looked(now, &["rule".to_owned()]));
                repairs += 1;
                undone = now + undone_after;
            }
            now += Duration::from_millis(1);
        }
        (repairs, words)
    }

    #[test]
    fn a_fight_slows_down_and_is_told_once() {
        let (repairs, words) = minute(Duration::from_millis(1));
        assert!((10..25).contains(&repairs), "{repairs}");
        assert_eq!(words, 1);
    }

    #[test]
    fn what_is_undone_now_and_then_is_repaired_at_once() {
        let (repairs, words) = minute(Duration::from_millis(100));
        assert!((590..=600).contains(&repairs), "{repairs}");
        assert_eq!(words, 0);
    }

    #[test]
    fn different_things_are_no_fight() {
        let mut drift = Drift::new(Instant::now());
        let mut now = Instant::now();
        for number in 0..200 {
            drift.suspect();
            assert!(drift.is_due(now), "{number}");
            assert!(!drift.looked(now, &[number.to_string()]));
            now += Duration::from_millis(1);
        }
    }

    #[test]
    fn a_swarm_of_changes_is_one_look_after_the_first() {
        let now = Instant::now();
        let mut drift = Drift::new(now);
        let later = now + Duration::from_secs(1);
        drift.change();
        assert!(drift.is_due(later));
        drift.looked(later, &[]);
        drift.change();
        assert_eq!(drift.wait(later), SETTLE);
        // A look because of something else is as good.
        drift.looked(later, &[]);
        assert!(drift.wait(later) > SETTLE);
    }

    #[test]
    fn without_any_event_there_is_an_audit() {
        let now = Instant::now();
        let drift = Drift::new(now);
        assert_eq!(drift.wait(now), AUDIT);
        assert!(drift.is_due(now + AUDIT));
    }

    #[test]
    fn failures_are_tried_again_ever_more_seldom() {
        let mut now = Instant::now();
        let mut drift = Drift::new(now);
        for _ in 0..20 {
            drift.fail(now);
            let wait = drift.wait(now);
            assert!(!wait.is_zero() && wait <= LONGEST);
            now += wait;
        }
        assert!(drift.is_due(now));
    }
}
