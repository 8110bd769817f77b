//! From events to mails: what waits, what is on its way, and when the next mail is due.
//!
//! Pure: time is a parameter, counted from any fixed point.

mod quiet;
mod start;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ftr_core::record::{Event, Stamp};

use crate::message::text::{sentence, short};
use quiet::Quiet;
use start::Start;

/// How many events wait at most; beyond that the oldest is left out, and the mail says how many were.
pub const MOST: usize = 256;

/// The first pause after a failed attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Events that go into one mail.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// How many older ones there was no room for.
    pub left_out: u64,
}

impl Batch {
    fn numbers(&self) -> Vec<u64> {
        self.events.iter().map(|event| event.seq).collect()
    }
}

/// Gathers events into mails. One mail is on its way at a time; events that come meanwhile wait for the next.
#[derive(Debug)]
pub struct Digest {
    window: Duration,
    pending: VecDeque<Event>,
    left_out: u64,
    quiet: Quiet,
    start: Start,
    /// When the oldest of what is about no uplink has waited long enough, or it is time to try again.
    due: Option<Duration>,
    /// What failed is tried again at that time, and not before.
    is_retry: bool,
    sending: Option<Batch>,
    pause: Duration,
}

impl Digest {
    /// A digest that gathers for `window`, counted from the first event; what is about an uplink that there was a mail about
    /// of late waits until there are no more news of it for a while, and one that is not there at the start gets half a minute.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            pending: VecDeque::new(),
            left_out: 0,
            quiet: Quiet::default(),
            start: Start::default(),
            due: None,
            is_retry: false,
            sending: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Takes an event in. Returns the numbers of those that nobody will be told: an older one that had to make room, or what
    /// turns out to be no news.
    pub fn add(&mut self, event: Event, now: Duration) -> Vec<u64> {
        let taken_back = self.start.taken_back(&mut self.pending, &event);
        if !taken_back.is_empty() {
            self.quiet.forget(&event);
            return taken_back;
        }
        let until = self.quiet.until(&event, self.window, now);
        if event.uplink.is_none() {
            self.due.get_or_insert(until);
        }
        self.pending.push_back(bounded(event));
        self.trim()
    }

    /// When the next mail shall be sent; none while one is on its way, or nothing waits.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        match (&self.sending, self.is_retry) {
            (Some(_), _) => None,
            (None, true) => self.due,
            (None, false) => self.due.into_iter().chain(self.quiet.due()).min(),
        }
    }

    /// What shall be sent now; it is on its way until [`Digest::settled`] or [`Digest::failed`].
    pub fn take(&mut self, now: Duration) -> Option<&Batch> {
        if self.due()? > now {
            return None;
        }
        (self.due, self.is_retry) = (None, false);
        let young = self.young(now);
        let is_young = |event: &Event| quiet::topic(event).is_some_and(|topic| young.contains(&topic));
        let (stay, events): (VecDeque<_>, VecDeque<_>) = self.pending.drain(..).partition(is_young);
        self.pending = stay;
        if events.is_empty() && self.left_out == 0 {
            return None;
        }
        self.quiet.send(&young, now);
        Some(self.sending.insert(Batch { events: events.into(), left_out: std::mem::take(&mut self.left_out) }))
    }

    /// The mail arrived, or was given up for good. Returns the numbers of its events.
    pub fn settled(&mut self) -> Vec<u64> {
        self.pause = FIRST_PAUSE;
        self.quiet.sent();
        self.sending.take().map(|batch| batch.numbers()).unwrap_or_default()
    }

    /// The mail could not be sent now: its events wait again, before the newer ones.
    pub fn failed(&mut self, now: Duration) -> Postponed {
        self.quiet.failed();
        let batch = self.sending.take().unwrap_or_default();
        for event in batch.events.into_iter().rev() {
            self.pending.push_front(event);
        }
        self.left_out += batch.left_out;
        let given_up = self.trim();
        let pause = self.pause;
        (self.due, self.is_retry) = (Some(now + pause), true);
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        Postponed { waiting: self.pending.len(), pause, given_up }
    }

    /// No more events will come: what waits is due at once, and soon again if that fails.
    pub fn finish(&mut self, now: Duration) {
        self.pause = FIRST_PAUSE;
        self.quiet.finish(now);
        if !self.pending.is_empty() {
            (self.due, self.is_retry) = (Some(now), true);
        }
    }

    /// Whether a mail is on its way.
    #[must_use]
    pub const fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// How many events are neither delivered nor given up.
    #[must_use]
    pub fn open(&self) -> usize {
        self.pending.len() + self.sending.as_ref().map_or(0, |batch| batch.events.len())
    }

    /// The uplinks that may merely be late at the start: what there is to tell of them goes along with no other news.
    fn young(&self, now: Duration) -> BTreeSet<quiet::Topic> {
        let first = self.pending.iter().filter(|event| start::is_first_verdict(event)).filter_map(quiet::topic);
        first.filter(|topic| self.quiet.waits(topic, now)).collect()
    }

    fn trim(&mut self) -> Vec<u64> {
        let excess = self.pending.len().saturating_sub(MOST);
        self.left_out += excess as u64;
        self.pending.drain(..excess).map(|event| event.seq).collect()
    }
}

/// An event without what no mail would show: a line of 64 KiB may be one event, and many of them may wait.
fn bounded(event: Event) -> Event {
    const MOST_UPLINKS: usize = 64;
    let mut active = event.active;
    active.truncate(MOST_UPLINKS);
    active.shrink_to_fit();
    Event {
        at: Stamp { time: short(&event.at.time), ..event.at },
        description: sentence(&event.description),
        from: event.from.as_deref().map(short),
        to: event.to.as_deref().map(short),
        active,
        hazard: event.hazard.as_deref().map(short),
        object: event.object.as_deref().map(short),
        advice: event.advice.as_deref().map(sentence),
        more: BTreeMap::new(),
        ..event
    }
}

/// What follows from a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub struct Postponed {
    /// How many events wait.
    pub waiting: usize,
    /// For how long.
    pub pause: Duration,
    /// The numbers of events that there was no room for any more.
    pub given_up: Vec<u64>,
}

#[cfg(test)]
mod tests;
