//! What waits for a child that does not read at the moment. Bounded: a stopped child costs nothing but its own service.

use std::collections::{BTreeMap, VecDeque};

use ftr_core::Family;
use ftr_core::record::{Active, Event};

/// The most events that wait for the notifier. Older ones are given up first, and counted.
pub(crate) const MAX_EVENTS: usize = 1024;

/// The newest active set of each family: a newer one replaces one that was not sent yet.
///
/// What a set flushes stays with it until the route program has said that it was done: if that program dies or is killed
/// in between, its successor is told again. (A newer set brings along what an older one was to flush: see the decider.)
#[derive(Debug, Default)]
pub(crate) struct Newest {
    current: BTreeMap<u8, Active>,
    unsent: Vec<u8>,
    /// Sets that were sent and not confirmed, and whether the route program has passed them on, as it does with every
    /// record that it has read.
    owed: BTreeMap<u8, bool>,
}

impl Newest {
    /// Takes a set in.
    pub(crate) fn put(&mut self, active: Active) {
        let family = active.family.number();
        self.current.insert(family, active);
        if !self.unsent.contains(&family) {
            self.unsent.push(family);
        }
    }

    /// The next set to send.
    pub(crate) fn take(&mut self) -> Option<Active> {
        let family = if self.unsent.is_empty() { return None } else { self.unsent.remove(0) };
        self.owed.insert(family, false);
        self.current.get(&family).cloned()
    }

    /// The route program has passed this set on, so it has read it.
    pub(crate) fn read(&mut self, active: &Active) {
        let family = active.family.number();
        let newest = self.current.get(&family).is_some_and(|current| current.at == active.at);
        if let (true, Some(read)) = (newest, self.owed.get_mut(&family)) {
            *read = true;
        }
    }

    /// The route program has told what the kernel has now. That answers a set only if it had read it: whether it does, so
    /// that what the set flushes has been done.
    pub(crate) fn applied(&mut self, family: Family) -> bool {
        let answered = self.owed.get(&family.number()) == Some(&true);
        if answered {
            self.owed.remove(&family.number());
            if let Some(current) = self.current.get_mut(&family.number()) {
                current.flush.clear();
            }
        }
        answered
    }

    /// Whether a set was sent that is not confirmed.
    pub(crate) fn is_owed(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Everything current is to be sent again: to a new reader that knows nothing, or to hear whether the old one lives.
    pub(crate) fn start_over(&mut self) {
        self.unsent = self.current.keys().copied().collect();
        self.owed.clear();
    }
}

/// Events that wait for the notifier's acknowledgement, in order.
#[derive(Debug, Default)]
pub(crate) struct Unacknowledged {
    events: VecDeque<Event>,
    /// How many of them, from the front, were sent.
    sent: usize,
    dropped: u64,
}

impl Unacknowledged {
    /// Takes an event in; the oldest is given up when there are too many.
    pub(crate) fn put(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.sent = self.sent.saturating_sub(1);
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    /// The next event to send.
    pub(crate) fn take(&mut self) -> Option<Event> {
        let event = self.events.get(self.sent)?.clone();
        self.sent += 1;
        Some(event)
    }

    /// The notifier has this event in safe hands.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        if let Some(place) = self.events.iter().take(self.sent).position(|event| event.seq == seq) {
            self.events.remove(place);
            self.sent -= 1;
        }
    }

    /// The reader is a new process: what was not acknowledged is to be sent again.
    pub(crate) const fn start_over(&mut self) {
        self.sent = 0;
    }

    /// Every event that was not acknowledged.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// How many events were given up for want of room.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many events wait for an acknowledgement.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};
    use ftr_core::record::Record;

    /// The records of eth1 going down, then eth2.
    fn two_failures() -> (Vec<Active>, Vec<Event>) {
        let mut decider = Decider::new(&config([""; 3], ""), None);
        let checks = [("eth1", true), ("eth2", true), ("eth3", true), ("eth1", false), ("eth2", false)];
        let records = checks.into_iter().flat_map(|(uplink, up)| decider.hear(&Record::Check(check(uplink, up, 0))));
        let (mut actives, mut events) = (Vec::new(), Vec::new());
        for record in records.collect::<Vec<_>>() {
            match record {
                Record::Active(active) => actives.push(active),
                Record::Event(event) => events.push(event),
                _ => {}
            }
        }
        (actives, events)
    }

    fn flushed(newest: &mut Newest) -> Vec<String> {
        newest.take().unwrap().flush.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_newer_set_replaces_an_unsent_one_and_brings_along_its_flush() {
        let (actives, _) = two_failures();
        let mut newest = Newest::default();
        actives.iter().cloned().for_each(|active| newest.put(active));
        let sent = newest.take().unwrap();
        assert_eq!(sent.uplinks.len(), 1);
        assert_eq!(sent.flush.iter().map(ftr_core::InterfaceName::as_str).collect::<Vec<_>>(), ["eth1", "eth2"]);
        assert_eq!(newest.take(), None);
    }

    #[test]
    fn a_flush_is_told_again_until_it_is_confirmed() {
        let (actives, _) = two_failures();
        let mut newest = Newest::default();
        newest.put(actives[1].clone());
        assert_eq!(flushed(&mut newest), ["eth1"]);
        // An answer of before, or to an event of the kernel: the set was not read yet.
        assert!(!newest.applied(Family::V4));
        assert!(newest.is_owed());
        newest.start_over();
        assert_eq!(flushed(&mut newest), ["eth1"], "the successor of a killed reader is told again");
        newest.read(&actives[1]);
        assert!(newest.applied(Family::V4));
        assert!(!newest.is_owed());
        newest.start_over();
        assert_eq!(flushed(&mut newest), [""; 0], "nothing is flushed a second time");
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again() {
        let (_, events) = two_failures();
        let mut queue = Unacknowledged::default();
        events.iter().take(3).cloned().for_each(|event| queue.put(event));
        let seqs: Vec<u64> = std::iter::from_fn(|| queue.take()).map(|event| event.seq).collect();
        assert_eq!(seqs, [1, 2, 3]);
        queue.acknowledge(2);
        queue.acknowledge(99);
        queue.start_over();
        assert_eq!(std::iter::from_fn(|| queue.take()).map(|event| event.seq).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn the_queue_is_bounded_and_counts_what_it_gives_up() {
        let (_, events) = two_failures();
        let mut queue = Unacknowledged::default();
        for seq in 0..MAX_EVENTS as u64 + 5 {
            queue.put(Event { seq, ..events[0].clone() });
        }
        assert_eq!((queue.len(), queue.dropped(), queue.take().unwrap().seq), (MAX_EVENTS, 5, 5));
    }
}
