//! How good an uplink has been over its latest probes, and whether that is good enough.

use std::collections::VecDeque;
use std::time::Duration;

use ftr_core::config::{Limit, Limits};
use ftr_core::record::{self, Reason};

use crate::figures::millis;

/// The fates of the latest probes, and the verdict on them.
#[derive(Debug)]
pub(crate) struct Window {
    limits: Limits,
    size: usize,
    probes: VecDeque<Option<Answer>>,
    /// Why the uplink is not good enough, until it has recovered.
    bad: Option<Reason>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    rtt: Duration,
    /// The difference from the round trip before it to the same target; none for the first.
    difference: Option<Duration>,
}

/// What is known of the probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quality {
    /// In thousandths.
    loss: u16,
    rtt: Option<Duration>,
    jitter: Option<Duration>,
}

impl Window {
    /// A window of so many probes, at least one.
    pub(crate) fn new(size: usize, limits: Limits) -> Self {
        Self { limits, size: size.max(1), probes: VecDeque::new(), bad: None }
    }

    /// The same of an uplink that was not good enough for this reason, if there are limits by which it can recover.
    pub(crate) fn that_was(self, bad: Reason) -> Self {
        let bad = Some(bad).filter(|_| self.limits != Limits::default());
        Self { bad, ..self }
    }

    /// A probe was answered; `before` is the last round trip to the same target.
    pub(crate) fn answered(&mut self, rtt: Duration, before: Option<Duration>) {
        self.put(Some(Answer { rtt, difference: before.map(|before| before.abs_diff(rtt)) }));
    }

    /// A probe was lost.
    pub(crate) fn lost(&mut self) {
        self.put(None);
    }

    /// An answer came after its probe was counted as lost: it was late, not lost.
    pub(crate) fn found(&mut self, rtt: Duration) {
        if let Some(lost) = self.probes.iter_mut().rev().find(|probe| probe.is_none()) {
            *lost = Some(Answer { rtt, difference: None });
        }
    }

    /// Why the uplink is not good enough, evaluated once half of the window is full. What is bad stays so until it is
    /// better than the threshold for recovery.
    pub(crate) fn evaluate(&mut self) -> Option<Reason> {
        let Some(quality) = self.quality().filter(|_| self.probes.len() * 2 >= self.size) else { return self.bad };
        let Limits { loss, rtt, jitter } = self.limits;
        let bad = self.bad.is_some();
        self.bad = if loss.is_some_and(|limit| quality.loss > at(limit, bad)) {
            Some(Reason::Loss)
        } else if over(quality.rtt, rtt, bad) || over(quality.jitter, jitter, bad) {
            Some(Reason::Latency)
        } else {
            None
        };
        self.bad
    }

    /// What a record tells of it; none before the first probe.
    pub(crate) fn figures(&self) -> Option<record::Window> {
        let quality = self.quality()?;
        Some(record::Window {
            probes: u32::try_from(self.probes.len()).unwrap_or(u32::MAX),
            loss: f64::from(quality.loss) / 1000.0,
            rtt_ms: quality.rtt.map(millis),
            jitter_ms: quality.jitter.map(millis),
        })
    }

    fn put(&mut self, probe: Option<Answer>) {
        if self.probes.len() >= self.size {
            self.probes.pop_front();
        }
        self.probes.push_back(probe);
    }

    fn quality(&self) -> Option<Quality> {
        let missing = self.probes.iter().filter(|probe| probe.is_none()).count();
        let answers = || self.probes.iter().flatten();
        let loss = (missing * 1000).checked_div(self.probes.len())?;
        Some(Quality {
            loss: u16::try_from(loss).unwrap_or(1000),
            rtt: mean(answers().map(|answer| answer.rtt)),
            jitter: mean(answers().filter_map(|answer| answer.difference)),
        })
    }
}

fn at<T>(limit: Limit<T>, bad: bool) -> T {
    if bad { limit.up } else { limit.down }
}

fn over(value: Option<Duration>, limit: Option<Limit<Duration>>, bad: bool) -> bool {
    value.zip(limit).is_some_and(|(value, limit)| value > at(limit, bad))
}

fn mean(values: impl Iterator<Item = Duration>) -> Option<Duration> {
    let (sum, count) = values.fold((Duration::ZERO, 0u32), |(sum, count), value| (sum + value, count + 1));
    sum.checked_div(count)
}

#[cfg(test)]
mod tests {
    use super::Window;
    use ftr_core::config::{Limit, Limits};
    use ftr_core::record::Reason;
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn one_that_was_bad_before_recovers_at_the_same_threshold() {
        let limits = Limits { loss: Some(Limit { down: 200, up: 100 }), ..Limits::default() };
        let mut window = Window::new(20, limits).that_was(Reason::Loss);
        let mut hear = |answered: bool| {
            if answered {
                window.answered(MS, None);
            } else {
                window.lost();
            }
            window.evaluate()
        };
        assert_eq!([false, false, true, true, true].map(&mut hear), [Some(Reason::Loss); 5], "too few to tell");
        assert_eq!([true; 9].map(&mut hear), [Some(Reason::Loss); 9], "a seventh");
        assert_eq!([true; 6].map(&mut hear).last(), Some(&None), "a tenth");
        assert_eq!(Window::new(20, Limits::default()).that_was(Reason::Loss).evaluate(), None, "nothing limits it");
    }

    #[test]
    fn loss_turns_it_down_and_less_loss_up_again() {
        let limits = Limits { loss: Some(Limit { down: 200, up: 100 }), ..Limits::default() };
        let mut window = Window::new(10, limits);
        let mut hear = |answers: [bool; 5]| {
            for answered in answers {
                if answered { window.answered(MS, None) } else { window.lost() }
            }
            window.evaluate()
        };
        assert_eq!(hear([false, true, true, true, true]), None, "a fifth is the limit");
        assert_eq!(hear([false, false, true, true, true]), Some(Reason::Loss));
        assert_eq!(hear([true; 5]), Some(Reason::Loss), "a fifth is not good enough to come back");
        assert_eq!(hear([true; 5]), None);
    }

    #[test]
    fn nothing_is_concluded_from_a_few_probes() {
        let limits = Limits { loss: Some(Limit { down: 0, up: 0 }), ..Limits::default() };
        let mut window = Window::new(10, limits);
        for verdict in [None, None, None, None, Some(Reason::Loss)] {
            window.lost();
            assert_eq!(window.evaluate(), verdict);
        }
    }

    #[test]
    fn round_trip_and_jitter_are_latency() {
        let limit = Some(Limit { down: MS * 20, up: MS * 16 });
        for limits in [Limits { rtt: limit, ..Limits::default() }, Limits { jitter: limit, ..Limits::default() }] {
            let mut window = Window::new(2, limits);
            let mut hear = |rtt: u32, before: u32| {
                window.answered(MS * rtt, Some(MS * before));
                window.evaluate()
            };
            assert_eq!(hear(10, 10), None);
            assert_eq!(hear(60, 10), Some(Reason::Latency));
            assert_eq!(hear(18, 0), Some(Reason::Latency));
            assert_eq!(hear(1, 0), None);
        }
    }

    #[test]
    fn a_late_answer_was_not_lost() {
        let mut window = Window::new(4, Limits::default());
        window.lost();
        window.answered(MS, None);
        window.found(MS * 900);
        let figures = window.figures().unwrap();
        assert_eq!((figures.probes, figures.loss, figures.rtt_ms), (2, 0.0, Some(450.5)));
    }
}
