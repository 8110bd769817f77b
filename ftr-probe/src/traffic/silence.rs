//! Whether what is sent stays without any answer.

use std::time::Duration;

use super::answers::Line;
use super::stretch::Stretch;

/// The sum above which an answer is missed: chance alone gets there about once in e^4 trials.
const SUSPICIOUS: f64 = 4.0;
/// Answers may take this long.
const PATIENCE: Duration = Duration::from_millis(380);
/// Who sends to hosts that seldom answer has nothing to miss.
const TALKATIVE: f64 = 0.2;
/// One reading counts for no more than this, in either direction.
const MOST: f64 = 2.0;
const LEAST: f64 = -6.0;

/// A cumulative sum: how much better a dead line explains what was received than one that answers as usual.
#[derive(Debug, Default)]
pub(super) struct Silence {
    pub(super) sum: f64,
    /// When the first packet that counts in the sum was sent, at the earliest.
    began: Option<Duration>,
}

impl Silence {
    pub(super) fn read(&mut self, stretch: Stretch, line: Option<Line>) {
        let Some(line) = line.filter(|_| stretch.sent > 0.0) else { return };
        let start = stretch.end.saturating_sub(Duration::from_secs_f64(stretch.seconds));
        self.began = self.began.or(Some(start));
        self.sum += evidence(stretch, line.noise, line.each);
        if self.sum <= 0.0 {
            self.forget();
        }
    }

    pub(super) fn is_suspicious(&self, now: Duration) -> bool {
        self.sum > SUSPICIOUS && self.began.is_some_and(|began| now.saturating_sub(began) >= PATIENCE)
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The logarithm of how much likelier the packets received are as noise alone than as noise and answers, both taken as
/// Poisson counts.
pub(super) fn evidence(stretch: Stretch, noise: f64, each: f64) -> f64 {
    if each < TALKATIVE {
        return 0.0;
    }
    // Even on a quiet line a stray packet comes from time to time.
    let noise = (noise * stretch.seconds).max(0.05);
    let answers = each * stretch.sent;
    let evidence = stretch.received.mul_add((noise / (noise + answers)).ln(), answers).clamp(LEAST, MOST);
    // Too much for noise and too little for answers: the noise is not what it was, the line may be dead.
    let few = stretch.received - noise < answers / 2.0;
    if few { evidence.max(0.0) } else { evidence }
}
