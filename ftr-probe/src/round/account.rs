//! How a check stands, and what it came to.

use std::time::Duration;

use super::{Answer, Fate, Probe, Round, Standing};
use crate::figures::Figures;
use crate::verdict::{Tally, Verdict};
use crate::window::Window;

impl Round {
    /// How it stands. `busy`: the line carries replies, so that what does not answer is probably late.
    pub(crate) fn verdict(&mut self, now: Duration, busy: bool) -> Verdict {
        self.busy = busy;
        let (tally, over) = (self.tally(now), self.is_over(now));
        match tally.verdict(over) {
            Verdict::Down if busy && tally.answered >= tally.required => Verdict::Up,
            Verdict::Down if busy && self.is_silent() && !self.is_captive() => Verdict::Undecided,
            verdict => verdict,
        }
    }

    /// Whether it does not go well.
    pub(crate) const fn is_doubted(&self) -> bool {
        self.schedule.is_doubted()
    }

    /// How many targets have answered, and may still.
    pub(crate) fn tally(&self, now: Duration) -> Tally {
        let (mut sent, mut back, mut pending) = (0, 0, 0);
        for probe in self.probes.of_check(self.check) {
            sent += 1;
            back += usize::from(probe.fate == Fate::Answered);
            pending += usize::from(probe.fate == Fate::Open && now < probe.sent + probe.wait);
        }
        let tally = self.schedule.tally((sent, back, pending), now);
        let doubted = self.count(|standing| matches!(standing, Standing::Doubted(_)));
        Tally { answered: tally.answered.saturating_sub(doubted), open: tally.open + doubted, ..tally }
    }

    /// Whether only the gateway's own answers are to blame.
    pub(crate) fn is_captive(&self) -> bool {
        let captive = self.count(|standing| standing == Standing::Captive);
        let answered = self.count(|standing| standing == Standing::Answered);
        captive > 0 && answered + captive >= self.schedule.required()
    }

    /// Whether every target that was asked failed for this reason.
    pub(crate) fn all_failed_by(&self, error: &str) -> bool {
        let mut asked = self.questions.iter().filter(|question| question.asked).peekable();
        asked.peek().is_some() && asked.all(|question| question.rtt.is_none() && question.error == Some(error))
    }

    /// The targets that were asked, in that order.
    pub(crate) fn answers(&self, now: Duration) -> impl Iterator<Item = Answer<'_>> + '_ {
        let over = self.is_over(now);
        let asked = self.order.iter().filter_map(|&place| self.questions.get(place)).filter(|question| question.asked);
        asked.map(move |question| Answer {
            target: &question.target,
            fate: match question.standing {
                Standing::Captive => Err(Some("captive")),
                _ => question.rtt.ok_or_else(|| question.error.or_else(|| over.then_some("timeout"))),
            },
        })
    }

    /// Loss, round trip and jitter of this check.
    pub(crate) fn figures(&self, now: Duration) -> Figures {
        let probes = || self.probes.of_check(self.check);
        Figures::of(
            self.questions.iter().filter(|question| question.standing != Standing::Captive).filter_map(|q| q.rtt),
            probes().filter(|probe| probe.fate == Fate::Answered).count(),
            probes().filter(|probe| self.is_lost(probe, now)).count(),
        )
    }

    /// The check is over. Gives the window of the latest probes, in which what was lost counts from now on.
    ///
    /// A check that found the uplink down tells no more than that of its quality: what was lost in a short break would
    /// keep the window bad long after it.
    pub(crate) fn finish(&mut self, now: Duration, up: bool) -> &mut Window {
        let (check, over) = (self.check, self.is_over(now));
        for probe in self.probes.all_mut().filter(|probe| probe.check == check) {
            if !up && probe.fate == Fate::Open {
                probe.telling = false;
            }
            if up && probe.fate == Fate::Failed && probe.telling {
                self.window.lost();
            }
        }
        self.settle_probes(now, over);
        &mut self.window
    }

    /// Counts what is lost by now: probes whose own time is over, and all of this check where that is `over`.
    pub(super) fn settle_probes(&mut self, now: Duration, over: bool) {
        let check = self.check;
        let open = self.probes.all_mut().filter(|probe| !probe.near && probe.fate == Fate::Open);
        for probe in open.filter(|probe| now >= probe.sent + probe.wait || (over && probe.check == check)) {
            probe.fate = Fate::Lost;
            if probe.telling {
                self.window.lost();
            }
        }
    }

    /// Whether a probe counts as lost. One that nobody waited for to the end does not.
    fn is_lost(&self, probe: &Probe, now: Duration) -> bool {
        match probe.fate {
            Fate::Answered | Fate::Unsent => false,
            Fate::Failed | Fate::Lost => true,
            Fate::Open => self.is_over(now) || now >= probe.sent + probe.wait,
        }
    }

    /// Whether a target was asked of which nothing at all was heard.
    fn is_silent(&self) -> bool {
        self.questions.iter().any(|question| question.asked && question.rtt.is_none() && question.error.is_none())
    }

    fn is_over(&self, now: Duration) -> bool {
        now >= self.schedule.deadline()
    }

    fn count(&self, fits: impl Fn(Standing) -> bool) -> usize {
        self.questions.iter().filter(|question| fits(question.standing)).count()
    }
}
