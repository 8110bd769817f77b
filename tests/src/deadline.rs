//! Waiting for something to become true, never for longer than said.

use crate::error::{LabError, Result};
use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at. Small against everything that the lab measures with it.
const TICK: Duration = Duration::from_millis(10);

/// Observes until `enough` accepts what was seen, and returns it.
///
/// # Errors
/// [`LabError::Late`] with the last observation, or the error of an observation.
pub fn wait_for<T: Debug>(
    what: &str,
    within: Duration,
    mut observe: impl FnMut() -> Result<T>,
    mut enough: impl FnMut(&T) -> bool,
) -> Result<T> {
    let began = Instant::now();
    loop {
        let seen = observe()?;
        if enough(&seen) {
            return Ok(seen);
        }
        if began.elapsed() >= within {
            return Err(LabError::Late { what: what.to_owned(), within, seen: format!("{seen:?}") });
        }
        thread::sleep(TICK);
    }
}
