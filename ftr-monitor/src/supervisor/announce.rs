//! When the service manager is told something: that others may rely on routing, and how things are in one line, which it
//! shows beside the service's name.

use std::time::Duration;

use ftr_core::Config;
use ftr_core::rate_limiter::RateLimiter;

/// How long the first decision is waited for beyond the time that a check takes, for the programs have to start.
const START: Duration = Duration::from_secs(10);
/// What waits for us waits no longer: its start has a limit, too (`TimeoutStartSec=`, 90 seconds where nothing is said).
const LONGEST: Duration = Duration::from_secs(60);
/// Lines in a row, and from then on one in so long a time. The newest waits.
const LINES: (u32, Duration) = (5, Duration::from_secs(1));

/// What the service manager is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// What comes after us may start. Once true it stays so.
    pub(crate) ready: bool,
    pub(crate) status: String,
}

/// What it was told, and when it is told again.
#[derive(Debug)]
pub(super) struct Announcer {
    /// Until then the first decision is waited for.
    patience: Duration,
    told: Option<Announcement>,
    /// Something has changed since.
    changed: bool,
    lines: RateLimiter,
}

impl Announcer {
    pub(super) fn new(config: &Config, now: Duration) -> Self {
        let check = config.uplinks.iter().map(|uplink| uplink.tests.deadline()).max().unwrap_or_default();
        Self {
            patience: now + check.saturating_add(START).min(LONGEST),
            told: None,
            changed: true,
            lines: RateLimiter::new(LINES.0, LINES.1),
        }
    }

    /// When there may be something to tell.
    pub(super) fn due(&self, now: Duration) -> Option<Duration> {
        let change = self.changed.then(|| now + self.lines.wait(now));
        change.into_iter().chain((!self.is_ready()).then_some(self.patience.max(now))).min()
    }

    /// Whether there may be something to tell now: that others may rely on us waits for nothing.
    pub(super) fn is_due(&self, ready: bool, now: Duration) -> bool {
        (ready && !self.is_ready()) || (self.changed && self.lines.wait(now).is_zero())
    }

    /// Whether it was told that others may rely on us.
    pub(super) fn is_ready(&self) -> bool {
        self.told.as_ref().is_some_and(|told| told.ready)
    }

    /// Whether the first decision was waited for long enough.
    pub(super) fn has_waited(&self, now: Duration) -> bool {
        now >= self.patience
    }

    /// Something has happened that the line may tell.
    pub(super) const fn change(&mut self) {
        self.changed = true;
    }

    /// Takes note of what is so now. Returns it where it is another than what was told.
    pub(super) fn tell(&mut self, news: Announcement, now: Duration) -> Option<Announcement> {
        self.changed = false;
        if self.told.as_ref() == Some(&news) {
            return None;
        }
        self.lines.charge(1, now);
        self.told = Some(news.clone());
        Some(news)
    }
}
