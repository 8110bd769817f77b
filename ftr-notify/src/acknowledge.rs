//! Tells the writer of events, on stdout, which of them it may forget.

use std::os::fd::{AsFd, BorrowedFd};

use ftr_core::record::{Record, Spooled};
use ftr_tool::{Output, Overflow};

/// How much waits for a slow reader, in bytes; what does not fit is not acknowledged, and its writer may send it again.
const LIMIT: usize = 64 * 1024;

/// Acknowledgements on their way to stdout.
#[derive(Debug)]
pub(crate) struct Acknowledgements(Output);

impl Acknowledgements {
    pub(crate) fn new() -> Self {
        Self(Output::stdout(LIMIT, Overflow::Refuse))
    }

    /// Adds one for each of these events.
    pub(crate) fn add(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for line in numbers.into_iter().filter_map(|seq| Record::Spooled(Spooled { seq }).line().ok()) {
            self.0.put(line.into_bytes());
        }
    }

    /// What to poll for writing; none while there is nothing to write.
    pub(crate) fn wants(&self) -> Option<BorrowedFd<'_>> {
        self.0.is_waiting().then(|| self.0.as_fd())
    }

    /// Writes what there is room for. That nobody reads is no reason to stop mailing.
    pub(crate) fn write(&mut self) {
        if self.0.write().is_err() {
            self.0.close();
        }
    }
}
