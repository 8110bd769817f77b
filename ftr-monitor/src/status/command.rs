//! `ftr-monitor status`: where the status comes from, and how it is printed.

use std::collections::BTreeMap;
use std::io;

use ftr_core::Exit;
use ftr_core::sanitize::sanitize;
use ftr_tool::cli::{self, Common, Failure, colour};
use ftr_tool::{brief, clock};
use jiff::tz::TimeZone;

use super::{Status, details, json, prometheus, table, uplinks};
use crate::ask;
use crate::decide::Decider;
use crate::memory::recall;
use crate::request::Request;
use crate::state;

/// Cycles of `ftr-monitor once` that are further apart are none of a timer that runs.
const CYCLES_APART_MS: u64 = 10 * 60 * 1000;

/// `ftr-monitor status`: 0 all up, 1 degraded, 69 not running.
pub(crate) fn show(common: &Common, as_metrics: bool) -> Result<Exit, Failure> {
    let known = known(common);
    if as_metrics && !common.quiet && known.is_err() {
        cli::answer(prometheus::NOT_RUNNING)?;
    }
    let mut status = known?;
    let difference = difference(&status, common);
    status.file_differs = difference.as_ref().ok().map(Option::is_some);
    let bug = |error: serde_json::Error| Failure::new(Exit::Bug, format!("status: {error}"));
    let mut text = match (common.quiet, common.json) {
        (true, _) => String::new(),
        (false, true) => format!("{}\n", sanitize(&json(&status).map_err(bug)?)),
        (false, false) if as_metrics => prometheus::metrics(&status),
        (false, false) => table(&status, difference.ok().flatten().as_deref(), colour(&std::io::stdout())),
    };
    if common.verbose && !common.quiet && !common.json && !as_metrics {
        text.push_str(&details(&status));
    }
    cli::answer(&text)?;
    Ok(if status.is_well() { Exit::Yes } else { Exit::No })
}

/// What the monitor says, or where none runs the latest cycle of `ftr-monitor once`.
pub(crate) fn known(common: &Common) -> Result<Status, Failure> {
    let answer =
        ask::ask(&Request::Status {}).map_err(|error| Failure::new(Exit::Unavailable, format!("status: {error}")))?;
    let Some(answer) = answer else { return remembered(common) };
    serde_json::from_str(&answer).map_err(|error| {
        let error = brief(&error.to_string());
        Failure::new(Exit::Io, format!("status: the monitor's answer is not understood: {error}"))
    })
}

/// What the latest cycle of `ftr-monitor once` knew, where single cycles do what a daemon would do.
fn remembered(common: &Common) -> Result<Status, Failure> {
    let away = || Failure::new(Exit::Unavailable, "status: ftr-monitor is not running");
    // Whoever has no configuration is told first that nothing runs.
    let config = common.source.load().map_err(|_| away())?;
    let (memory, events) =
        recall(&config).ok().flatten().filter(|(memory, _)| memory.is_of_cycles()).ok_or_else(away)?;
    let at = clock::now();
    let decider = Decider::new(&config, Some(memory)).in_zone(&config, TimeZone::system());
    let (decider, _) = state::resume(decider, &config);
    let mut uplinks = uplinks(&decider, &config, 0, at.mono);
    // Nobody checks in between, and how often cycles come only the timer knows.
    for uplink in &mut uplinks {
        uplink.stale &= uplink.checked_ms > CYCLES_APART_MS;
    }
    Ok(Status {
        uplinks,
        at,
        pid: 0,
        children: Vec::new(),
        hazards: decider.memory().hazards.clone(),
        events_waiting: events.len(),
        events_dropped: 0,
        configuration: None,
        file_differs: None,
        trial_ends_ms: None,
        more: BTreeMap::new(),
    })
}

/// What there is to say of the file that the monitor has read, or of another that the command line names, beside what
/// runs.
///
/// # Errors
/// That cannot be known.
fn difference(status: &Status, common: &Common) -> io::Result<Option<String>> {
    let running = status.configuration.as_ref().ok_or(io::ErrorKind::NotFound)?;
    match &common.source.config {
        Some(file) => running.difference_of_file(file),
        None => running.difference_of_own_file(),
    }
}
