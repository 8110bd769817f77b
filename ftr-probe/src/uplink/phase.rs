//! How far an uplink is in its checks.

use std::time::Duration;

use crate::path::Path;

/// How far an uplink is in its checks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// The next check starts then.
    Waiting(Duration),
    /// A check runs since then, and goes this way through the device with this index.
    Asking { since: Duration, way: Path, index: u32 },
    /// The only check is over.
    Done,
}
