//! Waiting for something to become true, never for longer than said. A time in which this machine stands still, as a
//! virtual one does while others use its processors, is nobody's and does not count.

use crate::error::{LabError, Result};
use std::fmt::Debug;
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at. Small against everything that the lab measures with it.
const TICK: Duration = Duration::from_millis(10);
/// How often a thread wakes that does nothing else.
const BEAT: Duration = Duration::from_millis(20);
/// When it wakes so much later than it wanted to, the machine has stood still.
const ABSENCE: Duration = Duration::from_millis(50);

/// Observes until `enough` accepts what was seen, and returns it.
///
/// # Errors
/// [`LabError::Late`] with the last observation, or the error of an observation.
pub fn wait_for<T: Debug>(
    what: &str,
    within: Duration,
    mut observe: impl FnMut() -> Result<T>,
    mut enough: impl FnMut(&T) -> bool,
) -> Result<T> {
    let stretch = Stretch::begin();
    loop {
        let seen = observe()?;
        if enough(&seen) {
            return Ok(seen);
        }
        if stretch.elapsed() >= within {
            return Err(LabError::Late { what: what.to_owned(), within, seen: format!("{seen:?}") });
        }
        thread::sleep(TICK);
    }
}

/// A stretch of time, without what the machine stood still in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    began: Instant,
    lost: Duration,
}

impl Stretch {
    /// It begins now.
    pub(crate) fn begin() -> Self {
        Self { lost: lost(), began: Instant::now() }
    }

    /// How long it is by now.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.lost())
    }

    /// How long the machine has stood still in it.
    pub(crate) fn lost(&self) -> Duration {
        lost().saturating_sub(self.lost)
    }
}

/// When the thread woke last, and how late it was altogether.
#[derive(Debug)]
struct Pulse {
    last: Instant,
    lost: Duration,
}

impl Pulse {
    /// How late it was altogether by now. If the next beat is overdue it counts already.
    fn lost(&self, now: Instant) -> Duration {
        let late = now.saturating_duration_since(self.last).saturating_sub(BEAT);
        if late < ABSENCE { self.lost } else { self.lost + late }
    }

    fn beat(&mut self, now: Instant) {
        self.lost = self.lost(now);
        self.last = now;
    }
}

/// How long the machine has stood still since somebody asked first.
fn lost() -> Duration {
    static PULSE: OnceLock<Mutex<Pulse>> = OnceLock::new();
    static BEATS: Once = Once::new();
    let pulse = PULSE.get_or_init(|| Mutex::new(Pulse { last: Instant::now(), lost: Duration::ZERO }));
    BEATS.call_once(|| drop(thread::spawn(move || beat_on(pulse))));
    pulse.lock().unwrap_or_else(PoisonError::into_inner).lost(Instant::now())
}

fn beat_on(pulse: &Mutex<Pulse>) {
    loop {
        thread::sleep(BEAT);
        pulse.lock().unwrap_or_else(PoisonError::into_inner).beat(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::{BEAT, Pulse};
    use std::time::{Duration, Instant};

    #[test]
    fn a_beat_that_is_late_is_lost_and_one_that_is_in_time_is_not() {
        let start = Instant::now();
        let mut pulse = Pulse { last: start, lost: Duration::ZERO };
        let late = Duration::from_millis(500);
        pulse.beat(start + BEAT);
        assert_eq!(pulse.lost, Duration::ZERO);
        assert_eq!(pulse.lost(start + BEAT * 2 + late), late, "before the thread runs again");
        pulse.beat(start + BEAT * 2 + late);
        pulse.beat(start + BEAT * 3 + late);
        assert_eq!(pulse.lost, late);
    }
}
