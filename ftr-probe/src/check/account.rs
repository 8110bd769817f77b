//! How a check stands, and what it came to.

use std::time::Duration;

use super::target_state::ReplyTrust;
use super::{Answer, RunningCheck};
use crate::evidence::Score;
use crate::figures::Figures;
use crate::probes::{Probe, ProbeState};
use crate::verdict::{Confirmation, Tally, Trust, Verdict};
use crate::window::Window;

/// What became of the questions to one target in a check.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    asked: usize,
    answers: usize,
    lost: usize,
    /// How many questions were asked after the earliest that was answered.
    behind: usize,
    /// From the first question to the latest.
    span: Duration,
}

impl Counts {
    /// Whether the target may be one that answers one question a second, as many do.
    fn limits(self) -> bool {
        let most = usize::try_from(self.span.as_secs()).unwrap_or(usize::MAX).saturating_add(1);
        (1..=most).contains(&self.answers) && self.asked >= 3 * self.answers
    }

    /// Whether it was the first question that it answered, or the second: such a target answers what reaches it first.
    const fn is_early(self) -> bool {
        self.behind + 2 >= self.asked
    }

    /// Whether it answers what it is asked in quick succession.
    const fn is_triggered(self) -> bool {
        4 * self.answers >= 3 * self.asked
    }
}

impl RunningCheck {
    /// How it stands. `busy`: the line carries replies, so that what does not answer is probably late.
    pub(crate) fn verdict(&mut self, now: Duration, busy: bool) -> Verdict {
        self.busy = busy;
        let (tally, over) = (self.tally(now), self.is_over(now));
        match tally.verdict(over) {
            Verdict::Down if !busy && self.is_unsettled(tally, now) => Verdict::Unsettled,
            Verdict::Down if busy && tally.answered >= tally.required => Verdict::Up,
            Verdict::Undecided if busy && tally.is_late_but_enough() => Verdict::Up,
            Verdict::Down if busy && self.is_silent() && !self.is_captive() => Verdict::Undecided,
            verdict => verdict,
        }
    }

    /// Whether it does not go well.
    pub(crate) const fn is_in_doubt(&self) -> bool {
        self.schedule.is_in_doubt()
    }

    /// How many targets have answered, and may still.
    pub(crate) fn tally(&self, now: Duration) -> Tally {
        let (mut sent, mut back, mut pending) = (0, 0, 0);
        // What was waited for longer than usual, and in vain, was not asked too late.
        let queue = if self.is_over(now) { Duration::ZERO } else { self.schedule.queue() };
        for probe in self.probes.of_check(self.check) {
            sent += 1;
            back += usize::from(probe.state == ProbeState::Answered);
            pending += usize::from(probe.is_awaited(now, queue));
        }
        let tally = self.schedule.tally((sent, back, pending), now);
        let trust = self.proof.map_or(Trust::Given, |proof| {
            let score = self.score(now);
            let over = tally.confirmation == Confirmation::Asked && pending == 0;
            if proof.is_given(score.answers, score.lost + pending, over) { Trust::Earned } else { Trust::Wanted }
        });
        let doubted = self.count(|reply_trust| matches!(reply_trust, ReplyTrust::Doubted(_)));
        Tally { answered: tally.answered.saturating_sub(doubted), open: tally.open + doubted, trust, ..tally }
    }

    /// What the questions came to, apart from those to targets that have not answered at all: a target may be dead by
    /// itself. Where targets seem to answer one question a second, a silent one may be one of them, whose answer was lost.
    fn score(&self, now: Duration) -> Score {
        let all = || (0..self.targets.len()).map(|target| self.counts(target, now)).filter(|counts| counts.asked > 0);
        let heard = || all().filter(|counts| counts.answers > 0);
        // On a line that loses packets others would answer twice, and not the first question more often than the rest.
        let limiting = heard().filter(|counts| counts.limits()).count();
        let early = heard().filter(|counts| counts.limits() && counts.is_early()).count();
        let others = heard().all(|counts| counts.limits() || counts.is_triggered());
        let limited = limiting > 0 && 2 * early >= limiting && others;
        let silent = if limited { all().filter(|counts| counts.answers == 0).count() } else { 0 };
        heard().fold(Score { answers: 0, lost: silent, limited }, |sum, counts| {
            let lost = if limited && counts.limits() { 0 } else { counts.lost };
            Score { answers: sum.answers + counts.answers, lost: sum.lost + lost, ..sum }
        })
    }

    fn counts(&self, target: usize, now: Duration) -> Counts {
        let mut counts = Counts::default();
        let mut latest = None;
        // The latest one first.
        for probe in self.probes.of_check(self.check).filter(|probe| probe.target == target) {
            if probe.state == ProbeState::Answered {
                counts.answers += 1;
                counts.behind = counts.asked;
            }
            counts.asked += 1;
            counts.span = latest.get_or_insert(probe.sent).saturating_sub(probe.sent);
            counts.lost += usize::from(self.is_lost(probe, now));
        }
        counts
    }

    /// Whether a check that has gone badly has to be made again, because targets seem to answer one question a second.
    fn is_unsettled(&mut self, tally: Tally, now: Duration) -> bool {
        if self.proof.is_some() || tally.confirmation != Confirmation::Asked || self.is_captive() {
            return false;
        }
        let score = self.score(now);
        score.limited && self.evidence.is_unsettled(score)
    }

    /// Whether the line has begun to prove that it works, and its targets do not answer faster: another check is worth while.
    pub(crate) const fn is_slow_to_prove(&self) -> bool {
        self.evidence.is_slow()
    }

    /// Whether only the gateway's own answers are to blame.
    pub(crate) fn is_captive(&self) -> bool {
        let captive = self.count(|reply_trust| reply_trust == ReplyTrust::Captive);
        let answered = self.count(|reply_trust| reply_trust == ReplyTrust::Answered);
        captive > 0 && answered + captive >= self.schedule.required()
    }

    /// Whether every target that was asked failed for this reason.
    pub(crate) fn all_failed_by(&self, error: &str) -> bool {
        let mut asked = self.targets.iter().filter(|state| state.asked).peekable();
        asked.peek().is_some() && asked.all(|state| state.rtt.is_none() && state.error == Some(error))
    }

    /// The targets that were asked, in that order.
    pub(crate) fn answers(&self, now: Duration) -> impl Iterator<Item = Answer<'_>> + '_ {
        let over = self.is_over(now);
        let asked = self.order.iter().filter_map(|&index| self.targets.get(index)).filter(|state| state.asked);
        asked.map(move |state| Answer {
            target: &state.target,
            result: match state.reply_trust {
                ReplyTrust::Captive => Err(Some("captive")),
                _ => state.rtt.ok_or_else(|| {
                    let silent = || over.then(|| state.hint.unwrap_or("timeout"));
                    state.error.or_else(silent)
                }),
            },
        })
    }

    /// Loss, round trip and jitter of this check.
    pub(crate) fn figures(&self, now: Duration) -> Figures {
        let probes = || self.probes.of_check(self.check);
        Figures::of(
            self.targets.iter().filter(|state| state.reply_trust != ReplyTrust::Captive).filter_map(|q| q.rtt),
            probes().filter(|probe| probe.state == ProbeState::Answered).count(),
            probes().filter(|probe| self.is_lost(probe, now)).count(),
        )
    }

    /// The check is over. Gives the window of the latest probes, in which what was lost counts from now on.
    ///
    /// A check that found the uplink down tells no more than that of its quality: what was lost in a short break would
    /// keep the window bad long after it.
    pub(crate) fn finish(&mut self, now: Duration, up: bool) -> &mut Window {
        let (check, over) = (self.check, self.is_over(now));
        let score = if up { Score::default() } else { self.score(now) };
        self.evidence.ended(up, score, now);
        for probe in self.probes.all_mut().filter(|probe| probe.check == check) {
            if !up && probe.state == ProbeState::Open {
                probe.telling = false;
            }
            if up && probe.state == ProbeState::Failed && probe.telling {
                self.window.lost();
            }
        }
        self.settle_probes(now, over);
        &mut self.window
    }

    /// Counts what is lost by now: probes whose own time is over, and all of this check where that is `over`.
    pub(super) fn settle_probes(&mut self, now: Duration, over: bool) {
        let (check, queue) = (self.check, self.schedule.queue());
        let open = self.probes.all_mut().filter(|probe| !probe.ttl_one && probe.state == ProbeState::Open);
        for probe in open.filter(|probe| !probe.is_awaited(now, queue) || (over && probe.check == check)) {
            probe.state = ProbeState::Lost;
            if probe.telling {
                self.window.lost();
            }
        }
    }

    /// Whether a probe counts as lost. One that nobody waited for to the end does not.
    fn is_lost(&self, probe: &Probe, now: Duration) -> bool {
        match probe.state {
            ProbeState::Answered | ProbeState::Unsent => false,
            ProbeState::Failed | ProbeState::Lost => true,
            ProbeState::Open => self.is_over(now) || !probe.is_awaited(now, self.schedule.queue()),
        }
    }

    /// Whether a target was asked of which nothing at all was heard.
    fn is_silent(&self) -> bool {
        self.targets.iter().any(|state| state.asked && state.rtt.is_none() && state.error.is_none())
    }

    fn is_over(&self, now: Duration) -> bool {
        now >= self.schedule.deadline()
    }

    fn count(&self, fits: impl Fn(ReplyTrust) -> bool) -> usize {
        self.targets.iter().filter(|state| fits(state.reply_trust)).count()
    }
}
