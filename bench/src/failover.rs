//! What users lose when an uplink breaks, and how soon it serves them again after the mend.

use super::burden::Burden;
use super::contender::{Contender, Running};
use super::figure::Figure;
use ftr_lab::by_hand;
use ftr_lab::client::{Client, Habit};
use ftr_lab::deadline::wait_for;
use ftr_lab::error::Result;
use ftr_lab::family::Family;
use ftr_lab::fault::Fault;
use ftr_lab::kernel;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::report::Report;
use ftr_lab::server::Server;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// The uplink that is broken.
const VICTIM: &str = "eth1";

/// How long an uplink stays broken, so that the last connections that fail are seen.
const BROKEN: Duration = Duration::from_secs(4);

/// How long after the mend the next break comes: long enough for those who want two good checks.
const MENDED: Duration = Duration::from_secs(4);

/// One break and its mend.
#[derive(Debug, Clone, Copy)]
struct Trial {
    broken: Instant,
    mended: Instant,
    next: Instant,
    /// Whether the uplink left the balanced route while it was broken.
    left: bool,
}

/// What was measured over all trials.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// When the last failing connection began, counted from the break; zero where none failed.
    pub last_failed: Figure,
    /// How many connections failed in each trial.
    pub failed: Figure,
    /// When the first connection used the uplink again, counted from the mend.
    pub back: Figure,
    /// In how many trials the uplink was taken out of use.
    pub left: usize,
}

/// Breaks and mends an uplink `runs` times under a contender, at instants that `seed` draws.
///
/// # Errors
/// When the lab or the contender fails.
pub(crate) fn measure(contender: Contender, fault: Fault, runs: usize, overrides: &str, seed: u64) -> Result<Outcome> {
    under(Burden::Nothing, contender, fault, runs, overrides, seed)
}

/// The same for ftr with something wrong on the router itself.
///
/// # Errors
/// As [`measure`].
pub(crate) fn burdened(burden: Burden, runs: usize, seed: u64) -> Result<Outcome> {
    under(burden, Contender::Ftr, Fault::Silent, runs, burden.configuration(), seed)
}

fn under(
    burden: Burden,
    contender: Contender,
    fault: Fault,
    runs: usize,
    overrides: &str,
    seed: u64,
) -> Result<Outcome> {
    let mut lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let laid = burden.lay(&lab)?;
    let running = Running::burdened(contender, &lab, overrides, burden)?;
    let habit = Habit { held: 0, seed, ..Habit::default() };
    let client = Client::start(&lab.lan, &habit)?;
    let mut random = fastrand::Rng::with_seed(seed);
    thread::sleep(Duration::from_secs(2));
    let mut trials = Vec::new();
    for _ in 0..runs {
        // Anywhere in the contender's interval.
        thread::sleep(Duration::from_millis(random.u64(0..1000)));
        laid.press(running.router())?;
        trials.push(trial(&mut lab, contender, fault)?);
        running.ready(&lab)?;
    }
    Ok(judge(&client.finish()?, &trials, &lab))
}

fn trial(lab: &mut Lab, contender: Contender, fault: Fault) -> Result<Trial> {
    let broken = Instant::now();
    lab.fail(VICTIM, fault)?;
    let gone = |seen: &BTreeMap<String, u32>| !seen.contains_key(VICTIM);
    // Staying in use is a result as well, not a failure of the measurement.
    let left = wait_for("the uplink to leave", BROKEN, || kernel::balanced(lab, Family::V4), gone).is_ok();
    thread::sleep(BROKEN.saturating_sub(broken.elapsed()));
    let mended = Instant::now();
    lab.mend(VICTIM)?;
    if contender != Contender::Ftr {
        by_hand::restore(lab, lab.uplink(VICTIM)?)?;
    }
    thread::sleep(MENDED);
    Ok(Trial { broken, mended, next: Instant::now(), left })
}

fn judge(report: &Report, trials: &[Trial], lab: &Lab) -> Outcome {
    let source = lab.uplink(VICTIM).map_or(std::net::Ipv4Addr::UNSPECIFIED, ftr_lab::plan::Uplink::address);
    let last = |trial: &Trial| {
        let after = report.failed(trial.broken, trial.mended).map(|attempt| attempt.began - trial.broken).max();
        after.unwrap_or(Duration::ZERO)
    };
    let back = |trial: &Trial| {
        report
            .began(trial.mended, trial.next)
            .find(|attempt| attempt.seen_as == Some(source.into()))
            .map(|attempt| attempt.began - trial.mended)
    };
    let count =
        |trial: &Trial| f64::from(u32::try_from(report.failed(trial.broken, trial.mended).count()).unwrap_or(u32::MAX));
    Outcome {
        last_failed: Figure::seconds(trials.iter().map(last)),
        failed: Figure::new(trials.iter().map(count), ""),
        back: Figure::seconds(trials.iter().filter_map(back)),
        left: trials.iter().filter(|trial| trial.left).count(),
    }
}
