//! How much of an input is dealt with: whoever writes to us without end must neither fill a log nor take the time of others.
//!
//! Time is handed in, as a span since any instant that stays the same.

use std::time::Duration;

/// How often people are told of what was lost.
const PERIOD: Duration = Duration::from_secs(10);

/// Lets a burst pass, and then one in each interval (a token bucket).
#[derive(Clone, Copy, Debug)]
pub struct RateLimiter {
    burst: u32,
    interval: Duration,
    /// When all of the burst is allowed again.
    full: Duration,
}

impl RateLimiter {
    /// One that lets all of its burst pass.
    #[must_use]
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval, full: Duration::ZERO }
    }

    /// How long until one more may pass.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Duration {
        let all_but_one = self.interval.saturating_mul(self.burst.saturating_sub(1));
        self.full.saturating_sub(now).saturating_sub(all_but_one)
    }

    /// Whether one more may pass, which counts then.
    pub fn admits(&mut self, now: Duration) -> bool {
        let admits = self.wait(now).is_zero();
        if admits {
            self.charge(1, now);
        }
        admits
    }

    /// Counts so many that have passed. They may be more than were allowed: what follows waits the longer.
    pub fn charge(&mut self, count: u32, now: Duration) {
        self.full = self.full.max(now).saturating_add(self.interval.saturating_mul(count));
    }
}

/// A rate limiter that counts what does not pass, so that people can be told.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    limiter: RateLimiter,
    lost: u64,
    /// When to tell of what was lost; none where nothing was.
    due: Option<Duration>,
}

impl Budget {
    /// One that lets all of its burst pass.
    #[must_use]
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self { limiter: RateLimiter::new(burst, interval), lost: 0, due: None }
    }

    /// Whether one more may pass; else it is lost.
    pub fn admits(&mut self, now: Duration) -> bool {
        let admits = self.limiter.admits(now);
        if !admits {
            self.lose(now);
        }
        admits
    }

    /// Counts one that was lost for another reason.
    pub fn lose(&mut self, now: Duration) {
        self.lost = self.lost.saturating_add(1);
        self.due.get_or_insert(now.saturating_add(PERIOD));
    }

    /// When [`Budget::take_lost`] has something to tell; none where nothing was lost.
    #[must_use]
    pub const fn due(&self) -> Option<Duration> {
        self.due
    }

    /// How many were lost, once their period is over.
    pub fn take_lost(&mut self, now: Duration) -> Option<u64> {
        self.due.filter(|due| now >= *due)?;
        self.take_all()
    }

    /// How many were lost, at the end.
    pub fn take_all(&mut self) -> Option<u64> {
        self.due.take().map(|_| std::mem::take(&mut self.lost))
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, PERIOD, RateLimiter};
    use proptest::prelude::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_and_then_one_in_each_interval() {
        let start = Duration::from_secs(1000);
        let mut limiter = RateLimiter::new(5, SECOND);
        let passed = |limiter: &mut RateLimiter, from: Duration, seconds: u32| {
            (0..seconds * 100).filter(|step| limiter.admits(from + Duration::from_millis(10) * *step)).count()
        };
        let first = passed(&mut limiter, start, 1);
        assert!((5..=6).contains(&first), "{first}");
        let then = passed(&mut limiter, start + SECOND, 60);
        assert!((60..=61).contains(&then), "{then}");
        // After as long a silence the burst is there again.
        let later = start + SECOND * 66;
        assert_eq!((0..10).filter(|_| limiter.admits(later)).count(), 5);
        let wait = limiter.wait(later);
        assert!(!limiter.admits(later) && wait == SECOND && limiter.admits(later + wait));
    }

    #[test]
    fn what_has_passed_at_once_is_paid_for_afterwards() {
        let mut bytes = RateLimiter::new(1000, Duration::from_millis(1));
        let now = Duration::from_secs(9);
        bytes.charge(999, now);
        assert_eq!(bytes.wait(now), Duration::ZERO);
        bytes.charge(501, now);
        assert_eq!(bytes.wait(now), Duration::from_millis(501));
        assert_eq!(bytes.wait(now + SECOND), Duration::ZERO);
        // No clock is trusted to go forward, and no count to be small.
        bytes.charge(u32::MAX, Duration::MAX);
        assert_eq!(bytes.wait(Duration::ZERO), Duration::MAX.saturating_sub(Duration::from_millis(999)));
    }

    #[test]
    fn what_is_lost_is_told_once_in_each_period_and_to_the_last() {
        let mut budget = Budget::new(50, Duration::from_millis(20));
        let at = Duration::from_secs(100);
        assert_eq!((0..60).filter(|_| budget.admits(at)).count(), 50);
        assert_eq!((budget.take_lost(at), budget.due()), (None, Some(at + PERIOD)));
        budget.lose(at + SECOND);
        assert_eq!(budget.take_lost(at + PERIOD), Some(11));
        assert_eq!((budget.take_lost(at + PERIOD), budget.due(), budget.take_all()), (None, None, None));
        budget.lose(at + PERIOD);
        assert_eq!(budget.take_all(), Some(1), "at the end nobody waits for the period");
        assert!(budget.admits(at + PERIOD));
    }

    proptest! {
        #[test]
        fn however_it_comes_no_more_passes_than_a_burst_and_one_in_each_interval(
            burst in 1u32..20,
            interval in 1u64..50,
            gaps in prop::collection::vec(0u64..100, 1..200),
        ) {
            let mut limiter = RateLimiter::new(burst, Duration::from_millis(interval));
            let mut now = Duration::from_secs(1000);
            let mut passed: Vec<Duration> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                let wait = limiter.wait(now);
                prop_assert_eq!(limiter.admits(now), wait.is_zero());
                if wait.is_zero() {
                    passed.push(now);
                } else {
                    // What waits for as long as it is told is let pass, and a moment before it is not.
                    let mut later = limiter;
                    prop_assert!(!later.admits((now + wait).saturating_sub(Duration::from_nanos(1))) && later.admits(now + wait));
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let span = u64::try_from(to.saturating_sub(*from).as_millis()).unwrap();
                    prop_assert!((last - first) as u64 <= u64::from(burst) - 1 + span / interval + 1);
                }
            }
        }
    }
}
