//! What is noted of connections that were given up.

use serde::{Deserialize, Serialize};

/// How long the connections of an uplink are left alone after they were given up, in milliseconds. A provider that drops in
/// pulses would else end what has just begun anew, again and again.
pub(super) const PAUSE_MS: u64 = 10_000;

/// When connections of an uplink were given up, and what of it is still to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenUp {
    /// They were, and since then it has neither worked nor carried new ones.
    #[serde(default, rename = "given_up")]
    pub(super) done: bool,
    /// It works, has left the active set, and those who have connections over it are to go with the better one.
    #[serde(default, rename = "left_at_failback")]
    pub(super) left: bool,
    /// When they last were (`mono`, milliseconds).
    #[serde(default, rename = "given_up_at")]
    pub(super) at: Option<u64>,
}

impl GivenUp {
    /// The uplink works again.
    pub(super) const fn works(&mut self) {
        self.done = false;
    }

    /// When they may be given up again (`mono`, milliseconds).
    pub(super) fn ends(self) -> u64 {
        self.at.map_or(0, |at| at.saturating_add(PAUSE_MS))
    }
}
