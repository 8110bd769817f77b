//! The text: the state of the uplinks, the active set, and what led there.

use std::time::Duration;

use ftr_core::Family;
use ftr_core::record::{Event, EventKind};

use super::reason::explained;
use super::summary::{self, Summary, says};
use super::text::{listed, sentence, short};
use crate::digest::Batch;

pub(super) fn body(host: &str, batch: &Batch, summaries: &[Summary<'_>]) -> String {
    let mut lines = Vec::new();
    for summary in summaries {
        lines.extend(state(summary));
        lines.extend(role(summary));
        lines.extend(value(summary, EventKind::Address, "address"));
        lines.extend(value(summary, EventKind::Gateway, "gateway"));
        lines.extend(value(summary, EventKind::Prefix, "prefix"));
        lines.extend(drain(summary));
        lines.extend(quota(summary));
        lines.extend(summary.ends(EventKind::Config).map(|(_, last)| configuration(summary, last)));
        lines.extend(hazard(summary));
        lines.extend(summary.unknown().into_iter().map(unknown));
    }
    lines.push(String::new());
    lines.extend(
        [Family::V4, Family::V6].into_iter().filter_map(|family| active_text(&batch.events, summaries, family)),
    );
    lines.push(String::new());
    lines.push("In order:".to_owned());
    if batch.left_out > 0 {
        lines.push(format!("  {} older events are left out: too many waited for the mail server.", batch.left_out));
    }
    lines.extend(batch.events.iter().map(entry));
    // The signature's mark, with its space at the end (RFC 3676, section 4.3).
    lines.extend([String::new(), "-- ".to_owned(), format!("ftr-notify on {}", short(host)), String::new()]);
    lines.join("\n")
}

fn state(summary: &Summary<'_>) -> Vec<String> {
    let Some((first, last)) = summary.ends(EventKind::State) else { return Vec::new() };
    let (title, since) = (summary.title(), &last.at.time);
    if says(last, "down") {
        let why = explained(last).map(|why| format!("  {why}"));
        return [format!("{title} is DOWN since {since}.")].into_iter().chain(why).collect();
    }
    if !says(last, "up") {
        // Of a later version.
        return vec![format!("{title} is {} since {since}.", short(last.to.as_deref().unwrap_or("unknown")))];
    }
    let down = Duration::from_secs(last.at.mono.saturating_sub(first.at.mono) / 1000);
    let line = match (says(first, "down"), last.from.as_deref()) {
        (true, _) => format!("{title} is up again since {since}, after {} down.", humantime::format_duration(down)),
        (false, Some("down")) => format!("{title} is up again since {since}."),
        (false, _) => format!("{title} is up since {since}."),
    };
    let why = says(first, "down").then(|| explained(first)).flatten().map(|why| format!("  it was {why}"));
    let held = last.held.map(|held| format!("  It is {held}; ftr-monitor trust ends that."));
    [line].into_iter().chain(why).chain(held).collect()
}

/// A change of role, where it does not follow from a change of state.
fn role(summary: &Summary<'_>) -> Option<String> {
    let (_, last) = summary.ends(EventKind::Role).filter(|_| summary.ends(EventKind::State).is_none())?;
    let title = summary.title();
    Some(match last.to.as_deref() {
        Some("routing") => format!("{title} carries new connections."),
        Some("standby") => format!("{title} is on standby: it takes no new connections."),
        other => format!("{title} has the role {}.", short(other.unwrap_or("none"))),
    })
}

fn value(summary: &Summary<'_>, kind: EventKind, noun: &str) -> Option<String> {
    let (first, last) = summary.ends(kind)?;
    let title = summary.title();
    let before = first.from.as_deref().map(|value| format!(" (it was {})", short(value))).unwrap_or_default();
    Some(match last.to.as_deref() {
        Some(now) => format!("{title} has the {noun} {}{before}.", short(now)),
        None => format!("{title} has no {noun} any more{before}."),
    })
}

/// An uplink that people have drained, or no longer do.
fn drain(summary: &Summary<'_>) -> Option<String> {
    let (_, last) = summary.ends(EventKind::Drain)?;
    let title = summary.title();
    Some(if says(last, "drained") {
        format!("{title} is drained: it takes no new connections, and those that it has may end.")
    } else {
        format!("{title} is no longer drained.")
    })
}

/// How much of its quota an uplink has used.
fn quota(summary: &Summary<'_>) -> Option<String> {
    let (_, last) = summary.ends(EventKind::Quota)?;
    let (title, used) = (summary.title(), short(last.to.as_deref().unwrap_or("much")));
    let then = if says(last, "100%") { ": it is on standby until the next period begins" } else { "" };
    Some(format!("{title} has used {used} of its quota{then}."))
}

fn hazard(summary: &Summary<'_>) -> Vec<String> {
    let Some((first, last)) = summary.ends(EventKind::Hazard) else { return Vec::new() };
    let (name, what) = (summary.name(), sentence(&last.description));
    if says(last, "gone") {
        let was = if what.is_empty() { String::new() } else { format!(" It was: {what}") };
        let span = Duration::from_secs(last.at.mono.saturating_sub(first.at.mono) / 1000);
        let after =
            if says(first, "gone") { String::new() } else { format!(", after {}", humantime::format_duration(span)) };
        return vec![format!("{name} is over since {}{after}.{was}", last.at.time)];
    }
    let advice = last.advice.as_deref().map(|advice| format!("  {}", sentence(advice)));
    [format!("{name} since {}: {what}", last.at.time)].into_iter().chain(advice).collect()
}

/// What is another way in the configuration, where that is known.
fn configuration(summary: &Summary<'_>, last: &Event) -> String {
    match last.to.as_deref().filter(|_| last.from.is_none() && last.uplink.is_none()) {
        Some(what) => format!("The configuration was {}: {}.", short(&last.description), sentence(what)),
        None => format!("{}: the configuration changed.", summary.title()),
    }
}

/// An event of a kind that this version does not know.
fn unknown(event: &Event) -> String {
    format!("{}: {} is {}.", summary::name(event), event.kind, short(event.to.as_deref().unwrap_or("another")))
}

fn active_text(events: &[Event], summaries: &[Summary<'_>], family: Family) -> Option<String> {
    let (names, works) = summary::active_set(events, summaries, family)?;
    let kind = match family {
        Family::V4 => "New connections",
        Family::V6 => "New IPv6 connections",
    };
    Some(match (names.is_empty(), works) {
        (true, _) => format!("{kind} have no uplink to go by."),
        (false, true) => format!("{kind} go by {}.", listed(&names)),
        (false, false) => format!("No uplink works. {kind} are tried by {}.", listed(&names)),
    })
}

fn entry(event: &Event) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "none".to_owned(), short);
    let kind = match event.kind {
        EventKind::State | EventKind::Role => String::new(),
        EventKind::Config if event.from.is_none() && event.uplink.is_none() => {
            return format!("  {}  configuration {}", event.at.time, short(&event.description));
        }
        EventKind::Config => "configuration ".to_owned(),
        EventKind::Hazard if event.from.is_none() => {
            return format!("  {}  {} {}", event.at.time, summary::name(event), value(&event.to));
        }
        kind => format!("{kind} "),
    };
    let reason = event.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let (name, from, to) = (summary::name(event), value(&event.from), value(&event.to));
    format!("  {}  {name} {kind}{from} -> {to}{reason}", event.at.time)
}
