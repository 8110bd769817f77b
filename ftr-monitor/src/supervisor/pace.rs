//! When what is known is written.

use std::time::Duration;

/// So long after a write the next one follows, however much has changed: what is lost when everything is killed meanwhile.
const USUALLY: Duration = Duration::from_millis(250);
/// The same for what must not be lost: which connections were given up.
const URGENTLY: Duration = Duration::from_millis(25);

/// Puts changes together, so that a thousand of them in a row are a few writes. The last one is always written.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    changed: bool,
    urgent: bool,
    written: Option<Duration>,
}

impl Pace {
    /// Something has changed.
    pub(crate) const fn change(&mut self) {
        self.changed = true;
    }

    /// Something has changed that must not be forgotten.
    pub(crate) const fn change_urgently(&mut self) {
        (self.changed, self.urgent) = (true, true);
    }

    /// When to write; none where nothing has changed.
    pub(crate) fn due(&self) -> Option<Duration> {
        let pause = if self.urgent { URGENTLY } else { USUALLY };
        self.changed.then(|| self.written.map_or(Duration::ZERO, |written| written + pause))
    }

    /// Whether to write now. The caller does.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let is_due = self.due().is_some_and(|due| now >= due);
        if is_due {
            *self = Self { written: Some(now), ..Self::default() };
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    /// How often is written where something changes each millisecond.
    fn writes(millis: u64, change: impl Fn(&mut Pace)) -> usize {
        let mut pace = Pace::default();
        let mut count = 0;
        for milli in 0..millis {
            change(&mut pace);
            count += usize::from(pace.take(Duration::from_millis(milli)));
        }
        count
    }

    #[test]
    fn changes_without_end_are_four_writes_a_second_and_forty_where_it_matters() {
        assert_eq!(writes(1000, Pace::change), 4);
        assert_eq!(writes(1000, Pace::change_urgently), 40);
        assert_eq!(writes(1000, |_| ()), 0);
    }

    #[test]
    fn the_last_change_is_written_and_the_first_at_once() {
        let mut pace = Pace::default();
        let at = Duration::from_millis;
        pace.change();
        assert!(pace.take(at(1000)), "nothing was written before");
        pace.change();
        assert!(!pace.take(at(1010)));
        assert_eq!(pace.due(), Some(at(1250)));
        pace.change_urgently();
        assert!(pace.take(at(1025)));
        assert_eq!((pace.due(), pace.take(at(9999))), (None, false));
    }
}
