//! Whom to ask next, and when. Time is a parameter everywhere: the time since boot.

use std::time::Duration;

use crate::verdict::Tally;

/// How long a check may take, and how much it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// How many targets have to answer; at least 1.
    pub(crate) required: usize,
    /// How often each is asked at most; at least 1.
    pub(crate) tries: u32,
    /// How long a try waits before the next one, or before it is given up.
    pub(crate) timeout: Duration,
}

/// Before this an answer is not called late, however short the timeout is.
const PROMPT: Duration = Duration::from_millis(50);
/// A send that found no room is tried again after this.
const AGAIN: Duration = Duration::from_millis(10);

impl Timing {
    /// When the reserve is asked because an answer is late. Never so late that the reserve has no time left.
    fn lateness(&self) -> Duration {
        (self.timeout / 4).max(PROMPT).min(self.timeout / 2)
    }

    /// How long a check may take: for all targets, those asked late too.
    fn deadline(&self) -> Duration {
        self.timeout.saturating_mul(self.tries)
    }
}

/// The course of one check: the first targets, as many as have to answer, are asked at once, the others, the reserve,
/// only when one of them is late or has failed.
#[derive(Debug)]
pub(crate) struct Schedule {
    timing: Timing,
    start: Duration,
    reserve_called: bool,
    asks: Vec<Ask>,
}

/// How far a target has been asked.
#[derive(Clone, Copy, Debug, Default)]
struct Ask {
    made: u32,
    failed: u32,
    answered: bool,
    /// When the next try is due; none in the reserve, and after the last.
    next: Option<Duration>,
}

impl Schedule {
    pub(crate) fn new(timing: Timing) -> Self {
        Self { timing, start: Duration::ZERO, reserve_called: false, asks: Vec::new() }
    }

    /// Begins a check of `count` targets, forgetting the last one.
    pub(crate) fn begin(&mut self, count: usize, now: Duration) {
        self.start = now;
        self.reserve_called = count <= self.timing.required;
        self.asks.clear();
        self.asks.resize(count, Ask::default());
        for ask in self.asks.iter_mut().take(self.timing.required) {
            ask.next = Some(now);
        }
    }

    /// Whether this target is to be asked now.
    pub(crate) fn is_due(&self, target: usize, now: Duration) -> bool {
        now < self.last_call() && self.asks.get(target).is_some_and(|ask| ask.waits_for().is_some_and(|at| at <= now))
    }

    /// This target was asked.
    pub(crate) fn sent(&mut self, target: usize, now: Duration) {
        let Timing { tries, timeout, .. } = self.timing;
        if let Some(ask) = self.asks.get_mut(target) {
            ask.made += 1;
            ask.next = (ask.made < tries).then(|| now + timeout);
        }
    }

    /// Takes back that this target was asked: this host had no room to send.
    pub(crate) fn unsent(&mut self, target: usize, now: Duration) {
        if let Some(ask) = self.asks.get_mut(target) {
            ask.made = ask.made.saturating_sub(1);
            ask.next = Some(now + AGAIN);
        }
    }

    /// This target has answered.
    pub(crate) fn answered(&mut self, target: usize) {
        if let Some(ask) = self.asks.get_mut(target) {
            ask.answered = true;
        }
    }

    /// A try of this target has failed for good, before its time was over. Called at most once for each try.
    pub(crate) fn failed(&mut self, target: usize, now: Duration) {
        if let Some(ask) = self.asks.get_mut(target) {
            ask.failed += 1;
            self.call_reserve(now);
        }
    }

    /// Lets time pass: calls the reserve when an answer is late.
    pub(crate) fn advance(&mut self, now: Duration) {
        if now >= self.start + self.timing.lateness() {
            self.call_reserve(now);
        }
    }

    /// When [`Schedule::advance`] and [`Schedule::is_due`] have something new to say: at the deadline, at the latest.
    pub(crate) fn wake(&self) -> Duration {
        let last_call = self.last_call();
        let late = (!self.reserve_called).then(|| self.start + self.timing.lateness());
        let tries = self.asks.iter().filter_map(Ask::waits_for).filter(|&at| at < last_call);
        tries.chain(late).fold(self.deadline(), Duration::min)
    }

    /// The moment until which answers count.
    pub(crate) fn deadline(&self) -> Duration {
        self.start + self.timing.deadline()
    }

    /// How the targets stand.
    pub(crate) fn tally(&self) -> Tally {
        let tries = self.timing.tries;
        let mut tally = Tally { required: self.timing.required, ..Tally::default() };
        for ask in &self.asks {
            tally.answered += usize::from(ask.answered);
            tally.open += usize::from(!ask.answered && (ask.made < tries || ask.failed < ask.made));
            tally.unasked += usize::from(!ask.answered && ask.made < tries);
        }
        tally
    }

    fn call_reserve(&mut self, now: Duration) {
        if !self.reserve_called {
            self.reserve_called = true;
            for ask in self.asks.iter_mut().skip(self.timing.required) {
                ask.next = Some(now);
            }
        }
    }

    /// Whoever is not asked by now has no fair chance to answer in time. Nobody is left by then unless this host was
    /// asleep or had no room to send.
    fn last_call(&self) -> Duration {
        self.deadline().saturating_sub(self.timing.timeout.saturating_sub(self.timing.lateness()) / 2)
    }
}

impl Ask {
    fn waits_for(&self) -> Option<Duration> {
        if self.answered { None } else { self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::{Schedule, Timing};
    use std::time::Duration;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn begun(required: usize, count: usize, tries: u32, timeout: u64) -> Schedule {
        let mut schedule = Schedule::new(Timing { required, tries, timeout: ms(timeout) });
        schedule.begin(count, ms(1000));
        schedule
    }

    fn due(schedule: &Schedule, count: usize, now: u64) -> Vec<usize> {
        (0..count).filter(|&target| schedule.is_due(target, ms(now))).collect()
    }

    #[test]
    fn the_reserve_is_called_when_an_answer_is_late() {
        for (timeout, late) in [(2000, 500), (100, 50), (60, 30)] {
            let mut schedule = begun(2, 3, 1, timeout);
            assert_eq!(due(&schedule, 3, 1000), [0, 1]);
            schedule.sent(0, ms(1000));
            schedule.sent(1, ms(1000));
            assert_eq!(schedule.wake(), ms(1000 + late), "timeout {timeout}");
            schedule.advance(ms(1000 + late));
            assert_eq!(due(&schedule, 3, 1000 + late), [2]);
            schedule.sent(2, ms(1000 + late));
            assert_eq!(schedule.wake(), ms(1000 + timeout));
        }
    }

    #[test]
    fn the_reserve_is_called_when_one_has_failed() {
        let mut schedule = begun(1, 3, 1, 2000);
        schedule.sent(0, ms(1000));
        schedule.failed(0, ms(1003));
        assert_eq!(due(&schedule, 3, 1003), [1, 2]);
        assert_eq!(schedule.tally().open, 2);
    }

    #[test]
    fn a_try_is_repeated_after_the_timeout_and_an_earlier_answer_still_possible() {
        let mut schedule = begun(1, 1, 2, 2000);
        schedule.sent(0, ms(1000));
        assert_eq!((schedule.wake(), due(&schedule, 1, 2999)), (ms(3000), vec![]));
        assert_eq!(due(&schedule, 1, 3000), [0]);
        schedule.sent(0, ms(3000));
        schedule.failed(0, ms(3001));
        assert_eq!((schedule.tally().open, schedule.wake()), (1, ms(5000)));
        schedule.failed(0, ms(3002));
        assert_eq!(schedule.tally().open, 0);
    }

    #[test]
    fn without_room_to_send_it_is_tried_again_soon() {
        let mut schedule = begun(1, 1, 1, 2000);
        schedule.sent(0, ms(1000));
        schedule.unsent(0, ms(1000));
        assert_eq!((schedule.wake(), due(&schedule, 1, 1009)), (ms(1010), vec![]));
        assert_eq!(due(&schedule, 1, 1010), [0]);
    }

    #[test]
    fn after_the_last_call_nobody_is_asked_and_unasked_ones_are_counted() {
        let mut schedule = begun(2, 3, 1, 2000);
        schedule.sent(0, ms(1000));
        schedule.sent(1, ms(1000));
        schedule.advance(ms(2900));
        assert_eq!((due(&schedule, 3, 2900), schedule.wake()), (vec![], ms(3000)));
        assert_eq!(schedule.tally().unasked, 1);
    }
}
