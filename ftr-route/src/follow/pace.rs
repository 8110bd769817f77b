//! When to look for hazards: soon after a change, from time to time in any case, and ever more seldom where changes do not
//! end.

use std::time::{Duration, Instant};

/// From a change to the look: what belongs to it happens in between, a firewall being loaded for instance.
const SETTLE: Duration = Duration::from_millis(300);
/// The longest time without a look: what tells nobody of its changes is found then.
const MINUTE: Duration = Duration::from_secs(60);
/// The shortest pause between two looks.
const SHORTEST: Duration = Duration::from_millis(500);
/// A pause is at least so many times as long as the look before it: one that has brought news, and one that has not.
const AFTER_NEWS: u32 = 4;
const AFTER_NONE: u32 = 20;

/// Paces looks that are made by somebody else.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the first change was seen that nobody has looked at since.
    changed: Option<Instant>,
    /// When a look was begun that goes on.
    begun: Option<Instant>,
    /// When the last one ended.
    ended: Instant,
    /// How long to leave it at that.
    pause: Duration,
}

impl Pace {
    /// Nobody has looked yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { changed: Some(now), begun: None, ended: now, pause: Duration::ZERO }
    }

    /// Something has changed.
    pub(super) fn change(&mut self, now: Instant) {
        self.changed.get_or_insert(now);
    }

    /// How long until it is time to look; none while a look goes on.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        if self.begun.is_some() {
            return None;
        }
        let usual = self.ended + self.pause.max(MINUTE);
        let soon = self.changed.map(|changed| (changed + SETTLE).max(self.ended + self.pause));
        Some(soon.map_or(usual, |soon| soon.min(usual)).saturating_duration_since(now))
    }

    /// A look begins. What changes from now on it may have missed.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.changed, self.begun) = (None, Some(now));
    }

    /// The look has ended; `news` if it has found another state of things. The pauses grow where changes go on that bring
    /// none.
    pub(super) fn end(&mut self, now: Instant, news: bool) {
        let took = self.begun.take().map_or(Duration::ZERO, |begun| now.saturating_duration_since(begun));
        let calm = now.saturating_duration_since(self.ended) > self.pause * 4;
        let pause = if news || calm { SHORTEST } else { (self.pause * 2).clamp(SHORTEST, MINUTE) };
        let share = if news { AFTER_NEWS } else { AFTER_NONE };
        (self.ended, self.pause) = (now, pause.max(took * share));
    }
}

#[cfg(test)]
mod tests {
    use super::{MINUTE, Pace, SETTLE, SHORTEST};
    use std::time::{Duration, Instant};

    const LOOK: Duration = Duration::from_millis(5);

    /// How often there is a look in so many milliseconds, with a change every so many.
    fn looks(pace: &mut Pace, start: Instant, during: u32, every: u32, news: bool) -> usize {
        let mut looks = 0;
        for step in 0..during {
            let now = start + Duration::from_millis(1) * step;
            if step % every == 0 {
                pace.change(now);
            }
            if pace.wait(now).is_some_and(|wait| wait.is_zero()) {
                pace.begin(now);
                pace.end(now + LOOK, news);
                looks += 1;
            }
        }
        looks
    }

    #[test]
    fn the_first_look_comes_at_once_and_a_change_is_looked_at_soon() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!(pace.wait(start), Some(SETTLE));
        pace.begin(start + SETTLE);
        assert_eq!(pace.wait(start + SETTLE), None);
        pace.end(start + SETTLE + LOOK, false);
        let later = start + Duration::from_secs(10);
        assert!(pace.wait(later).is_some_and(|wait| wait > Duration::from_secs(50)));
        pace.change(later);
        pace.change(later + LOOK);
        assert_eq!(pace.wait(later), Some(SETTLE));
    }

    #[test]
    fn what_changes_during_a_look_is_looked_at_again() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.begin(start);
        pace.change(start + LOOK);
        pace.end(start + LOOK, true);
        assert_eq!(pace.wait(start + LOOK), Some(SHORTEST));
    }

    #[test]
    fn changes_without_end_and_without_news_cost_ever_less() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!((6..=10).contains(&looks(&mut pace, start, 60_000, 10, false)));
        let later = start + Duration::from_secs(60);
        assert!(looks(&mut pace, later, 120_000, 10, false) <= 3);
        // When they have ended, the next one is as good as the first.
        let calm = later + Duration::from_secs(600);
        assert_eq!(pace.wait(calm), Some(Duration::ZERO));
        pace.begin(calm);
        pace.end(calm + LOOK, false);
        pace.change(calm + MINUTE);
        assert!(pace.wait(calm + MINUTE).is_some_and(|wait| wait <= SETTLE));
    }

    #[test]
    fn news_are_seen_soon_and_a_slow_look_is_made_seldom() {
        let start = Instant::now();
        assert!(looks(&mut Pace::new(start), start, 60_000, 10, true) > 60);
        let mut pace = Pace::new(start);
        pace.begin(start);
        pace.end(start + Duration::from_secs(5), true);
        pace.change(start + Duration::from_secs(5));
        assert_eq!(pace.wait(start + Duration::from_secs(5)), Some(Duration::from_secs(20)));
    }
}
