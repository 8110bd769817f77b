//! Standard input and output of `apply -`.

use std::io;
use std::time::Duration;

use ftr_core::newest::Newest;
use ftr_core::rate_limiter::{Budget, RateLimiter};
use ftr_core::record::Record;
use ftr_tool::{Input, Output, Overflow};
use nix::poll::PollFlags;

use crate::error::Error;

/// How much waits for the reader, in bytes.
const LIMIT: usize = 1024 * 1024;
/// How long the reader of the last records may take, once the input has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// So much is said at once of what comes in, and from then on one thing in so long a time.
const SAYINGS: (u32, Duration) = (5, Duration::from_secs(10));

/// The pipe that we stand in. Records that come in go out again, and ours between them.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) inbox: Newest,
    input: Input,
    output: Output,
    losses: RateLimiter,
    remarks: Budget,
}

impl Default for Pipe {
    fn default() -> Self {
        Self {
            inbox: Newest::default(),
            input: Input::default(),
            output: Output::stdout(LIMIT, Overflow::DropNewest),
            losses: RateLimiter::new(SAYINGS.0, SAYINGS.1),
            remarks: Budget::new(SAYINGS.0, SAYINGS.1),
        }
    }
}

impl Pipe {
    /// Whether the input has ended.
    pub(crate) const fn has_ended(&self) -> bool {
        self.input.has_ended()
    }

    /// What standard output is to be watched for; none once its reader is gone.
    pub(crate) fn interest(&self) -> Option<PollFlags> {
        self.output.interest()
    }

    /// Puts a record of ours behind the others.
    pub(crate) fn put(&mut self, record: &Record) {
        // Every record of ours has a line.
        if let Ok(line) = record.line() {
            self.output.put(line.into_bytes());
        }
    }

    /// Reads what has come in.
    pub(crate) fn read(&mut self) -> Result<(), Error> {
        let (inbox, output) = (&mut self.inbox, &mut self.output);
        let read = self.input.read(io::stdin(), |line, record| {
            output.put([line, b"\n"].concat());
            if let Record::Active(active) = record {
                inbox.put(active);
            }
        });
        read.map(drop).map_err(|reason| Error::Wait { operation: "standard input", reason })
    }

    /// Writes as much as a reader that is ready takes without making us wait. Called although nothing is to be written,
    /// it is gone.
    pub(crate) fn write(&mut self) {
        if !self.output.is_waiting() || self.output.write().is_err() {
            self.output.close();
        }
    }

    /// Whether something may be said of a record now: whoever sends such records without end shall not fill a log.
    pub(crate) fn may_remark(&mut self, now: Duration) -> bool {
        self.remarks.admits(now)
    }

    /// What was lost and not told yet, in words. What was dropped is told once the reader has caught up, and what comes
    /// without end now and then.
    pub(crate) fn losses(&mut self, now: Duration) -> impl Iterator<Item = String> + use<> {
        let malformed = self.input.malformed.told(now);
        let remarks = self.remarks.take_lost(now);
        let dropped = if self.losses.wait(now).is_zero() { self.output.dropped() } else { None };
        if dropped.is_some() {
            self.losses.charge(1, now);
        }
        told(malformed, remarks, dropped)
    }

    /// Gives the reader of the last records a moment to take them. What was lost and not told yet, in words.
    pub(crate) fn finish(&mut self) -> impl Iterator<Item = String> + use<> {
        if self.output.finish(Some(LAST_WORDS)).is_err() {
            self.output.close();
        }
        told(self.input.malformed.told_at_last(), self.remarks.take_all(), self.output.dropped_at_last())
    }
}

fn told(
    malformed: Option<String>,
    remarks: Option<u64>,
    dropped: Option<String>,
) -> impl Iterator<Item = String> + use<> {
    let malformed = malformed.map(|malformed| format!("standard input: {malformed}"));
    let remarks = remarks.map(|count| format!("{count} more remarks on active records, not made"));
    [malformed, remarks, dropped].into_iter().flatten()
}
