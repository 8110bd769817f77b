//! An `ip` that is already running and waits for its next command, so that what it is told happens within a
//! millisecond and not after the start of a program.

use crate::error::{Context, LabError, Result};
use crate::namespace::Namespace;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// A waiting `ip` of one namespace.
#[derive(Debug)]
pub(super) struct Console {
    child: Child,
}

impl Console {
    /// Starts it.
    pub(super) fn open(space: &Namespace) -> Result<Self> {
        let mut command = Command::new("ip");
        command.args(["-n", space.name(), "-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        Ok(Self { child: command.spawn().context(|| "start ip".to_owned())? })
    }

    /// Hands over a command; returns the instant just before. A command that fails ends `ip`, and the next one is an
    /// error.
    pub(super) fn say(&mut self, line: &str) -> Result<Instant> {
        let pipe = self.child.stdin.as_mut().ok_or_else(|| LabError::Unexpected("ip has no input".to_owned()))?;
        let before = Instant::now();
        pipe.write_all(format!("{line}\n").as_bytes()).context(|| format!("tell ip to {line}"))?;
        Ok(before)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Already ended is what this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
