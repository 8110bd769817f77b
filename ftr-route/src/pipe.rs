//! Standard input and output of `apply -`.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ftr_core::lines::{Line as Piece, Lines};
use ftr_core::record::Record;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd;

use crate::error::Error;
use crate::inbox::{Inbox, Line};
use crate::outbox::Outbox;

/// How much is read at once, in bytes.
const CHUNK: usize = 16 * 1024;
/// How long the reader of the last records may take, once the input has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The pipe that we stand in. Records that come in go out again, and ours between them.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) inbox: Inbox,
    lines: Lines,
    outbox: Outbox,
    has_ended: bool,
}

impl Pipe {
    /// Whether the input has ended.
    pub(crate) const fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// What standard output is to be watched for. Even with nothing to write the kernel tells when the reader is gone;
    /// none once that is known.
    pub(crate) fn interest(&self) -> Option<PollFlags> {
        match (self.outbox.is_closed(), self.outbox.is_waiting()) {
            (true, _) => None,
            (false, true) => Some(PollFlags::POLLOUT),
            (false, false) => Some(PollFlags::empty()),
        }
    }

    /// Puts a record of ours behind the others.
    pub(crate) fn put(&mut self, record: &Record) {
        // Every record of ours has a line.
        if let Ok(line) = record.line() {
            self.outbox.put(line.into_bytes());
        }
    }

    /// Reads what has come in.
    pub(crate) fn read(&mut self) -> Result<(), Error> {
        let mut buffer = [0; CHUNK];
        let read = match unistd::read(io::stdin(), &mut buffer) {
            Ok(read) => read,
            Err(Errno::EINTR | Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(Error::Wait { operation: "standard input", reason: errno.into() }),
        };
        if read == 0 {
            self.has_ended = true;
            if self.lines.has_rest() {
                self.inbox.malformed();
            }
        }
        let (inbox, outbox) = (&mut self.inbox, &mut self.outbox);
        self.lines.push(buffer.get(..read).unwrap_or_default(), |piece| match piece {
            Piece::Whole(line) if inbox.take(line) == Line::Record => outbox.put([line, b"\n"].concat()),
            Piece::Whole(_) => {}
            Piece::TooLong => inbox.malformed(),
        });
        Ok(())
    }

    /// Writes as much as a reader that is ready takes without making us wait. Called although nothing is to be written,
    /// it is gone.
    pub(crate) fn write(&mut self) {
        if !self.outbox.is_waiting() {
            self.outbox.close();
            return;
        }
        match unistd::write(io::stdout(), self.outbox.chunk()) {
            Ok(written) => self.outbox.advance(written),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.outbox.close(),
        }
    }

    /// What was lost since the last call, in words. What was dropped is told once the reader has caught up.
    pub(crate) fn losses(&mut self) -> Vec<String> {
        let dropped = if self.outbox.is_waiting() && !self.has_ended { 0 } else { self.outbox.take_dropped() };
        let counts = [
            ("malformed input lines, skipped", self.inbox.take_malformed()),
            ("records that nobody read in time, dropped", dropped),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect()
    }

    /// Gives the reader of the last records a moment to take them.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        let end = Instant::now() + LAST_WORDS;
        while self.outbox.is_waiting() {
            let left = end.saturating_duration_since(Instant::now());
            let stdout = io::stdout();
            let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO)) {
                Ok(0) => break,
                Ok(_) => self.write(),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::Wait { operation: "standard output", reason: errno.into() }),
            }
        }
        Ok(())
    }
}
