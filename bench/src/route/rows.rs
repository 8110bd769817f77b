//! The rows of the table of `ftr-route`.

use super::back::{self, Return};
use super::stepwise::{self, CHANGES};
use super::{cost, drift, flush, foreign, killed, lookups, order, pipeline};
use crate::figure::Figure;
use crate::table::{Effort, Line, dash, failure, with_mean};
use clap::ValueEnum;
use ftr_lab::error::Result;
use std::fmt::Write as _;
use std::time::Duration;

/// The heads of the table.
pub const COLUMNS: [&str; 1] = ["ftr-route"];

/// A row of the table of `ftr-route`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RouteRow {
    /// Route: 10,000 rules and routes of others, untouched.
    RouteForeign,
    /// Route: what is taken away is back.
    RouteDrift,
    /// Route: from a record, and from the carrier, to the new route.
    RoutePipeline,
    /// Route: one run from start to end, 3 and 200 uplinks.
    RouteApply,
    /// Route: 10 million look-ups while the active set changes (a tenth of them a run).
    RouteLookups,
    /// Route: look-ups while a host moves from the former order of the rules.
    RouteOrder,
    /// Route: killed between any two steps, and at random moments.
    RouteKill,
    /// Route: established connections at a failover, flushed and kept.
    RouteFailoverFlush,
    /// Route: a device, a line, an address or a gateway goes and comes back.
    RouteReturn,
}

/// Measures a row.
#[must_use]
pub fn measure(row: RouteRow, effort: Effort) -> Vec<Line> {
    let lines = match row {
        RouteRow::RouteForeign => others(effort),
        RouteRow::RouteDrift => taken_away(effort),
        RouteRow::RoutePipeline => through(effort),
        RouteRow::RouteApply => runs(effort),
        RouteRow::RouteLookups => ways(effort),
        RouteRow::RouteOrder => moves(effort),
        RouteRow::RouteKill => kills(effort),
        RouteRow::RouteFailoverFlush => established(effort),
        RouteRow::RouteReturn => returns(effort),
    };
    let name = || row.to_possible_value().map_or_else(dash, |value| value.get_name().to_owned());
    lines.unwrap_or_else(|error| vec![line(&name(), failure(&error))])
}

fn line(what: &str, cell: String) -> Line {
    Line { what: what.to_owned(), cells: vec![cell] }
}

fn millis(times: &[Duration]) -> String {
    with_mean(&Figure::new(times.iter().map(|time| time.as_secs_f64() * 1e3), "ms"))
}

fn others(effort: Effort) -> Result<Vec<Line>> {
    let seen = foreign::measure(effort.runs.max(1), 1000, effort.seed)?;
    let cell = format!(
        "{} of {} changed; {} of ours left; {} writes the second time",
        seen.changed, seen.entries, seen.left, seen.writes
    );
    Ok(vec![line("random rules and routes of others, 1000 in each round: applied twice, cleared", cell)])
}

fn taken_away(effort: Effort) -> Result<Vec<Line>> {
    let seen = drift::measure(effort.runs * 20, effort.runs * 2, effort.seed)?;
    let entries = seen.entries;
    Ok(vec![
        line(&format!("one of {entries} rules and routes deleted: back"), millis(&seen.alone)),
        line("some deleted at once: the last one back", millis(&seen.handfuls)),
        line(&format!("all {entries} deleted at once: the last one back"), millis(&seen.together)),
    ])
}

fn through(effort: Effort) -> Result<Vec<Line>> {
    let pipe = pipeline::through_pipe(effort.runs * 10, effort.seed)?;
    let daemon = pipeline::through_daemon(effort.runs * 5, effort.seed)?;
    Ok(vec![
        line("check record into `ftr-monitor decide | ftr-route apply -` to the new balanced route", millis(&pipe)),
        line("carrier lost to the new balanced route, the whole daemon", millis(&daemon)),
    ])
}

fn runs(effort: Effort) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for uplinks in [3, 200] {
        for (ipv6, families) in [(false, "IPv4"), (true, "both families")] {
            let seen = cost::measure(uplinks, ipv6, effort.runs, 20)?;
            for (how, (whole, told)) in [("the first", seen.first), ("nothing to change", seen.again)] {
                let what = format!("`ftr-route apply`, {uplinks} uplinks, {families}, {how}: process (its record)");
                lines.push(line(&what, format!("{whole} ({:.2})", told.median().unwrap_or(f64::NAN))));
            }
        }
    }
    Ok(lines)
}

fn ways(effort: Effort) -> Result<Vec<Line>> {
    let seen = lookups::measure(u64::try_from(effort.runs).unwrap_or(1) * 1_000_000, 0)?;
    let failed: u64 = seen.failed.values().sum();
    let seconds = seen.took.as_secs_f64();
    let cell = format!(
        "{failed} of {} failed; {} changes with {} writes in {seconds:.0} s{}",
        seen.asked,
        seen.changes,
        seen.writes,
        if failed > 0 { format!("; {:?}", seen.failed) } else { String::new() }
    );
    Ok(vec![line("route look-ups while the active set changes continuously", cell)])
}

fn moves(effort: Effort) -> Result<Vec<Line>> {
    let seen = order::measure(u64::try_from(effort.runs).unwrap_or(1) * 10_000)?;
    let cell = format!(
        "{} of {} failed, {} by another uplink; {} moves with {} writes, {} not completed at once",
        seen.failed, seen.asked, seen.astray, seen.moves, seen.writes, seen.incomplete
    );
    Ok(vec![line("route look-ups while a host moves from the former order of the rules", cell)])
}

fn kills(effort: Effort) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for change in CHANGES {
        let seen = stepwise::measure(change)?;
        let mut cell =
            format!("{} steps: {} holes, {} incomplete", seen.steps, seen.holes.len(), seen.incomplete.len());
        for step in seen.holes.iter().chain(&seen.incomplete) {
            // Writing to a String cannot fail.
            let _ = write!(cell, "; after `{step}`");
        }
        lines.push(line(&format!("stopped between any two steps: {}", change.name), cell));
    }
    let seen = killed::measure(effort.runs * 10, effort.seed)?;
    let cell = format!(
        "{} look-ups failed, {} not completed by the next run; {} of {} had something to do",
        seen.lost, seen.incomplete, seen.half, seen.kills
    );
    lines.push(line("`apply -` killed at random moments of continuous changes", cell));
    Ok(lines)
}

fn established(effort: Effort) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (how, overrides) in [("flush", "{}"), ("keep", "{routing: {connections_on_down: keep}}")] {
        let mut all = Vec::new();
        for run in 0..effort.runs.div_ceil(3) {
            all.push(flush::measure(overrides, effort.seed.wrapping_add(u64::try_from(run).unwrap_or_default()))?);
        }
        let sum = |part: fn(&flush::Outcome) -> usize| all.iter().map(part).sum::<usize>();
        let times = |part: fn(&flush::Outcome) -> &Vec<Duration>| {
            Figure::seconds(all.iter().flat_map(|seen| part(seen).iter().copied()))
        };
        let what = |of: &str| format!("upstream silently dead, `{how}`: {of}");
        let (moved, stuck) = (times(|seen| &seen.moved), sum(|seen| seen.stuck));
        lines.push(line(
            &what("break to the new route"),
            Figure::seconds(all.iter().map(|seen| seen.detection)).to_string(),
        ));
        lines.push(line(&what("its calls (UDP, fixed ports) elsewhere after that"), format!("{moved}; {stuck} never")));
        let (reset, hung) = (times(|seen| &seen.reset), sum(|seen| seen.hung));
        lines.push(line(&what("its TCP connections reset after that"), format!("{reset}; {hung} never")));
        let harmed = format!("{} of {}", sum(|seen| seen.harmed.0), sum(|seen| seen.harmed.1));
        lines.push(line(&what("connections of other uplinks harmed"), harmed));
    }
    Ok(lines)
}

fn returns(effort: Effort) -> Result<Vec<Line>> {
    let times = u8::try_from(effort.runs.div_ceil(2)).unwrap_or(u8::MAX).min(100);
    let mut lines = Vec::new();
    for which in Return::ALL {
        let seen = back::measure(which, times, effort.seed)?;
        let what = match which {
            Return::Device => "device deleted and made again",
            Return::Line => "point-to-point line hung up and dialled again",
            Return::Address => "point-to-point line gets another address",
            Return::Gateway => "DHCP hands out another gateway",
        };
        lines.push(line(&format!("{what}: from that to the route that follows"), millis(&seen.back)));
        lines.push(line(&format!("{what}: new connections failed"), format!("{} of {}", seen.failed.1, seen.failed.0)));
    }
    Ok(lines)
}
