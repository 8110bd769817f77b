//! One check of one uplink while it runs: who was asked what, and who has answered. Pure: what goes over the network
//! is handed out and in, and time is a parameter.

mod account;
mod near;

use std::net::IpAddr;
use std::time::Duration;

use ftr_core::config::Target;
use ftr_core::record::Ignored;

use crate::estimate::Estimate;
use crate::evidence::{Evidence, Proof};
use crate::icmp::{Echo, Quote, Token};
use crate::probes::{Fate, Probe, Probes};
use crate::schedule::{Schedule, Timing};

use crate::window::Window;
use near::Near;

/// A check of one uplink. It is used again for the next check, so that checking allocates nothing.
#[derive(Debug)]
pub(crate) struct Round {
    schedule: Schedule,
    /// In the order of the configuration.
    questions: Vec<Question>,
    /// The places of the questions, in the order in which they are asked.
    order: Vec<usize>,
    probes: Probes,
    /// Counts up.
    check: u64,
    near: Near,
    window: Window,
    evidence: Evidence,
    /// What a line that was down has to show in this check.
    proof: Option<Proof>,
    ignored: Ignored,
    /// The line carries replies, so that what does not answer is probably late.
    busy: bool,
}

#[derive(Debug)]
struct Question {
    target: Target,
    estimate: Estimate,
    /// The last round trip, for jitter.
    last: Option<Duration>,
    /// What was left of the time to live of its answers, once they are believed to be its own.
    hops: Option<u8>,
    /// Whether it is no farther away than the gateway.
    nearby: bool,
    asked: bool,
    rtt: Option<Duration>,
    error: Option<&'static str>,
    standing: Standing,
}

/// How far an answer is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// There is none.
    Silent,
    /// It arrived with this time to live, and the gateway may have made it up.
    Doubted(u8),
    /// It is the target's own.
    Answered,
    /// The gateway made it up.
    Captive,
}

/// A target's fate in a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) target: &'a Target,
    pub(crate) fate: Result<Duration, Option<&'static str>>,
}

/// What an echo was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An answer to a question of this check.
    Answer,
    /// The answer to a question of an earlier check, which was given up.
    Late,
    /// Nothing that counts.
    Nothing,
}

impl Round {
    pub(crate) fn new(timing: Timing, targets: &[Target], window: Window) -> Self {
        let question = |target: &Target| Question {
            target: target.clone(),
            estimate: Estimate::default(),
            last: None,
            hops: None,
            nearby: false,
            asked: false,
            rtt: None,
            error: None,
            standing: Standing::Silent,
        };
        Self {
            schedule: Schedule::new(timing),
            questions: targets.iter().map(question).collect(),
            order: (0..targets.len()).collect(),
            probes: Probes::default(),
            check: 0,
            near: Near::default(),
            window,
            evidence: Evidence::default(),
            proof: None,
            ignored: Ignored::default(),
            busy: false,
        }
    }

    /// Begins a check: the targets are shuffled, so that over time all of them are asked. `nearby` tells which of them
    /// are no farther away than the gateway; `test` asks for proof that the others are.
    pub(crate) fn begin(
        &mut self,
        now: Duration,
        rng: &mut fastrand::Rng,
        nearby: impl Fn(IpAddr) -> bool,
        test: bool,
    ) {
        self.check += 1;
        self.busy = false;
        self.settle_probes(now, false);
        self.probes.prune(now);
        rng.shuffle(&mut self.order);
        for question in &mut self.questions {
            question.nearby = nearby(question.target.address());
            question.asked = false;
            question.rtt = None;
            question.error = None;
            question.standing = Standing::Silent;
        }
        let questions = &self.questions;
        let estimates = self.order.iter().filter_map(|&place| questions.get(place)).map(|question| question.estimate);
        self.proof = self.evidence.wanted(now);
        self.schedule.begin(estimates, now, self.proof.map(Proof::questions));
        self.begin_near(test);
    }

    /// The target that is asked first.
    pub(crate) fn first_target(&self) -> Option<IpAddr> {
        self.order.first().and_then(|&place| self.questions.get(place)).map(|question| question.target.address())
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.schedule.advance(now);
        self.advance_near(now);
    }

    /// The next target to be asked now.
    pub(crate) fn due(&self, now: Duration) -> Option<usize> {
        (0..self.order.len()).find(|&turn| self.schedule.is_due(turn, now))
    }

    /// Asks the target whose turn it is: whom, and the sequence number. `token` has to be unpredictable.
    pub(crate) fn ask(&mut self, turn: usize, token: Token, now: Duration) -> Option<(&Target, Echo)> {
        let target = *self.order.get(turn)?;
        let question = self.questions.get_mut(target)?;
        question.asked = true;
        let wait = self.schedule.wait(turn);
        let telling = !self.schedule.is_doubted();
        let probe = Probe { check: self.check, target, near: false, telling, sent: now, wait, token, fate: Fate::Open };
        let sequence = self.probes.push(probe);
        self.schedule.sent(turn, now);
        Some((&question.target, Echo { sequence, token }))
    }

    /// The question with this number left at this time, a little later than it was made.
    pub(crate) fn left(&mut self, sequence: u16, at: Duration) {
        if let Some(probe) = self.probes.get_mut(sequence) {
            probe.sent = at;
        }
    }

    /// The question with this number could not be sent for want of room on this host; ask again soon.
    pub(crate) fn unasked(&mut self, sequence: u16, now: Duration) {
        let Some(probe) = self.probes.get_mut(sequence) else { return };
        probe.fate = Fate::Unsent;
        let (target, near) = (probe.target, probe.near);
        if near {
            self.near_unasked(sequence);
            return;
        }
        if let Some(turn) = self.turn(target) {
            self.schedule.unsent(turn, now);
        }
        let asked = self.probes.of_check(self.check).any(|probe| probe.target == target);
        if let Some(question) = self.questions.get_mut(target) {
            question.asked = asked;
        }
    }

    /// Nobody waits for the answer to the question with this number any more: it is neither answered nor lost.
    pub(crate) fn abandoned(&mut self, sequence: u16, now: Duration) {
        let in_time = |probe: &&mut Probe| probe.fate == Fate::Open && now < probe.sent + probe.wait;
        if let Some(probe) = self.probes.get_mut(sequence).filter(in_time) {
            probe.fate = Fate::Unsent;
        }
    }

    /// The question with this number could not be sent, by fault of the uplink.
    pub(crate) fn refused(&mut self, sequence: u16, error: &'static str, now: Duration) {
        self.fail(sequence, |_, _| true, error, now);
    }

    /// An echo came back from a host, and waited here so long; `ttl` is what was left of its time to live.
    pub(crate) fn echoed(
        &mut self,
        (from, ttl): (IpAddr, Option<u8>),
        echo: &Echo,
        now: Duration,
        waited: Duration,
    ) -> Heard {
        let nobody = self.near_address(echo.sequence);
        let Some(probe) = self.probes.get_mut(echo.sequence) else {
            self.ignored.foreign += 1;
            return Heard::Nothing;
        };
        let Some(question) = self.questions.get_mut(probe.target) else { return Heard::Nothing };
        let asked = nobody.filter(|_| probe.near).unwrap_or_else(|| question.target.address());
        if asked != from || probe.token != echo.token {
            self.ignored.spoofed += 1;
            return Heard::Nothing;
        }
        if matches!(probe.fate, Fate::Answered | Fate::Unsent) {
            self.ignored.duplicate += 1;
            return Heard::Nothing;
        }
        // The wait is a difference of readings of the wall clock, which may have been set meanwhile.
        let at = now.checked_sub(waited).filter(|&at| at >= probe.sent).unwrap_or(now);
        let (target, rtt) = (probe.target, at.saturating_sub(probe.sent));
        let (current, near) = (probe.check == self.check, probe.near);
        let (telling, counted) = (probe.telling, probe.fate == Fate::Lost);
        let lost = probe.fate == Fate::Lost || (!self.busy && at > self.schedule.deadline());
        // What was never awaited to the end is neither late nor needed.
        let early = rtt <= probe.wait;
        probe.fate = Fate::Answered;
        if near {
            self.near_answered((echo.sequence, target), ttl, current, now);
            return Heard::Nothing;
        }
        if !current || lost {
            question.estimate.learn(rtt);
            if lost || !early {
                self.ignored.late += 1;
                // What has not been counted as lost must not turn the loss of another one into an answer.
                match (telling, counted) {
                    (true, true) => self.window.found(rtt),
                    (true, false) => self.window.answered(rtt, None),
                    (false, _) => {}
                }
                return Heard::Late;
            }
            if telling {
                self.window.answered(rtt, question.last.replace(rtt));
            }
            return Heard::Nothing;
        }
        self.answer((target, telling), rtt, ttl);
        Heard::Answer
    }

    /// A question with this number that is no echo was answered after `rtt`.
    pub(crate) fn answered(&mut self, sequence: u16, rtt: Duration) {
        let Some(probe) = self.probes.get_mut(sequence) else { return };
        if probe.fate == Fate::Open && probe.check == self.check {
            probe.fate = Fate::Answered;
            let target = (probe.target, probe.telling);
            self.answer(target, rtt, None);
        }
    }

    /// Something else than the target answered the question with this number.
    pub(crate) fn captured(&mut self, sequence: u16, now: Duration) {
        let Some(probe) = self.probes.get_mut(sequence) else { return };
        if probe.fate == Fate::Open && probe.check == self.check {
            probe.fate = Fate::Failed;
            let target = probe.target;
            self.capture(target, now);
        }
    }

    /// A router on the way, or this host, says that a target cannot be reached. Whether that is about a question of
    /// this check.
    pub(crate) fn failed(&mut self, to: IpAddr, quote: Quote<'_>, error: &'static str, now: Duration) -> bool {
        let fits = |target, token: &Token| {
            let length = quote.token.len().min(token.len());
            target == to && token.get(..length) == quote.token.get(..length)
        };
        self.fail(quote.sequence, fits, error, now)
    }

    /// Packets arrived that are no answers to anything.
    pub(crate) fn ignore(&mut self, ignored: impl FnOnce(&mut Ignored)) {
        ignored(&mut self.ignored);
    }

    /// What was ignored since this was last asked.
    pub(crate) fn take_ignored(&mut self) -> Ignored {
        std::mem::take(&mut self.ignored)
    }

    /// When to look at this check again, at the latest.
    pub(crate) fn wake(&self) -> Duration {
        self.near_wake().map_or(self.schedule.wake(), |near| near.min(self.schedule.wake()))
    }

    fn answer(&mut self, (target, telling): (usize, bool), rtt: Duration, ttl: Option<u8>) {
        let Some(turn) = self.turn(target) else { return };
        let Some(question) = self.questions.get_mut(target) else { return };
        question.estimate.learn(rtt);
        if telling {
            self.window.answered(rtt, question.last.replace(rtt));
        }
        question.rtt.get_or_insert(rtt);
        if question.standing != Standing::Captive {
            self.schedule.answered(turn);
            self.believe(target, ttl);
        }
    }

    fn capture(&mut self, target: usize, now: Duration) {
        if let Some(question) = self.questions.get_mut(target) {
            question.standing = Standing::Captive;
        }
        if let Some(turn) = self.turn(target) {
            self.schedule.denied(turn, now);
        }
    }

    fn fail(
        &mut self,
        sequence: u16,
        fits: impl Fn(IpAddr, &Token) -> bool,
        error: &'static str,
        now: Duration,
    ) -> bool {
        let nobody = self.near_address(sequence);
        let Some(probe) = self.probes.get_mut(sequence) else { return false };
        let Some(question) = self.questions.get_mut(probe.target) else { return false };
        let asked = nobody.filter(|_| probe.near).unwrap_or_else(|| question.target.address());
        let fits = fits(asked, &probe.token);
        if probe.fate != Fate::Open || probe.check != self.check || !fits {
            return false;
        }
        probe.fate = Fate::Failed;
        let (target, near) = (probe.target, probe.near);
        if near {
            self.near_failed(sequence, error);
            return true;
        }
        question.error = Some(error);
        if let Some(turn) = self.turn(target) {
            self.schedule.failed(turn, now);
        }
        true
    }

    fn turn(&self, target: usize) -> Option<usize> {
        self.order.iter().position(|&place| place == target)
    }
}

#[cfg(test)]
mod tests;
