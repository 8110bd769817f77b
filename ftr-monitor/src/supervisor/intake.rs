//! Records that lead to decisions: so many a second of each uplink, whatever the programs say.

use std::collections::BTreeMap;
use std::time::Duration;

use ftr_core::rate_limiter::RateLimiter;
use ftr_core::record::Record;
use ftr_core::{Config, InterfaceName};

/// So many in a row are decided upon at once.
const BURST: u32 = 20;
/// From then on one in so long a time, or twice the checks that the configuration asks for.
const INTERVAL: Duration = Duration::from_millis(50);

/// What records are about: each of these has a budget of its own, so that one uplink does not delay another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Topic {
    /// The checks of an uplink in a family.
    Checks(InterfaceName, u8),
    /// What the kernel has, in a family.
    Applied(u8),
}

/// Lets records through at once for as long as they come at a sensible rate. Of those that come faster the newest waits, for
/// it tells how things are: a state is never lost, only what it was in between.
#[derive(Debug)]
pub(crate) struct Intake {
    interval: Duration,
    uplinks: Vec<InterfaceName>,
    topics: BTreeMap<Topic, (RateLimiter, Option<Record>)>,
}

impl Intake {
    pub(crate) fn new(config: &Config) -> Self {
        let shortest = config.uplinks.iter().map(|uplink| uplink.tests.interval / 2).min();
        Self {
            interval: shortest.map_or(INTERVAL, |shortest| shortest.min(INTERVAL)),
            uplinks: config.uplinks.iter().map(|uplink| uplink.name.clone()).collect(),
            topics: BTreeMap::new(),
        }
    }

    /// Takes a record in. Returns it where it is to be decided upon now; not where it waits, or concerns nobody.
    pub(crate) fn take(&mut self, record: Record, now: Duration) -> Option<Record> {
        let topic = match &record {
            Record::Check(check) if self.uplinks.contains(&check.uplink) => {
                Topic::Checks(check.uplink.clone(), check.family.number())
            }
            Record::Applied(applied) => Topic::Applied(applied.family.number()),
            _ => return None,
        };
        let fresh = || (RateLimiter::new(BURST, self.interval), None);
        let (limiter, waiting) = self.topics.entry(topic).or_insert_with(fresh);
        *waiting = Some(record);
        limiter.admits(now).then(|| waiting.take()).flatten()
    }

    /// The records whose turn has come.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<Record> {
        let waiting = self.topics.values_mut().filter(|(_, waiting)| waiting.is_some());
        waiting.filter_map(|(limiter, waiting)| limiter.admits(now).then(|| waiting.take()).flatten()).collect()
    }

    /// Takes all that waits, and goes by another configuration from now on.
    pub(crate) fn reconfigure(&mut self, config: &Config) -> Vec<Record> {
        let before = std::mem::replace(self, Self::new(config));
        before.topics.into_values().filter_map(|(_, waiting)| waiting).collect()
    }

    /// How long until then; none while no record waits.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        self.topics.values().filter(|(_, waiting)| waiting.is_some()).map(|(limiter, _)| limiter.wait(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};

    #[test]
    fn of_verdicts_that_change_each_millisecond_the_last_is_never_lost() {
        let config = config([""; 3], "");
        let (mut intake, mut decider) = (Intake::new(&config), Decider::new(&config, None));
        let mut changes = 0;
        let mut decide = |record: Record| changes += usize::from(!decider.handle(&record).is_empty());
        for uplink in ["eth1", "eth2", "eth3"] {
            intake.take(Record::Check(check(uplink, true, 0)), Duration::ZERO).map(&mut decide);
        }
        for milli in 1..=10_000 {
            let now = Duration::from_millis(milli);
            intake.due(now).into_iter().for_each(&mut decide);
            intake.take(Record::Check(check("eth2", milli % 3 == 0, milli)), now).map(&mut decide);
        }
        let healthy = intake.take(Record::Check(check("eth1", false, 10_000)), Duration::from_secs(10));
        assert!(healthy.is_some(), "the others' checks do not wait for those of eth2");
        let last = Duration::from_secs(10) + intake.wait(Duration::from_secs(10)).unwrap();
        intake.due(last).into_iter().for_each(&mut decide);
        assert_eq!(intake.wait(last), None);
        assert!((100..=225).contains(&changes), "{changes}");
        let up: Vec<_> = decider.health().map(|(.., health)| health.up()).collect();
        assert_eq!(up, [Some(true), Some(false), Some(true)]);
    }

    #[test]
    fn the_usual_passes_at_once_and_what_concerns_nobody_takes_no_room() {
        let config = config([""; 3], "");
        let mut intake = Intake::new(&config);
        for foreign in 0..10_000 {
            assert_eq!(intake.take(Record::Check(check(&format!("x{foreign}"), true, 0)), Duration::ZERO), None);
        }
        assert_eq!((intake.topics.len(), intake.take(Record::Unknown, Duration::ZERO)), (0, None));
        for tenth in 0..100 {
            let now = Duration::from_millis(100) * tenth;
            assert!(intake.take(Record::Check(check("eth1", true, 0)), now).is_some());
        }
    }

    #[test]
    fn whoever_asks_for_more_checks_has_them() {
        let mut config = config([""; 3], "");
        config.uplinks[1].tests.interval = Duration::from_millis(10);
        let mut intake = Intake::new(&config);
        let all = (0..1000).filter(|check_number| {
            let now = Duration::from_millis(10) * *check_number;
            intake.take(Record::Check(check("eth2", true, 0)), now).is_some()
        });
        assert_eq!(all.count(), 1000);
    }
}
