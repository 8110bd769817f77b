//! When to repair what somebody else has taken away.

use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(10);

/// Paces repairs: the first comes at once, and where somebody undoes each of them they come ever more seldom.
#[derive(Debug)]
pub(crate) struct Drift {
    suspected: bool,
    /// No repair before this instant.
    rest: Option<Instant>,
    pause: Duration,
}

impl Default for Drift {
    fn default() -> Self {
        Self { suspected: false, rest: None, pause: SHORTEST }
    }
}

impl Drift {
    /// Something of ours may be gone.
    pub(crate) const fn suspect(&mut self) {
        self.suspected = true;
    }

    /// Whether to look now.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.suspected && self.rest.is_none_or(|rest| now >= rest)
    }

    /// How long until it is time to look; none where there is nothing to look after.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.suspected.then(|| self.rest.map_or(Duration::ZERO, |rest| rest.saturating_duration_since(now)))
    }

    /// Everything has been looked at; `repaired` tells whether something had to be done because of a suspicion.
    pub(crate) fn looked(&mut self, now: Instant, repaired: bool) {
        self.suspected = false;
        if repaired {
            self.rest = Some(now + self.pause);
            self.pause = (self.pause * 2).min(LONGEST);
        } else if self.rest.is_none_or(|rest| now > rest + self.pause) {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Drift, LONGEST};
    use std::time::{Duration, Instant};

    #[test]
    fn the_first_repair_is_at_once_and_a_fight_slows_down() {
        let mut drift = Drift::default();
        let mut now = Instant::now();
        assert_eq!(drift.wait(now), None);
        let mut repairs = 0;
        let end = now + Duration::from_secs(60);
        while now < end {
            drift.suspect();
            if drift.is_due(now) {
                drift.looked(now, true);
                repairs += 1;
            }
            now += Duration::from_millis(1);
        }
        assert!((10..20).contains(&repairs), "{repairs}");
        assert!(drift.wait(now).is_some_and(|wait| wait <= LONGEST));
    }

    #[test]
    fn after_peace_the_next_repair_is_at_once_again() {
        let mut drift = Drift::default();
        let now = Instant::now();
        drift.suspect();
        drift.looked(now, true);
        drift.suspect();
        assert!(!drift.is_due(now) && drift.wait(now).is_some_and(|wait| !wait.is_zero()));
        let later = now + Duration::from_secs(1);
        assert!(drift.is_due(later));
        drift.looked(later, false);
        drift.suspect();
        assert!(drift.is_due(later));
    }
}
