//! One family that is followed, and how much is told of it: an address that comes and goes a hundred times a second is
//! worth a word and a record now and then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ftr_core::rate_limiter::RateLimiter;
use ftr_core::record::{Active, Applied};
use ftr_core::{Config, Family};
use ftr_tool::cli::say;

use super::given_up::GivenUp;
use super::renumbered::{Former, Renumbered};
use super::sockets::{self, Lost};
use crate::answer::TOOL;
use crate::error::Error;
use crate::plan::active_set::ActiveSet;
use crate::plan::given_up::are_translated;
use crate::plan::uplink_state::{Addresses, UplinkState};
use crate::router::{Report, Router};

/// One family, and its active set.
pub(crate) struct Followed<'a> {
    pub(crate) router: Router<'a>,
    pub(crate) active_set: ActiveSet,
    /// What each uplink has, or had until it lost its device.
    pub(crate) addresses: Addresses,
    pub(crate) given_up: GivenUp,
    pub(crate) renumbered: Renumbered,
    /// The state of each uplink at the last look.
    states: Vec<UplinkState>,
    told: Told,
}

/// What a look has brought.
pub(crate) struct Brought {
    pub(crate) report: Report,
    /// The addresses that uplinks have exchanged for others since the last one.
    pub(crate) former: Vec<Former>,
    /// Addresses, gateways or devices are others than the last time.
    pub(crate) moved: bool,
}

impl<'a> Followed<'a> {
    pub(crate) fn new(config: &'a Config, family: Family) -> Result<Self, Error> {
        let told = Told::new(Instant::now());
        Ok(Self {
            router: Router::new(config, family)?,
            active_set: ActiveSet::AsFound,
            addresses: Addresses::new(),
            given_up: GivenUp::default(),
            renumbered: Renumbered::default(),
            states: Vec::new(),
            told,
        })
    }

    /// Makes the changes that the family needs, and says what there is to say.
    pub(crate) fn apply(&mut self) -> Result<Brought, Error> {
        if let ActiveSet::These { given_up, .. } = &mut self.active_set {
            *given_up = Some(self.given_up.at(Instant::now()));
        }
        // Before anything else can be forgotten.
        let forgotten = self.router.remembered.renew().err().map(|error| error.to_string());
        let report = self.router.apply(&self.active_set, None)?;
        let (config, snapshot) = (self.router.config, &report.snapshot);
        sockets::remember(&mut self.addresses, snapshot.addresses(config));
        let former = self.renumbered.take(config, snapshot.family, &snapshot.states);
        let moved = self.states != snapshot.states;
        self.states.clone_from(&snapshot.states);
        let sayings = forgotten.iter().chain(&report.remarks).chain(&report.warnings).chain(&report.stranded);
        let sayings: Vec<&String> = sayings.collect();
        if self.told.is_new(&sayings, Instant::now()) {
            for saying in sayings {
                say(TOOL, saying);
            }
        }
        Ok(Brought { report, former, moved })
    }

    /// The record to send of this, if any: see [`Told::record`].
    pub(crate) fn record(&mut self, applied: Applied, is_asked: bool) -> Option<Applied> {
        self.told.record(applied, is_asked, Instant::now())
    }

    /// The record that was held back, once its time has come.
    pub(crate) fn held_back(&mut self) -> Option<Applied> {
        self.told.held_back(Instant::now())
    }

    /// How long until then, where there is one.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.told.wait(now)
    }

    /// What is given up of what the record names, now that the routes are as it says.
    ///
    /// Nothing without a working uplink to take it: it is better off waiting for its own to return.
    pub(crate) fn lost(&self, active: &Active) -> Option<Lost> {
        let (config, family) = (self.router.config, active.family);
        let uplinks = active.flush.iter().filter_map(|uplink| config.position(uplink.as_str()));
        let uplinks: BTreeSet<usize> = uplinks.collect();
        let carries = self.applied().map_or(&[][..], |applied| &applied.active);
        if uplinks.is_empty() || carries.iter().all(|uplink| active.failed.contains(uplink)) {
            return None;
        }
        // From one that works it is for a while only.
        let stay_there = |uplink: &usize| self.given_up.is_dead(*uplink) && are_translated(config, family, *uplink);
        let moved = uplinks.iter().copied().filter(stay_there).collect();
        Some(Lost { family, moved, addresses: self.addresses.clone(), marks: sockets::marks(config), uplinks })
    }

    /// What was last brought about.
    fn applied(&self) -> Option<&Applied> {
        self.told.applied.as_ref()
    }
}

/// So much is told at once of what changes with every packet of somebody else's, and from then on one in so long a time.
const BURST: u32 = 5;
const INTERVAL: Duration = Duration::from_secs(1);

/// What people and other programs have been told.
#[derive(Debug)]
struct Told {
    start: Instant,
    /// What was said last, so that it is not said again.
    last: Vec<String>,
    remarks: RateLimiter,
    applied: Option<Applied>,
    /// The newest record, with the changes of those before it that were not sent.
    unsent: Option<Applied>,
    records: RateLimiter,
}

impl Told {
    const fn new(now: Instant) -> Self {
        let limiter = RateLimiter::new(BURST, INTERVAL);
        Self { start: now, last: Vec::new(), remarks: limiter, applied: None, unsent: None, records: limiter }
    }

    /// The time as the limiters take it.
    fn since(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// Whether to say this now. What is not said because of what was said just before is new at the next look.
    fn is_new(&mut self, sayings: &[&String], now: Instant) -> bool {
        let since = self.since(now);
        let is_new =
            !self.last.iter().eq(sayings.iter().copied()) && (sayings.is_empty() || self.remarks.admits(since));
        if is_new {
            self.last = sayings.iter().copied().cloned().collect();
        }
        is_new
    }

    /// The record to send of what was done: whoever has asked gets it at once; else only news are worth one, and what
    /// comes too fast is held back and united with what comes next.
    fn record(&mut self, applied: Applied, is_asked: bool, now: Instant) -> Option<Applied> {
        let state = |applied: &Applied| (applied.active.clone(), applied.uplinks.clone(), applied.no_way.clone());
        let is_news = applied.writes > 0 || self.applied.as_ref().map(state) != Some(state(&applied));
        self.applied = Some(applied.clone());
        if !is_asked && !is_news {
            return None;
        }
        let before = self.unsent.take().map_or((0, 0), |unsent| (unsent.writes, unsent.took_us));
        let writes = applied.writes.saturating_add(before.0);
        let took_us = applied.took_us.saturating_add(before.1);
        let record = Applied { writes, took_us, ..applied };
        if is_asked || self.records.admits(self.since(now)) {
            return Some(record);
        }
        self.unsent = Some(record);
        None
    }

    fn held_back(&mut self, now: Instant) -> Option<Applied> {
        (self.unsent.is_some() && self.records.admits(self.since(now))).then(|| self.unsent.take()).flatten()
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        self.unsent.as_ref().map(|_| self.records.wait(self.since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::Told;
    use ftr_core::Family;
    use ftr_core::record::Applied;
    use std::time::{Duration, Instant};

    fn applied(writes: u32) -> Applied {
        Applied {
            at: ftr_tool::clock::now(),
            family: Family::V4,
            writes,
            took_us: 10,
            active: Vec::new(),
            uplinks: Vec::new(),
            no_way: Vec::new(),
        }
    }

    #[test]
    fn a_swarm_of_changes_is_told_now_and_then_and_no_change_is_lost() {
        let start = Instant::now();
        let (mut told, mut records) = (Told::new(start), Vec::new());
        for step in 0..2000 {
            let now = start + Duration::from_millis(5) * step;
            records.extend(told.held_back(now));
            records.extend(told.record(applied(1), false, now));
        }
        let wait = told.wait(start + Duration::from_secs(10)).unwrap();
        records.extend(told.held_back(start + Duration::from_secs(10) + wait));
        assert!((14..=17).contains(&records.len()), "{}", records.len());
        assert_eq!(records.iter().map(|record| record.writes).sum::<u32>(), 2000);
        assert_eq!(told.wait(start + Duration::from_secs(12)), None);
    }

    #[test]
    fn who_asks_is_answered_at_once() {
        let now = Instant::now();
        let mut told = Told::new(now);
        let sent = (0..10).filter_map(|_| told.record(applied(1), false, now)).count();
        assert_eq!(sent, 5);
        assert_eq!(told.record(applied(0), true, now).unwrap().writes, 5);
        // Nothing new, and nobody asks.
        assert!(told.record(applied(0), false, now + Duration::from_secs(60)).is_none());
    }

    #[test]
    fn the_same_is_said_once_and_a_swarm_now_and_then() {
        let start = Instant::now();
        let (mut told, one) = (Told::new(start), "eth1: no".to_owned());
        assert!(told.is_new(&[&one], start) && !told.is_new(&[&one], start));
        let mut said = 0;
        for step in 0..1000 {
            let now = start + Duration::from_millis(10) * step;
            told.is_new(&[], now);
            said += u32::from(told.is_new(&[&one], now));
        }
        assert!((12..=15).contains(&said), "{said}");
    }
}
