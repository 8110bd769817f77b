//! The outcome of a check, as a record and as text for people.

use std::fmt::Write as _;

use ftr_core::record::{Check, Reason, Stamp, TargetResult};
use ftr_core::{Family, InterfaceName};

use crate::figures::millis;
use crate::path::{Break, Way};
use crate::round::Round;

/// The record of an uplink that is down before anything is sent.
pub(crate) fn broken(uplink: &InterfaceName, required: usize, broken: Break, at: Stamp) -> Check {
    Check {
        at,
        uplink: uplink.clone(),
        family: Family::V4,
        up: false,
        reason: Some(broken.reason),
        answered: 0,
        required: count(required),
        asked: 0,
        rtt_ms: None,
        jitter_ms: None,
        loss: None,
        address: broken.address,
        gateway: None,
        targets: Vec::new(),
    }
}

/// The record of a check that has come to a verdict now.
pub(crate) fn asked(
    uplink: &InterfaceName,
    way: Way,
    up: bool,
    round: &Round,
    at: (Stamp, std::time::Duration),
) -> Check {
    let (stamp, now) = at;
    let figures = round.figures(now);
    let targets: Vec<_> = round
        .answers(now)
        .map(|answer| TargetResult {
            target: answer.target.to_string(),
            rtt_ms: answer.fate.ok().map(millis),
            error: answer.fate.err().flatten().map(str::to_owned),
        })
        .collect();
    let tally = round.tally();
    Check {
        at: stamp,
        uplink: uplink.clone(),
        family: Family::V4,
        up,
        reason: (!up).then_some(Reason::NoAnswer),
        answered: count(tally.answered),
        required: count(tally.required),
        asked: count(targets.len()),
        rtt_ms: figures.rtt_ms,
        jitter_ms: figures.jitter_ms,
        loss: figures.loss,
        address: Some(way.address),
        gateway: way.gateway,
        targets,
    }
}

/// A check as text: a line, and when `verbose` one more for each target.
pub(crate) fn text(check: &Check, verbose: bool) -> String {
    let state = if check.up { "up" } else { "down" };
    let mut text = format!("{} {state} {}/{}", check.uplink, check.answered, check.asked);
    // Writing to a String never fails.
    let _ = match (check.reason, check.rtt_ms) {
        (Some(reason), _) => write!(text, " {reason}"),
        (None, Some(rtt)) => write!(text, " rtt {}", time(rtt)),
        (None, None) => Ok(()),
    };
    text.push('\n');
    for target in check.targets.iter().filter(|_| verbose) {
        let _ = match (target.rtt_ms, &target.error) {
            (Some(rtt), _) => writeln!(text, "  {} {}", target.target, time(rtt)),
            (None, Some(error)) => writeln!(text, "  {} {error}", target.target),
            (None, None) => writeln!(text, "  {} not awaited", target.target),
        };
    }
    text
}

fn time(millis: f64) -> String {
    if millis < 1.0 { format!("{millis:.2}ms") } else { format!("{millis:.1}ms") }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
