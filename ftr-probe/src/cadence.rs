//! When the next check starts.

use std::time::Duration;

/// A fixed beat from a first start on, which does not drift.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cadence {
    beat: Duration,
    interval: Duration,
}

impl Cadence {
    pub(crate) const fn new(first: Duration, interval: Duration) -> Self {
        Self { beat: first, interval }
    }

    /// A check starts now, perhaps later than it should: beats missed before it are not made up for.
    pub(crate) fn start(&mut self, now: Duration) {
        let missed = now.saturating_sub(self.beat).as_nanos().checked_div(self.interval.as_nanos()).unwrap_or(0);
        self.beat = self.beat.saturating_add(self.interval.saturating_mul(u32::try_from(missed).unwrap_or(u32::MAX)));
    }

    /// The start of the check that follows one which ended now: at the next beat, or at once if that was missed.
    pub(crate) fn next(&self, now: Duration) -> Duration {
        if self.beat > now { self.beat } else { self.beat.saturating_add(self.interval).max(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::Cadence;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn a_check_that_outlasts_the_interval_is_followed_at_once_and_the_beat_stays() {
        let ms = Duration::from_millis;
        let mut cadence = Cadence::new(ms(500), ms(1000));
        let mut next = |start, end| {
            cadence.start(ms(start));
            cadence.next(ms(end))
        };
        assert_eq!(next(500, 510), ms(1500));
        assert_eq!(next(1500, 3502), ms(3502));
        assert_eq!(next(3502, 3510), ms(4500));
        // A check before its time moves no beat.
        assert_eq!(next(4900, 4910), ms(5500));
        // This host was asleep for an hour: one check, and the next at its beat.
        assert_eq!(next(3_600_600, 3_600_700), ms(3_601_500));
        // The first beat may lie ahead.
        assert_eq!(Cadence::new(ms(800), ms(1000)).next(ms(510)), ms(800));
    }

    proptest! {
        #[test]
        fn it_never_drifts_and_never_goes_back(
            interval in 1u64..5000,
            checks in prop::collection::vec((0u64..9000, 0u64..9000), 1..40),
        ) {
            let (first, interval) = (Duration::from_millis(777), Duration::from_millis(interval));
            let mut cadence = Cadence::new(first, interval);
            let mut due = first;
            for (late, lasts) in checks {
                let start = due + Duration::from_millis(late);
                let end = start + Duration::from_millis(lasts);
                cadence.start(start);
                due = cadence.next(end);
                prop_assert!(due >= end && due <= end.max(start + interval));
                if due > end {
                    prop_assert_eq!(due.saturating_sub(first).as_nanos() % interval.as_nanos(), 0);
                }
            }
        }
    }
}
