//! What the client saw: pure figures over its connections.

use crate::family::Family;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How a new connection went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Still being tried.
    Pending,
    /// Established after this time.
    Established(Duration),
    /// Not established, and why.
    Failed(String),
}

/// One new connection.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began.
    pub began: Instant,
    /// Over which protocol.
    pub family: Family,
    /// How it went.
    pub outcome: Outcome,
    /// The source address that the server saw, which tells the uplink.
    pub seen_as: Option<IpAddr>,
}

/// One connection that is held open and talks ten times a second.
#[derive(Debug, Clone)]
pub struct Held {
    /// Over which protocol.
    pub family: Family,
    /// The source address that the server saw.
    pub seen_as: Option<IpAddr>,
    /// The longest time without an answer.
    pub longest_stall: Duration,
    /// When and why it ended before its time.
    pub broke: Option<(Instant, String)>,
}

/// A flow of datagrams.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Over which protocol.
    pub family: Family,
    /// When answers came, and the source address that the server saw.
    pub heard: Vec<(Instant, IpAddr)>,
    /// The longest time between two answers.
    pub longest_stall: Duration,
    /// When and why its socket was ended.
    pub ended: Vec<(Instant, String)>,
}

impl Flow {
    /// The source address that was seen last before this instant.
    #[must_use]
    pub fn seen_before(&self, event: Instant) -> Option<IpAddr> {
        self.heard.iter().rev().find(|(at, _)| *at < event).map(|(_, source)| *source)
    }
}

/// All that a client saw.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The new connections in the order in which they began.
    pub attempts: Vec<Attempt>,
    /// The held ones.
    pub held: Vec<Held>,
    /// The flows of datagrams.
    pub flows: Vec<Flow>,
}

impl Report {
    /// The failed connections that began within the window.
    pub fn failed(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Attempt> {
        self.began(from, until).filter(|attempt| matches!(attempt.outcome, Outcome::Failed(_)))
    }

    /// The connections that began within the window.
    pub fn began(&self, from: Instant, until: Instant) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(move |attempt| attempt.began >= from && attempt.began < until)
    }

    /// How long after `event` the last failing connection began; `None` when none failed.
    #[must_use]
    pub fn last_failure_after(&self, event: Instant) -> Option<Duration> {
        let after = |attempt: &Attempt| attempt.began.checked_duration_since(event);
        self.attempts.iter().filter(|attempt| matches!(attempt.outcome, Outcome::Failed(_))).filter_map(after).max()
    }

    /// How long after `event` the first connection began that was established from such an address.
    #[must_use]
    pub fn first_seen_after(&self, event: Instant, is_from: impl Fn(IpAddr) -> bool) -> Option<Duration> {
        let after = |attempt: &Attempt| attempt.began.checked_duration_since(event);
        self.attempts.iter().filter(|attempt| attempt.seen_as.is_some_and(&is_from)).filter_map(after).min()
    }

    /// Established connections of the window by the source address that the server saw.
    #[must_use]
    pub fn by_source(&self, from: Instant, until: Instant) -> BTreeMap<IpAddr, usize> {
        let mut count = BTreeMap::new();
        for source in self.began(from, until).filter_map(|attempt| attempt.seen_as) {
            *count.entry(source).or_default() += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(start: Instant, ms: u64, outcome: Outcome, seen_as: Option<IpAddr>) -> Attempt {
        Attempt { began: start + Duration::from_millis(ms), family: Family::V4, outcome, seen_as }
    }

    #[test]
    fn windows_and_times_after_an_event() {
        let start = Instant::now();
        let source = IpAddr::from([1, 0, 0, 2]);
        let well = || Outcome::Established(Duration::from_millis(1));
        let report = Report {
            attempts: vec![
                attempt(start, 0, well(), Some(source)),
                attempt(start, 100, Outcome::Failed("timeout".to_owned()), None),
                attempt(start, 200, Outcome::Failed("reset".to_owned()), None),
                attempt(start, 300, well(), Some(source)),
            ],
            held: Vec::new(),
            flows: Vec::new(),
        };
        let event = start + Duration::from_millis(50);
        let end = start + Duration::from_secs(1);
        assert_eq!(report.failed(event, end).count(), 2);
        assert_eq!(report.failed(event, start + Duration::from_millis(150)).count(), 1);
        assert_eq!(report.last_failure_after(event), Some(Duration::from_millis(150)));
        assert_eq!(report.first_seen_after(event, |seen| seen == source), Some(Duration::from_millis(250)));
        assert_eq!(report.by_source(start, end), BTreeMap::from([(source, 2)]));
    }
}
