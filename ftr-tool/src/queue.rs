//! Lines that wait for a reader, bounded: what is lost when it does not keep up is chosen by who writes, and counted.

use std::collections::VecDeque;
use std::io::IoSlice;

/// What is written at once at most, in bytes: a pipe that has room at all has room for as much (`PIPE_BUF`, pipe(7)).
const PORTION: usize = 4096;

/// What happens to a line that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It is taken, and the oldest lines are dropped for it and counted: the newest matter most.
    DropOldest,
    /// It is dropped and counted: what waits goes out in order, without a gap in between.
    DropNewest,
    /// It is refused, and not counted: whoever writes it is told, and keeps it.
    Refuse,
}

/// Lines to be written.
#[derive(Debug)]
pub struct Queue {
    lines: VecDeque<Box<[u8]>>,
    /// How much of the first line is gone already.
    written: usize,
    bytes: usize,
    limit: usize,
    overflow: Overflow,
    dropped: u64,
}

impl Queue {
    /// One that keeps `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize, overflow: Overflow) -> Self {
        Self { lines: VecDeque::new(), written: 0, bytes: 0, limit, overflow, dropped: 0 }
    }

    /// Puts a line, newline included, at the end; whether it is in. Where the oldest go, one line is always kept beside one
    /// that is half gone, however long it is.
    pub fn put(&mut self, line: impl Into<Box<[u8]>>) -> bool {
        let line = line.into();
        let fits = self.bytes + line.len() <= self.limit;
        if !fits && self.overflow != Overflow::DropOldest {
            self.dropped += u64::from(self.overflow == Overflow::DropNewest);
            return false;
        }
        self.bytes += line.len();
        self.lines.push_back(line);
        let oldest = usize::from(self.written > 0);
        while self.bytes > self.limit && self.lines.len() > oldest + 1 {
            self.bytes -= self.lines.remove(oldest).map_or(0, |line| line.len());
            self.dropped += 1;
        }
        true
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What to write next: as many whole lines as fit into what a pipe with room surely takes, or part of a line that does
    /// not.
    #[must_use]
    pub fn portion(&self) -> Vec<IoSlice<'_>> {
        let mut room = PORTION;
        let mut portion = Vec::new();
        let mut skip = self.written;
        for line in &self.lines {
            let rest = line.get(skip..).unwrap_or_default();
            skip = 0;
            if rest.len() > room {
                if portion.is_empty() {
                    portion.push(IoSlice::new(rest.get(..room).unwrap_or_default()));
                }
                break;
            }
            room -= rest.len();
            portion.push(IoSlice::new(rest));
        }
        portion
    }

    /// So many bytes of [`Queue::portion`] are gone.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
        while let Some(first) = self.lines.front().map(|line| line.len()).filter(|&length| length <= self.written) {
            self.written -= first;
            self.bytes -= first;
            self.lines.pop_front();
        }
    }

    /// Drops what waits, and counts it.
    pub fn drop_all(&mut self) {
        let dropped = self.dropped.saturating_add(self.lines.len() as u64);
        *self = Self { dropped, ..Self::new(self.limit, self.overflow) };
    }

    /// Forgets what waits, because nobody will read it.
    pub fn clear(&mut self) {
        *self = Self::new(self.limit, self.overflow);
    }

    /// How many lines were dropped since this was last asked.
    pub const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }
}

#[cfg(test)]
mod tests;
