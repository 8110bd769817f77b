//! Uplinks whose connections were given up, for as long as something still has to be kept from them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long what is still sent by an uplink that works, but is on standby again, is sent elsewhere. A tunnel says
/// something every 25 seconds, where it is told to keep its way open (wg(8)).
const MOVE: Duration = Duration::from_secs(30);

/// The uplinks that are given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenUp(BTreeMap<usize, Until>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// It works again.
    Works,
    /// What was there had time to move. It works, and has to answer whom asks it.
    Moved(Instant),
}

impl GivenUp {
    /// Those that an earlier run had given up.
    pub(crate) fn found(uplinks: BTreeSet<usize>) -> Self {
        Self(uplinks.into_iter().map(|uplink| (uplink, Until::Works)).collect())
    }

    /// Takes in what is decided: the active set, who has failed, and whose connections are given up now.
    pub(crate) fn decide(&mut self, carries: &[usize], failed: &[usize], flush: &[usize], now: Instant) {
        self.0.retain(|uplink, until| match until {
            Until::Works => failed.contains(uplink),
            Until::Moved(_) => !carries.contains(uplink),
        });
        for uplink in flush {
            let until = if failed.contains(uplink) { Until::Works } else { Until::Moved(now + MOVE) };
            self.0.insert(*uplink, until);
        }
    }

    /// Whether it is given up because it does not work.
    pub(crate) fn is_dead(&self, uplink: usize) -> bool {
        self.0.get(&uplink) == Some(&Until::Works)
    }

    /// Those that are given up at this time.
    pub(crate) fn at(&self, now: Instant) -> BTreeSet<usize> {
        let lasts = |until: &Until| match until {
            Until::Works => true,
            Until::Moved(end) => now < *end,
        };
        self.0.iter().filter(|(_, until)| lasts(until)).map(|(uplink, _)| *uplink).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{GivenUp, MOVE};
    use std::time::{Duration, Instant};

    #[test]
    fn a_dead_uplink_is_given_up_until_it_works() {
        let now = Instant::now();
        let later = now + Duration::from_secs(86_400);
        let mut it = GivenUp::default();
        it.decide(&[1], &[0], &[0], now);
        it.decide(&[1], &[0], &[], now);
        assert_eq!(it.at(later), [0].into());
        // All are dead, and all are tried.
        it.decide(&[0, 1], &[0, 1], &[], later);
        assert_eq!(it.at(later), [0].into());
        it.decide(&[0, 1], &[1], &[], later);
        assert_eq!(it.at(later), [].into());
        assert_eq!(GivenUp::found([0, 1].into()).at(later), [0, 1].into());
    }

    #[test]
    fn an_uplink_on_standby_is_given_up_for_a_while() {
        let now = Instant::now();
        let mut it = GivenUp::default();
        it.decide(&[0], &[], &[1], now);
        it.decide(&[0], &[], &[], now);
        assert_eq!((it.at(now), it.at(now + MOVE)), ([1].into(), [].into()));
        // It is needed again.
        it.decide(&[1], &[0], &[0], now);
        assert_eq!(it.at(now), [0].into());
    }
}
