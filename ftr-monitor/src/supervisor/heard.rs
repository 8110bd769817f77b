//! What programs say: records on their standard output, and lines for people on stderr.

use std::time::Duration;

use ftr_core::lines::Line;
use ftr_tool::Malformed;

use super::Supervisor;
use super::pipe::Pipe;
use crate::entry::Entry;
use crate::program::Program;

impl Supervisor {
    /// How long a pipe is not to be read: whoever says too much has said enough for a while.
    pub(crate) fn is_full(&self, program: Program, pipe: Pipe, now: Duration) -> Duration {
        self.budgets.wait(program, pipe, now)
    }

    /// A program has said this; nothing: there was nothing to read.
    pub(crate) fn heard(&mut self, program: Program, pipe: Pipe, bytes: &[u8], now: Duration) {
        if bytes.is_empty() {
            return;
        }
        let ears = self.ears.of_mut(program);
        let (mut records, mut lines) = (Vec::new(), Vec::new());
        match pipe {
            Pipe::Stdout => ears.answers.push(bytes, |line, record| records.push((line.to_vec(), record))),
            Pipe::Stderr => ears.complaints.push(bytes, |line| {
                lines.push(match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    Line::TooLong => format!("{}: a line was too long and is lost", program.name()),
                });
            }),
        }
        let ended = bytes.split(|byte| *byte == b'\n').skip(1).count();
        self.budgets.child(program).charge(pipe, (bytes.len(), ended), now);
        if pipe == Pipe::Stdout {
            self.children.heard(program, now);
        }
        for (line, record) in records {
            self.record(program, &line, record, now);
        }
        for line in lines {
            if self.budgets.child(program).complaints.admits(now) {
                // It says only what did not go well.
                self.log(Entry::warning(line));
            }
        }
    }

    /// What there is to say of lines that were no records.
    pub(super) fn malformed(&mut self, told: impl Fn(&mut Malformed) -> Option<String>) -> Vec<String> {
        let told = |program: Program| {
            let told = told(&mut self.ears.of_mut(program).answers.malformed)?;
            Some(format!("{}: {told}", program.name()))
        };
        Program::ALL.into_iter().filter_map(told).collect()
    }
}
