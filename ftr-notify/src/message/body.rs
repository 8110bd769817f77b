//! The text: how things stand, who carries traffic, and what led there.

use std::time::Duration;

use ftr_core::Family;
use ftr_core::record::{Event, EventKind};

use super::reason::explained;
use super::story::{self, Story, says};
use super::{listed, short};
use crate::digest::Batch;

pub(super) fn body(host: &str, batch: &Batch, stories: &[Story<'_>]) -> String {
    let mut lines = Vec::new();
    for story in stories {
        lines.extend(state(story));
        lines.extend(role(story));
        lines.extend(value(story, EventKind::Address, "address"));
        lines.extend(value(story, EventKind::Gateway, "gateway"));
        if story.ends(EventKind::Config).is_some() {
            lines.push(format!("{}: the configuration changed.", story.title()));
        }
    }
    lines.push(String::new());
    lines.extend([Family::V4, Family::V6].into_iter().filter_map(|family| carriers(&batch.events, stories, family)));
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

fn state(story: &Story<'_>) -> Vec<String> {
    let Some((first, last)) = story.ends(EventKind::State) else { return Vec::new() };
    let (title, since) = (story.title(), when(last));
    if says(last, "down") {
        let why = explained(last).map(|why| format!("  {why}"));
        return [format!("{title} is DOWN since {since}.")].into_iter().chain(why).collect();
    }
    let down = Duration::from_secs(last.at.mono.saturating_sub(first.at.mono) / 1000);
    let line = match (says(first, "down"), last.from.as_deref()) {
        (true, _) => format!("{title} is up again since {since}, after {} down.", humantime::format_duration(down)),
        (false, Some("down")) => format!("{title} is up again since {since}."),
        (false, _) => format!("{title} is up since {since}."),
    };
    let why = says(first, "down").then(|| explained(first)).flatten().map(|why| format!("  it was {why}"));
    [line].into_iter().chain(why).collect()
}

/// A change of role, where it does not follow from a change of state.
fn role(story: &Story<'_>) -> Option<String> {
    let (_, last) = story.ends(EventKind::Role).filter(|_| story.ends(EventKind::State).is_none())?;
    let title = story.title();
    Some(match last.to.as_deref() {
        Some("routing") => format!("{title} carries new connections."),
        Some("standby") => format!("{title} is on standby: it takes no new connections."),
        other => format!("{title} has the role {}.", short(other.unwrap_or("none"))),
    })
}

fn value(story: &Story<'_>, kind: EventKind, noun: &str) -> Option<String> {
    let (first, last) = story.ends(kind)?;
    let title = story.title();
    let before = first.from.as_deref().map(|value| format!(" (it was {})", short(value))).unwrap_or_default();
    Some(match last.to.as_deref() {
        Some(now) => format!("{title} has the {noun} {}{before}.", short(now)),
        None => format!("{title} has no {noun} any more{before}."),
    })
}

fn carriers(events: &[Event], stories: &[Story<'_>], family: Family) -> Option<String> {
    let (names, works) = story::carriers(events, stories, family)?;
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
        EventKind::State | EventKind::Role => "",
        EventKind::Address => "address ",
        EventKind::Gateway => "gateway ",
        EventKind::Config => "configuration ",
    };
    let reason = event.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let (name, from, to) = (story::name(event), value(&event.from), value(&event.to));
    format!("  {}  {name} {kind}{from} -> {to}{reason}", when(event))
}

/// `2026-11-01 10:00:00 UTC`: a record's time to the second; what is no such time is shown as it is.
fn when(event: &Event) -> String {
    let time = &event.at.time;
    match time.split_once('T') {
        Some((day, clock)) if day.len() == 10 && clock.ends_with('Z') && time.is_ascii() => {
            short(&format!("{day} {} UTC", clock.get(..8).unwrap_or(clock)))
        }
        _ => short(time),
    }
}
