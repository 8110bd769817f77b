//! Quotas: how much went through an uplink in its billing period. Counted over restarts and reboots, from what the device's
//! counter says in check records.

use std::collections::BTreeMap;

use ftr_core::InterfaceName;
use ftr_core::config::Quota;
use ftr_core::record::Stamp;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::reboot;

/// Of so many percent people are told.
const TOLD: [u8; 3] = [75, 95, 100];
/// A wall clock that has gone back so far, in milliseconds, is not believed: hosts without a battery begin in 1970.
const BACKWARDS: i64 = 86_400_000;
/// For so long, in milliseconds, such a clock has to go on before it is believed all the same: somebody has set it right.
const DOUBTED_MS: u64 = 3_600_000;
/// So much of a quota, in percent of it, may be lost when everything is killed.
const GRAIN: u64 = 100;

/// What was used of each quota: what outlives a reboot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    /// Which boot the counters are of.
    pub(crate) boot: String,
    uplinks: BTreeMap<InterfaceName, Used>,
}

/// What was used of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Used {
    /// The first day of the period, as in RFC 3339.
    period: String,
    bytes: u64,
    /// The latest count of the device; none before the first.
    counter: Option<u64>,
    /// When that was (`mono`). Checks of two families may come in another order than they were made.
    #[serde(skip)]
    counted: Option<u64>,
    /// Of how many percent people were told.
    told: u8,
    /// The latest time of the wall clock, in milliseconds since 1970.
    latest: i64,
    /// The first day of the period before this one: a clock that was wrong goes back there.
    former: String,
    /// What was used in that.
    former_bytes: u64,
    /// When this one began (`mono`), if in this boot.
    began: Option<u64>,
    /// Since when (`mono`) the wall clock is not believed; none while it is.
    doubted: Option<u64>,
}

impl Used {
    /// Takes the period that the wall clock tells. Whether it is another one.
    fn turn(&mut self, period: String, now: i64, mono: u64) -> bool {
        let is_behind = now < self.latest.saturating_sub(BACKWARDS);
        self.doubted = is_behind.then(|| self.doubted.filter(|since| *since <= mono).unwrap_or(mono));
        let is_recent = |since: u64| mono.saturating_sub(since) < DOUBTED_MS;
        let is_former = self.former == period;
        let is_undone = is_behind && is_former && self.began.is_some_and(is_recent);
        if !is_undone && self.doubted.is_some_and(is_recent) {
            return false;
        }
        self.latest = if is_behind { now } else { self.latest.max(now) };
        self.doubted = None;
        // Within a day it may be a clock that is set by seconds at midnight.
        if self.period == period || (self.period > period && !is_behind) {
            return false;
        }
        let before = std::mem::replace(&mut self.period, period);
        (self.bytes, self.former, self.former_bytes) = if is_undone || (is_former && !is_behind) {
            (self.bytes.saturating_add(self.former_bytes), String::new(), 0)
        } else if is_behind {
            // What was counted of late belongs here, and there again if the clock returns.
            (self.bytes, before, 0)
        } else {
            (0, before, self.bytes)
        };
        self.began = Some(mono);
        true
    }
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// So many percent are used, and people are to be told; of how many they were before.
    Used(u8, u8),
    /// A new period has begun.
    Renewed,
}

/// Counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    quotas: BTreeMap<InterfaceName, Quota>,
    usage: Usage,
    /// What has to be written.
    unwritten: bool,
    /// What was written of each.
    written: BTreeMap<InterfaceName, u64>,
}

impl Meter {
    pub(crate) fn new(quotas: BTreeMap<InterfaceName, Quota>) -> Self {
        Self { quotas, ..Self::default() }
    }

    /// Goes on from what was used before; in this boot.
    pub(crate) fn recall(&mut self, usage: Usage, boot: String) {
        self.usage = usage;
        if self.usage.boot != boot {
            self.usage.boot = boot;
            // Counters of devices begin anew.
            for used in self.usage.uplinks.values_mut() {
                (used.counter, used.counted, used.doubted, used.began) = (used.counter.map(|_| 0), None, None, None);
            }
        }
    }

    /// Goes on from what one with another configuration has counted.
    pub(crate) fn go_on(&mut self, before: Self) {
        (self.usage, self.unwritten, self.written) = (before.usage, before.unwritten, before.written);
    }

    /// Takes a count of an uplink's device.
    pub(crate) fn take(&mut self, uplink: &InterfaceName, count: u64, at: &Stamp, calendar: &Calendar) -> Option<News> {
        let quota = self.quotas.get(uplink)?;
        let now = at.time.parse::<Timestamp>().ok()?.as_millisecond();
        let used = self.usage.uplinks.entry(uplink.clone()).or_default();
        let is_late = used.counted.is_some_and(|at_last| at.mono <= at_last && !reboot::is_between(at_last, at.mono));
        if is_late && used.counter.is_some_and(|counter| count < counter) {
            return None;
        }
        used.counted = used.counted.filter(|_| is_late).or(Some(at.mono));
        let before = used.counter.replace(count);
        // A device that was made anew counts from 0.
        let more = before.map_or(0, |before| if count >= before { count - before } else { count });
        let mut news = None;
        let period = calendar.period(quota, at)?.to_string();
        let is_new = used.turn(period, now, at.mono);
        used.bytes = used.bytes.saturating_add(more);
        let percent = u128::from(used.bytes) * 100 / u128::from(quota.bytes.max(1));
        let reached = TOLD.into_iter().rev().find(|told| percent >= u128::from(*told)).unwrap_or(0);
        if is_new || reached < used.told {
            // A new period, or a larger quota.
            news = (used.told == 100 && reached < 100).then_some(News::Renewed);
            used.told = used.told.min(reached);
            self.unwritten = true;
        }
        if reached > used.told {
            news = Some(News::Used(used.told, reached));
            used.told = reached;
            self.unwritten = true;
        }
        let grain = (quota.bytes / GRAIN).max(1);
        self.unwritten |= self.written.get(uplink).is_none_or(|written| used.bytes.abs_diff(*written) >= grain);
        news
    }

    /// Whether nothing is left of an uplink's quota.
    pub(crate) fn is_used_up(&self, uplink: &InterfaceName) -> bool {
        let used = self.usage.uplinks.get(uplink).map_or(0, |used| used.bytes);
        self.quotas.get(uplink).is_some_and(|quota| used >= quota.bytes)
    }

    /// How much is used of an uplink's quota, in bytes, and how large that is; none where it has none.
    pub(crate) fn used(&self, uplink: &InterfaceName) -> Option<(u64, u64)> {
        let quota = self.quotas.get(uplink)?;
        Some((self.usage.uplinks.get(uplink).map_or(0, |used| used.bytes), quota.bytes))
    }

    /// Whether there is enough that is to be written.
    pub(crate) const fn is_unwritten(&self) -> bool {
        self.unwritten
    }

    /// Whatever is new is enough from now on.
    pub(crate) fn end(&mut self) {
        let is_new = |(uplink, used): (&InterfaceName, &Used)| self.written.get(uplink) != Some(&used.bytes);
        self.unwritten |= !self.quotas.is_empty() && self.usage.uplinks.iter().any(is_new);
    }

    /// What is to be written, if anything is counted. It counts as written.
    pub(crate) fn write(&mut self) -> Option<Usage> {
        self.unwritten = false;
        self.written = self.usage.uplinks.iter().map(|(uplink, used)| (uplink.clone(), used.bytes)).collect();
        (!self.quotas.is_empty()).then(|| self.usage.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, News, Usage};
    use crate::decide::calendar::Calendar;
    use ftr_core::config::{Period, Quota};
    use ftr_core::record::Stamp;
    use jiff::tz::TimeZone;

    fn meter(bytes: u64) -> Meter {
        let quota = Quota { bytes, period: Period::Month, from: 1 };
        let mut meter = Meter::new([("wwan0".parse().unwrap(), quota)].into());
        meter.recall(Usage::default(), "one".to_owned());
        meter
    }

    fn take(meter: &mut Meter, count: u64, time: &str) -> Option<News> {
        let at = Stamp { time: time.to_owned(), mono: 0 };
        meter.take(&"wwan0".parse().unwrap(), count, &at, &Calendar::new(TimeZone::UTC))
    }

    fn used(meter: &Meter) -> u64 {
        meter.used(&"wwan0".parse().unwrap()).unwrap().0
    }

    const TODAY: &str = "2026-11-04T12:00:00.000Z";

    #[test]
    fn people_are_told_once_of_each_mark_and_again_in_the_next_period() {
        let mut meter = meter(1000);
        assert_eq!(take(&mut meter, 5000, TODAY), None, "what was before nobody knows");
        assert_eq!(take(&mut meter, 5740, TODAY), None);
        assert_eq!(take(&mut meter, 5750, TODAY), Some(News::Used(0, 75)));
        assert_eq!(take(&mut meter, 5800, TODAY), None);
        assert_eq!(take(&mut meter, 6100, TODAY), Some(News::Used(75, 100)));
        assert!(meter.is_used_up(&"wwan0".parse().unwrap()));
        assert_eq!(take(&mut meter, 6110, "2026-12-01T00:00:00.000Z"), Some(News::Renewed));
        assert_eq!((used(&meter), meter.is_used_up(&"wwan0".parse().unwrap())), (10, false));
    }

    #[test]
    fn a_reboot_and_a_device_made_anew_lose_nothing() {
        let mut one = meter(1000);
        take_at(&mut one, 100, TODAY, 0);
        take_at(&mut one, 300, TODAY, 1);
        take_at(&mut one, 299, TODAY, 0);
        take_at(&mut one, 299, TODAY, 1);
        assert_eq!(used(&one), 200, "a record that was overtaken tells nothing new");
        take_at(&mut one, 50, TODAY, 2);
        assert_eq!(used(&one), 250, "it counts from 0 again");
        let written = serde_json::to_string(&one.write().unwrap()).unwrap();
        let mut two = meter(1000);
        two.recall(serde_json::from_str(&written).unwrap(), "two".to_owned());
        take(&mut two, 70, TODAY);
        assert_eq!(used(&two), 320, "all of it came through since the boot");
        let mut same = meter(1000);
        same.recall(serde_json::from_str(&written).unwrap(), "one".to_owned());
        take(&mut same, 70, TODAY);
        assert_eq!(used(&same), 270);
    }

    #[test]
    fn a_clock_that_begins_in_1970_ends_no_period() {
        let mut meter = meter(1000);
        take(&mut meter, 100, TODAY);
        take(&mut meter, 300, TODAY);
        take(&mut meter, 400, "1970-01-01T00:00:10.000Z");
        take(&mut meter, 500, TODAY);
        assert_eq!(used(&meter), 400);
    }

    fn take_at(meter: &mut Meter, count: u64, time: &str, mono: u64) -> Option<News> {
        let at = Stamp { time: time.to_owned(), mono };
        meter.take(&"wwan0".parse().unwrap(), count, &at, &Calendar::new(TimeZone::UTC))
    }

    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_jump_of_the_clock_that_is_undone_loses_no_count() {
        let mut meter = meter(1000);
        take_at(&mut meter, 100, TODAY, 0);
        take_at(&mut meter, 300, TODAY, 1);
        take_at(&mut meter, 310, "2036-11-04T12:00:00.000Z", 2);
        assert_eq!(used(&meter), 10);
        take_at(&mut meter, 330, TODAY, 3);
        assert_eq!(used(&meter), 230);
        assert_eq!(take_at(&mut meter, 340, "2026-12-01T00:00:00.000Z", 4), None);
        assert_eq!(used(&meter), 10, "the next period begins in its time");
        let november = "2026-11-28T12:00:00.000Z";
        take_at(&mut meter, 400, "2026-12-05T12:00:00.000Z", 2 * HOUR);
        for mono in [3 * HOUR, 5 * HOUR] {
            take_at(&mut meter, 400, november, mono);
            assert_eq!(used(&meter), 70, "a clock that is wrong later has nothing to do with that");
        }
        take_at(&mut meter, 410, "2026-12-05T12:00:00.000Z", 5 * HOUR);
        assert_eq!(used(&meter), 80);
    }

    #[test]
    fn a_clock_that_stays_set_back_is_believed_after_an_hour() {
        let mut meter = meter(1000);
        take_at(&mut meter, 100, "2036-11-04T12:00:00.000Z", 0);
        take_at(&mut meter, 300, "2036-11-04T12:00:00.000Z", 1);
        take_at(&mut meter, 310, TODAY, 2);
        take_at(&mut meter, 320, "2026-11-04T12:59:00.000Z", HOUR);
        assert_eq!(take_at(&mut meter, 330, "2026-11-04T13:00:00.000Z", HOUR + 2), None);
        assert_eq!(used(&meter), 230, "all of it was used of late");
        take_at(&mut meter, 340, "2026-12-01T00:00:00.000Z", HOUR + 3);
        assert_eq!(used(&meter), 10);
    }

    #[test]
    fn a_clock_of_1970_that_is_set_after_hours_ends_no_period() {
        let mut meter = meter(1000);
        take_at(&mut meter, 100, TODAY, 0);
        take_at(&mut meter, 300, TODAY, 1);
        take_at(&mut meter, 400, "1970-01-01T00:00:10.000Z", 2);
        take_at(&mut meter, 500, "1970-01-01T02:00:10.000Z", 2 * HOUR);
        take_at(&mut meter, 600, TODAY, 2 * HOUR + 1);
        assert_eq!(used(&meter), 500);
    }

    #[test]
    fn a_quota_that_is_raised_is_told_of_anew() {
        let mut before = meter(1000);
        take(&mut before, 0, TODAY);
        assert_eq!(take(&mut before, 1000, TODAY), Some(News::Used(0, 100)));
        let mut raised = meter(2000);
        raised.go_on(before);
        assert_eq!(take(&mut raised, 1010, TODAY), Some(News::Renewed));
        assert_eq!(take(&mut raised, 1500, TODAY), Some(News::Used(0, 75)));
        assert_eq!(take(&mut raised, 2000, TODAY), Some(News::Used(75, 100)));
    }

    #[test]
    fn a_hundredth_of_the_quota_is_worth_a_write() {
        let mut meter = meter(10_000);
        take(&mut meter, 100, TODAY);
        assert!(meter.is_unwritten());
        meter.write();
        take(&mut meter, 199, TODAY);
        assert!(!meter.is_unwritten());
        take(&mut meter, 200, TODAY);
        assert!(meter.is_unwritten());
    }
}
