//! The subject line: enough to decide whether to get up.

use ftr_core::Family;
use ftr_core::record::{Event, EventKind};

use super::summary::{self, Summary, says};
use super::text::short;

/// The longest subject, in characters; RFC 5322 would allow more, telephones show less.
const LONGEST: usize = 160;

pub(super) fn subject(host: &str, events: &[Event], summaries: &[Summary<'_>]) -> String {
    let changes: Vec<String> = summaries.iter().map(change).collect();
    let mut subject = format!("ftr {}: {}", short(host), changes.join(", "));
    let active = |family: Family| Some((family, summary::active_set(events, summaries, family)?));
    if let Some((family, (names, works))) = events.iter().rev().find_map(|event| active(event.family?)) {
        subject += "; ";
        subject += &carried(family, &names, works);
    }
    if subject.chars().count() > LONGEST {
        subject = subject.chars().take(LONGEST).chain(['…']).collect();
    }
    subject
}

fn carried(family: Family, names: &[String], works: bool) -> String {
    match (names, works) {
        (_, false) => "NO uplink works".to_owned(),
        // Of a family that the configuration has no longer, say.
        ([], _) if family == Family::V6 => "nothing carries IPv6 traffic".to_owned(),
        ([], _) => "nothing carries traffic".to_owned(),
        ([one], _) => format!("{one} carries traffic"),
        (several, _) => format!("{} carry traffic", several.join(", ")),
    }
}

/// What happened to an uplink, in a few words; where its state changed its role follows, and is not worth one.
fn change(summary: &Summary<'_>) -> String {
    let mut words: Vec<String> = Vec::new();
    if let Some((first, last)) = summary.ends(EventKind::State) {
        let reason = |event: &Event| event.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        words.push(match (says(first, "down"), last.to.as_deref()) {
            (_, Some("down")) => format!("down{}", reason(last)),
            (true, Some("up")) => format!("down{} and up again", reason(first)),
            (_, other) => short(other.unwrap_or("unknown")),
        });
    } else if let Some((_, last)) = summary.ends(EventKind::Role) {
        words.push(short(last.to.as_deref().unwrap_or("out of use")));
    }
    for (kind, noun) in
        [(EventKind::Address, "address"), (EventKind::Gateway, "gateway"), (EventKind::Prefix, "prefix")]
    {
        if let Some((_, last)) = summary.ends(kind) {
            words.push(format!("{noun} {}", last.to.as_deref().map_or_else(|| "gone".to_owned(), short)));
        }
    }
    if let Some((_, last)) = summary.ends(EventKind::Drain) {
        words.push(short(last.to.as_deref().unwrap_or("drained")));
    }
    if let Some((_, last)) = summary.ends(EventKind::Quota) {
        words.push(format!("quota {}", short(last.to.as_deref().unwrap_or("used"))));
    }
    if summary.ends(EventKind::Config).is_some() {
        words.push("configuration changed".to_owned());
    }
    if let Some((_, last)) = summary.ends(EventKind::Hazard).filter(|(_, last)| says(last, "gone")) {
        words.push(last.to.as_deref().map(short).unwrap_or_default());
    }
    for last in summary.unknown() {
        words.push(format!("{} {}", last.kind, short(last.to.as_deref().unwrap_or("changed"))));
    }
    if words.is_empty() { summary.name() } else { format!("{} {}", summary.name(), words.join(", ")) }
}
