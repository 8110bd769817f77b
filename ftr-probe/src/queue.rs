//! Lines that wait for a reader, bounded: the newest matter most.

use std::collections::VecDeque;
use std::io::IoSlice;

/// How much waits at most, in bytes, apart from a line that is half gone.
const LIMIT: usize = 256 * 1024;
/// What is written at once at most: a pipe that has room at all has room for as much (`PIPE_BUF`, pipe(7)).
const PORTION: usize = 4096;

/// Lines on their way out.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: VecDeque<String>,
    /// How much of the first line is gone already.
    written: usize,
    bytes: usize,
    dropped: u64,
}

impl Queue {
    /// Puts a line, newline included, at the end; the oldest are dropped when there are too many.
    pub(crate) fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        let oldest = usize::from(self.written > 0);
        while self.bytes > LIMIT && self.lines.len() > oldest + 1 {
            let gone = self.lines.remove(oldest).map_or(0, |line| line.len());
            self.bytes -= gone;
            self.dropped += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What to write next: as many whole lines as fit, or part of a line that does not.
    pub(crate) fn portion(&self) -> Vec<IoSlice<'_>> {
        let mut room = PORTION;
        let mut portion = Vec::new();
        let mut skip = self.written;
        for line in &self.lines {
            let rest = line.as_bytes().get(skip..).unwrap_or_default();
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
    pub(crate) fn wrote(&mut self, count: usize) {
        self.written += count;
        while let Some(first) = self.lines.front().map(String::len).filter(|&length| length <= self.written) {
            self.written -= first;
            self.bytes -= first;
            self.lines.pop_front();
        }
    }

    /// How many lines were dropped since this was last asked.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, PORTION, Queue};
    use proptest::prelude::*;

    fn write(queue: &mut Queue, most: usize, out: &mut Vec<u8>) {
        let portion: Vec<u8> = queue.portion().iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(portion.len() <= PORTION);
        let count = portion.len().min(most);
        out.extend(&portion[..count]);
        queue.wrote(count);
    }

    #[test]
    fn a_reader_that_stops_costs_the_oldest_lines() {
        let mut queue = Queue::default();
        let mut out = Vec::new();
        let line = |number: u32| format!("{number:0999}\n");
        queue.push(line(0));
        write(&mut queue, 10, &mut out);
        for number in 1..1000 {
            queue.push(line(number));
        }
        while !queue.is_empty() {
            write(&mut queue, 3000, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        let kept = u32::try_from(LIMIT / 1000).unwrap();
        let expected: Vec<_> =
            std::iter::once(0).chain(1000 - kept + 1..1000).map(|n| line(n).trim_end().to_owned()).collect();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!((queue.take_dropped(), queue.take_dropped()), (u64::from(1000 - kept), 0));
    }

    proptest! {
        #[test]
        fn what_fits_comes_out_as_it_went_in(
            steps in prop::collection::vec((prop::option::of((any::<char>(), 0usize..3000)), 0usize..6000), 0..40),
        ) {
            let mut queue = Queue::default();
            let (mut into, mut out) = (Vec::<u8>::new(), Vec::new());
            for (line, most) in steps {
                if let Some((letter, length)) = line {
                    let line = format!("{}\n", letter.to_string().repeat(length));
                    into.extend(line.as_bytes());
                    queue.push(line);
                }
                write(&mut queue, most, &mut out);
            }
            while !queue.is_empty() {
                write(&mut queue, usize::MAX, &mut out);
            }
            prop_assert_eq!(out, into);
            prop_assert_eq!((queue.bytes, queue.written, queue.take_dropped()), (0, 0, 0));
        }
    }
}
