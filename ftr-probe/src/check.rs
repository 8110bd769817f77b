//! One check of one uplink while it runs: who was asked what, and who has answered. Pure: what goes over the network
//! is handed out and in, and time is a parameter.

mod account;
mod refusal;
mod target_state;
mod ttl_one;

use std::net::IpAddr;
use std::time::Duration;

use ftr_core::config::Target;
use ftr_core::record::Ignored;

use crate::before::State;
use crate::evidence::{Evidence, Proof, Score};
use crate::icmp::{Echo, Token};
use crate::plan::Plan;
use crate::probes::{Probe, ProbeState, Probes};
use crate::schedule::{Schedule, Timing};

use crate::window::Window;
use target_state::{ReplyTrust, TargetState};
use ttl_one::state::TtlOneTest;

/// A check of one uplink. It is used again for the next check, so that checking allocates nothing.
#[derive(Debug)]
pub(crate) struct RunningCheck {
    schedule: Schedule,
    /// In the order of the configuration.
    targets: Vec<TargetState>,
    /// The indexes of the targets, in the order in which they are asked.
    order: Vec<usize>,
    probes: Probes,
    /// Counts up.
    check: u64,
    ttl_one: TtlOneTest,
    window: Window,
    evidence: Evidence,
    /// What a line that was down has to show in this check.
    proof: Option<Proof>,
    ignored: Ignored,
    /// The line carries replies, so that what does not answer is probably late.
    busy: bool,
}

/// What a check found of one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) target: &'a Target,
    pub(crate) result: Result<Duration, Option<&'static str>>,
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

impl RunningCheck {
    /// As planned, with what is known of the line.
    pub(crate) fn of(plan: &Plan) -> Self {
        let window = Window::new(plan.window, plan.limits);
        let (evidence, window) = match plan.before {
            None => (Evidence::default(), window),
            Some(State::Dead) => (Evidence::of_down(false, false), window),
            Some(State::Lossy { single }) => (Evidence::of_down(true, single), window),
            Some(State::Bad(reason)) => (Evidence::default(), window.that_was(reason)),
        };
        Self { evidence, ..Self::new(plan.timing, &plan.targets, window) }
    }

    fn new(timing: Timing, targets: &[Target], window: Window) -> Self {
        Self {
            schedule: Schedule::new(timing),
            targets: targets.iter().map(TargetState::new).collect(),
            order: (0..targets.len()).collect(),
            probes: Probes::default(),
            check: 0,
            ttl_one: TtlOneTest::default(),
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
        for state in &mut self.targets {
            state.nearby = nearby(state.target.address());
            state.asked = false;
            state.rtt = None;
            state.error = None;
            state.hint = None;
            state.reply_trust = ReplyTrust::Silent;
        }
        let targets = &self.targets;
        let estimates = self.order.iter().filter_map(|&index| targets.get(index)).map(|state| state.estimate);
        self.proof = self.evidence.wanted(now);
        self.schedule.begin(estimates, now, self.proof.map(Proof::questions));
        self.begin_ttl_one(test);
    }

    /// No target was asked: the way is broken on this host.
    pub(crate) fn broken(&mut self, now: Duration) {
        self.evidence.ended(false, Score::default(), now);
    }

    /// The target that is asked first.
    pub(crate) fn first_target(&self) -> Option<IpAddr> {
        self.order.first().and_then(|&index| self.targets.get(index)).map(|state| state.target.address())
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.schedule.advance(now);
        self.advance_ttl_one(now);
    }

    /// The next target to be asked now.
    pub(crate) fn due(&self, now: Duration) -> Option<usize> {
        (0..self.order.len()).find(|&turn| self.schedule.is_due(turn, now))
    }

    /// Asks the target whose turn it is: whom, and the sequence number. `token` has to be unpredictable.
    pub(crate) fn ask(&mut self, turn: usize, token: Token, now: Duration) -> Option<(&Target, Echo)> {
        let target = *self.order.get(turn)?;
        let state = self.targets.get_mut(target)?;
        state.asked = true;
        let wait = self.schedule.wait(turn);
        let telling = !self.schedule.is_in_doubt();
        let probe = Probe {
            check: self.check,
            target,
            ttl_one: false,
            telling,
            sent: now,
            wait,
            token,
            state: ProbeState::Open,
        };
        let sequence = self.probes.push(probe);
        self.schedule.sent(turn, now);
        Some((&state.target, Echo { sequence, token }))
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
        probe.state = ProbeState::Unsent;
        let (target, ttl_one) = (probe.target, probe.ttl_one);
        if ttl_one {
            self.ttl_one_unasked(sequence);
            return;
        }
        if let Some(turn) = self.turn(target) {
            self.schedule.unsent(turn, now);
        }
        let asked = self.probes.of_check(self.check).any(|probe| probe.target == target);
        if let Some(state) = self.targets.get_mut(target) {
            state.asked = asked;
        }
    }

    /// Nobody waits for the answer to the question with this number any more: it is neither answered nor lost.
    pub(crate) fn abandoned(&mut self, sequence: u16, now: Duration) {
        let queue = self.schedule.queue();
        if let Some(probe) = self.probes.get_mut(sequence).filter(|probe| probe.is_awaited(now, queue)) {
            probe.state = ProbeState::Unsent;
        }
    }

    /// An echo came back from a host, and waited here so long; `ttl` is what was left of its time to live.
    pub(crate) fn echoed(
        &mut self,
        (from, ttl): (IpAddr, Option<u8>),
        echo: &Echo,
        now: Duration,
        waited: Duration,
    ) -> Heard {
        let nobody = self.ttl_one_address(echo.sequence);
        let Some(probe) = self.probes.get_mut(echo.sequence) else {
            self.ignored.foreign += 1;
            return Heard::Nothing;
        };
        let Some(state) = self.targets.get_mut(probe.target) else { return Heard::Nothing };
        let asked = nobody.filter(|_| probe.ttl_one).unwrap_or_else(|| state.target.address());
        if asked != from || probe.token != echo.token {
            self.ignored.spoofed += 1;
            return Heard::Nothing;
        }
        if matches!(probe.state, ProbeState::Answered | ProbeState::Unsent) {
            self.ignored.duplicate += 1;
            return Heard::Nothing;
        }
        // The wait is a difference of readings of the wall clock, which may have been set meanwhile.
        let at = now.checked_sub(waited).filter(|&at| at >= probe.sent).unwrap_or(now);
        let (target, rtt) = (probe.target, at.saturating_sub(probe.sent));
        let (current, ttl_one) = (probe.check == self.check, probe.ttl_one);
        let (telling, counted) = (probe.telling, probe.state == ProbeState::Lost);
        let lost = probe.state == ProbeState::Lost || (!self.busy && at > self.schedule.deadline());
        // What was never awaited to the end is neither late nor needed.
        let early = rtt <= probe.wait.max(self.schedule.queue());
        probe.state = ProbeState::Answered;
        if ttl_one {
            self.ttl_one_answered((echo.sequence, target), ttl, current, now);
            return Heard::Nothing;
        }
        if !current || lost {
            state.estimate.learn(rtt);
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
                self.window.answered(rtt, state.last.replace(rtt));
            }
            return Heard::Nothing;
        }
        self.answer((target, telling), rtt, ttl);
        Heard::Answer
    }

    /// A question with this number that is no echo was answered after `rtt`.
    pub(crate) fn answered(&mut self, sequence: u16, rtt: Duration) {
        let Some(probe) = self.probes.get_mut(sequence) else { return };
        if probe.state == ProbeState::Open && probe.check == self.check {
            probe.state = ProbeState::Answered;
            let target = (probe.target, probe.telling);
            self.answer(target, rtt, None);
        }
    }

    /// Something else than the target answered the question with this number.
    pub(crate) fn captured(&mut self, sequence: u16, now: Duration) {
        let Some(probe) = self.probes.get_mut(sequence) else { return };
        if probe.state == ProbeState::Open && probe.check == self.check {
            probe.state = ProbeState::Failed;
            let target = probe.target;
            self.capture(target, now);
        }
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
        self.ttl_one_wake().map_or(self.schedule.wake(), |ttl_one| ttl_one.min(self.schedule.wake()))
    }

    fn answer(&mut self, (target, telling): (usize, bool), rtt: Duration, ttl: Option<u8>) {
        let Some(turn) = self.turn(target) else { return };
        let Some(state) = self.targets.get_mut(target) else { return };
        state.estimate.learn(rtt);
        if telling {
            self.window.answered(rtt, state.last.replace(rtt));
        }
        state.rtt.get_or_insert(rtt);
        if state.reply_trust != ReplyTrust::Captive {
            self.schedule.answered(turn, rtt);
            self.believe(target, ttl);
        }
    }

    fn capture(&mut self, target: usize, now: Duration) {
        if let Some(state) = self.targets.get_mut(target) {
            state.reply_trust = ReplyTrust::Captive;
        }
        if let Some(turn) = self.turn(target) {
            self.schedule.denied(turn, now);
        }
    }

    fn turn(&self, target: usize) -> Option<usize> {
        self.order.iter().position(|&index| index == target)
    }
}

#[cfg(test)]
mod tests;
