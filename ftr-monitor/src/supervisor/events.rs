//! Events on their way to the notifier, which may not read at the moment. Bounded: a stopped child costs nothing but its
//! own service.

use std::collections::VecDeque;
use std::sync::Arc;

use ftr_core::record::Event;

/// The most events that wait for the notifier. Older ones are given up first, and counted.
const MAX_EVENTS: usize = 1024;

/// Events that wait for the notifier's acknowledgement, in order.
#[derive(Debug, Default)]
pub(crate) struct Unacknowledged {
    events: VecDeque<Arc<Event>>,
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
        self.events.push_back(Arc::new(event));
    }

    /// The next event to send.
    pub(crate) fn take(&mut self) -> Option<Event> {
        let event = self.events.get(self.sent)?;
        self.sent += 1;
        Some(Event::clone(event))
    }

    /// The notifier has this event in safe hands. Whether that was waited for.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> bool {
        let Some(index) = self.events.iter().take(self.sent).position(|event| event.seq == seq) else { return false };
        self.events.remove(index);
        self.sent -= 1;
        true
    }

    /// The reader is a new process: what was not acknowledged is to be sent again.
    pub(crate) const fn start_over(&mut self) {
        self.sent = 0;
    }

    /// Every event that was not acknowledged.
    pub(crate) fn all(&self) -> Vec<Arc<Event>> {
        self.events.iter().cloned().collect()
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
    use super::{MAX_EVENTS, Unacknowledged};
    use ftr_core::record::{Event, EventKind, Stamp};

    fn event(seq: u64) -> Event {
        Event::new(seq, EventKind::State, Stamp { time: String::new(), mono: 0 })
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again() {
        let mut queue = Unacknowledged::default();
        (1..=3).for_each(|seq| queue.put(event(seq)));
        let seqs: Vec<u64> = std::iter::from_fn(|| queue.take()).map(|event| event.seq).collect();
        assert_eq!(seqs, [1, 2, 3]);
        assert!(queue.acknowledge(2));
        assert!(!queue.acknowledge(99) && !queue.acknowledge(2), "nobody waits for these");
        queue.start_over();
        assert_eq!(std::iter::from_fn(|| queue.take()).map(|event| event.seq).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn the_queue_is_bounded_and_counts_what_it_gives_up() {
        let mut queue = Unacknowledged::default();
        for seq in 0..MAX_EVENTS as u64 + 5 {
            queue.put(event(seq));
        }
        assert_eq!((queue.len(), queue.dropped(), queue.take().unwrap().seq), (MAX_EVENTS, 5, 5));
    }
}
