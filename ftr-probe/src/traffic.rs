//! Suspicion from traffic: people's own packets are the densest probe there is.
//!
//! Ten times a second the counters of a device are read. Three simple models of them are kept:
//! - [`Answers`]: how many packets come back for each one sent, and how many come of their own accord (the provider's
//!   broadcasts), a straight line fitted to the last ten seconds;
//! - [`Fall`]: whether readings in which something was sent bring far less than such readings have brought lately;
//! - [`Silence`]: whether what is sent stays without any answer.
//!
//! The last two are cumulative sums (E. S. Page, Continuous inspection schemes, Biometrika 41, 1954) of the logarithm
//! of how much better a dead line explains a reading than a working one does. A reading in which nothing was sent says
//! nothing about the line. A false suspicion costs one check, and [`RateLimiter`] bounds how many there can be.

mod answers;
mod fall;
#[cfg(test)]
mod replay;
mod silence;
mod stretch;
#[cfg(test)]
mod synthetic;

use std::collections::VecDeque;
use std::time::Duration;

use ftr_core::rate_limiter::RateLimiter;
use ftr_netlink::Counters;

use answers::Answers;
use fall::Fall;
use silence::Silence;
use stretch::Stretch;

/// Readings closer together than this are too short to say anything.
const SHORTEST: Duration = Duration::from_millis(20);
/// Readings farther apart than this: the device was not there, and what happened between them is not known.
const LONGEST: Duration = Duration::from_millis(500);
/// What went through while this host stood still for no longer than this still tells how full a line is, though no more
/// than that: it is blurred.
const BLURRED: Duration = Duration::from_secs(2);
/// How many stretches are remembered for [`Traffic::carries`]: two seconds and more.
const REMEMBERED: usize = 40;
/// How recent an answer has to be for a line to be carrying now.
const RECENT: Duration = Duration::from_millis(300);
/// Bytes a second, both ways, below which no line of today is full.
const FULL: f64 = 40_000.0;
/// In seconds: whatever is sent in less than this is a burst, and fills nothing.
const FILLED: f64 = 0.1;
/// How far back a line is looked at for that.
const PAST: Duration = Duration::from_millis(400);
/// A suspicion that was not followed by a verdict is voiced again after this.
const AGAIN: Duration = Duration::from_secs(1);
/// How many suspicions may be voiced at once, and one in how long a time after that.
const AT_ONCE: u32 = 3;
const ON_AVERAGE: Duration = Duration::from_secs(1);

/// The traffic of one device.
#[derive(Debug)]
pub(crate) struct Traffic {
    last: Option<(Duration, Counters)>,
    /// How long this host had stood still by then, altogether.
    missed: Duration,
    stretches: VecDeque<Stretch>,
    answers: Answers,
    fall: Fall,
    silence: Silence,
    voices: RateLimiter,
    /// When the present suspicion was voiced.
    voiced: Option<Duration>,
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self {
            last: None,
            missed: Duration::ZERO,
            stretches: VecDeque::with_capacity(REMEMBERED),
            answers: Answers::default(),
            fall: Fall::default(),
            silence: Silence::default(),
            voices: RateLimiter::new(AT_ONCE, ON_AVERAGE),
            voiced: None,
        }
    }

    /// Takes a reading, ten of which are expected in a second, and tells whether the uplink is to be checked at once. The
    /// time does not count how long this host has stood still, which is `missed` altogether: nothing is suspected for that.
    pub(crate) fn read(&mut self, counters: Counters, (now, missed): (Duration, Duration)) -> bool {
        let Some(last) = self.last else {
            (self.last, self.missed) = (Some((now, counters)), missed);
            return false;
        };
        let (apart, away) = (now.saturating_sub(last.0), missed.saturating_sub(self.missed));
        if apart + away < SHORTEST {
            return false;
        }
        (self.last, self.missed) = (Some((now, counters)), missed);
        // The line did not stand still.
        let before = (last.0.saturating_sub(away), last.1);
        match Stretch::between(before, (now, counters)).filter(|_| apart <= LONGEST && away <= BLURRED) {
            Some(stretch) if away.is_zero() => return self.weigh(stretch),
            Some(blurred) => self.remember(blurred),
            None => self.stretches.clear(),
        }
        self.fall.forget();
        self.silence.forget();
        self.voiced = None;
        false
    }

    /// A check found the uplink working: what is now is normal. Also to be called when an uplink has come back.
    pub(crate) fn cleared(&mut self, now: Duration) {
        self.fall.excuse(now);
        self.silence.forget();
        self.voiced = None;
    }

    /// Whether the device is bringing answers since then, and still is: what it receives is well above the noise, and
    /// about what its recent past lets one expect of what it sends. An answer that is missing on such a line is
    /// probably late, not lost. False where that cannot be told, as on an idle line.
    pub(crate) fn carries(&self, since: Duration, now: Duration) -> bool {
        let Some(line) = self.answers.line().filter(|_| !self.fall.is_suspicious(now)) else { return false };
        let recent = since.max(now.saturating_sub(RECENT));
        line.is_answered(self.total(since, now)) && line.is_answered(self.total(recent, now))
    }

    /// Whether the line is so full that what was asked since then is probably late: much goes through it, and it brings
    /// answers. At first what it did just before is all that there is to go by.
    pub(crate) fn is_saturated(&self, since: Duration, now: Duration) -> bool {
        if !self.is_full(since.saturating_sub(PAST), now) {
            return false;
        }
        let since = if now.saturating_sub(since) >= RECENT { since } else { since.saturating_sub(PAST) };
        self.carries(since, now) || (!self.answers.knows_noise() && self.is_fed(since, now))
    }

    /// Whether the line was full at some time since then and still is: one that fills while a check is under way holds
    /// up what was asked just now, however empty it was before.
    fn is_full(&self, since: Duration, now: Duration) -> bool {
        let mut total = Stretch::default();
        let latest = self.stretches.iter().rev().filter(|stretch| stretch.end <= now);
        latest.take_while(|stretch| stretch.end > since).any(|stretch| {
            total = total.and(*stretch);
            total.seconds >= FILLED && total.bytes >= FULL * total.seconds
        })
    }

    /// Whether as much comes in as acknowledges what goes out. On a line that was never idle, nobody knows what else
    /// there is.
    fn is_fed(&self, since: Duration, now: Duration) -> bool {
        let fed = |total: Stretch| total.received >= 3.0 && total.received * 4.0 >= total.sent;
        let recent = since.max(now.saturating_sub(RECENT));
        !self.fall.is_suspicious(now) && fed(self.total(since, now)) && fed(self.total(recent, now))
    }

    /// What went through from then till now; a stretch that had begun before counts as a whole.
    fn total(&self, since: Duration, now: Duration) -> Stretch {
        let between = self.stretches.iter().filter(|stretch| stretch.end > since && stretch.end <= now);
        between.fold(Stretch::default(), |sum, stretch| sum.and(*stretch))
    }

    fn weigh(&mut self, stretch: Stretch) -> bool {
        let now = stretch.end;
        self.remember(stretch);
        let line = self.answers.line();
        self.fall.read(stretch, line);
        self.silence.read(stretch, line);
        let suspicious = self.fall.is_suspicious(now) || self.silence.is_suspicious(now);
        if !suspicious {
            // What is learned while the line may be dead would be taken for normal.
            self.answers.learn(stretch);
            self.voiced = None;
            return false;
        }
        let voice = self.voiced.is_none_or(|voiced| now.saturating_sub(voiced) >= AGAIN) && self.voices.admits(now);
        if voice {
            self.voiced = Some(now);
        }
        voice
    }

    fn remember(&mut self, stretch: Stretch) {
        if self.stretches.len() == REMEMBERED {
            self.stretches.pop_front();
        }
        self.stretches.push_back(stretch);
    }
}
