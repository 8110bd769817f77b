//! How long to wait before a child that ended is started again.

use std::time::Duration;

use ftr_core::Exit;

const FIRST: Duration = Duration::from_millis(100);
/// The longest wait for one that does no work: whatever keeps it from that, a crowd of starts does not mend it.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait for one that works until it ends: each moment without it is one in which nothing is tested or routed.
const LONGEST_OF_WORKERS: Duration = Duration::from_secs(1);
/// How often in a row one that works is started again at once.
const AT_ONCE: u32 = 3;
/// The wait for one that wants something changed: nothing that it does again would end otherwise. Who changes it may not say.
const UNTIL_CHANGED: Duration = Duration::from_secs(300);
/// Wrong usage, no permission, a wrong configuration: exits of one that wants something changed.
const WANTS_CHANGE: [i32; 3] = [Exit::Usage as i32, Exit::NotPermitted as i32, Exit::Config as i32];
/// One that lived for so long begins anew.
const CALM: Duration = Duration::from_secs(30);
/// How often in a row one that has worked may end before it does any work, and be waited for as before: somebody may have
/// killed it too soon.
const IDLE: u32 = 10;

/// Waits that double from 0.1 s to 30 s. A child that has worked is started again at once the first times, and after a
/// second at the most.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// How often it has ended since it last lived in calm.
    ends: u32,
    /// How often of these in a row without any work; none before it has ever worked.
    idle: Option<u32>,
    last: Option<Duration>,
}

impl Backoff {
    /// The wait after a child that lived for `lived`, did what it is for, or not, and ended with this exit code, or by a
    /// signal.
    pub(crate) fn after(&mut self, lived: Duration, worked: bool, exit: Option<i32>) -> Duration {
        if exit.is_some_and(wants_change) {
            // The next one may be another program, or find another system.
            *self = Self::default();
            return UNTIL_CHANGED;
        }
        if lived > CALM {
            *self = Self { idle: self.idle, ..Self::default() };
        }
        self.ends = self.ends.saturating_add(1);
        self.idle = if worked { Some(0) } else { self.idle.map(|idle| idle.saturating_add(1)) };
        let works = self.idle.is_some_and(|idle| idle <= IDLE);
        if works && self.ends <= AT_ONCE {
            return Duration::ZERO;
        }
        let longest = if works { LONGEST_OF_WORKERS } else { LONGEST };
        let wait = self.last.map_or(FIRST, |last| last * 2).min(longest);
        self.last = Some(wait);
        wait
    }
}

/// Whether a program that ends so wants something changed before it is started again.
pub(crate) fn wants_change(exit: i32) -> bool {
    WANTS_CHANGE.contains(&exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_who_waits_for_a_change() {
        for exit in [64, 77, 78] {
            let mut backoff = Backoff::default();
            // Whether it has worked before or not.
            assert_eq!(backoff.after(Duration::from_secs(3600), true, Some(exit)), UNTIL_CHANGED);
            assert_eq!(backoff.after(Duration::ZERO, false, Some(exit)), UNTIL_CHANGED);
            assert_eq!(backoff.after(Duration::ZERO, false, Some(1)), FIRST, "something is another way now");
        }
        for exit in [Some(0), Some(1), Some(69), Some(70), Some(74), Some(75), None] {
            assert!(Backoff::default().after(Duration::ZERO, false, exit) <= FIRST, "{exit:?}");
        }
    }

    fn waits(backoff: &mut Backoff, worked: bool, count: usize) -> Vec<u128> {
        (0..count).map(|_| backoff.after(Duration::ZERO, worked, None).as_millis()).collect()
    }

    #[test]
    fn one_that_never_works_waits_ever_longer_and_begins_anew_after_a_good_run() {
        let mut backoff = Backoff::default();
        let expected = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000];
        assert_eq!(waits(&mut backoff, false, 11), expected);
        assert_eq!(backoff.after(Duration::from_secs(31), false, None), FIRST);
    }

    #[test]
    fn one_that_works_is_back_at_once_and_never_away_for_long() {
        let mut backoff = Backoff::default();
        assert_eq!(waits(&mut backoff, true, 9), [0, 0, 0, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(waits(&mut backoff, false, 10), [1000; 10]);
        assert_eq!(waits(&mut backoff, false, 2), [2000, 4000], "it works no more");
        assert_eq!(waits(&mut backoff, true, 1), [1000]);
    }

    #[test]
    fn one_that_has_worked_is_not_blamed_for_being_killed_before_it_works_again() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.after(Duration::from_secs(3600), true, None), Duration::ZERO);
        assert_eq!(waits(&mut backoff, false, 10), [0, 0, 100, 200, 400, 800, 1000, 1000, 1000, 1000]);
        assert_eq!(waits(&mut backoff, false, 1), [2000]);
        assert_eq!(backoff.after(Duration::from_secs(60), false, None), FIRST, "but it does nothing");
    }
}
