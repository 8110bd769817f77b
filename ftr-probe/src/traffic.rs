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
//! nothing about the line. A false suspicion costs one check, and [`Purse`] bounds how many there can be.

mod answers;
mod fall;
#[cfg(test)]
mod made_up;
mod purse;
mod silence;
#[cfg(test)]
mod trial;

use std::collections::VecDeque;
use std::time::Duration;

use ftr_netlink::Counters;

use answers::Answers;
use fall::Fall;
use purse::Purse;
use silence::Silence;

/// Readings closer together than this are too short to say anything.
const SHORTEST: Duration = Duration::from_millis(20);
/// Readings farther apart than this: this host was asleep or busy, and what happened between them is blurred.
const LONGEST: Duration = Duration::from_millis(500);
/// How many stretches are remembered for [`Traffic::carries`]: two seconds and more.
const REMEMBERED: usize = 40;
/// How recent an answer has to be for a line to be carrying now.
const RECENT: Duration = Duration::from_millis(300);
/// Bytes a second, both ways, below which no line of today is full.
const FULL: f64 = 40_000.0;
/// How far back a line is looked at for that.
const PAST: Duration = Duration::from_millis(400);
/// A suspicion that was not followed by a verdict is voiced again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// The traffic of one device.
#[derive(Debug)]
pub(crate) struct Traffic {
    last: Option<(Duration, Counters)>,
    stretches: VecDeque<Stretch>,
    answers: Answers,
    fall: Fall,
    silence: Silence,
    purse: Purse,
    /// When the present suspicion was voiced.
    voiced: Option<Duration>,
}

/// What went through between two readings.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    /// When it ended, since boot.
    end: Duration,
    /// How long it lasted, in seconds.
    seconds: f64,
    /// Packets sent.
    sent: f64,
    /// Packets received, but for those counted as multicast.
    received: f64,
    /// Bytes in either direction.
    bytes: f64,
}

impl Stretch {
    /// None where the counters went backwards: the device was made anew.
    fn between(before: (Duration, Counters), after: (Duration, Counters)) -> Option<Self> {
        let ((start, old), (end, new)) = (before, after);
        let received = new.rx_packets.checked_sub(old.rx_packets)?;
        let multicast = new.multicast.checked_sub(old.multicast)?;
        Some(Self {
            end,
            seconds: end.checked_sub(start)?.as_secs_f64(),
            sent: number(new.tx_packets.checked_sub(old.tx_packets)?),
            received: number(received.saturating_sub(multicast)),
            bytes: number(new.tx_bytes.checked_sub(old.tx_bytes)?) + number(new.rx_bytes.checked_sub(old.rx_bytes)?),
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            end: self.end.max(other.end),
            seconds: self.seconds + other.seconds,
            sent: self.sent + other.sent,
            received: self.received + other.received,
            bytes: self.bytes + other.bytes,
        }
    }
}

fn number(packets: u64) -> f64 {
    f64::from(u32::try_from(packets).unwrap_or(u32::MAX))
}

impl Traffic {
    pub(crate) fn new() -> Self {
        Self {
            last: None,
            stretches: VecDeque::with_capacity(REMEMBERED),
            answers: Answers::default(),
            fall: Fall::default(),
            silence: Silence::default(),
            purse: Purse::default(),
            voiced: None,
        }
    }

    /// Takes a reading, ten of which are expected in a second, and tells whether the uplink is to be checked at once.
    pub(crate) fn read(&mut self, counters: Counters, now: Duration) -> bool {
        let Some(last) = self.last else {
            self.last = Some((now, counters));
            return false;
        };
        let apart = now.saturating_sub(last.0);
        if apart < SHORTEST {
            return false;
        }
        self.last = Some((now, counters));
        match Stretch::between(last, (now, counters)) {
            Some(stretch) if apart <= LONGEST => self.weigh(stretch),
            _ => {
                self.forget();
                false
            }
        }
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
        let past = self.total(since.saturating_sub(PAST), now);
        if past.bytes < FULL * past.seconds {
            return false;
        }
        let since = if now.saturating_sub(since) >= RECENT { since } else { since.saturating_sub(PAST) };
        self.carries(since, now) || (!self.answers.knows_noise() && self.is_fed(since, now))
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
        if self.stretches.len() == REMEMBERED {
            self.stretches.pop_front();
        }
        self.stretches.push_back(stretch);
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
        let voice = self.voiced.is_none_or(|voiced| now.saturating_sub(voiced) >= AGAIN) && self.purse.take(now);
        if voice {
            self.voiced = Some(now);
        }
        voice
    }

    fn forget(&mut self) {
        self.stretches.clear();
        self.fall.forget();
        self.silence.forget();
        self.voiced = None;
    }
}
