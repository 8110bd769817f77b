//! The mail servers.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::lines::Lines;

/// aiosmtpd, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    messages: Lines,
    port: u16,
}

impl Server {
    /// Starts it and waits until it listens; see `smtp_server.py` for the arguments.
    pub(crate) fn start(args: &[&str]) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smtp_server.py");
        let mut process = Command::new(python()?).arg(script).args(args).stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or_else(|| Error::other("no output of the mail server"))?;
        let messages = Lines::of(stdout);
        let mut server = Self { process, messages, port: 0 };
        server.port = server.messages.next()?.parse().map_err(Error::other)?;
        Ok(server)
    }

    /// The line of the configuration that leads to it.
    pub(crate) fn port(&self) -> String {
        format!("port: {}", self.port)
    }

    /// The next message, once it is there.
    pub(crate) fn message(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.messages.next()?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The Python that has aiosmtpd, in the environment that `scripts/test` makes.
fn python() -> Result<PathBuf> {
    let beside = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("smtp-venv");
    let environment = std::env::var_os("FTR_SMTP_VENV").map_or_else(beside, PathBuf::from);
    let python = environment.join("bin/python");
    if python.exists() {
        Ok(python)
    } else {
        let what = format!("{} is not there: scripts/test makes it, or set FTR_SMTP_VENV", python.display());
        Err(Error::other(what))
    }
}
