//! How much is told: what changes with every packet of somebody else's would fill logs.

use std::time::{Duration, Instant};

/// So much may be told at once.
const BURST: u32 = 5;
/// From then on one in so long a time.
const INTERVAL: Duration = Duration::from_secs(1);

/// Lets a burst pass, and then a steady trickle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateLimiter {
    /// When all of the burst is allowed again.
    full: Instant,
}

impl RateLimiter {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// How long until one more may pass.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        let one_left = INTERVAL * (BURST - 1);
        self.full.saturating_duration_since(now).saturating_sub(one_left)
    }

    /// Whether one more may pass, which counts then.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let admits = self.wait(now).is_zero();
        if admits {
            self.full = self.full.max(now) + INTERVAL;
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::{BURST, INTERVAL, RateLimiter};
    use std::time::{Duration, Instant};

    #[test]
    fn a_burst_passes_and_then_one_a_second() {
        let start = Instant::now();
        let mut limiter = RateLimiter::new(start);
        let passed = |limiter: &mut RateLimiter, from: Instant, seconds: u32| {
            (0..seconds * 100).filter(|step| limiter.admits(from + Duration::from_millis(10) * *step)).count()
        };
        let first = passed(&mut limiter, start, 1);
        assert!((5..=6).contains(&first), "{first}");
        let then = passed(&mut limiter, start + Duration::from_secs(1), 60);
        assert!((60..=61).contains(&then), "{then}");
        // After as long a silence the burst is there again.
        let later = start + Duration::from_secs(61) + INTERVAL * BURST;
        assert_eq!((0..10).filter(|_| limiter.admits(later)).count(), 5);
        let wait = limiter.wait(later);
        assert!(!limiter.admits(later) && wait == INTERVAL && limiter.admits(later + wait));
    }
}
