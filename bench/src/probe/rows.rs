//! The rows of the table of `ftr-probe`.

use super::routed::Routed;
use super::soon::{self, Break, Trials, VICTIM};
use super::{cost, once, round_trip, verdicts};
use crate::table::{Effort, Line, dash, failure};
use clap::ValueEnum;
use ftr_lab::client::{Client, Habit};
use ftr_lab::error::Result;
use ftr_lab::noise::Noise;
use ftr_lab::plan;
use ftr_lab::server::Server;
use std::time::Duration;

/// The heads of the table.
pub(crate) const COLUMNS: [&str; 2] = ["peer", "ftr-probe"];

/// Nothing that the original's example configuration does not say; the timeout is the default, 2 s.
const DEFAULTS: &str = "{tests: {timeout: }}";

/// Broadcast packets a second that arrive although nothing works.
const NOISE: u32 = 50;

/// A row of the table of `ftr-probe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProbeRow {
    /// Probe: processor time an answered probe and memory, 16 uplinks.
    ProbeCost16,
    /// Probe: the same, 64 uplinks.
    ProbeCost64,
    /// Probe: round trips beside those of ping.
    ProbeRtt,
    /// Probe: one check from start to end, beside ping and fping.
    ProbeOnce,
    /// Probe: carrier lost to record.
    ProbeCarrier,
    /// Probe: silent failure to record, interval 1 s and 200 ms.
    ProbeSilent,
    /// Probe: silent failure to record, interval 60 s, under traffic and noise.
    ProbeTraffic,
    /// Probe: captive gateway to record.
    ProbeCaptive,
    /// Probe: harmless troubles that must not turn an uplink down, a minute a run.
    ProbeFalseDown,
    /// Probe: answers of others that must not turn an uplink up, 6 s a run.
    ProbeFalseUp,
    /// Probe: a million hostile packets.
    ProbeHostile,
}

/// Measures a row.
#[must_use]
pub(crate) fn measure(row: ProbeRow, effort: Effort) -> Vec<Line> {
    let lines = match row {
        ProbeRow::ProbeCost16 => cost::lines(16, effort.runs, effort.peers),
        ProbeRow::ProbeCost64 => cost::lines(64, effort.runs, effort.peers),
        ProbeRow::ProbeRtt => round_trip::lines(),
        ProbeRow::ProbeOnce => once::lines(effort.runs, effort.peers),
        ProbeRow::ProbeCarrier => carrier(effort),
        ProbeRow::ProbeSilent => ["1s", "200ms"].into_iter().map(|interval| silent(interval, effort)).collect(),
        ProbeRow::ProbeTraffic => [&[][..], &[VICTIM][..]].into_iter().map(|active| traffic(active, effort)).collect(),
        ProbeRow::ProbeCaptive => captive(effort),
        ProbeRow::ProbeFalseDown => verdicts::false_down(DEFAULTS, effort),
        ProbeRow::ProbeFalseUp => verdicts::false_up(DEFAULTS, effort),
        ProbeRow::ProbeHostile => verdicts::hostile(DEFAULTS, effort),
    };
    let name = || row.to_possible_value().map_or_else(dash, |value| value.get_name().to_owned());
    lines.unwrap_or_else(|error| vec![ours(&name(), failure(&error))])
}

fn carrier(effort: Effort) -> Result<Vec<Line>> {
    let routed = Routed::build(&plan::alike(2), DEFAULTS, &[])?;
    // An interval that no trial lasts for: only the event itself can make the record.
    let trials = Trials {
        by: Break::Carrier,
        interval: "60s",
        count: effort.runs * 5,
        well: Duration::from_millis(300),
        spread: Duration::from_millis(500),
        within: Duration::from_secs(2),
        afresh: false,
    };
    let seen = soon::measure(&routed, trials, effort.seed)?;
    Ok(vec![ours("carrier lost to record", seen.shown("ms", 1e-3))])
}

fn silent(interval: &str, effort: Effort) -> Result<Line> {
    let routed = Routed::build(&plan::alike(2), DEFAULTS, &[])?;
    let trials = Trials {
        by: Break::Silent,
        interval,
        count: effort.runs * 5,
        well: Duration::from_secs(2),
        spread: Duration::from_secs(1),
        within: Duration::from_secs(4),
        afresh: false,
    };
    let seen = soon::measure(&routed, trials, effort.seed)?;
    Ok(ours(&format!("silent failure to record, interval {interval}"), seen.shown("s", 1.0)))
}

/// `active` uplinks carry 40 new connections a second, and the victim's provider broadcasts.
fn traffic(active: &[&str], effort: Effort) -> Result<Line> {
    let routed = Routed::build(&plan::three(), DEFAULTS, active)?;
    let _server = Server::start(&routed.lab.internet)?;
    let _noise = Noise::start(&routed.lab.provider(VICTIM)?.space, routed.lab.uplink(VICTIM)?, NOISE)?;
    let _client = Client::start(&routed.lab.lan, &Habit { held: 0, seed: effort.seed, ..Habit::default() })?;
    let trials = Trials {
        by: Break::Silent,
        interval: "60s",
        count: effort.runs * 5,
        well: Duration::from_secs(5),
        spread: Duration::from_secs(1),
        within: Duration::from_secs(5),
        afresh: true,
    };
    let seen = soon::measure(&routed, trials, effort.seed)?;
    let carried = if active.is_empty() { "10" } else { "40" };
    let what = format!(
        "silent failure to record, interval 60 s, about {carried} new connections a second on the uplink, \
         50 broadcasts a second of noise"
    );
    Ok(ours(&what, seen.shown("s", 1.0)))
}

fn captive(effort: Effort) -> Result<Vec<Line>> {
    let routed = Routed::build(&plan::alike(2), DEFAULTS, &[])?;
    let trials = Trials {
        by: Break::Captive,
        interval: "1s",
        count: effort.runs.max(1),
        well: Duration::from_secs(4),
        spread: Duration::from_secs(1),
        within: Duration::from_secs(10),
        afresh: false,
    };
    let seen = soon::measure(&routed, trials, effort.seed)?;
    Ok(vec![ours("gateway turns captive to record, interval 1 s", seen.shown("intervals", 1.0))])
}

fn ours(what: &str, cell: String) -> Line {
    Line { what: what.to_owned(), cells: vec![dash(), cell] }
}
