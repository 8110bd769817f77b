//! One check of one uplink while it runs: who was asked what, and who has answered. Pure: what goes over the network
//! is handed out and in, and time is a parameter.

use std::net::IpAddr;
use std::time::Duration;

use crate::figures::Figures;
use crate::icmp::{Echo, Quote, Token};
use crate::schedule::{Schedule, Timing};
use crate::verdict::{Tally, Verdict};

/// A check of one uplink. It is used again for the next check, so that checking allocates nothing.
#[derive(Debug)]
pub(crate) struct Round {
    schedule: Schedule,
    timing: Timing,
    /// In the order in which they are asked.
    questions: Vec<Question>,
    /// In the order of their sequence numbers, from `first` on.
    probes: Vec<Probe>,
    first: u16,
}

#[derive(Debug)]
struct Question {
    target: IpAddr,
    asked: bool,
    rtt: Option<Duration>,
    error: Option<&'static str>,
}

#[derive(Debug)]
struct Probe {
    question: usize,
    sent: Duration,
    token: Token,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Answered,
    Failed,
}

/// A target's fate in a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) target: IpAddr,
    pub(crate) fate: Result<Duration, Option<&'static str>>,
}

impl Round {
    pub(crate) fn new(timing: Timing, targets: &[IpAddr]) -> Self {
        let question = |&target| Question { target, asked: false, rtt: None, error: None };
        Self {
            schedule: Schedule::new(timing),
            timing,
            questions: targets.iter().map(question).collect(),
            probes: Vec::new(),
            first: 0,
        }
    }

    /// Begins a check: the targets are shuffled, so that over time all of them are asked.
    pub(crate) fn begin(&mut self, now: Duration, rng: &mut fastrand::Rng) {
        // The numbers go on where the last check ended: an answer to that one is late, not an answer to this one.
        self.first = self.next_sequence();
        self.probes.clear();
        rng.shuffle(&mut self.questions);
        for question in &mut self.questions {
            *question = Question { target: question.target, asked: false, rtt: None, error: None };
        }
        self.schedule.begin(self.questions.len(), now);
    }

    /// How many targets there are; they are numbered from 0 in the order of this check.
    pub(crate) fn len(&self) -> usize {
        self.questions.len()
    }

    /// The target that is asked first.
    pub(crate) fn first_target(&self) -> Option<IpAddr> {
        self.questions.first().map(|question| question.target)
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.schedule.advance(now);
    }

    /// Whether this target is to be asked now.
    pub(crate) fn is_due(&self, question: usize, now: Duration) -> bool {
        self.schedule.is_due(question, now)
    }

    /// Asks a target: what to send, and where. `token` has to be unpredictable.
    pub(crate) fn ask(&mut self, question: usize, token: Token, now: Duration) -> Option<(IpAddr, Echo)> {
        let sequence = self.next_sequence();
        let asked = self.questions.get_mut(question)?;
        asked.asked = true;
        self.probes.push(Probe { question, sent: now, token, fate: Fate::Open });
        self.schedule.sent(question, now);
        Some((asked.target, Echo { sequence, token }))
    }

    /// The target that [`Round::ask`] gave last could not be asked for want of room on this host; ask it again soon.
    pub(crate) fn unasked(&mut self, now: Duration) {
        if let Some(probe) = self.probes.pop() {
            self.schedule.unsent(probe.question, now);
            if let Some(question) = self.questions.get_mut(probe.question) {
                question.asked = self.probes.iter().any(|other| other.question == probe.question);
            }
        }
    }

    /// The question with this number could not be sent, by fault of the uplink.
    pub(crate) fn refused(&mut self, sequence: u16, error: &'static str, now: Duration) {
        self.fail(sequence, |_, _| true, error, now);
    }

    /// An echo came back from a host, and waited here so long. Whether it is the first answer to a question of this
    /// check.
    pub(crate) fn answered(&mut self, from: IpAddr, echo: &Echo, now: Duration, waited: Duration) -> bool {
        let deadline = self.schedule.deadline();
        let Some(probe) = self.probes.get_mut(usize::from(echo.sequence.wrapping_sub(self.first))) else {
            return false;
        };
        let Some(question) = self.questions.get_mut(probe.question) else { return false };
        // The wait is a difference of readings of the wall clock, which may have been set meanwhile.
        let at = now.checked_sub(waited).filter(|&at| at >= probe.sent).unwrap_or(now);
        if question.target != from || probe.token != echo.token || probe.fate == Fate::Answered || at > deadline {
            return false;
        }
        probe.fate = Fate::Answered;
        question.rtt.get_or_insert(at.saturating_sub(probe.sent));
        self.schedule.answered(probe.question);
        true
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

    /// How it stands.
    pub(crate) fn verdict(&self, now: Duration) -> Verdict {
        self.tally().verdict(self.is_over(now))
    }

    /// How many targets have answered, and may still.
    pub(crate) fn tally(&self) -> Tally {
        self.schedule.tally()
    }

    /// When to look at this check again, at the latest.
    pub(crate) fn wake(&self) -> Duration {
        self.schedule.wake()
    }

    /// The targets that were asked, in that order.
    pub(crate) fn answers(&self, now: Duration) -> impl Iterator<Item = Answer> + '_ {
        let over = self.is_over(now);
        self.questions.iter().filter(|question| question.asked).map(move |question| Answer {
            target: question.target,
            fate: question.rtt.ok_or_else(|| question.error.or_else(|| over.then_some("timeout"))),
        })
    }

    /// Loss, round trip and jitter.
    pub(crate) fn figures(&self, now: Duration) -> Figures {
        let over = self.is_over(now);
        let lost = |probe: &&Probe| match probe.fate {
            Fate::Answered => false,
            Fate::Failed => true,
            Fate::Open => over || now.saturating_sub(probe.sent) >= self.timing.timeout,
        };
        Figures::of(
            self.questions.iter().filter_map(|question| question.rtt),
            self.probes.iter().filter(|probe| probe.fate == Fate::Answered).count(),
            self.probes.iter().filter(lost).count(),
        )
    }

    fn fail(
        &mut self,
        sequence: u16,
        fits: impl Fn(IpAddr, &Token) -> bool,
        error: &'static str,
        now: Duration,
    ) -> bool {
        let Some(probe) = self.probes.get_mut(usize::from(sequence.wrapping_sub(self.first))) else { return false };
        let Some(question) = self.questions.get_mut(probe.question) else { return false };
        if probe.fate != Fate::Open || !fits(question.target, &probe.token) {
            return false;
        }
        probe.fate = Fate::Failed;
        question.error = Some(error);
        self.schedule.failed(probe.question, now);
        true
    }

    fn is_over(&self, now: Duration) -> bool {
        now >= self.schedule.deadline()
    }

    fn next_sequence(&self) -> u16 {
        // Sequence numbers are 16 bits on the wire: wrapping around is what they do.
        #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap around")]
        self.first.wrapping_add(self.probes.len() as u16)
    }
}

#[cfg(test)]
mod tests;
