//! Whether answers are the targets' own, or made up by a gateway that lets nobody through (a captive portal).
//!
//! Such an answer is perfect but for three things, none of which proves anything alone:
//! - An echo request whose time to live ends at the gateway is answered too, where an honest gateway says "time
//!   exceeded" (RFC 792) or nothing. But where the time to live of what is sent is set anew on the way (a firewall rule
//!   of this host, a modem, a NAT of user space), such a request reaches its target.
//! - An address that nobody has is answered for as well.
//! - No router has counted down the answer's time to live any more, where some did before.
//!
//! The gateway is captive where the first is true, and one of the others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Fate, Probe, Question, Round, Standing, Token};
use crate::icmp::Echo;

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

/// The test of a check.
#[derive(Debug, Default)]
pub(super) struct Near {
    state: State,
    /// The places of the targets that are still to be tested.
    wanted: Vec<usize>,
    /// When the last test was sent, and about whom.
    asked: Option<(Duration, usize)>,
    /// How often in a row a test told nothing.
    silences: u32,
    /// The number and address of the latest request to nobody.
    nobody: Option<(u16, IpAddr)>,
    /// The next check has to test the gateway, because this one has not found out.
    again: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing was remarkable so far.
    #[default]
    Quiet,
    /// One target stands for all that are doubted.
    Testing,
    /// A request for this target should have ended at the gateway, and was answered: nobody has to be asked too.
    Suspected(usize),
    /// The gateway sends on: all answers are genuine.
    Far,
    /// The test told nothing: all answers are taken for genuine this time.
    Untold,
    /// The gateway has answered in a target's stead: each has to be tested.
    Captive,
}

impl Round {
    pub(super) fn begin_near(&mut self, test: bool) {
        let test = std::mem::take(&mut self.near.again) || test;
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
    pub(crate) fn test(&mut self, token: Token, now: Duration) -> Option<(IpAddr, Echo)> {
        let suspected = self.suspected();
        let target = suspected.or_else(|| self.near.wanted.pop())?;
        let own = self.questions.get(target)?.target.address();
        let address = if suspected.is_some() { self.nobody(own, token) } else { own };
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
        if suspected.is_some() {
            self.near.nobody = Some((sequence, address));
        }
        Some((address, Echo { sequence, token }))
    }

    /// Whether a test is to be made.
    pub(crate) fn has_tests(&self) -> bool {
        self.suspected().is_some() || !self.near.wanted.is_empty()
    }

    /// An answer has arrived for a target: is it its own?
    pub(super) fn believe(&mut self, target: usize, ttl: Option<u8>) {
        let Some(question) = self.questions.get_mut(target) else { return };
        let tested = self.near.concerns(target);
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

    /// The test with this number was answered, as if by the target or even by nobody.
    pub(super) fn near_answered(
        &mut self,
        (sequence, target): (u16, usize),
        ttl: Option<u8>,
        current: bool,
        now: Duration,
    ) {
        let impossible = self.near.is_nobody(sequence);
        match self.near.state {
            _ if !current => self.near.again = true,
            State::Captive => self.convict(target, ttl, now),
            _ if impossible => self.convict(target, ttl, now),
            State::Testing if self.has_come_nearer(target, ttl) => self.convict(target, ttl, now),
            State::Testing => {
                self.near.asked = None;
                self.near.state = State::Suspected(target);
            }
            // Too late for this check.
            State::Quiet | State::Suspected(_) | State::Far | State::Untold => self.near.again = true,
        }
    }

    /// A test came to its end at the gateway, as it should, or somebody says that there is no way to nobody.
    pub(super) fn near_failed(&mut self, sequence: u16, error: &str) {
        let ended = self.near.state == State::Testing && error == "time-exceeded";
        let nowhere = matches!(self.near.state, State::Suspected(_)) && self.near.is_nobody(sequence);
        if ended || nowhere {
            self.near.state = State::Far;
            self.near.silences = 0;
            self.settle(true);
        }
    }

    /// The test with this number could not be sent: do without it.
    pub(super) fn near_unasked(&mut self, sequence: u16) {
        if self.near.is_nobody(sequence) {
            // Whoever filters such addresses here goes on doing so.
            self.near_silent();
        } else {
            self.near.asked = None;
            self.near.state = State::Untold;
            self.settle(false);
        }
    }

    /// Time passes: a test without any answer tells nothing, and nothing is held against the targets.
    pub(super) fn advance_near(&mut self, now: Duration) {
        if self.near_wake().is_some_and(|end| end <= now) {
            self.near_silent();
        }
    }

    /// When the test is given up; none where nobody waits for it.
    pub(super) fn near_wake(&self) -> Option<Duration> {
        let (sent, _) = self.near.asked?;
        let doubted = self.questions.iter().filter(|question| matches!(question.standing, Standing::Doubted(_)));
        // Whoever makes up answers makes up this one as fast as the other.
        doubted.filter_map(|question| question.rtt).max().map(|rtt| sent + rtt * 2 + SLACK)
    }

    /// Where the request of a test was sent, if not to its target.
    pub(super) fn near_address(&self, sequence: u16) -> Option<IpAddr> {
        self.near.nobody.filter(|(number, _)| *number == sequence).map(|(_, address)| address)
    }

    fn near_silent(&mut self) {
        self.near.asked = None;
        self.near.silences += 1;
        let learn = self.near.silences >= SILENCES && self.near.state != State::Captive;
        if self.near.state != State::Captive {
            self.near.state = if learn { State::Far } else { State::Untold };
        }
        self.settle(learn);
    }

    /// The gateway has answered in this target's stead, so that all others have to be tested.
    fn convict(&mut self, target: usize, ttl: Option<u8>, now: Duration) {
        self.near.silences = 0;
        self.capture(target, now);
        if let Some(question) = self.questions.get_mut(target) {
            // What cannot be told from the target's own answers is not believed next time.
            question.hops = question.hops.filter(|hops| ttl.is_some_and(|ttl| ttl != *hops));
        }
        if self.near.state == State::Captive {
            return;
        }
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

    /// The target whose test was answered, as long as nobody was asked too.
    fn suspected(&self) -> Option<usize> {
        match self.near.state {
            State::Suspected(target) if self.near.asked.is_none() => Some(target),
            _ => None,
        }
    }

    /// Whether this is not counted down at all, where answers of the target were before.
    fn has_come_nearer(&self, target: usize, ttl: Option<u8>) -> bool {
        let before = self.questions.get(target).and_then(|question| question.hops);
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
                    self.questions.iter().any(|question| {
                        matches!(question.target.address(), IpAddr::V4(own) if network(own) == network(**free))
                    })
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
        self.near.again |= !learn;
        for question in &mut self.questions {
            if let Standing::Doubted(ttl) = question.standing {
                question.standing = Standing::Answered;
                question.hops = if learn { Some(ttl) } else { question.hops };
            }
        }
    }
}

impl Near {
    /// Whether a target is being tested.
    fn concerns(&self, target: usize) -> bool {
        match self.state {
            State::Testing => self.wanted.contains(&target) || self.asked.is_some_and(|(_, asked)| asked == target),
            State::Suspected(suspected) => suspected == target,
            State::Quiet | State::Far | State::Untold | State::Captive => false,
        }
    }

    /// Whether the test with this number asked nobody.
    fn is_nobody(&self, sequence: u16) -> bool {
        self.nobody.is_some_and(|(number, _)| number == sequence)
    }
}

impl Question {
    /// Whether a packet that ends at the gateway could not have come from it.
    fn is_testable(&self) -> bool {
        !self.nearby && matches!(self.target, ftr_core::config::Target::Echo(_))
    }
}
