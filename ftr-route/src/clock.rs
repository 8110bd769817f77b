//! The clocks, read in one place.

use std::time::{Duration, SystemTime};

use ftr_core::record::Stamp;
use nix::time::{ClockId, clock_gettime};

/// The time now, for records.
pub(crate) fn now() -> Stamp {
    // Linux has had CLOCK_BOOTTIME since 2.6.39.
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Stamp::new(SystemTime::now(), since_boot)
}
