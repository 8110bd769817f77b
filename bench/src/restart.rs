//! What users notice when the daemon is restarted.

use super::contender::{Contender, Running};
use ftr_lab::client::{Client, Habit};
use ftr_lab::error::Result;
use ftr_lab::family::Family;
use ftr_lab::fault::Fault;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::report::Report;
use ftr_lab::router;
use ftr_lab::server::Server;
use std::thread;
use std::time::{Duration, Instant};

/// How many times it is restarted.
const TIMES: usize = 6;

/// How long traffic flows between two restarts.
const BETWEEN: Duration = Duration::from_secs(3);

/// A held connection that was silent for longer has stalled.
const STALL: Duration = Duration::from_millis(500);

/// What was noticed.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// New connections begun and failed.
    pub failed: (usize, usize),
    /// Held connections that broke or stalled, of how many.
    pub stalled: (usize, usize),
}

/// Restarts a contender six times under load.
///
/// # Errors
/// When the lab or the contender fails.
pub(crate) fn under_load(contender: Contender, seed: u64) -> Result<Outcome> {
    let lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let mut running = Running::start(contender, &lab, "{}")?;
    let client = Client::start(&lab.lan, &Habit { seed, ..Habit::default() })?;
    thread::sleep(BETWEEN);
    let began = Instant::now();
    for _ in 0..TIMES {
        running.restart(&lab)?;
        thread::sleep(BETWEEN);
    }
    Ok(outcome(&client.finish()?, began))
}

/// Restarts ftr while an uplink is dead: connections begun and failed from then on.
///
/// # Errors
/// When the lab or ftr fails.
pub(crate) fn while_dead(seed: u64) -> Result<Outcome> {
    let mut lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let mut running = Running::start(Contender::Ftr, &lab, "{}")?;
    lab.fail("eth1", Fault::Silent)?;
    router::carries(&lab, &["eth2".to_owned(), "eth3".to_owned()], Family::V4, Duration::from_secs(10))?;
    let client = Client::start(&lab.lan, &Habit { seed, ..Habit::default() })?;
    thread::sleep(BETWEEN);
    let began = Instant::now();
    running.restart(&lab)?;
    thread::sleep(BETWEEN * 3);
    Ok(outcome(&client.finish()?, began))
}

/// What the client saw from then on.
pub(crate) fn outcome(report: &Report, began: Instant) -> Outcome {
    let stalled = report.held.iter().filter(|held| held.broke.is_some() || held.longest_stall > STALL).count();
    let end = Instant::now();
    Outcome {
        failed: (report.began(began, end).count(), report.failed(began, end).count()),
        stalled: (report.held.len(), stalled),
    }
}
