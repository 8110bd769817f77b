//! When to look at the kernel again: after changes, after what may have been somebody else's doing, and from time to
//! time in any case.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Between two looks after changes of devices and addresses, which come in swarms.
const SETTLE: Duration = Duration::from_millis(5);
/// The longest time without a look: what made no event is found then.
const AUDIT: Duration = Duration::from_secs(10);
/// What is undone again within this time after its repair is fought over.
const CONTESTED: Duration = Duration::from_millis(50);
/// The pause before the next repair of what is fought over: the first, and the longest.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(10);
/// Between two looks while what is fought over rests: something else may be missing.
const PAUSE: Duration = Duration::from_millis(15);
/// So many repairs of the same in a row are worth a word.
const WARN_AFTER: u32 = 5;

/// Paces looks: the first comes at once, and what somebody undoes after each repair is repaired ever more seldom. Nothing
/// else has to wait for that.
#[derive(Debug)]
pub(crate) struct Reconciler {
    /// Devices or addresses have changed.
    changed: bool,
    /// Something of ours may be gone.
    suspected: bool,
    last: Instant,
    /// When something that is missing, and rests, is to be repaired.
    put_off: Option<Instant>,
    /// When to try again what the kernel could not do, and how long that was waited for.
    retry: Option<(Instant, Duration)>,
    /// What was repaired of late.
    repaired: BTreeMap<String, Repaired>,
}

/// Something that was repaired.
#[derive(Clone, Copy, Debug)]
struct Repaired {
    at: Instant,
    /// How long it rests from then on.
    pause: Duration,
    /// How often in a row it was undone at once.
    rounds: u32,
}

impl Repaired {
    fn rests_until(&self) -> Instant {
        self.at + self.pause
    }
}

impl Reconciler {
    /// Everything has just been looked at.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { changed: false, suspected: false, last: now, put_off: None, retry: None, repaired: BTreeMap::new() }
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
        let pause = self.retry.map_or(SHORTEST, |(_, pause)| (pause * 2).min(LONGEST));
        self.retry = Some((now + pause, pause));
    }

    /// Whether to look now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// How long until it is time to look.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        if let Some((at, _)) = self.retry {
            return at.saturating_duration_since(now);
        }
        let changed = self.changed.then_some(self.last + SETTLE);
        let pause = if self.rests(now) { self.last + PAUSE } else { now };
        let suspected = self.suspected.then_some(pause);
        let next = [changed, suspected, self.put_off].into_iter().flatten().fold(self.last + AUDIT, Instant::min);
        next.saturating_duration_since(now)
    }

    /// Whether something is not to be repaired now although it may be missing. After changes of devices everything is, for
    /// then it may be their doing.
    pub(crate) fn is_resting(&self, now: Instant) -> bool {
        !self.changed && self.rests(now)
    }

    fn rests(&self, now: Instant) -> bool {
        self.repaired.values().any(|one| now < one.rests_until())
    }

    /// Whether all that is missing rests: then it has been looked at, and is repaired when the first rest ends.
    pub(crate) fn put_off(&mut self, now: Instant, missing: &[String]) -> bool {
        let end = |one: &String| self.repaired.get(one).map(Repaired::rests_until).filter(|end| now < *end);
        let ends: Option<Vec<Instant>> = missing.iter().map(end).collect();
        let Some(first) = ends.and_then(|ends| ends.into_iter().min()) else { return false };
        (self.suspected, self.last, self.put_off) = (false, now, Some(first));
        true
    }

    /// Everything has been looked at, and these were repaired. Whether to tell people that somebody undoes it all.
    ///
    /// What follows from `moved` addresses, gateways or devices is undone by nobody: the kernel takes routes away with them,
    /// and other things are wanted then.
    pub(crate) fn looked(&mut self, now: Instant, repairs: &[String], moved: bool) -> bool {
        let by_nobody = moved || self.changed;
        (self.changed, self.suspected, self.last) = (false, false, now);
        (self.put_off, self.retry) = (None, None);
        self.repaired.retain(|_, one| now <= one.rests_until() + LONGEST);
        let mut warns = false;
        for repair in repairs {
            let undone = self.repaired.get(repair).filter(|one| !by_nobody && now <= one.rests_until() + CONTESTED);
            let next = undone.map_or(Repaired { at: now, pause: Duration::ZERO, rounds: 0 }, |one| Repaired {
                at: now,
                pause: (one.pause * 2).clamp(SHORTEST, LONGEST),
                rounds: one.rounds.saturating_add(1),
            });
            warns |= next.rounds == WARN_AFTER;
            self.repaired.insert(repair.clone(), next);
        }
        warns
    }
}

#[cfg(test)]
mod tests {
    use super::{AUDIT, LONGEST, Reconciler, SETTLE};
    use std::time::{Duration, Instant};

    /// Somebody who deletes the same again so long after each repair, for a minute: the repairs, and the loud words.
    fn minute(undone_after: Duration) -> (u32, u32) {
        let mut now = Instant::now();
        let end = now + Duration::from_secs(60);
        let (mut reconciler, mut repairs, mut words, mut undone) = (Reconciler::new(now), 0, 0, now);
        let rule = ["rule".to_owned()];
        while now < end {
            if now == undone {
                reconciler.suspect();
            }
            let due = reconciler.is_due(now);
            if due && reconciler.is_resting(now) && reconciler.put_off(now, &rule) {
                // Later.
            } else if now >= undone && due {
                words += u32::from(reconciler.looked(now, &rule, false));
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
    fn what_nobody_fights_over_does_not_wait() {
        let [rule, route] = ["rule", "route"].map(str::to_owned);
        let (mut now, mut reconciler) = (Instant::now(), Reconciler::new(Instant::now()));
        for _ in 0..16 {
            reconciler.suspect();
            now += reconciler.wait(now);
            if !reconciler.put_off(now, std::slice::from_ref(&rule)) {
                reconciler.looked(now, std::slice::from_ref(&rule), false);
            }
            now += reconciler.put_off.map_or(Duration::ZERO, |end| end.saturating_duration_since(now));
        }
        reconciler.looked(now, std::slice::from_ref(&rule), false);
        assert!(reconciler.is_resting(now));
        reconciler.suspect();
        // Somebody undid something: what it was shows soon, however long the rest is.
        assert!(reconciler.wait(now) < Duration::from_millis(20));
        now += reconciler.wait(now);
        assert!(!reconciler.put_off(now, &[]) && !reconciler.put_off(now, &[rule.clone(), route.clone()]));
        assert!(!reconciler.put_off(now, std::slice::from_ref(&route)));
        // The other has its own count, even where it is undone twice while the first rests.
        for _ in 0..2 {
            reconciler.looked(now, std::slice::from_ref(&route), false);
            now += Duration::from_millis(30);
        }
        assert!(!reconciler.put_off(now, std::slice::from_ref(&route)));
        assert!(reconciler.put_off(now, std::slice::from_ref(&rule)));
        // Without another event nothing is looked at before the rest ends, and then it is repaired.
        let rest = reconciler.wait(now);
        assert!(rest > Duration::from_millis(100), "{rest:?}");
        now += rest;
        assert!(reconciler.is_due(now) && !reconciler.is_resting(now));
    }

    #[test]
    fn a_device_that_changes_during_a_rest_is_no_fight() {
        let (now, mut reconciler) = (Instant::now(), Reconciler::new(Instant::now()));
        for _ in 0..3 {
            reconciler.suspect();
            reconciler.looked(now, &["rule".to_owned()], false);
        }
        assert!(reconciler.is_resting(now));
        reconciler.change();
        assert!(!reconciler.is_resting(now) && reconciler.wait(now) <= SETTLE);
    }

    #[test]
    fn what_goes_with_an_address_is_no_fight() {
        let (mut now, mut reconciler) = (Instant::now(), Reconciler::new(Instant::now()));
        for round in 0..200 {
            // Told by an event, or seen before its event is read.
            let moved = round % 2 == 0;
            if !moved {
                reconciler.change();
            }
            reconciler.suspect();
            assert!(!reconciler.looked(now, &["rule".to_owned()], moved) && !reconciler.is_resting(now), "{round}");
            now += Duration::from_millis(10);
        }
    }

    #[test]
    fn what_is_undone_now_and_then_is_repaired_at_once() {
        let (repairs, words) = minute(Duration::from_millis(100));
        assert!((590..=600).contains(&repairs), "{repairs}");
        assert_eq!(words, 0);
    }

    #[test]
    fn different_things_are_no_fight() {
        let mut reconciler = Reconciler::new(Instant::now());
        let mut now = Instant::now();
        for number in 0..200 {
            reconciler.suspect();
            assert!(reconciler.is_due(now), "{number}");
            assert!(!reconciler.looked(now, &[number.to_string()], false));
            now += Duration::from_millis(1);
        }
    }

    #[test]
    fn a_swarm_of_changes_is_one_look_after_the_first() {
        let now = Instant::now();
        let mut reconciler = Reconciler::new(now);
        let later = now + Duration::from_secs(1);
        reconciler.change();
        assert!(reconciler.is_due(later));
        reconciler.looked(later, &[], false);
        reconciler.change();
        assert_eq!(reconciler.wait(later), SETTLE);
        // A look because of something else is as good.
        reconciler.looked(later, &[], false);
        assert!(reconciler.wait(later) > SETTLE);
    }

    #[test]
    fn without_any_event_there_is_an_audit() {
        let now = Instant::now();
        let reconciler = Reconciler::new(now);
        assert_eq!(reconciler.wait(now), AUDIT);
        assert!(reconciler.is_due(now + AUDIT));
    }

    #[test]
    fn failures_are_tried_again_ever_more_seldom() {
        let mut now = Instant::now();
        let mut reconciler = Reconciler::new(now);
        for _ in 0..20 {
            reconciler.fail(now);
            let wait = reconciler.wait(now);
            assert!(!wait.is_zero() && wait <= LONGEST);
            now += wait;
        }
        assert!(reconciler.is_due(now));
    }
}
