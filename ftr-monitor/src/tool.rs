//! This program.

/// Its name, in messages.
pub(crate) const NAME: &str = "ftr-monitor";
