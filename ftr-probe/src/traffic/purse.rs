//! How many suspicions may be voiced: a few at once, and on average one a second.

use std::time::Duration;

const MOST: f64 = 3.0;
/// A second.
const REFILL: f64 = 1.0;

/// A token bucket.
#[derive(Debug)]
pub(super) struct Purse {
    tokens: f64,
    seen: Duration,
}

impl Default for Purse {
    fn default() -> Self {
        Self { tokens: MOST, seen: Duration::ZERO }
    }
}

impl Purse {
    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.seen).as_secs_f64();
        self.seen = self.seen.max(now);
        self.tokens = passed.mul_add(REFILL, self.tokens).min(MOST);
        let affordable = self.tokens >= 1.0;
        if affordable {
            self.tokens -= 1.0;
        }
        affordable
    }
}

#[cfg(test)]
mod tests {
    use super::Purse;
    use std::time::Duration;

    #[test]
    fn three_at_once_and_one_a_second() {
        let mut purse = Purse::default();
        let mut taken = |ms| (0..5).filter(|_| purse.take(Duration::from_millis(ms))).count();
        assert_eq!([5000, 5500, 6000, 6100, 60_000].map(&mut taken), [3, 0, 1, 0, 3]);
    }
}
