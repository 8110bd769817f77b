//! A program that follows records: what is written to it, and what it says and when.

use super::applied::{self, Applied};
use super::host::Host;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::program;
use ftr_netlink::Family;
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How soon every answer has to come.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A program between pipes.
#[derive(Debug)]
pub(super) struct Follower {
    child: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<Result<Applied>>,
    words: PathBuf,
}

impl Follower {
    /// Starts `ftr-route apply -` and waits until it has prepared every family.
    pub(super) fn start(host: &Host) -> Result<Self> {
        let mut command = host.command("ftr-route")?;
        command.args(["apply", "-"]);
        let mut follower = Self::spawn(host, &mut command)?;
        follower.answer(Family::V4)?;
        if host.shape.ipv6 {
            follower.answer(Family::V6)?;
        }
        Ok(follower)
    }

    /// Starts a command inside the host.
    pub(super) fn spawn(host: &Host, command: &mut Command) -> Result<Self> {
        let words = host.directory().join("words");
        let file = File::create(&words).context(|| format!("make {}", words.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = host.space.enter(|| command.spawn().context(|| format!("start {command:?}")))?;
        let orders = child.stdin.take();
        let (sender, answers) = mpsc::channel();
        if let Some(pipe) = child.stdout.take() {
            thread::spawn(move || read(pipe, &sender));
        }
        Ok(Self { child, orders, answers, words })
    }

    /// Writes records; returns the instant just before.
    pub(super) fn tell(&mut self, records: &str) -> Result<Instant> {
        let orders = self.orders.as_mut().ok_or_else(|| LabError::Unexpected("its input has ended".to_owned()))?;
        let before = Instant::now();
        orders.write_all(records.as_bytes()).context(|| "write records".to_owned())?;
        Ok(before)
    }

    /// Lets these uplinks carry new connections, and waits until it says that they do.
    pub(super) fn carry(&mut self, family: Family, uplinks: &[String]) -> Result<Applied> {
        self.tell(&applied::active(family, uplinks))?;
        self.answer(family)
    }

    /// Waits for the next `applied` record of the family.
    pub(super) fn answer(&mut self, family: Family) -> Result<Applied> {
        let until = Instant::now() + ANSWERS_WITHIN;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let answer = match self.answers.recv_timeout(left) {
                Ok(answer) => answer?,
                Err(RecvTimeoutError::Timeout) => return Err(self.silent("says nothing")),
                Err(RecvTimeoutError::Disconnected) => return Err(self.silent("has ended")),
            };
            if answer.family == applied::number(family) {
                return Ok(answer);
            }
        }
    }

    /// What it has complained about.
    pub(super) fn words(&self) -> String {
        fs::read_to_string(&self.words).unwrap_or_default()
    }

    /// Ends it at once, and waits until it is gone.
    pub(super) fn kill(mut self) -> Result<()> {
        program::send(self.child.id(), Signal::SIGKILL)?;
        self.child.wait().context(|| "wait for the end".to_owned()).map(drop)
    }

    /// Closes its input and waits for its end.
    pub(super) fn finish(mut self) -> Result<()> {
        drop(self.orders.take());
        let status = self.child.wait().context(|| "wait for the end".to_owned())?;
        status.success().then_some(()).ok_or_else(|| self.silent(&format!("ended with {status}")))
    }

    fn silent(&self, how: &str) -> LabError {
        LabError::Unexpected(format!("the program {how}: {}", self.words()))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // Already ended is what this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(pipe: impl Read, sender: &Sender<Result<Applied>>) {
    for line in BufReader::new(pipe).lines() {
        let answer = line.context(|| "read records".to_owned()).and_then(|line| applied::parse(&line));
        if let Some(answer) = answer.transpose() {
            if sender.send(answer).is_err() {
                return;
            }
        }
    }
}
