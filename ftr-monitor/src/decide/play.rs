//! Plays time to a decider as the daemon does: records as they come, and what is due because of the time alone.

use std::time::{Duration, SystemTime};

use ftr_core::record::{Active, Check, Record, Stamp};
use ftr_core::{Config, Family};
use jiff::tz::TimeZone;

use super::fixture::check;
use super::{Decider, Memory};

/// A decider, and what time it is.
pub(super) struct Play {
    pub(super) config: Config,
    pub(super) decider: Decider,
    /// Milliseconds since boot.
    pub(super) mono: u64,
    /// What the wall clock is ahead of that, in milliseconds since 1970.
    pub(super) wall: i64,
    /// What was decided, in order.
    pub(super) said: Vec<Record>,
}

impl Play {
    pub(super) fn new(config: Config) -> Self {
        let decider = Decider::new(&config, None).in_zone(&config, zone());
        // A Monday, at midnight of UTC.
        Self { config, decider, mono: 0, wall: 1_793_577_600_000, said: Vec::new() }
    }

    pub(super) fn stamp(&self) -> Stamp {
        let wall = self.wall + i64::try_from(self.mono).unwrap();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(wall).unwrap());
        Stamp::new(wall, Duration::from_millis(self.mono))
    }

    /// Lets time pass.
    pub(super) fn until(&mut self, mono: u64) {
        while let Some(due) = self.decider.due().filter(|due| *due <= mono) {
            self.mono = self.mono.max(due);
            let at = self.stamp();
            let decided = self.decider.look_again(&at);
            self.take(decided);
        }
        self.mono = self.mono.max(mono);
    }

    pub(super) fn check(&mut self, uplink: &str, family: Family, up: bool, quality: bool) {
        let mut heard = Check { family, at: self.stamp(), ..check(uplink, up, self.mono) };
        if quality && !up {
            heard.reason = Some(ftr_core::record::Reason::Loss);
        }
        let decided = self.decider.handle(&Record::Check(heard));
        self.take(decided);
    }

    /// What is decided is carried out at once.
    pub(super) fn take(&mut self, decided: Vec<Record>) {
        self.decider.confirm_all();
        self.said.extend(decided);
    }

    /// Starts anew from what is written.
    pub(super) fn restart(&mut self) {
        let memory: Memory = serde_json::from_str(&serde_json::to_string(self.decider.memory()).unwrap()).unwrap();
        self.decider = Decider::new(&self.config, Some(memory)).in_zone(&self.config, zone());
    }

    pub(super) fn actives(&self) -> impl Iterator<Item = &Active> {
        self.said.iter().filter_map(|record| if let Record::Active(active) = record { Some(active) } else { None })
    }
}

/// Berlin's.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}
