//! The demonstration.

use crate::error::Result;
use std::io::Write;

/// Shows a failover to a reader.
///
/// # Errors
/// When the lab or ftr fails.
pub fn show(_out: &mut impl Write) -> Result<()> {
    Ok(())
}
