//! What can go wrong while a lab is built, used or broken.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

/// The result of everything that a lab does.
pub type Result<T> = std::result::Result<T, LabError>;

/// Why the lab could not do what was asked: operation, object, reason.
#[derive(thiserror::Error)]
pub enum LabError {
    /// A system call or file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation and its object, such as `open /run/netns/x`.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A command ran and failed.
    #[error("`{command}` ended with {status}: {stderr}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to stderr, trimmed.
        stderr: String,
    },
    /// A condition did not come true in time.
    #[error("waited {within:?} for {what}; last seen: {seen}")]
    Late {
        /// What was awaited.
        what: String,
        /// How long.
        within: Duration,
        /// The last observation.
        seen: String,
    },
    /// A file or an answer was not of the expected form.
    #[error("{what}: {reason}")]
    Malformed {
        /// The file, field or answer.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A program of ftr or of a peer is not installed or not built.
    #[error("{program}: not found in {searched}")]
    Missing {
        /// The program.
        program: String,
        /// Where it was searched.
        searched: String,
    },
    /// Something behaved otherwise than expected.
    #[error("{0}")]
    Unexpected(String),
}

/// A test that ends with an error prints it with `Debug`: people should read the same there.
impl fmt::Debug for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names the operation when a system call fails.
pub trait Context<T> {
    /// Turns the error into a [`LabError::Io`] that says `what` failed.
    ///
    /// # Errors
    /// The error that was there before, named.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| LabError::Io { what: what(), source: error.into() })
    }
}

/// An answer that has not the expected form.
pub fn malformed(what: impl Into<String>, reason: &(impl ToString + ?Sized)) -> LabError {
    LabError::Malformed { what: what.into(), reason: reason.to_string() }
}
