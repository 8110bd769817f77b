//! Repeated measurements and how they are shown.

use std::fmt;
use std::time::Duration;

/// Repetitions of one measurement, in the unit that is shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figure {
    values: Vec<f64>,
    unit: &'static str,
}

impl Figure {
    /// A figure in seconds.
    #[must_use]
    pub(crate) fn seconds(times: impl IntoIterator<Item = Duration>) -> Self {
        Self::new(times.into_iter().map(|time| time.as_secs_f64()), "s")
    }

    /// A figure in any unit.
    #[must_use]
    pub(crate) fn new(values: impl IntoIterator<Item = f64>, unit: &'static str) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { values, unit }
    }

    /// The smallest value.
    #[must_use]
    pub(crate) fn least(&self) -> Option<f64> {
        self.values.first().copied()
    }

    /// The middle value (the upper one of two).
    #[must_use]
    pub(crate) fn median(&self) -> Option<f64> {
        self.values.get(self.values.len() / 2).copied()
    }

    /// The sum by the number.
    #[must_use]
    pub(crate) fn mean(&self) -> Option<f64> {
        let count = u32::try_from(self.values.len()).ok().filter(|count| *count > 0)?;
        Some(self.values.iter().sum::<f64>() / f64::from(count))
    }

    /// How many values there are.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// The largest value.
    #[must_use]
    pub(crate) fn most(&self) -> Option<f64> {
        self.values.last().copied()
    }
}

/// `0.41 / 0.62 / 0.98 s (10)`: least, median, most and how many; a single value stands alone, a count has no unit
/// and no fraction.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (digits, space) = if self.unit.is_empty() { (0, "") } else { (2, " ") };
        match (self.least(), self.median(), self.most(), self.values.len()) {
            (Some(only), _, _, 1) => write!(f, "{only:.digits$}{space}{}", self.unit),
            (Some(least), Some(median), Some(most), count) => {
                write!(f, "{least:.digits$} / {median:.digits$} / {most:.digits$}{space}{} ({count})", self.unit)
            }
            _ => f.write_str("–"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_least_median_most() {
        let figure = Figure::new([3.0, 1.0, 2.0], "s");
        assert_eq!(figure.to_string(), "1.00 / 2.00 / 3.00 s (3)");
        assert_eq!(Figure::new([0.5], "%").to_string(), "0.50 %");
        assert_eq!(Figure::new([2.0, 4.0], "").to_string(), "2 / 4 / 4 (2)");
        assert_eq!(Figure::default().to_string(), "–");
        assert_eq!(figure.mean(), Some(2.0));
        assert_eq!(Figure::default().mean(), None);
    }
}
