//! Whether connections are spread as the weights say: Pearson's test.

use crate::error::{LabError, Result};
use crate::plan::Uplink;
use crate::seen;
use std::net::IpAddr;

/// One count of connections by uplink.
#[derive(Debug, Clone)]
pub struct Spread {
    /// Connections on each uplink, in order.
    pub counts: Vec<usize>,
    /// Pearson's statistic against the weights.
    pub chi_square: f64,
    /// The chance of one at least as large when the weights are kept.
    pub p: f64,
}

impl Spread {
    /// Counts connections by the source addresses that the servers saw.
    ///
    /// # Errors
    /// When there are not three uplinks: the chance is computed for two degrees of freedom, where it is simple and exact.
    pub fn of(sources: impl Iterator<Item = IpAddr>, uplinks: &[Uplink]) -> Result<Self> {
        if uplinks.len() != 3 {
            return Err(LabError::Unexpected(format!("a spread over {} uplinks, not three", uplinks.len())));
        }
        let carriers: Vec<Option<String>> = sources.map(|source| seen::uplink_of(source, uplinks)).collect();
        let on = |uplink: &Uplink| carriers.iter().flatten().filter(|carrier| **carrier == uplink.device()).count();
        let counts: Vec<usize> = uplinks.iter().map(on).collect();
        let weights: Vec<u16> = uplinks.iter().map(|uplink| uplink.wish.weight.unwrap_or(1)).collect();
        let chi_square = chi_square(&counts, &weights);
        Ok(Self { counts, chi_square, p: tail_of_two_degrees(chi_square) })
    }
}

fn chi_square(counts: &[usize], weights: &[u16]) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let total = number(counts.iter().sum());
    let weight: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    let term = |(count, share): (&usize, &u16)| {
        let expected = total * f64::from(*share) / weight;
        (number(*count) - expected).powi(2) / expected
    };
    counts.iter().zip(weights).map(term).sum()
}

/// The upper tail of the chi-square distribution with two degrees of freedom (three uplinks), which is exact.
fn tail_of_two_degrees(chi_square: f64) -> f64 {
    (-chi_square / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{alike, three, uplinks};

    #[test]
    fn a_perfect_spread_has_no_distance() {
        assert!(chi_square(&[150, 300, 150], &[1, 2, 1]).abs() < 1e-9);
        assert!((chi_square(&[200, 200, 200], &[1, 2, 1]) - 200.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn the_tail_agrees_with_the_tables() {
        assert!((tail_of_two_degrees(13.816) - 0.001).abs() < 1e-5);
    }

    #[test]
    fn connections_are_counted_where_they_came_from() {
        let sources = ["1.0.0.2", "2.0.0.2", "2001:db8:2:1::9", "2.0.0.2", "3.0.0.2", "192.168.1.100"];
        let sources = || sources.iter().map(|source| source.parse().unwrap());
        assert_eq!(Spread::of(sources(), &uplinks(&three())).unwrap().counts, [1, 3, 1]);
        assert!(Spread::of(sources(), &uplinks(&alike(2))).is_err());
    }
}
