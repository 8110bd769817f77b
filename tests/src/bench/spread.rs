//! Whether new connections are spread as the weights say.

use super::contender::{Contender, Running};
use crate::client::{Client, Habit};
use crate::deadline::wait_for;
use crate::error::Result;
use crate::lab::Lab;
use crate::plan;
use crate::server::Server;
use std::time::{Duration, Instant};

/// How many connections are counted.
pub const CONNECTIONS: usize = 600;

/// One count of connections by uplink.
#[derive(Debug, Clone)]
pub struct Spread {
    /// Chose the pairs of addresses.
    pub seed: u64,
    /// Connections on each uplink, in order.
    pub counts: Vec<usize>,
    /// Pearson's statistic against the weights.
    pub chi_square: f64,
    /// The chance of one at least as large when the weights are kept.
    pub p: f64,
}

/// Counts 600 connections from 64 sources under ftr, once for each seed.
///
/// # Errors
/// When the lab or ftr fails.
pub fn measure(seeds: &[u64], overrides: &str, default_in_main: bool) -> Result<Vec<Spread>> {
    let lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let _running = Running::start(Contender::Ftr, &lab, overrides)?;
    if default_in_main {
        lab.router.ip("route add default via 2.0.0.1 dev eth2")?;
    }
    seeds.iter().map(|seed| count(&lab, *seed)).collect()
}

fn count(lab: &Lab, seed: u64) -> Result<Spread> {
    let began = Instant::now();
    let habit = Habit { rate: 100.0, held: 0, seed, ..Habit::default() };
    let client = Client::start(&lab.lan, &habit)?;
    let within = Duration::from_secs(30);
    let established = || Ok(client.so_far().attempts.iter().filter(|attempt| attempt.seen_as.is_some()).count());
    wait_for("600 connections", within, established, |count| *count >= CONNECTIONS)?;
    let report = client.finish()?;
    let by_source = report.by_source(began, Instant::now());
    let counts: Vec<usize> =
        lab.uplinks.iter().map(|uplink| by_source.get(&uplink.address().into()).copied().unwrap_or(0)).collect();
    let weights: Vec<u16> = lab.uplinks.iter().map(|uplink| uplink.wish.weight.unwrap_or(1)).collect();
    let chi_square = chi_square(&counts, &weights);
    Ok(Spread { seed, counts, chi_square, p: tail_of_two_degrees(chi_square) })
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

    #[test]
    fn a_perfect_spread_has_no_distance() {
        assert!(chi_square(&[150, 300, 150], &[1, 2, 1]).abs() < 1e-9);
        assert!((chi_square(&[200, 200, 200], &[1, 2, 1]) - 200.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn the_tail_agrees_with_the_tables() {
        assert!((tail_of_two_degrees(13.816) - 0.001).abs() < 1e-5);
    }
}
