//! Whether answers are the targets' own, or made up by a gateway that lets nobody through (a captive portal).
//!
//! Such an answer is perfect but for three things, none of which proves anything alone:
//! - An echo request whose time to live ends at the gateway is answered too, where an honest gateway says "time
//!   exceeded" (RFC 792) or nothing. But where the time to live of what is sent is set anew on the way (a firewall rule
//!   of this host, a modem, a NAT of user space), such a request reaches its target.
//! - An address that nobody has is answered for as well.
//! - No router has counted down the answer's time to live any more, where some did before.
//!
//! The gateway is captive where the first is true, and one of the others. If it has answered for nobody, the first
//! convicts every other target too. If it was a target's answers that have come nearer, it does not: a single host could
//! have sent those, where the time to live is set anew, and each has to be convicted by its own.

pub(super) mod state;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::RunningCheck;
use super::target_state::{ReplyTrust, TargetState};
use crate::icmp::{Echo, Token};
use crate::probes::{Probe, ProbeState};
use state::State;

/// How long the answer to a test may be later than that to a question to the same target.
const SLACK: Duration = Duration::from_millis(2);
/// A gateway that says nothing so often will never say anything.
const SILENCES: u32 = 3;
/// What hosts and routers begin to count down from.
const UNDIMINISHED: [u8; 3] = [64, 128, 255];
/// Networks of which no address is anybody's: they are for documentation (RFC 5737, RFC 9637).
const NOBODYS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 51, 100, 0), Ipv4Addr::new(203, 0, 113, 0), Ipv4Addr::new(192, 0, 2, 0)];
const NOBODYS6: Ipv6Addr = Ipv6Addr::new(0x3fff, 0xfff, 0, 0, 0, 0, 0, 0);

impl RunningCheck {
    pub(super) fn begin_ttl_one(&mut self, test: bool) {
        let test = std::mem::take(&mut self.ttl_one.again) || test;
        self.ttl_one.state = State::Quiet;
        self.ttl_one.asked = None;
        self.ttl_one.wanted.clear();
        let targets = &self.targets;
        let testable = |index: &&usize| targets.get(**index).is_some_and(TargetState::is_testable);
        if let Some(&index) = self.order.iter().find(testable).filter(|_| test) {
            self.ttl_one.wanted.push(index);
            self.ttl_one.state = State::Testing;
        }
    }

    /// The next test to be made: whom to ask with a time to live of 1. `token` has to be unpredictable.
    pub(crate) fn test(&mut self, token: Token, now: Duration) -> Option<(IpAddr, Echo)> {
        let suspected = self.suspected();
        let target = suspected.or_else(|| self.ttl_one.wanted.pop())?;
        let own = self.targets.get(target)?.target.address();
        let address = if suspected.is_some() { self.nobody(own, token) } else { own };
        self.ttl_one.asked = Some((now, target));
        let probe = Probe {
            check: self.check,
            target,
            ttl_one: true,
            telling: false,
            sent: now,
            wait: Duration::ZERO,
            token,
            state: ProbeState::Open,
        };
        let sequence = self.probes.push(probe);
        if suspected.is_some() {
            self.ttl_one.nobody = Some((sequence, address));
        }
        Some((address, Echo { sequence, token }))
    }

    /// Whether a test is to be made.
    pub(crate) fn has_tests(&self) -> bool {
        self.suspected().is_some() || !self.ttl_one.wanted.is_empty()
    }

    /// An answer has arrived for a target: is it its own?
    pub(super) fn believe(&mut self, target: usize, ttl: Option<u8>) {
        let Some(state) = self.targets.get_mut(target) else { return };
        let tested = self.ttl_one.concerns(target);
        let known = state.hops.is_some() && state.hops == ttl && !self.ttl_one.state.is_captive();
        match (ttl, state.reply_trust) {
            (_, ReplyTrust::Answered | ReplyTrust::Doubted(_) | ReplyTrust::Captive) => {}
            (Some(ttl), ReplyTrust::Silent) if state.is_testable() && self.ttl_one.state == State::Far => {
                state.hops = Some(ttl);
                state.reply_trust = ReplyTrust::Answered;
            }
            (Some(ttl), ReplyTrust::Silent)
                if state.is_testable() && self.ttl_one.state != State::Untold && (tested || !known) =>
            {
                state.reply_trust = ReplyTrust::Doubted(ttl);
                if self.ttl_one.state == State::Quiet {
                    self.ttl_one.state = State::Testing;
                    self.ttl_one.wanted.push(target);
                } else if self.ttl_one.state.is_captive() {
                    self.ttl_one.wanted.push(target);
                }
            }
            _ => state.reply_trust = ReplyTrust::Answered,
        }
    }

    /// The test with this number was answered, as if by the target or even by nobody.
    pub(super) fn ttl_one_answered(
        &mut self,
        (sequence, target): (u16, usize),
        ttl: Option<u8>,
        current: bool,
        now: Duration,
    ) {
        let impossible = self.ttl_one.is_nobody(sequence);
        match self.ttl_one.state {
            _ if !current => self.ttl_one.again = true,
            _ if impossible => self.convict(target, ttl, true, now),
            State::Captive { nobodys: true } => self.convict(target, ttl, true, now),
            State::Testing | State::Captive { .. } if self.has_come_nearer(target, ttl) => {
                self.convict(target, ttl, false, now);
            }
            State::Captive { .. } => self.acquit(target),
            State::Testing => {
                self.ttl_one.asked = None;
                self.ttl_one.state = State::Suspected(target);
            }
            // Too late for this check.
            State::Quiet | State::Suspected(_) | State::Far | State::Untold => self.ttl_one.again = true,
        }
    }

    /// A test came to its end at the gateway, as it should, or somebody says that there is no route to nobody.
    pub(super) fn ttl_one_failed(&mut self, sequence: u16, error: &str) {
        let ended = self.ttl_one.state == State::Testing && error == "time-exceeded";
        let nowhere = matches!(self.ttl_one.state, State::Suspected(_)) && self.ttl_one.is_nobody(sequence);
        if ended || nowhere {
            self.ttl_one.state = State::Far;
            self.ttl_one.silences = 0;
            self.settle(true);
        }
    }

    /// The test with this number could not be sent: do without it.
    pub(super) fn ttl_one_unasked(&mut self, sequence: u16) {
        if self.ttl_one.is_nobody(sequence) {
            // Whoever filters such addresses here goes on doing so.
            self.ttl_one_silent();
        } else {
            self.ttl_one.asked = None;
            self.ttl_one.state = State::Untold;
            self.settle(false);
        }
    }

    /// Time passes: a test without any answer tells nothing, and nothing is held against the targets.
    pub(super) fn advance_ttl_one(&mut self, now: Duration) {
        if self.ttl_one_wake().is_some_and(|end| end <= now) {
            self.ttl_one_silent();
        }
    }

    /// When the test is given up; none where nobody waits for it.
    pub(super) fn ttl_one_wake(&self) -> Option<Duration> {
        let (sent, _) = self.ttl_one.asked?;
        let doubted = self.targets.iter().filter(|state| matches!(state.reply_trust, ReplyTrust::Doubted(_)));
        // Whoever makes up answers makes up this one as fast as the other.
        doubted.filter_map(|state| state.rtt).max().map(|rtt| sent + rtt * 2 + SLACK)
    }

    /// Where the request of a test was sent, if not to its target.
    pub(super) fn ttl_one_address(&self, sequence: u16) -> Option<IpAddr> {
        self.ttl_one.nobody.filter(|(number, _)| *number == sequence).map(|(_, address)| address)
    }

    fn ttl_one_silent(&mut self) {
        self.ttl_one.asked = None;
        self.ttl_one.silences += 1;
        let learn = self.ttl_one.silences >= SILENCES && !self.ttl_one.state.is_captive();
        if !self.ttl_one.state.is_captive() {
            self.ttl_one.state = if learn { State::Far } else { State::Untold };
        }
        self.settle(learn);
    }

    /// Nothing but one sign speaks against this target, and another one was convicted by what only that did.
    fn acquit(&mut self, target: usize) {
        if let Some(state) = self.targets.get_mut(target) {
            if let ReplyTrust::Doubted(_) = state.reply_trust {
                state.reply_trust = ReplyTrust::Answered;
            }
        }
    }

    /// The gateway has answered in this target's stead, so that all others have to be tested.
    fn convict(&mut self, target: usize, ttl: Option<u8>, nobodys: bool, now: Duration) {
        self.ttl_one.silences = 0;
        self.capture(target, now);
        if let Some(state) = self.targets.get_mut(target) {
            // What cannot be told from the target's own answers is not believed next time.
            state.hops = state.hops.filter(|hops| ttl.is_some_and(|ttl| ttl != *hops));
        }
        if let State::Captive { nobodys: known } = self.ttl_one.state {
            self.ttl_one.state = State::Captive { nobodys: known || nobodys };
            return;
        }
        self.ttl_one.state = State::Captive { nobodys };
        let others = self.targets.iter_mut().enumerate();
        for (index, state) in others.filter(|(index, state)| *index != target && state.is_testable()) {
            if let ReplyTrust::Answered | ReplyTrust::Doubted(_) = state.reply_trust {
                let ttl = state.hops.unwrap_or_default();
                if state.reply_trust == ReplyTrust::Answered {
                    state.reply_trust = ReplyTrust::Doubted(ttl);
                }
                self.ttl_one.wanted.push(index);
            }
        }
    }

    /// The target whose test was answered, as long as nobody was asked too.
    fn suspected(&self) -> Option<usize> {
        match self.ttl_one.state {
            State::Suspected(target) if self.ttl_one.asked.is_none() => Some(target),
            _ => None,
        }
    }

    /// Whether this is not counted down at all, where answers of the target were before.
    fn has_come_nearer(&self, target: usize, ttl: Option<u8>) -> bool {
        let before = self.targets.get(target).and_then(|state| state.hops);
        let [before, now] = [before, ttl].map(|ttl| ttl.map(|ttl| UNDIMINISHED.contains(&ttl)));
        (before, now) == (Some(false), Some(true))
    }

    /// An address of the same family that nobody has, and that no target is in the network of.
    pub(super) fn nobody(&self, like: IpAddr, token: Token) -> IpAddr {
        let [random, ..] = token;
        match like {
            IpAddr::V4(_) => {
                let network = |address: Ipv4Addr| address.to_bits() >> 8;
                let is_asked = |free: &&Ipv4Addr| {
                    self.targets.iter().any(
                        |state| matches!(state.target.address(), IpAddr::V4(own) if network(own) == network(**free)),
                    )
                };
                let free = NOBODYS.iter().find(|free| !is_asked(free)).unwrap_or(&NOBODYS[0]);
                IpAddr::V4(Ipv4Addr::from_bits(free.to_bits() | u32::from(random % 254 + 1)))
            }
            IpAddr::V6(_) => {
                IpAddr::V6(Ipv6Addr::from_bits(NOBODYS6.to_bits() | (u128::from_ne_bytes(token) >> 64) | 1))
            }
        }
    }

    /// Believes all answers that were doubted; those that are no surprise any more when `learn`.
    fn settle(&mut self, learn: bool) {
        self.ttl_one.again |= !learn;
        for state in &mut self.targets {
            if let ReplyTrust::Doubted(ttl) = state.reply_trust {
                state.reply_trust = ReplyTrust::Answered;
                state.hops = if learn { Some(ttl) } else { state.hops };
            }
        }
    }
}
