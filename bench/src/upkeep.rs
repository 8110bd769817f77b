//! What the daemons cost while all is well.

use super::contender::{Contender, Running};
use super::figure::Figure;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::fault::Fault;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::process;
use ftr_lab::router::Router;
use serde_yaml::Mapping;
use std::thread;
use std::time::{Duration, Instant};

/// How long processor time is counted for one value.
const WINDOW: Duration = Duration::from_secs(20);

/// How long a daemon runs before it is measured.
const SETTLING: Duration = Duration::from_secs(3);

/// What a daemon needs.
#[derive(Debug)]
pub(crate) struct Cost {
    /// Percent of one core, user and system, of all processes.
    pub processor: Figure,
    /// MiB of all processes, shared pages counted once.
    pub memory: Figure,
}

/// Lets a contender watch `uplinks` healthy uplinks once a second.
///
/// # Errors
/// When the lab or the contender fails.
pub(crate) fn measure(contender: Contender, uplinks: u8, runs: usize) -> Result<Cost> {
    let lab = Lab::build(&plan::alike(uplinks))?;
    // With mail, so that the mailer is among the processes.
    let running = Running::start(contender, &lab, "{email: {send: true}}")?;
    thread::sleep(SETTLING);
    let mut shares = Vec::new();
    let mut sizes = Vec::new();
    for _ in 0..runs {
        let (began, before) = (Instant::now(), running.processor_time()?);
        thread::sleep(WINDOW);
        let used = running.processor_time()?.saturating_sub(before);
        shares.push(100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64());
        sizes.push(f64::from(u32::try_from(process::memory(running.pid()?)?).unwrap_or(u32::MAX)) / 1024.0);
    }
    Ok(Cost { processor: Figure::new(shares, "%"), memory: Figure::new(sizes, "MiB") })
}

/// How long one round of `ftr-probe` over 16 silently dead uplinks takes.
///
/// # Errors
/// When the lab fails or the probe finds an uplink up.
pub(crate) fn dead_round(runs: usize, overrides: &str) -> Result<Figure> {
    let mut lab = Lab::build(&plan::alike(16))?;
    let overrides: Mapping = ftr_lab::config::parse(overrides)?;
    let router = Router::prepare(&lab, &overrides)?;
    ftr_lab::namespace::run(router.command(&lab, "ftr-route")?.arg("prepare"))?;
    for uplink in lab.uplinks.clone() {
        lab.fail(&uplink.device(), Fault::Silent)?;
    }
    let mut times = Vec::new();
    for _ in 0..runs {
        let began = Instant::now();
        let output = router.command(&lab, "ftr-probe")?.output().context(|| "start ftr-probe".to_owned())?;
        times.push(began.elapsed());
        if output.status.code() != Some(1) {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            return Err(LabError::Unexpected(format!("ftr-probe ended with {}: {text}", output.status)));
        }
    }
    Ok(Figure::seconds(times))
}
