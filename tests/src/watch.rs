//! `ftr-probe --watch --json` at work on the router, and what a reader of its records gets when.

use crate::error::{Context, LabError, Result};
use crate::family::Family;
use crate::lab::Lab;
use crate::router::Router;
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// What a check record says of an uplink.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Check {
    /// The uplink's device.
    pub uplink: String,
    /// Of which family.
    pub family: Family,
    /// The verdict.
    pub up: bool,
    /// Why it is down.
    pub reason: Option<String>,
    /// How many targets answered.
    pub answered: u32,
    /// How many were asked.
    pub asked: u32,
}

/// What a check is expected to say.
#[derive(Debug)]
pub(crate) struct Judgement<'a> {
    /// Of which uplink.
    pub uplink: &'a str,
    /// Of which family.
    pub family: Family,
    /// The verdict.
    pub up: bool,
    /// Why; any where none is named.
    pub reason: Option<&'a str>,
}

impl Judgement<'_> {
    /// Whether the check is of this uplink and family at all.
    #[must_use]
    pub(crate) fn concerns(&self, check: &Check) -> bool {
        check.uplink == self.uplink && check.family == self.family
    }

    /// Whether the check says so.
    #[must_use]
    pub(crate) fn is(&self, check: &Check) -> bool {
        self.concerns(check)
            && check.up == self.up
            && self.reason.is_none_or(|why| check.reason.as_deref() == Some(why))
    }
}

/// A record and when it could be read.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When it came out of the pipe.
    pub at: Instant,
    /// What it says.
    pub check: Check,
}

/// A watching `ftr-probe`. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Watch {
    child: Child,
    errors: PathBuf,
    seen: Arc<Mutex<Vec<Seen>>>,
    reader: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts it with the router's configuration and these arguments besides.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(router: &Router, lab: &Lab, arguments: &[&str]) -> Result<Self> {
        let errors = router.directory().join("watch.err");
        let file = File::create(&errors).context(|| format!("make {}", errors.display()))?;
        let mut command = router.command(lab, "ftr-probe")?;
        command.args(["--watch", "--json"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().context(|| "start ftr-probe --watch".to_owned())?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        let reader = child.stdout.take().map(|out| thread::spawn(move || read(out, &kept)));
        Ok(Self { child, errors, seen, reader })
    }

    /// All records so far.
    #[must_use]
    pub(crate) fn so_far(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it says on stderr.
    #[must_use]
    pub(crate) fn complaints(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Fails when it has ended, which it should not.
    ///
    /// # Errors
    /// How it ended, and its last words.
    pub(crate) fn runs(&mut self) -> Result<()> {
        match self.child.try_wait().context(|| "ask for the end of ftr-probe --watch".to_owned())? {
            None => Ok(()),
            Some(status) => {
                Err(LabError::Unexpected(format!("ftr-probe --watch ended with {status}: {}", self.complaints())))
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Already ended is what this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            // A panic has been printed by its thread.
            let _ = reader.join();
        }
    }
}

fn read(out: ChildStdout, seen: &Mutex<Vec<Seen>>) {
    for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
        let at = Instant::now();
        match serde_json::from_str(&line) {
            Ok(check) => seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { at, check }),
            Err(error) => eprintln!("lab: {line}: {error}"),
        }
    }
}
