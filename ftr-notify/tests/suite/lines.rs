//! The output of a running program, line by line, without waiting for ever.

use std::io::{BufRead, BufReader, Error, Read, Result};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The lines that a program prints.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    /// Reads `stream` to its end, in a thread of its own.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line, once it is there.
    pub(crate) fn next(&self) -> Result<String> {
        self.0.recv_timeout(PATIENCE).map_err(|error| Error::other(format!("no further line: {error}")))
    }

    /// All further lines, once the program has ended.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.0.iter().collect()
    }
}
