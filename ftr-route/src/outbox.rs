//! Records on their way to a reader who may be slow, stopped or gone.

use std::collections::VecDeque;

/// How much waits for the reader, in bytes.
const LIMIT: usize = 1024 * 1024;
/// A pipe that is ready takes this much without blocking (`PIPE_BUF` of pipe(7)).
const CHUNK: usize = 4096;

/// Lines that wait to be written. Whole lines are dropped when too much waits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    lines: VecDeque<Vec<u8>>,
    /// How much of the first line is written already.
    written: usize,
    size: usize,
    dropped: u64,
    closed: bool,
}

impl Outbox {
    /// Puts a line, newline included, behind the others.
    pub(crate) fn put(&mut self, line: Vec<u8>) {
        if self.closed {
            return;
        }
        if self.size + line.len() > LIMIT {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.size += line.len();
        self.lines.push_back(line);
    }

    /// Whether there is anything to write.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.lines.is_empty()
    }

    /// The bytes to write next: no more than a ready pipe takes at once.
    pub(crate) fn chunk(&self) -> &[u8] {
        let rest = self.lines.front().and_then(|line| line.get(self.written..)).unwrap_or_default();
        rest.get(..CHUNK).unwrap_or(rest)
    }

    /// So many bytes of the chunk have been written.
    pub(crate) fn advance(&mut self, written: usize) {
        self.written += written;
        if let Some(length) = self.lines.front().map(Vec::len).filter(|length| *length <= self.written) {
            self.lines.pop_front();
            self.size -= length;
            self.written = 0;
        }
    }

    /// The reader is gone: nothing is kept any more.
    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
    }

    /// Whether the reader is gone.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many lines were dropped since the last call.
    pub(crate) const fn take_dropped(&mut self) -> u64 {
        std::mem::replace(&mut self.dropped, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, LIMIT, Outbox};
    use proptest::prelude::*;

    #[test]
    fn too_much_is_dropped_by_whole_lines() {
        let mut outbox = Outbox::default();
        let line = vec![b'x'; LIMIT / 4];
        for _ in 0..6 {
            outbox.put(line.clone());
        }
        assert_eq!((outbox.take_dropped(), outbox.take_dropped()), (2, 0));
        outbox.close();
        outbox.put(b"x".to_vec());
        assert!(!outbox.is_waiting() && outbox.is_closed());
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..9000), 0..8), step in 1usize..5000) {
            let mut outbox = Outbox::default();
            for line in &lines {
                outbox.put(line.clone());
            }
            let mut out = Vec::new();
            while outbox.is_waiting() {
                let chunk = outbox.chunk();
                prop_assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
                let written = chunk.len().min(step);
                out.extend_from_slice(&chunk[..written]);
                outbox.advance(written);
            }
            prop_assert_eq!(out, lines.concat());
            prop_assert_eq!(outbox.size, 0);
        }
    }
}
