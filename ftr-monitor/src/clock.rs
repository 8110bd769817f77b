//! The clocks, read in one place.

use std::time::{Duration, SystemTime};

use ftr_core::record::Stamp;
use nix::time::{ClockId, clock_gettime};

/// The time now, for records.
pub(crate) fn now() -> Stamp {
    Stamp::new(SystemTime::now(), since_boot())
}

/// Time since boot, suspend included (`CLOCK_BOOTTIME`); the clock of Linux since 2.6.39.
pub(crate) fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
