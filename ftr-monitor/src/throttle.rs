//! How many lines of a child's complaints are worth keeping.

use std::time::Duration;

/// Lines a second.
const MOST: u32 = 50;

/// Lets so many lines through in each second, and counts the rest.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    second: Duration,
    lines: u32,
    dropped: u64,
}

impl Throttle {
    /// Whether a line may pass.
    pub(crate) fn admits(&mut self, now: Duration) -> bool {
        if now >= self.second + Duration::from_secs(1) {
            (self.second, self.lines) = (now, 0);
        }
        self.lines = self.lines.saturating_add(1);
        let admitted = self.lines <= MOST;
        self.dropped += u64::from(!admitted);
        admitted
    }

    /// How many lines were dropped, once their second is over.
    pub(crate) fn take_dropped(&mut self, now: Duration) -> Option<u64> {
        let over = now >= self.second + Duration::from_secs(1);
        (over && self.dropped > 0).then(|| std::mem::take(&mut self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_after_its_second() {
        let mut throttle = Throttle::default();
        let at = Duration::from_secs(100);
        assert_eq!((0..60).filter(|_| throttle.admits(at)).count(), 50);
        assert_eq!(throttle.take_dropped(at), None);
        let later = at + Duration::from_secs(1);
        assert_eq!(throttle.take_dropped(later), Some(10));
        assert_eq!(throttle.take_dropped(later), None);
        assert!(throttle.admits(later));
    }
}
