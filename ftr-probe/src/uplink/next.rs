//! When an uplink is checked next, and what for. Pure: time is a parameter.

use std::time::Duration;

use ftr_core::rate_limiter::RateLimiter;
use ftr_core::record::{Reason, Trigger};

use crate::cadence::Cadence;
use crate::plan::Plan;

/// After an event a check that fails is repeated after this, then after twice as long, and so on: routes, neighbours
/// and link partners need their time to follow.
const SETTLE: Duration = Duration::from_millis(250);
/// A way that this host itself lacks costs nothing to look for.
const LOOK: Duration = Duration::from_secs(1);
/// The gateway is asked to prove that it sends on when so many checks and so much time have passed since it was last.
const TRUST: (u32, Duration) = (10, Duration::from_secs(60));

/// A metered uplink that was checked within so many intervals is not asked again because another one is in doubt; but for so
/// many times, and from then on once in the longest time between two of its checks: a line that loses some packets is in doubt
/// every few seconds.
const FRESH: u32 = 10;
const DOUBTS: u32 = 3;
/// So old may the count of a quota be at the most while people use the uplink: a check brings a new one.
const COUNTED: Duration = Duration::from_secs(60);

/// When the next check starts.
#[derive(Debug)]
pub(crate) struct Next {
    cadence: Cadence,
    interval: Duration,
    /// The longest time between two checks, where they may be left out.
    metered: Option<Duration>,
    /// It has a quota.
    counted: bool,
    /// How often it may be asked because another one is in doubt.
    doubts: RateLimiter,
    fall: u32,
    rise: u32,
    trigger: Option<Trigger>,
    /// When the last check started.
    started: Option<Duration>,
    /// What it came to.
    up: Option<bool>,
    /// How many checks in a row were good.
    good: u32,
    /// How many checks are still to follow at once.
    confirmations: u32,
    settle: Option<Duration>,
    /// Whether a late answer may trigger a check: one for each check that came in its turn.
    late: bool,
    /// How many checks have passed since the gateway was tested, and when that was.
    tested: Option<(u32, Duration)>,
}

impl Next {
    /// A first beat at `beat`; checks before it are out of turn.
    pub(super) fn new(plan: &Plan, beat: Duration) -> Self {
        Self {
            cadence: Cadence::new(beat, plan.interval),
            interval: plan.interval,
            metered: plan.metered,
            counted: plan.counted,
            doubts: RateLimiter::new(DOUBTS, plan.metered.unwrap_or_default()),
            fall: plan.fall,
            rise: plan.rise,
            trigger: None,
            started: None,
            up: None,
            good: 0,
            confirmations: 0,
            settle: None,
            late: false,
            tested: None,
        }
    }

    /// The next check is triggered by this.
    pub(super) fn trigger(&mut self, trigger: Trigger) {
        self.trigger = Some(trigger);
        match trigger {
            Trigger::Event => self.settle = Some(SETTLE),
            Trigger::Late => self.late = false,
            _ => {}
        }
    }

    /// Whether the last check failed.
    pub(super) const fn is_down(&self) -> bool {
        matches!(self.up, Some(false))
    }

    /// Whether an answer that came too late is a reason to check again: the uplink counts as down because of it.
    pub(super) fn wants_late(&self) -> bool {
        self.late && self.is_down()
    }

    pub(super) fn take_trigger(&mut self) -> Option<Trigger> {
        self.trigger.take()
    }

    /// A check starts. Whether it is to test the gateway too.
    pub(super) fn start(&mut self, now: Duration) -> bool {
        self.cadence.start(now);
        self.started = Some(now);
        self.late |= self.trigger.is_none();
        let (checks, time) = TRUST;
        let test = self.tested.is_none_or(|(count, at)| count >= checks && now >= at + time);
        self.tested = Some(match self.tested {
            Some((count, at)) if !test => (count + 1, at),
            _ => (0, now),
        });
        test
    }

    /// The check has ended so: when the next one starts.
    ///
    /// A check that fails when the one before was good is followed by others at once, until the uplink counts as down:
    /// at least by one, because what is wrong ought to be known soon.
    pub(super) fn end(&mut self, reason: Option<Reason>, now: Duration) -> Duration {
        let beat = self.cadence.next(now);
        let was_up = self.up.replace(reason.is_none());
        let Some(reason) = reason else {
            self.good = self.good.saturating_add(1);
            self.confirmations = 0;
            self.settle = None;
            return beat;
        };
        self.good = 0;
        // The first check of all is no exception: what was before it is not known here.
        if was_up != Some(false) {
            // What follows from many probes does not change with the next few.
            let slow = reason.is_quality();
            self.confirmations = if slow { 0 } else { self.fall.max(2) - 1 };
        }
        if self.confirmations > 0 {
            self.confirmations -= 1;
            self.trigger = Some(Trigger::Doubt);
            return now;
        }
        let look =
            if matches!(reason, Reason::NoRoute | Reason::NoGateway) { now + LOOK.min(self.interval) } else { beat };
        match self.settle {
            Some(delay) => {
                self.settle = Some(delay * 2).filter(|next| *next < self.interval);
                beat.min(now + delay).min(look)
            }
            None => beat.min(look),
        }
    }

    /// The check told nothing: when the next one starts.
    pub(super) fn again(&self, now: Duration) -> Duration {
        self.cadence.next(now)
    }

    /// Whether a metered uplink was last checked too long ago to be counted on, now that another one is in doubt or even
    /// down. None that is about to be checked.
    pub(super) fn is_outdated(&mut self, down: bool, now: Duration) -> bool {
        let is_older = |age| self.started.is_none_or(|started| now >= started + age);
        self.metered.is_some()
            && self.trigger.is_none()
            && is_older(self.interval)
            && (down || is_older(self.interval * FRESH) || self.doubts.admits(now))
    }

    /// When the last check started.
    pub(super) const fn started(&self) -> Option<Duration> {
        self.started
    }

    /// Whether the next check may be left out, if the uplink carries nothing, or the traffic since the last one shows that
    /// it works. One that was down has to count as up first.
    pub(super) fn is_sparable(&self, is_idle: bool, now: Duration) -> bool {
        let good = self.up == Some(true) && self.good >= self.rise && self.trigger.is_none();
        let longest = self.metered.map(|longest| if self.counted && !is_idle { longest.min(COUNTED) } else { longest });
        let bound = self.started.zip(longest).map(|(started, longest)| started + longest);
        good && bound.is_some_and(|bound| now + self.interval < bound)
    }

    /// Leaves a check out: when the next one starts.
    pub(super) fn spare(&mut self, now: Duration) -> Duration {
        self.cadence.start(now);
        self.cadence.next(now)
    }
}

#[cfg(test)]
mod tests {
    use super::{LOOK, Next, SETTLE};
    use crate::plan::Plan;
    use crate::schedule::Timing;
    use ftr_core::Family;
    use ftr_core::config::Limits;
    use ftr_core::record::{Reason, Trigger};
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);
    const START: Duration = Duration::from_secs(1000);
    const DEAD: Option<Reason> = Some(Reason::NoAnswer);

    fn next(fall: u32, metered: Option<Duration>) -> Next {
        let plan = Plan {
            uplink: "eth1".parse().unwrap(),
            family: Family::V4,
            targets: Vec::new(),
            timing: Timing { required: 1, tries: 1, timeout: Duration::from_secs(2) },
            interval: MINUTE,
            counted: false,
            metered,
            before: None,
            fall,
            rise: 1,
            limits: Limits::default(),
            window: 50,
            watch_traffic: true,
            detect_captive: true,
        };
        Next::new(&plan, START)
    }

    #[test]
    fn a_check_that_fails_is_followed_by_others_at_once() {
        for (fall, followers) in [(1, 1), (2, 1), (4, 3)] {
            let mut next = next(fall, None);
            next.start(START);
            assert_eq!(next.end(None, START), START + MINUTE);
            for _ in 0..followers {
                next.start(START);
                assert_eq!((next.end(DEAD, START), next.take_trigger()), (START, Some(Trigger::Doubt)), "fall {fall}");
            }
            assert_eq!((next.end(DEAD, START), next.take_trigger()), (START + MINUTE, None), "fall {fall}");
        }
        let mut never_up = next(3, None);
        assert_eq!([(); 3].map(|()| never_up.end(DEAD, START)), [START, START, START + MINUTE]);
    }

    #[test]
    fn loss_over_many_probes_is_not_doubted() {
        let mut next = next(3, None);
        next.end(None, START);
        assert_eq!(next.end(Some(Reason::Loss), START), START + MINUTE);
    }

    #[test]
    fn after_an_event_failing_checks_are_repeated_ever_later() {
        let mut next = next(1, None);
        next.end(DEAD, START);
        next.trigger(Trigger::Event);
        let pauses: Vec<_> = (0..10).map(|_| next.end(DEAD, START).saturating_sub(START)).collect();
        assert_eq!(pauses[..3], [SETTLE, SETTLE * 2, SETTLE * 4]);
        assert_eq!(pauses[9], MINUTE);
        next.trigger(Trigger::Event);
        next.end(None, START);
        next.confirmations = 0;
        next.up = Some(false);
        assert_eq!(next.end(DEAD, START), START + MINUTE, "a good check ends it");
    }

    #[test]
    fn late_answers_trigger_one_check_in_a_turn() {
        let mut next = next(1, None);
        next.start(START);
        next.end(None, START);
        assert!(!next.wants_late(), "it is up");
        next.end(DEAD, START);
        assert!(next.wants_late());
        next.trigger(Trigger::Late);
        next.start(START);
        assert!(!next.wants_late());
        next.take_trigger();
        next.start(START + MINUTE);
        assert!(next.wants_late());
    }

    #[test]
    fn a_missing_route_is_looked_for_every_second() {
        let mut next = next(1, None);
        next.end(Some(Reason::NoRoute), START);
        assert_eq!(next.end(Some(Reason::NoRoute), START), START + LOOK);
    }

    #[test]
    fn a_metered_uplink_is_left_alone_up_to_its_bound() {
        let mut next = next(1, Some(MINUTE * 4));
        assert!(!next.is_sparable(true, START), "never checked");
        next.start(START);
        next.end(None, START);
        assert_eq!(next.spare(START + MINUTE), START + MINUTE * 2);
        let checked: Vec<_> = (1..9).filter(|n| !next.is_sparable(true, START + MINUTE * *n)).collect();
        assert_eq!(checked, [3, 4, 5, 6, 7, 8], "the check at 3 minutes is the last in time");
        assert!(next.is_sparable(false, START + MINUTE), "it has no quota");
        next.counted = true;
        assert!(next.is_sparable(true, START + MINUTE) && !next.is_sparable(false, START + MINUTE));
        next.end(DEAD, START);
        assert!(!next.is_sparable(true, START), "what is down is not spared");
    }

    #[test]
    fn a_metered_uplink_is_asked_at_once_when_another_is_in_doubt_but_not_again_and_again() {
        let mut next = next(1, Some(MINUTE * 100));
        assert!(!self::next(1, None).is_outdated(true, START), "it is asked anyway");
        let mut asked = Vec::new();
        next.start(START);
        // Another one is in doubt every other minute.
        for n in (0..60).step_by(2) {
            let now = START + MINUTE * n;
            if next.is_outdated(false, now) {
                next.trigger(Trigger::Others);
                assert!(!next.is_outdated(false, now), "it is about to be");
                next.take_trigger();
                next.start(now);
                asked.push(n);
            }
        }
        assert_eq!(asked, [2, 4, 6, 16, 26, 36, 46, 56]);
        assert!(!next.is_outdated(true, START + MINUTE * 56) && next.is_outdated(true, START + MINUTE * 57));
    }

    #[test]
    fn the_gateway_is_tested_at_first_and_after_many_checks_and_a_while() {
        let mut next = next(1, None);
        let tests = |next: &mut Next, step: Duration| -> Vec<u32> {
            (0..25).filter(|n| next.start(START + step * *n)).collect()
        };
        assert_eq!(tests(&mut next, MINUTE), [0, 11, 22]);
        let mut often = self::next(1, None);
        assert_eq!(tests(&mut often, Duration::from_secs(1)), [0]);
    }
}
