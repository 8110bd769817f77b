//! Whether answers are the targets' own, or made up by a gateway that lets nobody through (a captive portal).
//!
//! Such an answer is perfect but for two things: fewer routers have counted down its time to live than usual, and an
//! echo request whose own time to live ends at the gateway is answered too, where an honest gateway says
//! "time exceeded" (RFC 792) or nothing. So a change of the first prompts a test by the second.

use std::time::Duration;

use super::{Fate, Probe, Question, Round, Standing, Token};
use crate::icmp::Echo;

/// How long the answer to a test may be later than that to a question to the same target.
const SLACK: Duration = Duration::from_millis(2);
/// A gateway that says nothing so often will never say anything.
const SILENCES: u32 = 3;

/// The test of a check.
#[derive(Debug, Default)]
pub(super) struct Near {
    state: State,
    /// The places of the targets that are still to be tested.
    wanted: Vec<usize>,
    /// When the last test was sent, and to whom.
    asked: Option<(Duration, usize)>,
    /// How often in a row the gateway said nothing.
    silences: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing was remarkable so far.
    #[default]
    Quiet,
    /// One target stands for all that are doubted.
    Testing,
    /// The gateway sends on: all answers are genuine.
    Far,
    /// The gateway said nothing: all answers are taken for genuine this time.
    Untold,
    /// The gateway has answered in a target's stead: each has to be tested.
    Captive,
}

impl Round {
    pub(super) fn begin_near(&mut self, test: bool) {
        self.near.state = State::Quiet;
        self.near.asked = None;
        self.near.wanted.clear();
        let questions = &self.questions;
        let testable = |place: &&usize| questions.get(**place).is_some_and(Question::is_testable);
        if let Some(&place) = self.order.iter().find(testable).filter(|_| test) {
            self.near.wanted.push(place);
            self.near.state = State::Testing;
        }
    }

    /// The next test to be made: whom to ask with a time to live of 1. `token` has to be unpredictable.
    pub(crate) fn test(&mut self, token: Token, now: Duration) -> Option<(std::net::IpAddr, Echo)> {
        let target = self.near.wanted.pop()?;
        let address = self.questions.get(target)?.target.address();
        self.near.asked = Some((now, target));
        let probe = Probe {
            check: self.check,
            target,
            near: true,
            telling: false,
            sent: now,
            wait: Duration::ZERO,
            token,
            fate: Fate::Open,
        };
        let sequence = self.probes.push(probe);
        Some((address, Echo { sequence, token }))
    }

    /// Whether a test is to be made.
    pub(crate) fn has_tests(&self) -> bool {
        !self.near.wanted.is_empty()
    }

    /// An answer has arrived for a target: is it its own?
    pub(super) fn believe(&mut self, target: usize, ttl: Option<u8>) {
        let Some(question) = self.questions.get_mut(target) else { return };
        let tested = self.near.state == State::Testing && self.near.concerns(target);
        let known = question.hops.is_some() && question.hops == ttl && self.near.state != State::Captive;
        match (ttl, question.standing) {
            (_, Standing::Answered | Standing::Doubted(_) | Standing::Captive) => {}
            (Some(ttl), Standing::Silent) if question.is_testable() && self.near.state == State::Far => {
                question.hops = Some(ttl);
                question.standing = Standing::Answered;
            }
            (Some(ttl), Standing::Silent)
                if question.is_testable() && self.near.state != State::Untold && (tested || !known) =>
            {
                question.standing = Standing::Doubted(ttl);
                if self.near.state == State::Quiet {
                    self.near.state = State::Testing;
                    self.near.wanted.push(target);
                } else if self.near.state == State::Captive {
                    self.near.wanted.push(target);
                }
            }
            _ => question.standing = Standing::Answered,
        }
    }

    /// A test was answered as if by the target.
    pub(super) fn near_answered(&mut self, target: usize, current: bool, now: Duration) {
        if !current {
            // Whatever that answer was in time for, this gateway is not to be believed.
            self.questions.iter_mut().for_each(|question| question.hops = None);
            return;
        }
        self.near.silences = 0;
        self.capture(target, now);
        if self.near.state != State::Captive {
            self.near.state = State::Captive;
            let others = self.questions.iter_mut().enumerate();
            for (place, question) in others.filter(|(place, question)| *place != target && question.is_testable()) {
                if let Standing::Answered | Standing::Doubted(_) = question.standing {
                    let ttl = question.hops.unwrap_or_default();
                    if question.standing == Standing::Answered {
                        question.standing = Standing::Doubted(ttl);
                    }
                    self.near.wanted.push(place);
                }
            }
        }
    }

    /// A test came to its end at the gateway, as it should, or was refused otherwise.
    pub(super) fn near_failed(&mut self, error: &str) {
        if error == "time-exceeded" && self.near.state == State::Testing {
            self.near.state = State::Far;
            self.near.silences = 0;
            self.settle(true);
        }
    }

    /// A test could not be sent: do without it.
    pub(super) fn near_unasked(&mut self) {
        self.near.asked = None;
        self.near.state = State::Untold;
        self.settle(false);
    }

    /// Time passes: a test without any answer tells nothing, and nothing is held against the targets.
    pub(super) fn advance_near(&mut self, now: Duration) {
        if self.near_wake().is_some_and(|end| end <= now) {
            self.near.asked = None;
            self.near.silences += 1;
            let learn = self.near.silences >= SILENCES && self.near.state != State::Captive;
            if self.near.state != State::Captive {
                self.near.state = if learn { State::Far } else { State::Untold };
            }
            self.settle(learn);
        }
    }

    /// When the test is given up; none where nobody waits for it.
    pub(super) fn near_wake(&self) -> Option<Duration> {
        let (sent, _) = self.near.asked?;
        let doubted = self.questions.iter().filter(|question| matches!(question.standing, Standing::Doubted(_)));
        // Whoever makes up answers makes up this one as fast as the other.
        doubted.filter_map(|question| question.rtt).max().map(|rtt| sent + rtt * 2 + SLACK)
    }

    /// Believes all answers that were doubted; those that are no surprise any more when `learn`.
    fn settle(&mut self, learn: bool) {
        for question in &mut self.questions {
            if let Standing::Doubted(ttl) = question.standing {
                question.standing = Standing::Answered;
                question.hops = learn.then_some(ttl);
            }
        }
    }
}

impl Near {
    fn concerns(&self, target: usize) -> bool {
        self.wanted.contains(&target) || self.asked.is_some_and(|(_, asked)| asked == target)
    }
}

impl Question {
    /// Whether a packet that ends at the gateway could not have come from it.
    fn is_testable(&self) -> bool {
        !self.nearby && matches!(self.target, ftr_core::config::Target::Echo(_))
    }
}
