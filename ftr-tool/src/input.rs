//! Records from a pipe, bounded: no writer can make a reader grow, and what is no record is skipped and counted.

use std::io;
use std::os::fd::AsFd;

use ftr_core::lines::{Line, Lines};
use ftr_core::record::Record;
use nix::errno::Errno;

use crate::malformed::Malformed;

/// How much is read at once, in bytes.
const CHUNK: usize = 16 * 1024;

/// What one writer sends. A line is at most [`ftr_core::lines::MAX_LINE`] bytes long.
#[derive(Debug, Default)]
pub struct Input {
    lines: Lines,
    has_ended: bool,
    /// What was no record.
    pub malformed: Malformed,
}

impl Input {
    /// Reads once what has come, which a descriptor that is ready has without waiting, and calls `each` for every record in
    /// it, with its line. False once the writer has closed its end, or has never opened it.
    ///
    /// # Errors
    /// It cannot be read: a directory, a terminal that is gone.
    pub fn read(&mut self, from: impl AsFd, each: impl FnMut(&[u8], Record)) -> io::Result<bool> {
        let mut chunk = [0; CHUNK];
        match nix::unistd::read(from, &mut chunk) {
            Ok(0) => self.end(),
            Ok(count) => self.push(chunk.get(..count).unwrap_or_default(), each),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(!self.has_ended)
    }

    /// Takes bytes that were read elsewhere, in the same way.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8], Record)) {
        let malformed = &mut self.malformed;
        self.lines.push(bytes, |line| match line {
            Line::TooLong => malformed.count(&"too long"),
            Line::Whole(line) => match Record::parse(line) {
                Ok(record) => each(line, record),
                Err(error) => malformed.count(&error),
            },
        });
    }

    /// Nothing more will come. A rest without its newline is no record: its writer died over it.
    pub fn end(&mut self) {
        if !self.has_ended && self.lines.has_rest() {
            self.malformed.count(&"no newline at the end");
        }
        self.has_ended = true;
    }

    /// Whether nothing more will come.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::Input;
    use ftr_core::lines::MAX_LINE;
    use ftr_core::record::{Record, Spooled};
    use proptest::prelude::*;
    use std::io::Write;

    /// The numbers of the records in these bytes, which come in chunks, and how many lines were none.
    fn numbers(chunks: &[&[u8]]) -> (Vec<u64>, Option<String>) {
        let (mut input, mut numbers) = (Input::default(), Vec::new());
        for chunk in chunks {
            input.push(chunk, |line, record| {
                let Record::Spooled(Spooled { seq }) = record else { panic!("{record:?}") };
                assert_eq!(line, format!(r#"{{"type":"spooled","seq":{seq}}}"#).as_bytes());
                numbers.push(seq);
            });
        }
        input.end();
        (numbers, input.malformed.told_at_last())
    }

    #[test]
    fn what_is_no_record_is_skipped_and_counted() {
        let long = [vec![b' '; MAX_LINE + 1], b"\n".to_vec()].concat();
        let record = br#"{"type":"spooled","seq":7}"#;
        let (read, told) = numbers(&[b"rubbish\n", record, b"\n", &long, record, b"\n", record]);
        assert_eq!(read, [7, 7]);
        assert!(told.unwrap().starts_with("3 malformed lines"));
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut writer = std::fs::File::from(writer);
        writeln!(writer, r#"{{"type":"spooled","seq":1}}"#).unwrap();
        write!(writer, "half a").unwrap();
        let (mut input, mut count) = (Input::default(), 0);
        assert!(input.read(&reader, |_, _| count += 1).unwrap() && !input.has_ended());
        drop(writer);
        assert!(!input.read(&reader, |_, _| count += 1).unwrap() && input.has_ended());
        assert!(!input.read(&reader, |_, _| count += 1).unwrap());
        let told = input.malformed.told_at_last().unwrap();
        assert_eq!((count, told.as_str()), (1, "1 malformed line skipped: no newline at the end"));
        assert!(Input::default().read(std::fs::File::open("/").unwrap(), |_, _| ()).is_err());
    }

    proptest! {
        #[test]
        fn chunks_do_not_matter(seqs in prop::collection::vec(any::<u64>(), 0..20), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
            let text: String = seqs.iter().filter_map(|seq| Record::Spooled(Spooled { seq: *seq }).line().ok()).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(numbers(&chunks), (seqs, None));
        }
    }
}
