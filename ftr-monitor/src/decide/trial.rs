//! Canary: an uplink that works again gets a small part of the new connections at first.

use serde::{Deserialize, Serialize};

/// How much at first, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Canary {
    /// Percent of the new connections.
    pub(crate) percent: u8,
    /// Milliseconds.
    pub(crate) lasts: u64,
}

/// Whether an uplink has still to show that it carries connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Trial {
    /// It was down, and has carried nothing since.
    pending: bool,
    /// Since when it carries the canary's part (`mono`, milliseconds).
    since: Option<u64>,
}

impl Trial {
    /// It has gone down.
    pub(crate) const fn down(&mut self) {
        *self = Self { pending: true, since: None };
    }

    /// It is chosen: for the canary's part, or for its whole one.
    pub(crate) fn chosen(&mut self, as_canary: bool, now: u64) {
        let since = self.since.unwrap_or(now);
        *self = Self { pending: false, since: as_canary.then_some(since) };
    }

    /// Whether it would get the canary's part now.
    pub(crate) fn is_on(&self, canary: Canary, now: u64) -> bool {
        self.ends(canary).map_or(self.pending, |end| now < end)
    }

    /// When it gets its whole part; none while it carries none.
    pub(crate) fn ends(&self, canary: Canary) -> Option<u64> {
        self.since.map(|since| since.saturating_add(canary.lasts))
    }
}
