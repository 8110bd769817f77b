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
/// Between two looks while what is fought over rests: something else may be missing.
const GLIMPSE: Duration = Duration::from_millis(15);
/// So many repairs of the same in a row are worth a word.
const LOUD: u32 = 5;

/// Paces looks: the first comes at once, and where somebody undoes each repair it is repaired ever more seldom. Nothing
/// else has to wait for that.
#[derive(Debug)]
pub(crate) struct Drift {
    /// Devices or addresses have changed.
    changed: bool,
    /// Something of ours may be gone.
    suspected: bool,
    last: Instant,
    /// No repair of what is fought over before this instant.
    rest: Option<Instant>,
    /// What waits for the end of the rest.
    waiting: Waiting,
    /// How long the last rest was.
    pause: Duration,
    /// When what was repaired last.
    repaired: BTreeMap<String, Instant>,
    /// Repairs in a row of what is fought over.
    rounds: u32,
}

/// What waits for the end of a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    /// The repair of what is fought over.
    Repair,
    /// Whatever there is to do: the last attempt failed.
    Everything,
}

impl Drift {
    /// Everything has just been looked at.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            changed: false,
            suspected: false,
            last: now,
            rest: None,
            waiting: Waiting::Nothing,
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
        self.waiting = Waiting::Everything;
        self.lengthen(now);
    }

    /// Whether to look now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.wait(now).is_zero()
    }

    /// How long until it is time to look.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let changed = self.changed.then_some(self.last + SETTLE);
        let rest = self.rest.filter(|rest| now < *rest);
        let at_its_end = rest.unwrap_or(now);
        let wanted = match self.waiting {
            Waiting::Everything => Some(at_its_end),
            _ if self.suspected => Some(at_its_end.min(self.last + GLIMPSE).max(now)),
            Waiting::Repair => Some(at_its_end),
            Waiting::Nothing => None,
        };
        let audit = self.last.max(self.rest.unwrap_or(self.last)) + AUDIT;
        let next = [changed, wanted].into_iter().flatten().fold(audit, Instant::min);
        next.saturating_duration_since(now)
    }

    /// Whether what is fought over rests now. After changes of devices nothing does, for then it may be their doing.
    pub(crate) fn is_resting(&self, now: Instant) -> bool {
        !self.changed && self.rest.is_some_and(|rest| now < rest)
    }

    /// Whether all of this is fought over.
    pub(crate) fn is_fought_over(&self, now: Instant, repairs: &[String]) -> bool {
        !repairs.is_empty() && repairs.iter().all(|one| self.is_recent(now, one))
    }

    /// Everything has been looked at, and nothing repaired: all that is missing can wait.
    pub(crate) const fn put_off(&mut self, now: Instant) {
        (self.suspected, self.waiting, self.last) = (false, Waiting::Repair, now);
    }

    /// Whether this was repaired so little ago that somebody must be undoing it.
    fn is_recent(&self, now: Instant, repair: &String) -> bool {
        self.repaired.get(repair).is_some_and(|at| now <= *at + self.pause + QUARREL)
    }

    /// Everything has been looked at, and these were repaired. Whether to tell people that somebody undoes it all.
    pub(crate) fn looked(&mut self, now: Instant, repairs: &[String]) -> bool {
        (self.changed, self.suspected, self.waiting, self.last) = (false, false, Waiting::Nothing, now);
        if repairs.is_empty() {
            return false;
        }
        let fought = repairs.iter().any(|one| self.is_recent(now, one));
        self.repaired.retain(|_, at| now <= *at + LONGEST + QUARREL);
        self.repaired.extend(repairs.iter().map(|one| (one.clone(), now)));
        if fought {
            self.lengthen(now);
            self.rounds += 1;
        } else if self.rest.is_none_or(|rest| now >= rest) {
            (self.rest, self.pause, self.rounds) = (None, Duration::ZERO, 0);
        }
        fought && self.rounds == LOUD
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
        let rule = ["rule".to_owned()];
        while now < end {
            if now == undone {
                drift.suspect();
            }
            if drift.is_due(now) && drift.is_resting(now) && drift.is_fought_over(now, &rule) {
                drift.put_off(now);
            } else if now >= undone && drift.is_due(now) {
                words += u32::from(drift.looked(now, &rule));
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
        let repair = |what: &str| [what.to_owned()];
        let (mut now, mut drift) = (Instant::now(), Drift::new(Instant::now()));
        for _ in 0..8 {
            drift.suspect();
            now += drift.wait(now);
            drift.looked(now, &repair("rule"));
        }
        assert!(drift.is_resting(now));
        drift.suspect();
        // Somebody undid something: what it was shows soon, however long the rest is.
        assert!(
            (Duration::from_millis(1)..Duration::from_millis(20)).contains(&drift.wait(now)),
            "{:?}",
            drift.wait(now)
        );
        now += drift.wait(now);
        assert!(drift.is_fought_over(now, &repair("rule")) && !drift.is_fought_over(now, &repair("route")));
        assert!(
            !drift.is_fought_over(now, &["rule".to_owned(), "route".to_owned()]) && !drift.is_fought_over(now, &[])
        );
        drift.put_off(now);
        // Without another event nothing is looked at before the rest ends, and then it is repaired.
        let rest = drift.wait(now);
        assert!(rest > Duration::from_millis(100), "{rest:?}");
        now += rest;
        assert!(drift.is_due(now) && !drift.is_resting(now));
    }

    #[test]
    fn a_device_that_changes_during_a_rest_is_no_fight() {
        let (now, mut drift) = (Instant::now(), Drift::new(Instant::now()));
        for _ in 0..3 {
            drift.suspect();
            drift.looked(now, &["rule".to_owned()]);
        }
        assert!(drift.is_resting(now));
        drift.change();
        assert!(!drift.is_resting(now) && drift.wait(now) <= SETTLE);
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
