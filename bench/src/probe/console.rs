//! An `ip` that is already running and waits for its next command, so that what it is told happens within a
//! millisecond and not after the start of a program.

use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::namespace::Namespace;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// A question that is answered with one line: the answer tells that all before it has been done.
const DONE: &str = "link show dev lo";

/// A waiting `ip` of one namespace.
#[derive(Debug)]
pub(crate) struct Console {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Console {
    /// Starts it.
    pub(crate) fn open(space: &Namespace) -> Result<Self> {
        let mut command = Command::new("ip");
        command.args(["-n", space.name(), "-oneline", "-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context(|| "start ip".to_owned())?;
        let (Some(commands), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(LabError::Unexpected("ip has no pipes".to_owned()));
        };
        Ok(Self { child, commands, answers: BufReader::new(answers) })
    }

    /// Has commands done, one a line; returns the instant just before.
    pub(crate) fn say(&mut self, lines: &str) -> Result<Instant> {
        let text = format!("{lines}\n{DONE}\n");
        let before = Instant::now();
        self.commands.write_all(text.as_bytes()).context(|| format!("tell ip to {lines}"))?;
        let mut answer = String::new();
        match self.answers.read_line(&mut answer).context(|| format!("hear that ip did {lines}"))? {
            // What it did not like is on stderr.
            0 => Err(LabError::Unexpected(format!("ip refused {lines}"))),
            _ => Ok(before),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Already ended is what this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
