//! What the supervisor wants done. It does nothing itself.

use ftr_core::record::Record;
use nix::sys::signal::Signal;

use super::announce::Announcement;
use crate::entry::Entry;
use crate::program::Program;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Order {
    /// Start a program that does not run. It counts as started unless the supervisor hears that it could not be.
    Start(Program),
    /// Write a record to its input. The next one comes when the supervisor has heard that there is room again.
    Feed(Program, Box<Record>),
    /// Close its input, which ends it once it has done what it was told.
    CloseInput(Program),
    /// Send it a signal.
    Signal(Program, Signal),
    /// Kill it, and tell people why, so that its successor can do better.
    Kill(Program, &'static str),
    /// A line for the log.
    Log(Entry),
    /// Open the log anew.
    ReopenLog,
    /// Write into the log how things are.
    Report,
    /// For the service manager.
    Announce(Announcement),
    /// A line for those who read our standard output.
    Print(String),
    /// A line for those who follow, and what strangers among them are told instead.
    Tell { line: String, public: String },
    /// From now on programs are started with the configuration that was taken last.
    Adopt,
    /// Have what is known written, and tell when it is.
    Remember,
    /// Look whether lock and socket are still where others find them.
    Renew,
}
