//! What works against several uplinks on this host, as the route program finds it.

use std::collections::BTreeMap;
use std::time::Duration;

use ftr_core::rate_limiter::RateLimiter;
use ftr_core::record::{Event, EventKind, Hazard, Stamp};
use ftr_core::sanitize::sanitize;

use crate::entry::Entry;

/// The most that are kept. There are some twenty kinds.
const MOST: usize = 32;
/// The longest text of one, in characters, so that the answer to whoever asks how things are stays small.
const LONGEST: usize = 500;
/// How long one has to last before people are mailed: who loads the firewall anew needs no mail.
const LASTING: Duration = Duration::from_secs(5);
/// How long one is still believed in after the route program was started anew. It tells of all that there are when it has
/// looked for the first time, for which it runs other programs, each for five seconds at the most.
const FORGOTTEN: Duration = Duration::from_secs(20);
/// Mails of one that comes and goes: so many, and from then on one in so long a time.
const MAILS: (u32, Duration) = (10, Duration::from_secs(600));

/// Those that are there.
#[derive(Debug)]
pub(crate) struct Hazards {
    present: BTreeMap<(String, String), Present>,
    mails: RateLimiter,
}

#[derive(Debug)]
struct Present {
    hazard: Hazard,
    /// When people are mailed of it; none where they were, or nobody loses anything by it.
    mail_due: Option<Duration>,
    is_mailed: bool,
    /// When it is forgotten; none where a program that runs has told of it.
    forgotten: Option<Duration>,
}

/// What follows from a record, or from the time.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct News {
    /// Lines for the log.
    pub(crate) lines: Vec<Entry>,
    /// For those who are mailed: still without a number.
    pub(crate) events: Vec<Event>,
}

impl Default for Hazards {
    fn default() -> Self {
        Self { present: BTreeMap::new(), mails: RateLimiter::new(MAILS.0, MAILS.1) }
    }
}

impl Hazards {
    /// Takes in what the route program has told.
    pub(crate) fn take(&mut self, hazard: Hazard, now: Duration) -> News {
        let hazard = bounded(hazard);
        let key = (hazard.kind.clone(), hazard.object.clone());
        if hazard.gone {
            let gone = self.present.remove(&key);
            return gone.map(|gone| gone.ends(&hazard.at)).unwrap_or_default();
        }
        if let Some(known) = self.present.get_mut(&key) {
            known.forgotten = None;
            let is_new = known.hazard.what != hazard.what;
            // It is there for as long as before, whoever tells of it now.
            known.hazard = Hazard { since: known.hazard.since.clone(), ..hazard };
            return if is_new { News::line(warning(&known.hazard)) } else { News::default() };
        }
        let news = News::line(warning(&hazard));
        if self.present.len() < MOST {
            let mail_due = hazard.loses_traffic.then(|| now.saturating_add(LASTING));
            self.present.insert(key, Present { hazard, mail_due, is_mailed: false, forgotten: None });
        }
        news
    }

    /// The route program is started anew, and will tell of those that are still there.
    pub(crate) fn doubt(&mut self, now: Duration) {
        for present in self.present.values_mut() {
            present.forgotten = Some(now.saturating_add(FORGOTTEN));
        }
    }

    /// What the time brings.
    pub(crate) fn catch_up(&mut self, now: Duration, at: impl Fn() -> Stamp) -> News {
        let mut news = News::default();
        let is_over = |due: Option<Duration>| due.is_some_and(|due| now >= due);
        let forgotten = self.present.iter().filter(|(_, present)| is_over(present.forgotten));
        for key in forgotten.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            let gone = self.present.remove(&key);
            news.add(gone.map(|gone| gone.ends(&at())).unwrap_or_default());
        }
        for present in self.present.values_mut().filter(|present| is_over(present.mail_due)) {
            present.mail_due = None;
            present.is_mailed = self.mails.admits(now);
            if present.is_mailed {
                news.events.push(event(&present.hazard, present.hazard.at.clone(), (None, "present")));
            }
        }
        news
    }

    /// When [`Hazards::catch_up`] has something to do.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.present.values().flat_map(|present| [present.mail_due, present.forgotten]).flatten().min()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Hazard> {
        self.present.values().map(|present| present.hazard.clone()).collect()
    }
}

impl Present {
    fn ends(self, at: &Stamp) -> News {
        let Hazard { kind, object, .. } = &self.hazard;
        let mut news = News::line(Entry::notice(format!("{kind}: {object}: is over")));
        if self.is_mailed {
            news.events.push(event(&self.hazard, at.clone(), (Some("present"), "gone")));
        }
        news
    }
}

impl News {
    fn line(line: Entry) -> Self {
        Self { lines: vec![line], events: Vec::new() }
    }

    fn add(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.events.extend(other.events);
    }
}

/// A hazard as a line for the log.
fn warning(hazard: &Hazard) -> Entry {
    let Hazard { kind, object, what, advice, .. } = hazard;
    Entry::warning(format!("warning: {kind}: {object}: {what}: {advice}"))
}

/// The event of one that has come or gone; still without a number.
pub(crate) fn event(hazard: &Hazard, at: Stamp, (from, to): (Option<&str>, &str)) -> Event {
    Event {
        description: hazard.what.clone(),
        from: from.map(str::to_owned),
        to: Some(to.to_owned()),
        hazard: Some(hazard.kind.clone()),
        object: Some(hazard.object.clone()),
        advice: Some(hazard.advice.clone()),
        ..Event::new(0, EventKind::Hazard, at)
    }
}

fn bounded(hazard: Hazard) -> Hazard {
    let cut = |text: &str| sanitize(text).chars().take(LONGEST).collect();
    Hazard {
        kind: cut(&hazard.kind),
        object: cut(&hazard.object),
        what: cut(&hazard.what),
        advice: cut(&hazard.advice),
        since: cut(&hazard.since),
        ..hazard
    }
}

#[cfg(test)]
mod tests {
    use super::{FORGOTTEN, Hazards, LASTING, LONGEST, MOST, News};
    use crate::entry::Entry;
    use ftr_core::record::{Hazard, Stamp};
    use std::time::Duration;

    const START: Duration = Duration::from_secs(100);

    fn stamp() -> Stamp {
        Stamp { time: "2026-11-01T10:00:00.000Z".to_owned(), mono: 100_000 }
    }

    fn hazard(kind: &str, loses_traffic: bool, gone: bool) -> Hazard {
        Hazard {
            at: stamp(),
            kind: kind.to_owned(),
            object: "firewall".to_owned(),
            what: "no rule marks connections".to_owned(),
            advice: "ftr-rules | iptables-restore".to_owned(),
            since: "2026-11-01T10:00:00.000Z".to_owned(),
            loses_traffic,
            gone,
        }
    }

    /// What is mailed at the instant: `rules-not-loaded present`.
    fn mailed(hazards: &mut Hazards, now: Duration) -> Vec<String> {
        told(&hazards.catch_up(now, stamp))
    }

    fn told(news: &News) -> Vec<String> {
        let word = |text: &Option<String>| text.clone().unwrap_or_default();
        news.events.iter().map(|event| format!("{} {}", word(&event.hazard), word(&event.to))).collect()
    }

    #[test]
    fn one_that_lasts_is_mailed_once_and_its_end_too() {
        let mut hazards = Hazards::default();
        let news = hazards.take(hazard("rules-not-loaded", true, false), START);
        let line = "warning: rules-not-loaded: firewall: no rule marks connections: ftr-rules | iptables-restore";
        assert_eq!((news.lines, news.events.len()), (vec![Entry::warning(line)], 0));
        assert_eq!((hazards.due(), hazards.all().len()), (Some(START + LASTING), 1));
        assert_eq!(mailed(&mut hazards, START), [""; 0]);
        assert_eq!(mailed(&mut hazards, START + LASTING), ["rules-not-loaded present"]);
        assert_eq!(mailed(&mut hazards, START + LASTING * 9), [""; 0]);
        assert_eq!(hazards.take(hazard("rules-not-loaded", true, false), START + LASTING), News::default());
        let news = hazards.take(hazard("rules-not-loaded", true, true), START + LASTING);
        assert_eq!(
            (told(&news), &news.lines[0]),
            (vec!["rules-not-loaded gone".to_owned()], &Entry::notice("rules-not-loaded: firewall: is over"))
        );
        assert_eq!((hazards.due(), hazards.all().len()), (None, 0));
    }

    #[test]
    fn one_that_is_short_or_costs_nobody_anything_is_only_logged() {
        let mut hazards = Hazards::default();
        hazards.take(hazard("rules-not-loaded", true, false), START);
        let news = hazards.take(hazard("rules-not-loaded", true, true), START + Duration::from_secs(1));
        assert_eq!((news.lines.len(), news.events.len()), (1, 0));
        hazards.take(hazard("wildcard-listener", false, false), START);
        assert_eq!((mailed(&mut hazards, START + LASTING).len(), hazards.due()), (0, None));
        // The end of one that nobody has heard of.
        assert_eq!(hazards.take(hazard("forwarding", true, true), START), News::default());
    }

    #[test]
    fn the_successor_of_the_route_program_confirms_them_or_they_are_forgotten() {
        let mut hazards = Hazards::default();
        for kind in ["rules-not-loaded", "forwarding"] {
            hazards.take(hazard(kind, true, false), START);
        }
        assert_eq!(mailed(&mut hazards, START + LASTING).len(), 2);
        hazards.doubt(START + LASTING);
        let again = Hazard { since: "later".to_owned(), ..hazard("forwarding", true, false) };
        assert_eq!(hazards.take(again, START + LASTING * 2), News::default());
        let end = START + LASTING + FORGOTTEN;
        assert_eq!(hazards.due(), Some(end));
        assert_eq!(mailed(&mut hazards, end), ["rules-not-loaded gone"]);
        assert_eq!((hazards.all().len(), hazards.all()[0].since.as_str()), (1, "2026-11-01T10:00:00.000Z"));
    }

    #[test]
    fn another_text_is_logged_and_crowds_and_long_texts_are_bounded() {
        let mut hazards = Hazards::default();
        for number in 0..1000 {
            let long = "\x1b".repeat(10_000);
            let one = Hazard { object: number.to_string(), what: long, ..hazard("forwarding", true, false) };
            assert!(!hazards.take(one, START).lines[0].text.contains('\x1b'));
        }
        assert!(hazards.all().len() == MOST && hazards.all().iter().all(|one| one.what.len() == LONGEST));
        let other = Hazard { object: "7".to_owned(), ..hazard("forwarding", true, false) };
        assert_eq!(hazards.take(other.clone(), START).lines.len(), 1);
        assert_eq!(hazards.take(other, START), News::default());
        assert_eq!(mailed(&mut hazards, START + LASTING).len(), 10, "a crowd is not mailed one by one");
    }
}
