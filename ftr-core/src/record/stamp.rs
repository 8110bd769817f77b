//! When something happened.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// When something happened, for people and for arithmetic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// UTC, RFC 3339 with milliseconds. For people: no decision reads it.
    pub time: String,
    /// Milliseconds of `CLOCK_BOOTTIME`, which runs on through suspend and never jumps.
    pub mono: u64,
}

impl Stamp {
    /// A stamp from a reading of the wall clock and one of the time since boot.
    #[must_use]
    pub fn new(wall: SystemTime, since_boot: Duration) -> Self {
        Self {
            time: humantime::format_rfc3339_millis(wall).to_string(),
            mono: u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
