//! `max_loss`, `max_rtt`, `max_jitter`: how bad an uplink may be, and how good it has to be to come back.

use std::time::Duration;

use serde_yaml::Value;

use super::scalar;
use super::section::Section;

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

/// Reads the keys of a `tests` section, which override `usual` one by one.
///
/// Where no threshold for recovery is stated it is half of the loss, and four fifths of round trip and jitter.
pub(super) fn read(section: &mut Section<'_>, usual: &Limits) -> Limits {
    Limits {
        loss: limit(section, ["max_loss", "recovery_loss"], loss, |down| down / 2).or(usual.loss),
        rtt: limit(section, ["max_rtt", "recovery_rtt"], scalar::duration, four_fifths).or(usual.rtt),
        jitter: limit(section, ["max_jitter", "recovery_jitter"], scalar::duration, four_fifths).or(usual.jitter),
    }
}

fn limit<T: PartialOrd + Copy>(
    section: &mut Section<'_>,
    [max, recovery]: [&'static str; 2],
    read: impl Fn(&Value) -> Result<T, String>,
    usual: impl Fn(T) -> T,
) -> Option<Limit<T>> {
    let down = section.optional(max, &read);
    let up = section.optional(recovery, &read);
    match (down, up) {
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

fn four_fifths(down: Duration) -> Duration {
    down * 4 / 5
}

/// A part of the probes, in thousandths: `20%`, or 0.2 as a number.
fn loss(value: &Value) -> Result<u16, String> {
    let text = scalar::text(value)?;
    let wrong = || format!("{text:?} is no loss, allowed: 0% to 100%, or a number from 0 to 1");
    let part = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.parse::<f64>(),
    };
    let part = part.ok().filter(|part| (0.0..=1.0).contains(part)).ok_or_else(wrong)?;
    // Between 0 and 1000, so nothing is cut off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be from 0 to 1")]
    Ok((part * 1000.0).round() as u16)
}
