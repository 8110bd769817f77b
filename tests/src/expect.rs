//! Holds what the client and a watching `ftr-probe` saw against what the scenario expects.

use crate::deadline::Stretch;
use crate::error::{LabError, Result};
use crate::expectation::Expectation;
use crate::family::Family;
use crate::ipv6;
use crate::lab::Lab;
use crate::plan::Uplink;
use crate::report::{Attempt, Flow, Held, Outcome, Report};
use crate::seen;
use crate::span::Span;
use crate::spread::Spread;
use crate::watch::{Check, Judgement, Seen};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The instants of the steps, by name.
pub(crate) type Marks = BTreeMap<String, Mark>;

/// How long it takes a connection to be established here, on a machine that others use too: one of its processors may stand
/// still in the middle of it, while the other one breaks the line. It stays well below the time between two faults of a scenario.
const HANDSHAKE: Duration = Duration::from_millis(100);

/// When a step was done. What it does to an uplink takes some commands, and shows before the last of them has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// From here on it may show: what is expected `until` the step ends here.
    pub begun: Instant,
    /// From here on it is in force: what is expected `after` the step begins here.
    pub done: Instant,
    /// What has passed since then.
    pub stretch: Stretch,
}

impl Mark {
    /// Whether a connection was under way while an uplink broke. Its packets may be lost on the dead line before the
    /// kernel hears of it, and TCP sends them again after a second only (RFC 6298): nothing on a router can help it.
    fn catches(&self, began: Instant) -> bool {
        began + HANDSHAKE >= self.begun && began < self.done
    }
}

/// What the expectations are held against.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    /// What the client saw.
    pub report: &'a Report,
    /// What the router itself saw, where it opened connections.
    pub own: Option<&'a Report>,
    /// What `ftr-probe --watch` said.
    pub checks: &'a [Seen],
    /// When what happened.
    pub marks: &'a Marks,
    /// Every break of an uplink, also those that later ones of the same name follow.
    pub breaks: &'a [Mark],
    /// Where.
    pub lab: &'a Lab,
}

/// Checks every expectation and tells all that were not met.
///
/// # Errors
/// The unmet ones, with the failed connections.
pub(crate) fn all(expectations: &[Expectation], evidence: &Evidence) -> Result<()> {
    let Evidence { report, marks, .. } = evidence;
    let mut unmet = Vec::new();
    for expectation in expectations {
        if let Err(error) = one(expectation, evidence) {
            unmet.push(format!("expected {expectation:?}: {error}"));
        }
    }
    if unmet.is_empty() {
        return Ok(());
    }
    Err(LabError::Unexpected(format!("{}\n{}", unmet.join("\n"), story(report, marks))))
}

fn one(expectation: &Expectation, evidence: &Evidence) -> Result<()> {
    let Evidence { report, marks, lab, .. } = evidence;
    match expectation {
        Expectation::Failures { router, family, after, until, settled, at_most } => {
            let report = if *router { evidence.own.ok_or_else(idle)? } else { report };
            let from = mark(marks, report, after.as_deref())?;
            let end = until.as_deref().map_or(Ok(Instant::now()), |until| Ok(named(marks, until)?.begun))?;
            let is_lost = |attempt: &Attempt| evidence.breaks.iter().any(|broken| broken.catches(attempt.began));
            let counts = |attempt: &&Attempt| attempt.family.is_meant(*family) && !is_lost(attempt);
            let failed = |from| report.failed(from, end).filter(counts).count();
            let count = failed(from);
            let late = settled.map_or(0, |Span(settled)| failed(from + settled + lost(marks, after.as_deref())));
            refuse(late > 0, || format!("{late} began later"))?;
            refuse(at_most.is_some_and(|most| count > most), || format!("{count} failed"))
        }
        Expectation::Unharmed { uplinks, family, stall } => {
            for held in held_on(report, lab, uplinks.as_deref(), *family) {
                refuse(held.broke.is_some(), || format!("{held:?}"))?;
                refuse(held.longest_stall > stall.0, || format!("{held:?}"))?;
            }
            for flow in &report.flows {
                let first = flow.heard.first().map(|(_, source)| *source);
                let meant = first.is_some_and(|first| is_on(first, lab, uplinks.as_deref()));
                let harmed = !flow.ended.is_empty() || flow.longest_stall > stall.0;
                refuse(meant && flow.family.is_meant(*family) && harmed, || format!("{flow:?}"))?;
            }
            Ok(())
        }
        Expectation::Reset { uplink, family, after, within } => {
            let event = mark(marks, report, Some(after))?;
            let all: Vec<&Held> = held_on(report, lab, Some(std::slice::from_ref(uplink)), *family).collect();
            refuse(all.is_empty(), || "no connection was held there".to_owned())?;
            let end = event + within.0 + lost(marks, Some(after));
            let in_time = |held: &&Held| held.broke.as_ref().is_some_and(|(at, _)| *at <= end);
            refuse(!all.iter().all(in_time), || format!("{all:?}"))
        }
        Expectation::Moved { uplink, family, after, within } => {
            let event = mark(marks, report, Some(after))?;
            let only = std::slice::from_ref(uplink);
            let on = |source: IpAddr| is_on(source, lab, Some(only));
            let meant = |flow: &&Flow| flow.family.is_meant(*family) && flow.seen_before(event).is_some_and(on);
            let flows: Vec<&Flow> = report.flows.iter().filter(meant).collect();
            refuse(flows.is_empty(), || "no flow was there".to_owned())?;
            let within = within.0 + lost(marks, Some(after));
            flows.into_iter().try_for_each(|flow| moved(flow, event, within, on))
        }
        Expectation::Used { uplinks, family, after, within } => {
            let from = mark(marks, report, after.as_deref())?;
            uplinks.iter().try_for_each(|uplink| used(report, lab.uplink(uplink)?, *family, from, *within))
        }
        Expectation::Spread { family, count, p } => spread(report, lab, *family, *count, *p),
        Expectation::Checks { uplink, family, up, reason, after, until, settled } => {
            let from = mark(marks, report, after.as_deref())? + settled.map_or(Duration::ZERO, |Span(settled)| settled);
            let strict = settled.map_or(from, |_| from + lost(marks, after.as_deref()));
            let end = until.as_deref().map_or(Ok(Instant::now()), |until| Ok(named(marks, until)?.begun))?;
            let all = Judgement { uplink, family: *family, up: *up, reason: reason.as_deref() };
            say(&all, evidence.checks.iter().filter(|seen| seen.at >= from && seen.at < end), strict)
        }
        Expectation::Foreign(most) => {
            for uplink in &lab.uplinks {
                let count = lab.provider(&uplink.device())?.foreign_packets()?;
                refuse(count > *most, || format!("{count} packets reached the provider of {}", uplink.device()))?;
            }
            Ok(())
        }
    }
}

/// There are such records, and from `strict` on all say so.
fn say<'a>(all: &Judgement, seen: impl Iterator<Item = &'a Seen>, strict: Instant) -> Result<()> {
    let checks: Vec<&Seen> = seen.filter(|seen| all.concerns(&seen.check)).collect();
    refuse(checks.is_empty(), || "there is none".to_owned())?;
    let strictly = checks.iter().filter(|seen| seen.at >= strict).map(|seen| &seen.check);
    let others: Vec<&Check> = strictly.filter(|check| !all.is(check)).collect();
    refuse(!others.is_empty(), || format!("{} of {} say otherwise: {others:?}", others.len(), checks.len()))
}

fn used(report: &Report, uplink: &Uplink, family: Family, from: Instant, within: Option<Span>) -> Result<()> {
    let by_it = |source: IpAddr| match source {
        _ if Family::of(source) != family => false,
        IpAddr::V4(source) => source == uplink.seen_as(),
        IpAddr::V6(source) => ipv6::owns(uplink, source),
    };
    let device = uplink.device();
    match (report.first_seen_after(from, by_it), within) {
        (None, _) => Err(LabError::Unexpected(format!("{device} carried no connection"))),
        (Some(first), Some(Span(within))) if first > within => {
            Err(LabError::Unexpected(format!("{device} carried its first connection after {first:?}")))
        }
        _ => Ok(()),
    }
}

fn spread(report: &Report, lab: &Lab, family: Family, count: usize, p: f64) -> Result<()> {
    let attempts = report.attempts.iter().filter(|attempt| attempt.family == family);
    let spread = Spread::of(attempts.filter_map(|attempt| attempt.seen_as), &lab.uplinks)?;
    refuse(spread.counts.iter().sum::<usize>() < count, || format!("too few: {spread:?}"))?;
    refuse(spread.p < p, || format!("{spread:?}"))
}

fn held_on<'a>(
    report: &'a Report,
    lab: &'a Lab,
    uplinks: Option<&'a [String]>,
    family: Option<Family>,
) -> impl Iterator<Item = &'a Held> {
    report.held.iter().filter(move |held| held.family.is_meant(family)).filter(move |held| {
        let carrier = held.seen_as.and_then(|source| seen::uplink_of(source, &lab.uplinks));
        uplinks.is_none_or(|named| carrier.is_some_and(|carrier| named.contains(&carrier)))
    })
}

/// Whether a source address is of one of these uplinks.
fn is_on(source: IpAddr, lab: &Lab, uplinks: Option<&[String]>) -> bool {
    let carrier = seen::uplink_of(source, &lab.uplinks);
    uplinks.is_none_or(|named| carrier.is_some_and(|carrier| named.contains(&carrier)))
}

/// Soon after the event, and at the end, answers come by other uplinks.
fn moved(flow: &Flow, event: Instant, within: Duration, on: impl Fn(IpAddr) -> bool) -> Result<()> {
    let elsewhere = flow.heard.iter().find(|(at, source)| *at >= event && !on(*source)).map(|(at, _)| *at - event);
    let tale = || format!("moved after {elsewhere:?}, ended {:?}, last heard {:?}", flow.ended, flow.heard.last());
    refuse(elsewhere.is_none_or(|after| after > within), tale)?;
    let silent = flow.heard.last().is_none_or(|(at, _)| at.elapsed() > Duration::from_secs(1));
    refuse(silent, tale)
}

fn mark(marks: &Marks, report: &Report, name: Option<&str>) -> Result<Instant> {
    match name {
        Some(name) => Ok(named(marks, name)?.done),
        None => Ok(report.attempts.first().map_or_else(Instant::now, |first| first.began)),
    }
}

/// How long the machine has stood still since a step: nobody settled or moved meanwhile.
fn lost(marks: &Marks, name: Option<&str>) -> Duration {
    name.and_then(|name| marks.get(name)).map_or(Duration::ZERO, |mark| mark.stretch.lost())
}

fn named(marks: &Marks, name: &str) -> Result<Mark> {
    marks.get(name).copied().ok_or_else(|| LabError::Unexpected(format!("no step is named {name:?}")))
}

fn idle() -> LabError {
    LabError::Unexpected("the router opens no connections of its own".to_owned())
}

fn refuse(unmet: bool, why: impl FnOnce() -> String) -> Result<()> {
    if unmet { Err(LabError::Unexpected(why())) } else { Ok(()) }
}

/// When which connection failed, beside the steps, in seconds from the client's start.
fn story(report: &Report, marks: &Marks) -> String {
    let Some(start) = report.attempts.first().map(|first| first.began) else { return String::new() };
    let since = |at: Instant| at.checked_duration_since(start).unwrap_or(Duration::ZERO).as_secs_f64();
    let mut text = format!("{} connections\n", report.attempts.len());
    // Writing to a String cannot fail.
    for (name, mark) in marks {
        let _ = writeln!(text, "{:8.3} to {:.3} {name}", since(mark.begun), since(mark.done));
    }
    for attempt in &report.attempts {
        if let Outcome::Failed(reason) = &attempt.outcome {
            let _ = writeln!(text, "{:8.3} failed over IPv{}: {reason}", since(attempt.began), attempt.family);
        }
    }
    text
}
