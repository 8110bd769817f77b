//! An uplink that works, and is not trusted yet.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why an uplink that works is kept on standby for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// For how long from now on, in milliseconds.
    pub for_ms: u64,
    /// How often it went down of late.
    #[serde(default)]
    pub flaps: u32,
    /// Within how many milliseconds that was.
    #[serde(default)]
    pub within_ms: u64,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held down for {} more", span(self.for_ms))?;
        if self.flaps > 1 { write!(f, ": {} flaps in {}", self.flaps, span(self.within_ms)) } else { Ok(()) }
    }
}

/// Whole seconds, rounded up: what is over in half a second is not over yet.
fn span(millis: u64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(millis.div_ceil(1000)))
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn people_are_told_how_long_and_why() {
        let held = Held { for_ms: 39_001, flaps: 6, within_ms: 600_000 };
        assert_eq!(held.to_string(), "held down for 40s more: 6 flaps in 10m");
        assert_eq!(Held { flaps: 1, ..held }.to_string(), "held down for 40s more");
    }
}
