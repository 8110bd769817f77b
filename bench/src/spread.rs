//! Whether new connections are spread as the weights say.

use super::contender::{Contender, Running};
use ftr_lab::client::{Client, Habit};
use ftr_lab::deadline::wait_for;
use ftr_lab::error::Result;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::server::Server;
use ftr_lab::spread::Spread;
use std::time::{Duration, Instant};

/// How many connections are counted.
pub(crate) const CONNECTIONS: usize = 600;

/// Counts 600 connections from 64 sources under ftr, once for each seed, which chooses the pairs of addresses.
///
/// # Errors
/// When the lab or ftr fails.
pub(crate) fn measure(seeds: &[u64], overrides: &str, default_in_main: bool) -> Result<Vec<(u64, Spread)>> {
    let lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let _running = Running::start(Contender::Ftr, &lab, overrides)?;
    if default_in_main {
        lab.router.ip("route add default via 2.0.0.1 dev eth2")?;
    }
    seeds.iter().map(|seed| Ok((*seed, count(&lab, *seed)?))).collect()
}

fn count(lab: &Lab, seed: u64) -> Result<Spread> {
    let began = Instant::now();
    let habit = Habit { rate: 100.0, held: 0, seed, ..Habit::default() };
    let client = Client::start(&lab.lan, &habit)?;
    let within = Duration::from_secs(30);
    let established = || Ok(client.so_far().attempts.iter().filter(|attempt| attempt.seen_as.is_some()).count());
    wait_for("600 connections", within, established, |count| *count >= CONNECTIONS)?;
    let report = client.finish()?;
    let sources = report.began(began, Instant::now()).filter_map(|attempt| attempt.seen_as);
    Spread::of(sources, &lab.uplinks)
}
