//! The clocks of this host.

use std::time::{Duration, SystemTime};

use ftr_core::record::Stamp;
use nix::time::{ClockId, clock_gettime};

use crate::Error;

/// The time since boot, which runs on through suspend and never jumps (`CLOCK_BOOTTIME` of `clock_gettime(2)`).
pub(crate) fn since_boot() -> Result<Duration, Error> {
    read(ClockId::CLOCK_BOOTTIME)
}

/// The time of the wall clock, since 1970.
pub(crate) fn wall() -> Result<Duration, Error> {
    read(ClockId::CLOCK_REALTIME)
}

/// Now, for a record.
pub(crate) fn now() -> Result<Stamp, Error> {
    Ok(Stamp::new(SystemTime::now(), since_boot()?))
}

fn read(clock: ClockId) -> Result<Duration, Error> {
    clock_gettime(clock).map(Duration::from).map_err(|errno| Error::System { operation: "read clock", errno })
}
