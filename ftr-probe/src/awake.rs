//! The time by which this program waits: that since boot, without the times in which this host, or this program, stood still.
//! What was to come in such a time had no chance to, and nobody's answer is missing because of it.

use std::time::Duration;

use ftr_tool::clock;

/// Woken so much later than it had wanted, this program has stood still. Being later by less is usual on a busy host.
const ABSENCE: Duration = Duration::from_millis(100);
/// After standing still for so long, as in suspend, what was known of the host may be true no longer.
pub(crate) const LONG: Duration = Duration::from_secs(2);

/// A clock that leaves out what this program has missed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awake {
    /// How long it has stood still, altogether.
    missed: Duration,
    /// When it was seen to run last, since boot.
    seen: Duration,
}

impl Awake {
    /// It runs at this time since boot.
    pub(crate) const fn new(since_boot: Duration) -> Self {
        Self { missed: Duration::ZERO, seen: since_boot }
    }

    /// The time now.
    pub(crate) fn now(self) -> Duration {
        clock::since_boot().saturating_sub(self.missed)
    }

    /// When this time will be, since boot, if it does not stand still before.
    pub(crate) fn since_boot(self, time: Duration) -> Duration {
        time.saturating_add(self.missed)
    }

    /// How long it has stood still, altogether.
    pub(crate) const fn missed(self) -> Duration {
        self.missed
    }

    /// It runs at this time since boot, after waiting until `wanted`, if it had to wait. Tells for how long it has stood still
    /// instead of running.
    pub(crate) fn runs(&mut self, since_boot: Duration, wanted: Option<Duration>) -> Duration {
        let due = wanted.map_or(self.seen, |wanted| self.since_boot(wanted).max(self.seen));
        let late = since_boot.saturating_sub(due);
        self.seen = since_boot;
        if late < ABSENCE {
            return Duration::ZERO;
        }
        self.missed += late;
        late
    }
}

#[cfg(test)]
mod tests {
    use super::{ABSENCE, Awake};
    use std::time::Duration;

    const START: Duration = Duration::from_secs(1000);

    #[test]
    fn time_in_which_it_did_not_run_is_left_out() {
        let ms = Duration::from_millis;
        let mut awake = Awake::new(START);
        // Woken before its time, then a little late.
        assert_eq!(awake.runs(START + ms(30), Some(START + ms(100))), ms(0));
        assert_eq!(awake.runs(START + ms(199), Some(START + ms(100))), ms(0));
        assert_eq!((awake.missed(), awake.since_boot(START)), (ms(0), START));
        // It waited until 300 ms, and ran at 950 ms.
        assert_eq!(awake.runs(START + ms(950), Some(START + ms(300))), ms(650));
        assert_eq!((awake.missed(), awake.since_boot(START)), (ms(650), START + ms(650)));
        // By its own clock it waits from 300 to 400 ms now.
        assert_eq!(awake.runs(START + ms(1050), Some(START + ms(400))), ms(0));
        // What was to be done long ago, and what takes long while it does not wait.
        assert_eq!(awake.runs(START + ms(1060), Some(START)), ms(0));
        assert_eq!(awake.runs(START + ms(1060) + ABSENCE, None), ABSENCE);
        assert_eq!(awake.missed(), ms(650) + ABSENCE);
    }
}
