//! How long a target's answers take, and how long to wait for one (RFC 6298).

use std::time::Duration;

/// No try is given up sooner, however near the target is.
pub(crate) const FLOOR: Duration = Duration::from_millis(100);
/// What an answer may be delayed by on this host and the way without being remarkable.
const SLACK: Duration = Duration::from_millis(10);

/// What is known of a target's round trips; nothing before its first answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    known: Option<Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    smoothed: Duration,
    variation: Duration,
}

impl Estimate {
    /// Takes a round trip into account. Every probe has its own token, so it is always clear which one was answered.
    pub(crate) fn learn(&mut self, rtt: Duration) {
        self.known = Some(match self.known {
            None => Known { smoothed: rtt, variation: rtt / 2 },
            Some(Known { smoothed, variation }) => {
                Known { smoothed: (smoothed * 7 + rtt) / 8, variation: (variation * 3 + smoothed.abs_diff(rtt)) / 4 }
            }
        });
    }

    /// When a try is given up: after a time that answers hardly ever took.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.known.map(|known| known.usual().max(FLOOR))
    }

    /// When an answer is remarkably late.
    pub(crate) fn lateness(&self) -> Option<Duration> {
        self.known.map(|known| known.usual() + SLACK)
    }
}

impl Known {
    fn usual(self) -> Duration {
        self.smoothed + self.variation * 4
    }
}

#[cfg(test)]
mod tests {
    use super::{Estimate, FLOOR};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn as_rfc_6298_says() {
        let ms = Duration::from_millis;
        let mut estimate = Estimate::default();
        assert_eq!((estimate.timeout(), estimate.lateness()), (None, None));
        estimate.learn(ms(80));
        assert_eq!(estimate.timeout(), Some(ms(240)));
        estimate.learn(ms(160));
        // 7/8 of 80 and 1/8 of 160; 3/4 of 40 and 1/4 of 80.
        assert_eq!(estimate.timeout(), Some(ms(90 + 4 * 50)));
        assert_eq!(estimate.lateness(), Some(ms(300)));
    }

    proptest! {
        #[test]
        fn steady_answers_come_before_they_are_late(rtt in 1u64..3_000_000) {
            let rtt = Duration::from_micros(rtt);
            let mut estimate = Estimate::default();
            for _ in 0..50 {
                estimate.learn(rtt);
                prop_assert!(estimate.lateness().is_some_and(|late| late > rtt));
                prop_assert!(estimate.timeout().is_some_and(|timeout| timeout + Duration::from_micros(1) >= rtt.max(FLOOR)));
            }
            prop_assert!(estimate.timeout().is_some_and(|timeout| timeout < rtt.max(FLOOR) * 11 / 10));
        }
    }
}
