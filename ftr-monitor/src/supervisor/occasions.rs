//! Events on their way to whoever runs hooks. Each is passed on once: what a hook does, doing it twice may undo.

use std::collections::VecDeque;

use ftr_core::record::Event;

/// The most events that wait. The oldest are given up first: what holds now matters more to a hook.
const WAITING: usize = 256;

/// Events that wait to be passed on.
#[derive(Debug)]
pub(super) struct Occasions {
    wanted: bool,
    events: VecDeque<Event>,
}

impl Occasions {
    /// None are kept where nobody wants them.
    pub(super) const fn new(wanted: bool) -> Self {
        Self { wanted, events: VecDeque::new() }
    }

    /// From now on they are wanted, or not.
    pub(super) fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        if !wanted {
            self.events.clear();
        }
    }

    pub(super) fn put(&mut self, event: &Event) {
        if !self.wanted {
            return;
        }
        if self.events.len() >= WAITING {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
    }

    /// The next one to pass on.
    pub(super) fn take(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::{Occasions, WAITING};
    use ftr_core::record::{Event, EventKind, Stamp};

    #[test]
    fn each_is_passed_on_once_and_of_too_many_the_newest() {
        let mut occasions = Occasions::new(true);
        let event = |seq| Event::new(seq, EventKind::State, Stamp { time: String::new(), mono: 0 });
        (0..WAITING as u64 + 2).for_each(|seq| occasions.put(&event(seq)));
        let taken: Vec<u64> = std::iter::from_fn(|| occasions.take()).map(|event| event.seq).collect();
        assert_eq!((taken.len(), taken.first()), (WAITING, Some(&2)));
        let mut unwanted = Occasions::new(false);
        unwanted.put(&event(1));
        assert_eq!(unwanted.take(), None);
    }
}
