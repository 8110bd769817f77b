//! `ftr-probe --watch --json`, with the time at which each of its records arrived.

use super::routed::Routed;
use ftr_lab::error::{Context, LabError, Result, malformed};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How soon a healthy uplink has to be found up.
const UP_WITHIN: Duration = Duration::from_secs(10);

/// What a record says, as far as it is measured.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Record {
    Check(Check),
    #[serde(other)]
    Other,
}

/// A check record.
#[derive(Debug, Deserialize)]
pub(super) struct Check {
    /// Of which uplink.
    pub(super) uplink: String,
    /// The verdict.
    pub(super) up: bool,
    /// Why it is down.
    pub(super) reason: Option<String>,
    /// How many targets answered.
    pub(super) answered: u32,
    /// Each target asked.
    pub(super) targets: Vec<Answer>,
    /// What arrived and is no answer, by why not.
    #[serde(default)]
    pub(super) ignored: Option<BTreeMap<String, u64>>,
}

/// The fate of a target.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    /// The target.
    pub(super) target: String,
    /// Its round trip in milliseconds.
    pub(super) rtt_ms: Option<f64>,
}

/// A record and when it arrived.
#[derive(Debug)]
pub(super) struct Seen {
    /// When its line had been read.
    pub(super) at: Instant,
    /// The record.
    pub(super) check: Check,
}

/// A running probe.
#[derive(Debug)]
pub(super) struct Watch {
    child: Child,
    records: Receiver<Result<Seen>>,
}

impl Watch {
    /// Starts it on the lab's router.
    pub(super) fn start(routed: &Routed, arguments: &[&str]) -> Result<Self> {
        let mut command = routed.command("ftr-probe")?;
        command.args(["--watch", "--json"]).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = routed.lab.router.enter(|| command.spawn().context(|| "start ftr-probe".to_owned()))?;
        let (sender, records) = mpsc::channel();
        if let Some(pipe) = child.stdout.take() {
            thread::spawn(move || read(pipe, &sender));
        }
        Ok(Self { child, records })
    }

    /// Its process number.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The records that arrive within `window` from now.
    pub(super) fn during(&self, window: Duration) -> Result<Vec<Seen>> {
        let now = Instant::now();
        self.collect(now, now + window)
    }

    /// The records that arrive, or have arrived, in `since..until`.
    pub(super) fn collect(&self, since: Instant, until: Instant) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        while let Some(one) = self.next(until)? {
            seen.push(one);
        }
        seen.retain(|one| one.at >= since);
        Ok(seen)
    }

    /// The first record that arrives in `since..until` and is wanted; none is an answer as well.
    pub(super) fn first(
        &self,
        since: Instant,
        until: Instant,
        wanted: impl Fn(&Check) -> bool,
    ) -> Result<Option<Seen>> {
        while let Some(one) = self.next(until)? {
            if one.at >= since && wanted(&one.check) {
                return Ok(Some(one));
            }
        }
        Ok(None)
    }

    /// Waits for a record since then that says `uplink` is up.
    pub(super) fn up(&self, uplink: &str, since: Instant) -> Result<()> {
        let seen = self.first(since, since + UP_WITHIN, |check| check.up && check.uplink == uplink)?;
        seen.map(drop).ok_or_else(|| LabError::Late {
            what: format!("a record that says {uplink} is up"),
            within: UP_WITHIN,
            seen: "none".to_owned(),
        })
    }

    fn next(&self, until: Instant) -> Result<Option<Seen>> {
        match self.records.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(seen) => seen.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(LabError::Unexpected("ftr-probe has ended".to_owned())),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Already ended is what this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(pipe: impl Read, sender: &Sender<Result<Seen>>) {
    for line in BufReader::new(pipe).lines() {
        let at = Instant::now();
        let record = line.context(|| "read from ftr-probe".to_owned()).and_then(|line| parse(&line));
        let seen = match record {
            Ok(Record::Check(check)) => Ok(Seen { at, check }),
            Ok(Record::Other) => continue,
            Err(error) => Err(error),
        };
        if sender.send(seen).is_err() {
            return;
        }
    }
}

fn parse(line: &str) -> Result<Record> {
    serde_json::from_str(line).map_err(|error| malformed(format!("record {line}"), &error))
}

/// How often each reason was given, to stand behind a figure: `; no-answer 3; loss 1`.
pub(super) fn reasons<'a>(checks: impl IntoIterator<Item = &'a Check>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for check in checks.into_iter().filter(|check| !check.up) {
        *counts.entry(check.reason.as_deref().unwrap_or("no reason")).or_default() += 1;
    }
    let given: Vec<String> = counts.iter().map(|(reason, count)| format!("; {reason} {count}")).collect();
    given.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_passed_over() {
        let line = r#"{"type":"check","uplink":"eth1","family":4,"up":false,"reason":"loss","answered":1,"required":2,
            "new":{},"targets":[{"target":"192.0.2.1","rtt_ms":0.5},{"target":"192.0.2.2","error":"timeout"}]}"#;
        let Record::Check(check) = parse(line).unwrap() else { panic!("not a check") };
        assert_eq!((check.uplink.as_str(), check.reason.as_deref(), check.answered), ("eth1", Some("loss"), 1));
        assert_eq!(check.targets.iter().map(|answer| answer.rtt_ms).collect::<Vec<_>>(), [Some(0.5), None]);
        assert!(matches!(parse(r#"{"type":"hello"}"#), Ok(Record::Other)));
        assert!(parse("{}").is_err());
    }
}
