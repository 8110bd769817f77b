//! A configuration on its way in.

use std::sync::Arc;
use std::time::Duration;

use ftr_core::Config;

use crate::program::Each;

/// A configuration that programs do not know yet.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) config: Arc<Config>,
    /// Whom it concerns.
    pub(super) concerned: Each<bool>,
    /// Until when the programs of before are waited for.
    pub(super) until: Duration,
}

/// A change, for people.
pub(crate) struct Change<'a> {
    /// Who has asked for it.
    pub(crate) who: &'a str,
    /// What is another way now.
    pub(crate) lines: &'a [String],
    /// The programs that read something else from now on.
    pub(crate) concerned: Each<bool>,
}
