//! The cable of an uplink is pulled and put back, again and again: which new connections fail.

use super::contender::{Contender, Running};
use ftr_lab::client::{Client, Habit};
use ftr_lab::error::Result;
use ftr_lab::fault::Fault;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::server::Server;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// New connections a second.
const RATE: f64 = 400.0;

/// How long the cable stays out, and in.
const STAYS: Duration = Duration::from_millis(400);

/// How the connections went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    begun: usize,
    /// Those that failed and began before the command that pulls the cable had ended.
    under_way: usize,
    /// Those that failed and began later.
    later: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { begun, under_way, later } = self;
        write!(f, "{under_way} under way at the pull, {later} begun later, of {begun}")
    }
}

/// Pulls the cable of an uplink so many times.
///
/// # Errors
/// When the lab or ftr fails.
pub(crate) fn measure(pulls: usize, seed: u64) -> Result<Outcome> {
    let mut lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let running = Running::start(Contender::Ftr, &lab, "{}")?;
    let client = Client::start(&lab.lan, &Habit { held: 0, rate: RATE, seed, ..Habit::default() })?;
    thread::sleep(STAYS);
    let start = Instant::now();
    let mut pulled = Vec::new();
    for _ in 0..pulls {
        let pull = Instant::now();
        lab.fail("eth1", Fault::Carrier)?;
        pulled.push((pull, Instant::now()));
        thread::sleep(STAYS);
        lab.mend("eth1")?;
        running.ready(&lab)?;
        thread::sleep(STAYS);
    }
    let end = Instant::now();
    let report = client.finish()?;
    let is_under_way = |at: Instant| pulled.iter().any(|(pull, done)| at + STAYS / 10 >= *pull && at < *done);
    let failed = report.failed(start, end).count();
    let under_way = report.failed(start, end).filter(|attempt| is_under_way(attempt.began)).count();
    Ok(Outcome { begun: report.began(start, end).count(), under_way, later: failed - under_way })
}
