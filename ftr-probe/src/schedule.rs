//! Whom to ask next, and when. Time is a parameter everywhere: the time since boot.

use std::time::Duration;

use crate::estimate::Estimate;
use crate::verdict::{Confirmation, Tally, Trust};

/// How long a check may take, and how much it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// How many targets have to answer; at least 1.
    pub(crate) required: usize,
    /// How often each is asked at most, apart from doubt; at least 1.
    pub(crate) tries: u32,
    /// How long a try waits before the next one, or before it is given up, at most.
    pub(crate) timeout: Duration,
}

impl Timing {
    /// No check of a line that is not busy takes longer.
    pub(crate) const fn deadline(self) -> Duration {
        self.timeout.saturating_mul(self.tries)
    }
}

/// How often all targets are asked again when a check does not go well.
const CONFIRMATIONS: u32 = 3;
/// How often they are at most, where a line that was down has much to prove.
const MOST_CONFIRMATIONS: u32 = 16;
/// A check asks no more than this.
const MOST_QUESTIONS: u32 = 100;
/// From one of these times to the next.
const STEP: Duration = Duration::from_millis(10);
/// Before this an answer of a target that was never heard is not called late, however short the timeout is.
const PROMPT: Duration = Duration::from_millis(50);
/// A send that found no room is tried again after this.
const AGAIN: Duration = Duration::from_millis(10);

/// The course of one check.
///
/// The first targets, as many as have to answer, are asked at once; the others, the reserve, only when one of them is
/// late or has failed. When too few are left that are not late, and no tries are left, the check is in doubt: all are
/// asked some times more in quick succession, so that loss by chance is not mistaken for a dead line.
#[derive(Debug)]
pub(crate) struct Schedule {
    timing: Timing,
    start: Duration,
    reserve_called: bool,
    /// The line was down: as soon as anything comes back all are asked again, to see whether it works.
    proving: bool,
    /// It does not go well, or there is something to prove.
    in_doubt: bool,
    confirmations: u32,
    /// How many confirmations there may be.
    most_confirmations: u32,
    next_confirmation: Option<Duration>,
    /// From one confirmation to the next, apart from the first ones: answers come meanwhile.
    pause: Duration,
    /// How long an answer is waited for at the least, where some come late.
    queue: Duration,
    /// When time was last let pass.
    seen: Duration,
    asks: Vec<Ask>,
}

/// How far a target has been asked.
#[derive(Clone, Copy, Debug, Default)]
struct Ask {
    /// How long a probe waits for its answer.
    wait: Duration,
    /// When an answer is late.
    lateness: Duration,
    /// Probes, those of doubt too.
    made: u32,
    /// How many of the probes were not asked in doubt.
    tries: u32,
    failed: u32,
    answered: bool,
    /// When it was asked last.
    sent: Duration,
    /// When it is to be asked next; none in the reserve, and after the last try.
    next: Option<Duration>,
}

impl Schedule {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            start: Duration::ZERO,
            reserve_called: false,
            proving: false,
            in_doubt: false,
            confirmations: 0,
            most_confirmations: CONFIRMATIONS,
            next_confirmation: None,
            pause: Duration::ZERO,
            queue: Duration::ZERO,
            seen: Duration::ZERO,
            asks: Vec::new(),
        }
    }

    /// Begins a check of the targets with these estimates, forgetting the last one. `proof`: how many questions a line
    /// that was down has to answer at the least; none where it was not.
    pub(crate) fn begin(
        &mut self,
        estimates: impl Iterator<Item = Estimate> + Clone,
        now: Duration,
        proof: Option<usize>,
    ) {
        let Timing { required, timeout, .. } = self.timing;
        let longest = estimates.clone().filter_map(|estimate| estimate.timeout()).max();
        // A target that was never heard is given more time than the others take: perhaps it is only far away.
        let unheard = longest.map_or(timeout, |longest| longest * 2);
        let usual = (timeout / 4).max(PROMPT).min(timeout / 3);
        self.start = now;
        self.seen = now;
        self.in_doubt = false;
        self.confirmations = 0;
        self.next_confirmation = None;
        self.pause = estimates.clone().filter_map(|estimate| estimate.lateness()).max().unwrap_or(PROMPT);
        self.queue = Duration::ZERO;
        self.asks.clear();
        self.asks.extend(estimates.enumerate().map(|(index, estimate)| Ask {
            wait: estimate.timeout().unwrap_or(unheard).min(timeout),
            lateness: estimate.lateness().unwrap_or(usual),
            next: (index < required).then_some(now),
            ..Ask::default()
        }));
        self.reserve_called = self.asks.len() <= required;
        self.proving = proof.is_some();
        let targets = self.asks.len().max(1);
        // Twice as many questions leave room for some that are lost.
        let wanted = proof.map_or(0, |questions| u32::try_from((2 * questions).div_ceil(targets)).unwrap_or(u32::MAX));
        let room = MOST_QUESTIONS / u32::try_from(targets).unwrap_or(u32::MAX);
        self.most_confirmations = wanted.min(room).clamp(CONFIRMATIONS, MOST_CONFIRMATIONS);
    }

    /// Whether this target is to be asked now.
    pub(crate) fn is_due(&self, target: usize, now: Duration) -> bool {
        now < self.last_call() && self.asks.get(target).is_some_and(|ask| ask.next.is_some_and(|at| at <= now))
    }

    /// This target was asked.
    pub(crate) fn sent(&mut self, target: usize, now: Duration) {
        let tries = self.timing.tries;
        let (confirming, queue) = (self.confirmations > 0, self.queue);
        if let Some(ask) = self.asks.get_mut(target) {
            ask.made += 1;
            ask.tries += u32::from(!confirming);
            ask.sent = now;
            ask.next = (!confirming && ask.tries < tries).then(|| now + ask.wait.max(queue));
        }
    }

    /// Takes back that this target was asked: this host had no room to send.
    pub(crate) fn unsent(&mut self, target: usize, now: Duration) {
        let confirming = self.confirmations > 0;
        if let Some(ask) = self.asks.get_mut(target) {
            ask.made = ask.made.saturating_sub(1);
            ask.tries = ask.tries.saturating_sub(u32::from(!confirming));
            ask.next = Some(now + AGAIN);
        }
    }

    /// This target has answered, after `rtt`.
    ///
    /// A late answer stood in a queue, and what was asked after it stands behind it: our own questions may be that queue,
    /// on a line of some kilobits a second. So all are waited for twice as long as it took, and a line that has to prove
    /// itself is not asked more until the queue had time to shrink. A dead line answers nothing, and is found out no later.
    pub(crate) fn answered(&mut self, target: usize, rtt: Duration) {
        let Some(ask) = self.asks.get_mut(target) else { return };
        ask.answered = true;
        ask.next = None;
        if rtt > ask.lateness {
            self.queue = self.queue.max((2 * rtt).min(self.timing.timeout));
            self.pause = self.pause.max(rtt);
            if self.confirmations >= CONFIRMATIONS {
                self.confirm_next(self.seen + rtt);
            }
        }
    }

    /// How long an answer is waited for at the least, because some came late.
    pub(crate) const fn queue(&self) -> Duration {
        self.queue
    }

    /// A try of this target has failed for good, before its time was over. Called at most once for each try.
    pub(crate) fn failed(&mut self, target: usize, now: Duration) {
        if let Some(ask) = self.asks.get_mut(target) {
            ask.failed += 1;
            self.call_reserve(now);
        }
    }

    /// What answered for this target was not the target. Nothing else is to be expected of it.
    pub(crate) fn denied(&mut self, target: usize, now: Duration) {
        let tries = self.timing.tries;
        if let Some(ask) = self.asks.get_mut(target) {
            *ask = Ask { answered: false, failed: ask.made, tries, next: None, ..*ask };
            self.call_reserve(now);
        }
    }

    /// Lets time pass: calls the reserve when an answer is late, and confirmations a check that does not go well.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.seen = now;
        if self.late_at().is_some_and(|late| late <= now) {
            self.call_reserve(now);
        }
        let hopeful = self.asks.iter().filter(|ask| ask.answered || ask.is_hopeful(self.timing.tries, now)).count();
        let lives = self.proving && self.asks.iter().any(|ask| ask.answered);
        let late = now >= self.last_hope();
        self.in_doubt |= hopeful < self.timing.required || late || lives;
        if self.in_doubt {
            self.call_reserve(now);
        }
        // A line that was down and stays silent is asked no more: under that load it might never come back.
        if self.confirmations == 0 && self.in_doubt && (!self.proving || lives || late) {
            self.next_confirmation = self.next_confirmation.or(Some(now));
        }
        if self.next_confirmation.is_some_and(|at| at <= now) && now < self.last_call() {
            self.confirmations += 1;
            let pause = if self.confirmations < CONFIRMATIONS { Duration::ZERO } else { self.pause };
            self.confirm_next(now + STEP.min(self.timing.timeout / 12).max(pause));
            for ask in self.asks.iter_mut().filter(|ask| !ask.is_refused()) {
                ask.next = Some(now);
            }
        }
    }

    /// When [`Schedule::advance`] and [`Schedule::is_due`] have something new to say: at the deadline, at the latest.
    pub(crate) fn wake(&self) -> Duration {
        let last_call = self.last_call();
        let hope = (!self.in_doubt || (self.proving && self.confirmations == 0)).then(|| self.hope_ends());
        let confirmation = hope.or(self.next_confirmation);
        let asks = self.asks.iter().filter_map(|ask| ask.next);
        let calls = asks.chain(self.late_at()).chain(confirmation).filter(|&at| at < last_call);
        calls.fold(self.deadline(), Duration::min)
    }

    /// The moment until which answers count on a line that carries nothing else either.
    pub(crate) fn deadline(&self) -> Duration {
        let cap = self.cap();
        if self.asks_more() {
            return cap;
        }
        let heard = self.asks.iter().filter(|ask| ask.made > 0 && !ask.is_refused());
        heard.map(|ask| ask.sent + ask.wait.max(self.queue)).max().unwrap_or(cap).min(cap)
    }

    /// How the targets stand. `probes`: how many were sent, came back, and are awaited.
    pub(crate) fn tally(&self, (sent, back, pending): (usize, usize, usize), now: Duration) -> Tally {
        let asks_more = self.asks_more();
        let count = |fits: &dyn Fn(&Ask) -> bool| self.asks.iter().filter(|ask| fits(ask)).count();
        Tally {
            required: self.timing.required,
            answered: count(&|ask| ask.answered),
            open: count(&|ask| !ask.answered && ask.is_open(self, asks_more, now)),
            sent,
            back,
            pending,
            confirmation: match self.confirmations {
                0 => Confirmation::NotNeeded,
                _ if asks_more => Confirmation::Asking,
                _ => Confirmation::Asked,
            },
            trust: Trust::default(),
        }
    }

    /// Whether the check does not go well.
    pub(crate) const fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// How many targets have to answer.
    pub(crate) const fn required(&self) -> usize {
        self.timing.required
    }

    /// How long a probe of this target waits for its answer.
    pub(crate) fn wait(&self, target: usize) -> Duration {
        self.asks.get(target).map_or(self.timing.timeout, |ask| ask.wait)
    }

    fn call_reserve(&mut self, now: Duration) {
        if !self.reserve_called {
            self.reserve_called = true;
            for ask in self.asks.iter_mut().skip(self.timing.required) {
                ask.next = Some(now);
            }
        }
    }

    /// The next confirmation, if there is to be one, comes at this time. A queue may leave no time for all of them.
    fn confirm_next(&mut self, at: Duration) {
        if self.confirmations >= CONFIRMATIONS && at >= self.last_call() {
            self.most_confirmations = self.confirmations;
        }
        self.next_confirmation = (self.confirmations < self.most_confirmations).then_some(at);
    }

    /// Whether targets are still to be asked, whatever comes back: not where a line that was down stays silent.
    fn asks_more(&self) -> bool {
        let silent = self.proving && self.in_doubt && self.confirmations == 0;
        let asked = self.confirmations == self.most_confirmations || silent;
        !asked || self.asks.iter().any(|ask| ask.next.is_some())
    }

    /// When the first answer that is still awaited becomes late; none when the reserve was called.
    fn late_at(&self) -> Option<Duration> {
        let awaited = self.asks.iter().filter(|ask| !self.reserve_called && ask.made > 0 && !ask.answered);
        awaited.map(|ask| ask.sent + ask.lateness).min()
    }

    /// When the next of the targets that there is hope for becomes late.
    fn hope_ends(&self) -> Duration {
        let tries = self.timing.tries;
        let awaited = self.asks.iter().filter(|ask| !ask.answered && ask.tries >= tries && ask.failed < ask.made);
        awaited.map(|ask| ask.sent + ask.lateness).filter(|&at| at > self.seen).fold(self.last_hope(), Duration::min)
    }

    /// No check that does not go well is left in peace longer, however slow its targets are used to be.
    fn last_hope(&self) -> Duration {
        self.cap().saturating_sub(self.timing.timeout / 4)
    }

    /// No check takes longer, unless the line is busy.
    fn cap(&self) -> Duration {
        self.start + self.timing.deadline()
    }

    /// Whoever is not asked by now has no fair chance to answer in time. Nobody is left by then unless this host was
    /// asleep or had no room to send.
    fn last_call(&self) -> Duration {
        self.cap().saturating_sub(self.timing.timeout / 20)
    }
}

impl Ask {
    /// Whether an answer may come that is not even late.
    fn is_hopeful(&self, tries: u32, now: Duration) -> bool {
        self.tries < tries || (self.failed < self.made && now < self.sent + self.lateness)
    }

    /// Whether an answer may come at all.
    fn is_open(&self, schedule: &Schedule, asks_more: bool, now: Duration) -> bool {
        let awaited = || now < self.sent + self.wait.max(schedule.queue);
        self.tries < schedule.timing.tries || (!self.is_refused() && (asks_more || awaited()))
    }

    /// Whether all that it was asked failed for good.
    fn is_refused(&self) -> bool {
        self.made > 0 && self.failed >= self.made
    }
}

#[cfg(test)]
mod tests;
