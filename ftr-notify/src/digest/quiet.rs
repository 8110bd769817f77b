//! How long news of an uplink wait for more of the same: a line that keeps coming and going is a mail at first, and then
//! one about all of it, not one for each time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ftr_core::record::Event;
use ftr_core::{Family, InterfaceName};

use super::start;

/// The quiet time after the first mail about an uplink, in windows; each further mail doubles it.
const FIRST: u32 = 3;
/// The longest quiet time.
const LONGEST: Duration = Duration::from_secs(300);
/// News wait no longer than this, however much comes.
const LATEST: Duration = Duration::from_secs(900);
/// After so long without news an uplink is as if there never had been any.
const FORGOTTEN: Duration = Duration::from_secs(3600);
/// Of so many uplinks it is known that there were mails. Whoever makes names up costs no more.
const MOST: usize = 256;

/// An uplink in a family.
pub(super) type Topic = (InterfaceName, Option<u8>);

/// What there were mails about, and what waits.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    told: BTreeMap<Topic, Told>,
    /// When the oldest news of each topic came, and until when they wait.
    waits: BTreeMap<Topic, (Duration, Duration)>,
    /// What the mail is about that is on its way, and since when.
    sending: (Vec<Topic>, Duration),
}

/// There were so many mails about it.
#[derive(Clone, Copy, Debug)]
struct Told {
    mails: u32,
    last: Duration,
}

impl Quiet {
    /// Until when an event waits that has come now.
    pub(super) fn until(&mut self, event: &Event, window: Duration, now: Duration) -> Duration {
        let Some(topic) = topic(event) else { return now + window };
        let told = self.told.get(&topic).filter(|told| now < told.last + FORGOTTEN).map_or(0, |told| told.mails);
        let mails = told.saturating_add(u32::from(self.sending.0.contains(&topic)));
        let window = if start::is_first_verdict(event) { window.max(start::GRACE) } else { window };
        let quiet = mails.checked_sub(1).map_or(window, |more| {
            let times = FIRST.saturating_mul(1u32.checked_shl(more).unwrap_or(u32::MAX));
            window.saturating_mul(times).min(LONGEST).max(window)
        });
        let (first, until) = self.waits.entry(topic).or_insert((now, now + quiet));
        // The first mail is not put off by what comes meanwhile.
        if mails > 0 {
            *until = (now + quiet).min(*first + LATEST);
        }
        *until
    }

    /// Nothing waits any more that is about the uplink of this event.
    pub(super) fn forget(&mut self, event: &Event) {
        topic(event).and_then(|topic| self.waits.remove(&topic));
    }

    /// When the news that have waited for longest have waited long enough.
    pub(super) fn due(&self) -> Option<Duration> {
        self.waits.values().map(|(_, until)| *until).min()
    }

    /// Whether news of an uplink have not waited for long enough yet.
    pub(super) fn waits(&self, topic: &Topic, now: Duration) -> bool {
        self.waits.get(topic).is_some_and(|(_, until)| *until > now)
    }

    /// Nothing waits for more any longer.
    pub(super) fn finish(&mut self, now: Duration) {
        self.waits.values_mut().for_each(|(_, until)| *until = now);
    }

    /// A mail is sent about all that waits, but for the `young`.
    pub(super) fn send(&mut self, young: &BTreeSet<Topic>, now: Duration) {
        let (waits, sent): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.waits).into_iter().partition(|(topic, _)| young.contains(topic));
        self.waits = waits;
        self.sending = (sent.into_keys().collect(), now);
    }

    /// It has not arrived: what it was about waits again, and has waited long enough.
    pub(super) fn failed(&mut self) {
        let (topics, since) = std::mem::take(&mut self.sending);
        self.waits.extend(topics.into_iter().map(|topic| (topic, (since, since))));
    }

    /// It has arrived.
    pub(super) fn sent(&mut self) {
        let (topics, now) = std::mem::take(&mut self.sending);
        for topic in topics {
            let told = self.told.entry(topic).or_insert(Told { mails: 0, last: now });
            let mails = if now < told.last + FORGOTTEN { told.mails.saturating_add(1) } else { 1 };
            *told = Told { mails, last: now };
        }
        while self.told.len() > MOST {
            let oldest = self.told.iter().min_by_key(|(_, told)| told.last).map(|(topic, _)| topic.clone());
            oldest.and_then(|topic| self.told.remove(&topic));
        }
    }
}

/// What an event is about; none where that is no uplink.
pub(super) fn topic(event: &Event) -> Option<Topic> {
    Some((event.uplink.clone()?, event.family.map(Family::number)))
}
