//! What happened to one uplink within one mail.

use ftr_core::record::{Event, EventKind};
use ftr_core::{Family, InterfaceName};

use super::short;

/// The events of one uplink and family, oldest first.
pub(super) struct Story<'a> {
    events: Vec<&'a Event>,
    first: &'a Event,
}

/// A story for each uplink and family, in the order in which they turn up.
pub(super) fn stories(events: &[Event]) -> Vec<Story<'_>> {
    let mut stories: Vec<Story<'_>> = Vec::new();
    for event in events {
        match stories.iter_mut().find(|story| story.is_about(&event.uplink, event.family)) {
            Some(story) => story.events.push(event),
            None => stories.push(Story { events: vec![event], first: event }),
        }
    }
    stories
}

impl<'a> Story<'a> {
    pub(super) fn is_about(&self, uplink: &InterfaceName, family: Family) -> bool {
        &self.first.uplink == uplink && self.first.family == family
    }

    /// `eth2`, or `eth2 IPv6`.
    pub(super) fn name(&self) -> String {
        name(self.first)
    }

    /// `eth2 (Provider 2)`: the name, with the description where that says more.
    pub(super) fn title(&self) -> String {
        let description = short(&self.first.description);
        if description.is_empty() || self.first.uplink == *description {
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

    /// Whether the last word is that the uplink is down.
    pub(super) fn is_down(&self) -> bool {
        self.ends(EventKind::State).is_some_and(|(_, last)| says(last, "down"))
    }
}

/// Whether the new value of an event is this word.
pub(super) fn says(event: &Event, word: &str) -> bool {
    event.to.as_deref() == Some(word)
}

/// The uplink of an event; IPv4 goes without saying.
pub(super) fn name(event: &Event) -> String {
    match event.family {
        Family::V4 => event.uplink.to_string(),
        Family::V6 => format!("{} IPv6", event.uplink),
    }
}

/// The uplinks that carry new connections of a family after its last event, and whether any of them works.
///
/// An uplink that is down carries new connections only when no uplink is up: then all are tried.
pub(super) fn carriers(events: &[Event], stories: &[Story<'_>], family: Family) -> Option<(Vec<String>, bool)> {
    let last = events.iter().rfind(|event| event.family == family)?;
    let works =
        !last.active.iter().any(|uplink| stories.iter().any(|story| story.is_about(uplink, family) && story.is_down()));
    Some((last.active.iter().map(ToString::to_string).collect(), works))
}
