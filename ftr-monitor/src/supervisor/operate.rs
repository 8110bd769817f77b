//! What people want of an uplink.

use std::time::{Duration, SystemTime};

use ftr_core::Family;
use ftr_core::record::Stamp;

use super::Supervisor;
use crate::entry::Entry;

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
        let decided = match operation {
            Operation::Drain { for_ms } => {
                let until = for_ms.map(|lasts| at.mono.saturating_add(lasts));
                self.decider.drain(uplink, families, until, &at)
            }
            Operation::Undrain => self.decider.undrain(uplink, families, &at),
            Operation::Trust => self.decider.trust(uplink, families, &at),
        };
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
        let first = match operation {
            Operation::Drain { for_ms: None } => format!("{name} is drained until `ftr-monitor undrain {name}`"),
            Operation::Drain { for_ms: Some(lasts) } => {
                let span = humantime::format_duration(Duration::from_secs(lasts.div_ceil(1000)));
                format!("{name} is drained for {span}")
            }
            Operation::Undrain => format!("{name} is not drained"),
            Operation::Trust => format!("{name} is trusted"),
        };
        let carries = |family: &&Family| self.decider.active(**family).is_some_and(|active| active.contains(name));
        let used = families.iter().filter(carries).filter(|_| matches!(operation, Operation::Drain { .. }));
        let used = used
            .map(|family| format!("{name} carries new connections of {family} all the same: no other uplink works"));
        std::iter::once(first).chain(used).collect()
    }
}
