//! What people want of an uplink.

use std::time::{Duration, SystemTime};

use ftr_core::Family;
use ftr_core::record::{Record, Stamp};

use super::Supervisor;
use crate::decide::Decider;
use crate::entry::Entry;
use crate::request::Request;

/// What they want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// No new connections, for so many milliseconds or until they say otherwise.
    Drain { for_ms: Option<u64> },
    /// New connections again.
    Undrain,
    /// No hold-down.
    Trust,
}

impl Operation {
    /// What a request wants, and of which uplink and family; none where it wants something else.
    pub(crate) fn of(request: &Request) -> Option<(&str, Option<Family>, Self)> {
        match request {
            Request::Drain { uplink, for_ms, family } => Some((uplink, *family, Self::Drain { for_ms: *for_ms })),
            Request::Undrain { uplink, family } => Some((uplink, *family, Self::Undrain)),
            Request::Trust { uplink, family } => Some((uplink, *family, Self::Trust)),
            _ => None,
        }
    }

    /// Does it, and returns what is decided then.
    pub(crate) fn carry_out(
        self,
        decider: &mut Decider,
        uplink: usize,
        families: &[Family],
        at: &Stamp,
    ) -> Vec<Record> {
        match self {
            Self::Drain { for_ms } => {
                let until = for_ms.map(|lasts| at.mono.saturating_add(lasts));
                decider.drain(uplink, families, until, at)
            }
            Self::Undrain => decider.undrain(uplink, families, at),
            Self::Trust => decider.trust(uplink, families, at),
        }
    }

    /// What is said of it.
    pub(crate) fn told(self, uplink: &str, family: Option<Family>) -> String {
        let (name, option) = match family {
            None => (uplink.to_owned(), String::new()),
            Some(family) => (format!("{uplink} ({family})"), format!("-{} ", family.number())),
        };
        match self {
            Self::Drain { for_ms: None } => format!("{name} is drained until `ftr-monitor undrain {option}{uplink}`"),
            Self::Drain { for_ms: Some(lasts) } => {
                let span = humantime::format_duration(Duration::from_secs(lasts.div_ceil(1000)));
                format!("{name} is drained for {span}")
            }
            Self::Undrain => format!("{name} is not drained"),
            Self::Trust => format!("{name} is trusted"),
        }
    }
}

impl Supervisor {
    /// Does it for an uplink in these families. What there is to say of it.
    pub(crate) fn operate(
        &mut self,
        who: &str,
        (uplink, families): (usize, &[Family]),
        operation: Operation,
        wall: SystemTime,
        now: Duration,
    ) -> Vec<String> {
        let at = Stamp::new(wall, now);
        let decided = operation.carry_out(&mut self.decider, uplink, families, &at);
        let lines = self.told(uplink, families, operation);
        // What people have said is not asked of them again after a crash.
        self.pace.change_urgently();
        for line in &lines {
            self.say(Entry::notice(format!("{who}: {line}")), now);
        }
        self.pass_on(decided, now);
        lines
    }

    /// What is said of it.
    fn told(&self, uplink: usize, families: &[Family], operation: Operation) -> Vec<String> {
        let Some(name) = self.decider.name(uplink) else { return Vec::new() };
        let family = if let [family] = families { Some(*family) } else { None };
        let first = operation.told(name.as_str(), family);
        let carries = |family: &&Family| self.decider.active(**family).is_some_and(|active| active.contains(name));
        let used = families.iter().filter(carries).filter(|_| matches!(operation, Operation::Drain { .. }));
        let used = used
            .map(|family| format!("{name} carries new connections of {family} all the same: no other uplink works"));
        std::iter::once(first).chain(used).collect()
    }
}
