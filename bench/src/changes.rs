//! What users notice of changes of the configuration while the daemon runs, and of programs that are killed.

use super::contender::{Contender, Running};
use super::restart::{Outcome, outcome};
use ftr_lab::client::{Client, Habit};
use ftr_lab::error::{LabError, Result};
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::server::Server;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// New connections a second.
const RATE: f64 = 100.0;
/// The longest time that all changes may take.
const LONGEST: Duration = Duration::from_secs(900);

/// What a script does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script {
    /// Its name in `tests/fixtures`, and its arguments.
    pub line: &'static str,
    /// What the lab's configuration is merged with.
    pub config: &'static str,
    /// The address of the uplink that it takes out: its connections are given up.
    pub gone: Option<IpAddr>,
}

/// Has a script of `tests/fixtures` change something many times under load: what users noticed, and what it printed last.
///
/// # Errors
/// When the lab or ftr fails, or the script finds something that is not as it should be.
pub(crate) fn under_load(script: Script, times: u32, seed: u64) -> Result<(Outcome, String)> {
    let lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let running = Running::start(Contender::Ftr, &lab, script.config)?;
    let router = running.router().ok_or_else(|| LabError::Unexpected("no router".to_owned()))?;
    let client = Client::start(&lab.lan, &Habit { seed, rate: RATE, ..Habit::default() })?;
    let began = Instant::now();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let (name, more) = script.line.split_once(' ').unwrap_or((script.line, ""));
    let line = format!("{}/{name} {times} {seed} {more}", fixtures.display());
    let output = router.shell(&lab.router, &line, Some(LONGEST))?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(LabError::Unexpected(format!("{line}: {}: {said}", output.status)));
    }
    let mut report = client.finish()?;
    report.held.retain(|held| held.seen_as.is_none() || held.seen_as != script.gone);
    Ok((outcome(&report, began), said.lines().last().unwrap_or_default().to_owned()))
}
