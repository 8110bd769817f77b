//! The probes that were sent lately, those of earlier checks too: an answer to them is late, not spoofed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::icmp::Token;

/// How long a probe is remembered. No answer takes longer.
const KEEP: Duration = Duration::from_secs(10);
/// How many are remembered at most, so that many uplinks take little room; far fewer than there are sequence numbers.
const MOST: usize = 127;

/// A question that was sent.
#[derive(Debug)]
pub(crate) struct Probe {
    /// The number of its check.
    pub(crate) check: u64,
    /// The place of its target in the configuration.
    pub(crate) target: usize,
    /// Whether it was to come no farther than the gateway.
    pub(crate) near: bool,
    /// Whether it tells of the line's quality: what was asked in doubt, just when the line does not answer, does not.
    pub(crate) telling: bool,
    pub(crate) sent: Duration,
    /// How long it waits for its answer.
    pub(crate) wait: Duration,
    pub(crate) token: Token,
    pub(crate) fate: Fate,
}

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Open,
    Answered,
    /// A router, or this host, said that it did not get there.
    Failed,
    /// Its time was over, or its check.
    Lost,
    /// It never left, or its answer cannot be heard any more. It keeps its number, so that those behind it keep theirs.
    Unsent,
}

/// Probes in the order of their sequence numbers, which have 16 bits on the wire and wrap around.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    queue: VecDeque<Probe>,
    first: u16,
}

impl Probes {
    /// Remembers a probe, and tells its sequence number.
    pub(crate) fn push(&mut self, probe: Probe) -> u16 {
        let sequence = self.next();
        self.queue.push_back(probe);
        sequence
    }

    /// Forgets the old ones.
    pub(crate) fn prune(&mut self, now: Duration) {
        while self.queue.front().is_some_and(|probe| probe.sent + KEEP < now) || self.queue.len() >= MOST {
            self.queue.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The probe with this sequence number.
    pub(crate) fn get_mut(&mut self, sequence: u16) -> Option<&mut Probe> {
        self.queue.get_mut(usize::from(sequence.wrapping_sub(self.first)))
    }

    /// What was sent for this check, if it is the latest one, apart from tests of the gateway.
    pub(crate) fn of_check(&self, check: u64) -> impl Iterator<Item = &Probe> + Clone {
        let latest = self.queue.iter().rev().take_while(move |probe| probe.check == check);
        latest.filter(|probe| !probe.near && probe.fate != Fate::Unsent)
    }

    /// All of them.
    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Probe> {
        self.queue.iter_mut()
    }

    fn next(&self) -> u16 {
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap around")]
        self.first.wrapping_add(self.queue.len() as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, KEEP, MOST, Probe, Probes};
    use std::time::Duration;

    fn probe(check: u64, sent: Duration) -> Probe {
        Probe { check, target: 0, near: false, telling: true, sent, wait: KEEP, token: [0; 16], fate: Fate::Open }
    }

    #[test]
    fn numbers_wrap_around_and_old_ones_are_forgotten() {
        let mut probes = Probes::default();
        for round in 0..70_000u32 {
            let now = Duration::from_millis(u64::from(round));
            probes.prune(now);
            let sequence = probes.push(probe(u64::from(round), now));
            assert_eq!(u32::from(sequence), round % 65_536);
            assert_eq!(probes.get_mut(sequence).map(|probe| probe.sent), Some(now));
        }
        let kept = MOST;
        assert_eq!(probes.queue.len(), kept);
        let oldest = 69_999 - (u32::try_from(kept).unwrap() - 1);
        let number = |round: u32| u16::try_from(round % 65_536).unwrap();
        assert!(probes.get_mut(number(oldest)).is_some() && probes.get_mut(number(oldest - 1)).is_none());
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
