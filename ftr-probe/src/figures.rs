//! Loss, round trip and jitter of a check.

use std::time::Duration;

/// The figures of a check, as records have them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Mean round trip in milliseconds; none without an answer.
    pub(crate) rtt_ms: Option<f64>,
    /// Mean deviation from the mean round trip in milliseconds; none with fewer than two answers.
    pub(crate) jitter_ms: Option<f64>,
    /// The lost part of the probes whose fate is known, 0 to 1; none while no fate is known.
    pub(crate) loss: Option<f64>,
}

impl Figures {
    /// From the round trip of each target that answered, and the numbers of probes answered and lost.
    pub(crate) fn of(rtts: impl Iterator<Item = Duration> + Clone, answered: usize, lost: usize) -> Self {
        let count = u32::try_from(rtts.clone().count()).unwrap_or(u32::MAX);
        let mean = rtts.clone().sum::<Duration>().checked_div(count);
        let jitter = mean
            .filter(|_| count > 1)
            .and_then(|mean| rtts.map(|rtt| rtt.abs_diff(mean)).sum::<Duration>().checked_div(count));
        Self { rtt_ms: mean.map(millis), jitter_ms: jitter.map(millis), loss: ratio(lost, answered + lost) }
    }
}

/// Milliseconds with three decimals.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    let [part, whole] = [part, whole].map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    (whole > 0.0).then(|| (part / whole * 1e3).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::{Figures, millis};
    use std::time::Duration;

    #[test]
    fn means_of_what_answered() {
        let rtts = [10u64, 12, 17].map(Duration::from_millis);
        let figures = Figures::of(rtts.into_iter(), 3, 1);
        assert_eq!(figures, Figures { rtt_ms: Some(13.0), jitter_ms: Some(2.667), loss: Some(0.25) });
    }

    #[test]
    fn nothing_is_said_without_answers() {
        assert_eq!(Figures::of(std::iter::empty(), 0, 0), Figures::default());
        assert_eq!(Figures::of(std::iter::empty(), 0, 2).loss, Some(1.0));
        assert_eq!(Figures::of(std::iter::once(Duration::from_millis(1)), 1, 0).jitter_ms, None);
    }

    #[test]
    fn three_decimals() {
        assert!((millis(Duration::from_nanos(1_234_567)) - 1.235).abs() < f64::EPSILON);
    }
}
