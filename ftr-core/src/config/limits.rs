//! `max_loss`, `max_rtt`, `max_jitter`: how bad an uplink may be, and how good it has to be to come back.

use std::time::Duration;

use serde_yaml::Value;

use super::form::{Maybe, Scalar, TIME, Together};
use super::key::keys;
use super::scalar;
use super::section::Section;
use crate::duration;

/// How bad an uplink may be, over its latest probes; none where it does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Probes lost, in thousandths.
    pub loss: Option<Limit<u16>>,
    /// Mean round trip.
    pub rtt: Option<Limit<Duration>>,
    /// Mean difference between two round trips in a row to the same target.
    pub jitter: Option<Limit<Duration>>,
}

/// A limit with its own threshold for recovery, so that an uplink at the edge does not flutter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    /// Above this the uplink is down.
    pub down: T,
    /// It is up again at this or below.
    pub up: T,
}

keys! {
    /// The limits as they are stated.
    pub(super) struct Stated {
        /// An uplink that loses more of its probes than this is down, though hosts answer.
        "max_loss" => max_loss: Option<u16> = None, Maybe(LOSS);
        /// It is up again at this loss; without it, half of `max_loss`.
        "recovery_loss" => recovery_loss: Option<u16> = None, Maybe(LOSS);
        /// An uplink whose mean round trip is longer than this is down, though hosts answer.
        "max_rtt" => max_rtt: Option<Duration> = None, Maybe(TIME);
        /// It is up again at this round trip; without it, four fifths of `max_rtt`.
        "recovery_rtt" => recovery_rtt: Option<Duration> = None, Maybe(TIME);
        /// An uplink is down, though hosts answer, when two round trips in a row to the same host differ by more than
        /// this in the mean.
        "max_jitter" => max_jitter: Option<Duration> = None, Maybe(TIME);
        /// It is up again at this jitter; without it, four fifths of `max_jitter`.
        "recovery_jitter" => recovery_jitter: Option<Duration> = None, Maybe(TIME);
    }
}

const LOSS: Scalar<u16> = Scalar {
    allowed: "0% to 100%, or a number from 0 to 1",
    read: loss,
    write: |thousandths| format!("{}%", f64::from(*thousandths) / 10.0).into(),
};

impl Together for Limits {
    type Stated = Stated;

    /// Each limit that is stated takes the place of the one that held before.
    fn understood(self, stated: Stated, section: &mut Section<'_>) -> Self {
        let half = |down: u16| down / 2;
        Self {
            loss: limit(section, ["max_loss", "recovery_loss"], (stated.max_loss, stated.recovery_loss), half)
                .or(self.loss),
            rtt: limit(section, ["max_rtt", "recovery_rtt"], (stated.max_rtt, stated.recovery_rtt), four_fifths)
                .or(self.rtt),
            jitter: limit(
                section,
                ["max_jitter", "recovery_jitter"],
                (stated.max_jitter, stated.recovery_jitter),
                four_fifths,
            )
            .or(self.jitter),
        }
    }

    fn stated(&self) -> Stated {
        Stated {
            max_loss: self.loss.map(|limit| limit.down),
            recovery_loss: self.loss.map(|limit| limit.up),
            max_rtt: self.rtt.map(|limit| limit.down),
            recovery_rtt: self.rtt.map(|limit| limit.up),
            max_jitter: self.jitter.map(|limit| limit.down),
            recovery_jitter: self.jitter.map(|limit| limit.up),
        }
    }
}

fn limit<T: PartialOrd + Copy>(
    section: &mut Section<'_>,
    [max, recovery]: [&'static str; 2],
    stated: (Option<T>, Option<T>),
    usual: impl Fn(T) -> T,
) -> Option<Limit<T>> {
    match stated {
        (Some(down), Some(up)) if up > down => {
            section.wrong(recovery, format!("worse than {max}, allowed: {max} or better"));
            None
        }
        (Some(down), up) => Some(Limit { down, up: up.unwrap_or_else(|| usual(down)) }),
        (None, Some(_)) if !section.has(max) => {
            section.wrong(recovery, format!("says nothing without {max} beside it"));
            None
        }
        (None, _) => None,
    }
}

/// Never shorter than what may be stated itself.
fn four_fifths(down: Duration) -> Duration {
    (down * 4 / 5).max(duration::SHORTEST)
}

/// A part of the probes, in thousandths: `20%`, or 0.2 as a number.
fn loss(value: &Value) -> Result<u16, String> {
    let text = scalar::text(value)?;
    let wrong = || "is no loss, allowed: 0% to 100%, or a number from 0 to 1".to_owned();
    let part = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    let part = part.ok().filter(|part| (0.0..=1.0).contains(part)).ok_or_else(wrong)?;
    // Between 0 and 1000, so nothing is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be from 0 to 1")]
    Ok((part * 1000.0).round() as u16)
}
