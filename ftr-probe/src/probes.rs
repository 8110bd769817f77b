//! The probes that were sent lately, those of earlier checks too: an answer to them is late, not spoofed.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::icmp::Token;

/// How long a probe is remembered. No answer takes longer.
const KEEP: Duration = Duration::from_secs(10);
/// How many are remembered at most when a check begins, so that many uplinks take little room; with those of the check
/// far fewer than there are sequence numbers.
const MOST: usize = 127;

/// A question that was sent.
#[derive(Debug)]
pub(crate) struct Probe {
    /// The number of its check.
    pub(crate) check: u64,
    /// The index of its target in the configuration.
    pub(crate) target: usize,
    /// Whether it was to come no farther than the gateway.
    pub(crate) ttl_one: bool,
    /// Whether it tells of the line's quality: what was asked in doubt, just when the line does not answer, does not.
    pub(crate) telling: bool,
    pub(crate) sent: Duration,
    /// How long it waits for its answer.
    pub(crate) wait: Duration,
    pub(crate) token: Token,
    pub(crate) state: ProbeState,
}

impl Probe {
    /// Whether its answer may still come, where there is a queue that takes so long.
    pub(crate) fn is_awaited(&self, now: Duration, queue: Duration) -> bool {
        self.state == ProbeState::Open && now < self.sent + self.wait.max(queue)
    }
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeState {
    Open,
    Answered,
    /// A router, or this host, said that it did not get there.
    Failed,
    /// Its time was over, or its check.
    Lost,
    /// It never left, or its answer cannot be heard any more.
    Unsent,
}

/// Probes in the order in which they were sent, each under a sequence number of its own.
///
/// The number is drawn with the token, by its first bytes: whoever was asked something knows the number of that one
/// question and of no other.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    queue: VecDeque<(u16, Probe)>,
    /// Their numbers.
    taken: HashSet<u16>,
}

impl Probes {
    /// Remembers a probe, and tells its sequence number, which no other one that is remembered has.
    pub(crate) fn push(&mut self, probe: Probe) -> u16 {
        let [high, low, ..] = probe.token;
        let mut sequence = u16::from_be_bytes([high, low]);
        while !self.taken.insert(sequence) {
            sequence = sequence.wrapping_add(1);
        }
        self.queue.push_back((sequence, probe));
        sequence
    }

    /// Forgets the old ones.
    pub(crate) fn prune(&mut self, now: Duration) {
        while self.queue.front().is_some_and(|(_, probe)| probe.sent + KEEP < now) || self.queue.len() >= MOST {
            if let Some((sequence, _)) = self.queue.pop_front() {
                self.taken.remove(&sequence);
            }
        }
    }

    /// The probe with this sequence number.
    pub(crate) fn get_mut(&mut self, sequence: u16) -> Option<&mut Probe> {
        self.queue.iter_mut().rev().find(|(number, _)| *number == sequence).map(|(_, probe)| probe)
    }

    /// What was sent for this check, if it is the latest one, apart from tests of the gateway.
    pub(crate) fn of_check(&self, check: u64) -> impl Iterator<Item = &Probe> + Clone {
        let latest = self.queue.iter().rev().map(|(_, probe)| probe).take_while(move |probe| probe.check == check);
        latest.filter(|probe| !probe.ttl_one && probe.state != ProbeState::Unsent)
    }

    /// All of them.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Probe> {
        self.queue.iter_mut().map(|(_, probe)| probe)
    }
}

#[cfg(test)]
mod tests {
    use super::{KEEP, MOST, Probe, ProbeState, Probes};
    use std::collections::VecDeque;
    use std::time::Duration;

    fn probe(check: u64, sent: Duration) -> Probe {
        let token = fastrand::u128(..).to_ne_bytes();
        Probe { check, target: 0, ttl_one: false, telling: true, sent, wait: KEEP, token, state: ProbeState::Open }
    }

    #[test]
    fn numbers_are_unique_as_long_as_they_are_remembered() {
        let mut probes = Probes::default();
        let mut sent = VecDeque::new();
        for n in 0..2_000 {
            let now = Duration::from_millis(n);
            probes.prune(now);
            // Now and then one that was drawn already.
            let mut probe = probe(n, now);
            if n % 7 == 0 {
                probe.token = [7; 16];
            }
            let sequence = probes.push(probe);
            sent.push_back((sequence, n));
            sent.drain(..sent.len().saturating_sub(MOST));
            for &(sequence, check) in &sent {
                assert_eq!(probes.get_mut(sequence).map(|probe| probe.check), Some(check));
            }
        }
        assert_eq!((probes.queue.len(), probes.taken.len()), (MOST, MOST));
    }

    #[test]
    fn a_number_tells_nothing_of_the_next_one() {
        let mut probes = Probes::default();
        let numbers: Vec<u16> = (0..100).map(|check| probes.push(probe(check, Duration::ZERO))).collect();
        let near = numbers.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 256).count();
        // Each has a chance of 1/128, so that twenty have one of about 10^-20.
        assert!(near < 20, "{numbers:?}");
    }

    #[test]
    fn the_latest_check_is_found() {
        let mut probes = Probes::default();
        for check in [1, 1, 2, 2, 2] {
            probes.push(probe(check, Duration::ZERO));
        }
        assert_eq!((probes.of_check(2).count(), probes.of_check(1).count()), (3, 0));
    }
}
