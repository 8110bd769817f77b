//! Lines out of a stream of bytes, bounded.

/// The longest line that a reader of records keeps, in bytes.
pub const MAX_LINE: usize = 64 * 1024;

/// Cuts chunks of bytes, as they come from a pipe, into lines.
///
/// A line over [`MAX_LINE`] is dropped as it arrives, so that no writer can make a reader grow.
#[derive(Debug, Default)]
pub struct Lines {
    pending: Vec<u8>,
    dropping: bool,
}

/// What a newline ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line without its newline.
    Whole(&'a [u8]),
    /// A line over [`MAX_LINE`], whose bytes are gone.
    TooLong,
}

impl Lines {
    /// Takes the next bytes of the stream and calls `each` for every line that they complete, in order.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            let (head, rest) = bytes.split_at(end);
            self.keep(head);
            if self.dropping {
                each(Line::TooLong);
            } else {
                each(Line::Whole(&self.pending));
            }
            self.pending.clear();
            self.dropping = false;
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.keep(bytes);
    }

    /// Whether bytes without a newline are left; at the end of a stream they are a malformed line.
    #[must_use]
    pub fn has_rest(&self) -> bool {
        self.dropping || !self.pending.is_empty()
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.dropping || self.pending.len() + bytes.len() > MAX_LINE {
            self.dropping = true;
            self.pending.clear();
        } else {
            self.pending.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Lines, MAX_LINE};
    use proptest::prelude::*;

    fn collect(lines: &mut Lines, bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut seen = Vec::new();
        lines.push(bytes, |line| {
            seen.push(match line {
                Line::Whole(text) => Some(text.to_vec()),
                Line::TooLong => None,
            });
        });
        seen
    }

    #[test]
    fn a_long_line_is_dropped_and_the_next_one_survives() {
        let mut lines = Lines::default();
        let mut stream = vec![b'x'; MAX_LINE + 1];
        stream.extend_from_slice(b"\nnext\nrest");
        assert_eq!(collect(&mut lines, &stream), [None, Some(b"next".to_vec())]);
        assert!(lines.has_rest());
    }

    #[test]
    fn the_longest_line_is_kept() {
        let mut stream = vec![b'x'; MAX_LINE];
        stream.push(b'\n');
        assert_eq!(collect(&mut Lines::default(), &stream), [Some(vec![b'x'; MAX_LINE])]);
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(text in "[a-c\n]{0,80}", cuts in proptest::collection::vec(0usize..80, 0..6)) {
            let whole = collect(&mut Lines::default(), text.as_bytes());
            let mut lines = Lines::default();
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&c| c <= text.len()).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut from = 0;
            let mut parts = Vec::new();
            for cut in cuts {
                parts.extend(collect(&mut lines, &text.as_bytes()[from..cut]));
                from = cut;
            }
            prop_assert_eq!(parts, whole);
            prop_assert_eq!(lines.has_rest(), !text.is_empty() && !text.ends_with('\n'));
        }
    }
}
