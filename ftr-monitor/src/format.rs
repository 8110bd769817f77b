//! Records in words, for the log and for people who look on.

use std::fmt::Write as _;

use ftr_core::record::{Active, Check, Event, EventKind, Reason, Record};
use ftr_core::{Family, InterfaceName};

/// An event as one line.
pub(crate) fn event(event: &Event) -> String {
    let uplink = about(event);
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "unknown".to_owned());
    let to = word(&event.to);
    match event.kind {
        EventKind::State => {
            let why = event.reason.map_or_else(String::new, |reason| format!(": {reason}"));
            let counts = event.count_text().filter(|_| event.reason.is_some());
            let counts = counts.map_or_else(String::new, |counts| format!(", {counts}"));
            // Before the first decision nobody is known to carry anything.
            let active = match event.active.as_slice() {
                [] => String::new(),
                active => format!("; new connections use {}", list(active)),
            };
            let remedy = event.reason.and_then(Reason::remedy).map(|remedy| format!("; {remedy}")).unwrap_or_default();
            let held = event.held.map_or_else(String::new, |held| format!(", {held}"));
            format!("{uplink} is {to}{why}{counts}{held}{active}{remedy}")
        }
        EventKind::Role => format!("{uplink} is {to} now, was {}", word(&event.from)),
        EventKind::Address | EventKind::Gateway => {
            let what = if event.kind == EventKind::Address { "address" } else { "gateway" };
            format!("{uplink} has {what} {to} now, had {}", word(&event.from))
        }
        EventKind::Prefix => format!("{uplink} has prefix {to} now, had {}", word(&event.from)),
        EventKind::Drain => format!("{uplink} is {to}"),
        EventKind::Quota => format!("{uplink} has used {to} of its quota"),
        EventKind::Config => {
            let what = event.to.as_ref().map(|to| format!(": {to}")).unwrap_or_default();
            format!("{uplink} {}{what}", event.description)
        }
        EventKind::Hazard => {
            let Event { hazard, description, advice, .. } = event;
            let kind = word(hazard);
            match event.to.as_deref() {
                Some("present") => format!("{kind}: {uplink}: {description}: {}", word(advice)),
                Some("gone") => format!("{kind}: {uplink}: is over"),
                _ => format!("{kind}: {uplink}: {to}"),
            }
        }
        EventKind::Unknown(_) => {
            format!("{uplink}: {} {} -> {to}", event.kind, word(&event.from))
        }
    }
}

/// What an event is about.
fn about(event: &Event) -> String {
    let Some(uplink) = &event.uplink else { return event.object.clone().unwrap_or_else(|| "this host".to_owned()) };
    let family = event.family.map_or("", family);
    let described =
        if event.description == uplink.as_str() { String::new() } else { format!(" ({})", event.description) };
    format!("{uplink}{family}{described}")
}

/// What was decided as one line; none for other records.
pub(crate) fn decided(record: &Record) -> Option<String> {
    match record {
        Record::Active(set) => Some(active(set)),
        Record::Event(change) => Some(event(change)),
        _ => None,
    }
}

/// An active set as one line.
pub(crate) fn active(active: &Active) -> String {
    let shares: Vec<String> =
        active.uplinks.iter().map(|share| format!("{} (weight {})", share.uplink, share.weight)).collect();
    let shares = if shares.is_empty() { "none".to_owned() } else { shares.join(", ") };
    let flush = if active.flush.is_empty() {
        String::new()
    } else {
        format!("; connections of {} are given up", list(&active.flush))
    };
    format!("{} new connections use {shares}: {}{flush}", active.family, active.reason)
}

/// A check as one line.
pub(crate) fn check(check: &Check) -> String {
    let verdict = if check.up { "up" } else { "down" };
    let rtt = check.rtt_ms.map(|rtt| format!(" rtt {rtt:.1}ms")).unwrap_or_default();
    let reason = check.reason.map(|reason| format!(" {reason}")).unwrap_or_default();
    let family = family(check.family);
    format!("{}{family} {verdict} {}/{}{rtt}{reason}", check.uplink, check.answered, check.asked)
}

/// IPv6 is named, IPv4 goes without saying.
const fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "",
        Family::V6 => " IPv6",
    }
}

fn list(names: &[InterfaceName]) -> String {
    names.iter().map(InterfaceName::as_str).collect::<Vec<_>>().join(", ")
}
/// A time span in its two largest units: `3d4h`, `5m12s`, `8s`.
pub(crate) fn short(millis: u64) -> String {
    let seconds = millis / 1000;
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(unit, _)| seconds >= *unit) else { return "0s".to_owned() };
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, letter) in units.iter().skip(first).take(2) {
        if rest / unit > 0 {
            let _ = write!(text, "{}{letter}", rest / unit);
        }
        rest %= unit;
    }
    text
}
