//! Tells the writer of events, on stdout, which of them it may forget.

use std::os::fd::{AsFd, BorrowedFd};

use ftr_core::record::{Record, Spooled};

/// How much is written at a time. A pipe that is ready for writing has room for this much (`PIPE_BUF`, pipe(7)), so
/// that the write does not block.
const CHUNK: usize = 4096;

/// How much waits for a slow reader; what does not fit is not acknowledged, and its writer may send it again.
const MOST: usize = 64 * 1024;

/// Acknowledgements on their way to stdout.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    stdout: std::io::Stdout,
    waiting: Vec<u8>,
    reader_gone: bool,
}

impl Acknowledgements {
    pub(crate) fn new() -> Self {
        Self { stdout: std::io::stdout(), waiting: Vec::new(), reader_gone: false }
    }

    /// Adds one for each of these events.
    pub(crate) fn add(&mut self, numbers: impl IntoIterator<Item = u64>) {
        if self.reader_gone {
            return;
        }
        for seq in numbers {
            if let Ok(line) = Record::Spooled(Spooled { seq }).line() {
                if self.waiting.len() + line.len() <= MOST {
                    self.waiting.extend_from_slice(line.as_bytes());
                }
            }
        }
    }

    /// What to poll for writing; none while there is nothing to write.
    pub(crate) fn wants(&self) -> Option<BorrowedFd<'_>> {
        (!self.waiting.is_empty()).then(|| self.stdout.as_fd())
    }

    /// Writes some, once stdout is ready. That nobody reads is no reason to stop mailing.
    pub(crate) fn write(&mut self) {
        let chunk = self.waiting.get(..CHUNK).unwrap_or(&self.waiting);
        match nix::unistd::write(&self.stdout, chunk) {
            Ok(written) => drop(self.waiting.drain(..written)),
            Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
            Err(_) => {
                self.reader_gone = true;
                self.waiting = Vec::new();
            }
        }
    }
}
