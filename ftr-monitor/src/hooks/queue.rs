//! Which program runs when: so many at once and no more, for one uplink one event after the other, and none for ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ftr_core::InterfaceName;
use ftr_core::config::{Hook, Occasion};
use ftr_core::record::Event;

/// The most programs that run at once.
const AT_ONCE: usize = 8;
/// The most that wait; the oldest ones are given up for newer ones.
const WAITING: usize = 256;

/// A program that is to be run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    /// The index of the hook in the configuration.
    pub(super) hook: usize,
    pub(super) occasion: Occasion,
    pub(super) event: Arc<Event>,
    /// Which event it is, of all that came. What is run for one event is run side by side.
    nth: u64,
}

impl Job {
    /// What people know it by: the program, and what it is run for.
    pub(super) fn name(&self, hook: &Hook) -> String {
        let program = hook.run.first().map(String::as_str).unwrap_or_default();
        let uplink = self.event.uplink.as_ref().map(|uplink| format!(" {uplink}")).unwrap_or_default();
        format!("{program} ({}{uplink})", self.occasion.as_str())
    }
}

#[derive(Debug)]
struct Running {
    id: u64,
    uplink: Option<InterfaceName>,
    nth: u64,
    /// When it has run for long enough.
    until: Duration,
    is_late: bool,
}

/// What waits, and what runs.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Job>,
    running: Vec<Running>,
    events: u64,
    ids: u64,
}

impl Queue {
    /// Takes in the hooks that are to be run for an event. How many were given up for want of room.
    pub(super) fn put(&mut self, event: &Arc<Event>, hooks: impl IntoIterator<Item = (usize, Occasion)>) -> usize {
        self.events += 1;
        let nth = self.events;
        let jobs = hooks.into_iter().map(|(hook, occasion)| Job { hook, occasion, event: Arc::clone(event), nth });
        self.waiting.extend(jobs);
        let lost = self.waiting.len().saturating_sub(WAITING);
        self.waiting.drain(..lost);
        lost
    }

    /// The next that is to be started, with the number that it has while it runs. `timeout` tells how long one may run.
    pub(super) fn take(&mut self, now: Duration, timeout: impl Fn(usize) -> Option<Duration>) -> Option<(u64, Job)> {
        if self.running.len() >= AT_ONCE {
            return None;
        }
        let is_early = |job: &Job| self.running.iter().any(|one| one.uplink == job.event.uplink && one.nth != job.nth);
        let next = self.waiting.iter().position(|job| !is_early(job))?;
        let job = self.waiting.remove(next)?;
        self.ids += 1;
        let until = now.saturating_add(timeout(job.hook).unwrap_or_default());
        let (id, uplink) = (self.ids, job.event.uplink.clone());
        self.running.push(Running { id, uplink, nth: job.nth, until, is_late: false });
        Some((id, job))
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// One has ended, or was never started.
    pub(super) fn ended(&mut self, id: u64) {
        self.running.retain(|one| one.id != id);
    }

    /// Those that have run for long enough, each once.
    pub(super) fn late(&mut self, now: Duration) -> Vec<u64> {
        let late = self.running.iter_mut().filter(|one| !one.is_late && now >= one.until);
        late.map(|one| {
            one.is_late = true;
            one.id
        })
        .collect()
    }

    /// When the next one has run for long enough; none while none runs.
    pub(super) fn due(&self) -> Option<Duration> {
        self.running.iter().filter(|one| !one.is_late).map(|one| one.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_ONCE, Queue, WAITING};
    use ftr_core::config::Occasion;
    use ftr_core::record::{Event, EventKind, Stamp};
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(30);

    fn event(uplink: &str, seq: u64) -> Arc<Event> {
        let stamp = Stamp { time: String::new(), mono: 0 };
        Arc::new(Event { uplink: Some(uplink.parse().unwrap()), ..Event::new(seq, EventKind::State, stamp) })
    }

    fn put(queue: &mut Queue, uplink: &str, seq: u64, hooks: &[usize]) -> usize {
        queue.put(&event(uplink, seq), hooks.iter().map(|hook| (*hook, Occasion::Down)))
    }

    fn take(queue: &mut Queue) -> Option<(u64, u64, usize)> {
        queue.take(Duration::ZERO, |_| Some(LONG)).map(|(id, job)| (id, job.event.seq, job.hook))
    }

    #[test]
    fn what_belongs_to_one_event_runs_side_by_side_and_the_next_of_that_uplink_waits() {
        let mut queue = Queue::default();
        put(&mut queue, "eth1", 1, &[0, 1]);
        put(&mut queue, "eth1", 2, &[0]);
        put(&mut queue, "eth2", 3, &[0]);
        let begun: Vec<_> = std::iter::from_fn(|| take(&mut queue)).collect();
        assert_eq!(begun, [(1, 1, 0), (2, 1, 1), (3, 3, 0)]);
        queue.ended(1);
        assert_eq!(take(&mut queue), None, "the other one for the first event still runs");
        queue.ended(2);
        assert_eq!(take(&mut queue), Some((4, 2, 0)));
    }

    #[test]
    fn those_that_hang_are_late_once_each_and_leave_room_when_they_have_ended() {
        let mut queue = Queue::default();
        let lost: usize = (0..200).map(|nth| put(&mut queue, &format!("eth{nth}"), nth, &[0])).sum();
        let begun: Vec<u64> = std::iter::from_fn(|| take(&mut queue)).map(|(id, ..)| id).collect();
        assert_eq!((lost, begun.len(), queue.due()), (0, AT_ONCE, Some(LONG)));
        assert!(queue.late(LONG.mul_f64(0.99)).is_empty());
        assert_eq!(queue.late(LONG), begun);
        assert_eq!((queue.late(LONG), queue.due()), (vec![], None));
        for id in begun {
            queue.ended(id);
        }
        assert_eq!(std::iter::from_fn(|| take(&mut queue)).count(), AT_ONCE);
    }

    #[test]
    fn too_many_that_wait_are_given_up_the_oldest_first() {
        let mut queue = Queue::default();
        let lost: usize = (0..WAITING as u64 + 3).map(|nth| put(&mut queue, "eth1", nth, &[0])).sum();
        assert_eq!((lost, take(&mut queue).map(|(_, seq, _)| seq)), (3, Some(3)));
    }

    proptest! {
        #[test]
        fn the_events_of_an_uplink_keep_their_order_whatever_ends_when(steps in prop::collection::vec((0u8..3, 0u8..4, 0usize..8), 0..200)) {
            let (mut queue, mut running, mut seq, mut last) = (Queue::default(), Vec::new(), 0u64, [0u64; 3]);
            for (uplink, what, which) in steps {
                if what < 2 {
                    seq += 1;
                    put(&mut queue, &format!("eth{uplink}"), seq, &[0, 1]);
                } else if !running.is_empty() {
                    queue.ended(running.remove(which % running.len()));
                }
                while let Some((id, job)) = queue.take(Duration::ZERO, |_| Some(LONG)) {
                    let of: usize = job.event.uplink.as_ref().unwrap().as_str()[3..].parse().unwrap();
                    prop_assert!(job.event.seq >= last[of]);
                    last[of] = job.event.seq;
                    running.push(id);
                }
                prop_assert!(running.len() <= AT_ONCE);
            }
        }
    }
}
