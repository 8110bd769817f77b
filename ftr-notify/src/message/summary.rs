//! What happened within one mail to one uplink, or about one hazard.

use ftr_core::record::{Event, EventKind};
use ftr_core::{Family, InterfaceName};

use super::text::short;

/// The events of one uplink and family, or of one hazard, oldest first.
pub(super) struct Summary<'a> {
    events: Vec<&'a Event>,
    first: &'a Event,
}

/// A summary for each uplink and family, and for each hazard, in the order in which they turn up.
pub(super) fn summaries(events: &[Event]) -> Vec<Summary<'_>> {
    let mut summaries: Vec<Summary<'_>> = Vec::new();
    for event in events {
        match summaries.iter_mut().find(|summary| summary.covers(event)) {
            Some(summary) => summary.events.push(event),
            None => summaries.push(Summary { events: vec![event], first: event }),
        }
    }
    summaries
}

impl<'a> Summary<'a> {
    fn covers(&self, event: &Event) -> bool {
        let first = self.first;
        (&first.uplink, first.family, &first.hazard, &first.object)
            == (&event.uplink, event.family, &event.hazard, &event.object)
    }

    fn is_about(&self, uplink: &InterfaceName, family: Family) -> bool {
        self.first.uplink.as_ref() == Some(uplink) && self.first.family == Some(family)
    }

    /// `eth2`, `eth2 IPv6`, `rules-not-loaded`.
    pub(super) fn name(&self) -> String {
        name(self.first)
    }

    /// `eth2 (Provider 2)`: the name, with the description where that says more.
    pub(super) fn title(&self) -> String {
        let description = short(&self.first.description);
        if description.is_empty() || self.first.uplink.as_ref().is_none_or(|uplink| *uplink == *description) {
            self.name()
        } else {
            format!("{} ({description})", self.name())
        }
    }

    /// The first and the last event of a kind.
    pub(super) fn ends(&self, kind: EventKind) -> Option<(&'a Event, &'a Event)> {
        let mut of_kind = self.events.iter().copied().filter(|event| event.kind == kind);
        let first = of_kind.next()?;
        Some((first, of_kind.next_back().unwrap_or(first)))
    }

    /// The last event of each kind that this version does not know.
    pub(super) fn unknown(&self) -> Vec<&'a Event> {
        let mut last: Vec<&Event> = Vec::new();
        for event in self.events.iter().rev().filter(|event| matches!(event.kind, EventKind::Unknown(_))) {
            if last.iter().all(|later| later.kind != event.kind) {
                last.push(event);
            }
        }
        last
    }

    /// Whether the last word is that the uplink is down.
    pub(super) fn is_down(&self) -> bool {
        self.ends(EventKind::State).is_some_and(|(_, last)| says(last, "down"))
    }
}

/// Whether the new value of an event is this word.
pub(super) fn says(event: &Event, word: &str) -> bool {
    event.to.as_deref() == Some(word)
}

/// What an event is about: an uplink (IPv4 goes without saying), a hazard, or the router.
pub(super) fn name(event: &Event) -> String {
    let about = event.uplink.as_ref().map(ToString::to_string).or_else(|| event.hazard.as_deref().map(short));
    let about = about.unwrap_or_else(|| "this router".to_owned());
    if event.family == Some(Family::V6) { format!("{about} IPv6") } else { about }
}

/// The uplinks that carry new connections of a family after its last event, and whether any of them works.
///
/// An uplink that is down carries new connections only when no uplink is up: then all are tried.
pub(super) fn active_set(events: &[Event], summaries: &[Summary<'_>], family: Family) -> Option<(Vec<String>, bool)> {
    // One of a later kind may say nothing of it.
    let tells = |event: &Event| !(matches!(event.kind, EventKind::Unknown(_)) && event.active.is_empty());
    let last = events.iter().rfind(|event| event.family == Some(family) && tells(event))?;
    let works = !last
        .active
        .iter()
        .any(|uplink| summaries.iter().any(|summary| summary.is_about(uplink, family) && summary.is_down()));
    Some((last.active.iter().map(ToString::to_string).collect(), works))
}
