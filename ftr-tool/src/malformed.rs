//! Lines that are no records: skipped, counted, and told of in the same words by every program.

use std::fmt::Display;
use std::time::Duration;

use ftr_core::rate_limiter::RateLimiter;

use crate::plain::brief;

/// So much is said at once, and from then on one thing in so long a time: a writer that has gone mad fills no log.
const SAYINGS: (u32, Duration) = (5, Duration::from_secs(10));

/// Counts what one writer sends that is no record.
#[derive(Debug)]
pub struct Malformed {
    count: u64,
    /// Why the last one is none; none where all that there is was told.
    untold: Option<String>,
    sayings: RateLimiter,
}

impl Default for Malformed {
    fn default() -> Self {
        Self { count: 0, untold: None, sayings: RateLimiter::new(SAYINGS.0, SAYINGS.1) }
    }
}

impl Malformed {
    /// Counts a line, and remembers why it is no record.
    pub fn count(&mut self, why: &impl Display) {
        self.count = self.count.saturating_add(1);
        // Who sends a million of them in a row costs no million texts.
        if self.untold.is_none() {
            self.untold = Some(brief(&why.to_string()));
        }
    }

    /// What there is to say now, if anything is new and not too much was said just before. Time is that since any
    /// instant that stays the same.
    pub fn told(&mut self, now: Duration) -> Option<String> {
        if self.untold.is_none() || !self.sayings.admits(now) {
            return None;
        }
        self.told_at_last()
    }

    /// When [`Malformed::told`] has something to say; none while it has not.
    #[must_use]
    pub fn due(&self, now: Duration) -> Option<Duration> {
        self.untold.as_ref().map(|_| now.saturating_add(self.sayings.wait(now)))
    }

    /// The same at the end, when nothing is kept for later.
    pub fn told_at_last(&mut self) -> Option<String> {
        let why = self.untold.take()?;
        Some(match self.count {
            1 => format!("1 malformed line skipped: {why}"),
            count => format!("{count} malformed lines skipped so far, one of them: {why}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Malformed;
    use std::time::Duration;

    #[test]
    fn what_is_malformed_is_told_at_once_and_in_a_flood_now_and_then() {
        let mut malformed = Malformed::default();
        let at = |tenth: u32| Duration::from_secs(100) + Duration::from_millis(100) * tenth;
        assert_eq!((malformed.told(at(0)), malformed.due(at(0)), malformed.told_at_last()), (None, None, None));
        malformed.count(&"too long");
        assert_eq!(malformed.due(at(0)), Some(at(0)));
        let first = malformed.told(at(0)).unwrap();
        assert_eq!(first, "1 malformed line skipped: too long");
        let mut told = Vec::new();
        for tenth in 0..1000 {
            (0..100).for_each(|_| malformed.count(&"no record"));
            told.extend(malformed.told(at(tenth)));
        }
        assert!((12..=15).contains(&told.len()), "{told:?}");
        assert!(malformed.due(at(995)).is_some_and(|due| due > at(995)));
        let last = malformed.told_at_last().unwrap();
        assert!(last.starts_with("100001 malformed lines skipped so far"), "{last}");
        assert_eq!(malformed.told_at_last(), None);
    }

    #[test]
    fn what_is_quoted_of_a_stranger_is_short() {
        let mut malformed = Malformed::default();
        malformed.count(&"ö".repeat(1 << 20));
        assert!(malformed.told_at_last().unwrap().chars().count() < 300);
    }
}
