//! What waits for a child that does not read at the moment. Bounded: a stopped child costs nothing but its own service.

use std::collections::{BTreeMap, VecDeque};

use ftr_core::record::{Active, Event};

/// The most events that wait for the notifier. Older ones are given up first, and counted.
pub(crate) const MAX_EVENTS: usize = 1024;

/// The newest active set of each family: a newer one replaces one that was not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    current: BTreeMap<u8, Active>,
    unsent: Vec<u8>,
}

impl Newest {
    /// Takes a set in. What an unsent one would have flushed, the new one flushes too.
    pub(crate) fn put(&mut self, mut active: Active) {
        let family = active.family.number();
        if self.unsent.contains(&family) {
            let waiting = self.current.get(&family).map(|before| before.flush.clone()).unwrap_or_default();
            // One that has come back in the meantime has connections again that nobody wants to lose.
            active.flush.extend(waiting.into_iter().filter(|name| active.failed.contains(name)));
            active.flush.sort();
            active.flush.dedup();
        } else {
            self.unsent.push(family);
        }
        self.current.insert(family, active);
    }

    /// The next set to send.
    pub(crate) fn take(&mut self) -> Option<Active> {
        let family = if self.unsent.is_empty() { return None } else { self.unsent.remove(0) };
        let active = self.current.get_mut(&family)?;
        let sent = active.clone();
        // A child started later gets the set, but connections are flushed once.
        active.flush.clear();
        Some(sent)
    }

    /// The reader is a new process that knows nothing: everything current is to be sent again.
    pub(crate) fn start_over(&mut self) {
        self.unsent = self.current.keys().copied().collect();
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

    #[test]
    fn a_newer_set_replaces_an_unsent_one_and_unites_their_flush() {
        let (actives, _) = two_failures();
        let mut newest = Newest::default();
        actives.iter().cloned().for_each(|active| newest.put(active));
        let sent = newest.take().unwrap();
        assert_eq!(sent.uplinks.len(), 1);
        assert_eq!(sent.flush.iter().map(ftr_core::InterfaceName::as_str).collect::<Vec<_>>(), ["eth1", "eth2"]);
        assert_eq!(newest.take(), None);
        newest.start_over();
        assert!(newest.take().unwrap().flush.is_empty(), "a new reader flushes nothing a second time");
    }

    #[test]
    fn what_came_back_before_it_was_sent_keeps_its_connections() {
        let (actives, _) = two_failures();
        let mut newest = Newest::default();
        newest.put(actives[1].clone());
        newest.put(Active { flush: Vec::new(), failed: Vec::new(), ..actives[0].clone() });
        assert!(newest.take().unwrap().flush.is_empty());
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
