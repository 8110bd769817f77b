//! Local time: hours of the week and billing periods. From what records say of the time, in a zone that is handed in.

use ftr_core::config::{Hours, Period, Quota};
use ftr_core::record::Stamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Milliseconds of a minute.
const MINUTE: i64 = 60_000;

/// Tells local time.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
}

impl Calendar {
    pub(crate) const fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// Whether one of the hours covers this time; so it does where there are none, or nobody knows the time.
    pub(crate) fn covers(&self, hours: &[Hours], at: &Stamp) -> bool {
        let Some(local) = self.local(at).filter(|_| !hours.is_empty()) else { return true };
        let day = u8::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        hours.iter().any(|hours| hours.cover(day, minute))
    }

    /// The first day of the billing period that this time belongs to.
    pub(crate) fn period(&self, quota: &Quota, at: &Stamp) -> Option<Date> {
        let today = self.local(at)?.date();
        let begins = i8::try_from(quota.from).ok()?;
        match quota.period {
            Period::Day => Some(today),
            Period::Week => {
                let passed = (i32::from(today.weekday().to_monday_one_offset()) - i32::from(begins)).rem_euclid(7);
                today.checked_sub(passed.days()).ok()
            }
            Period::Month => {
                let in_month =
                    |day: Date| day.first_of_month().with().day(begins.min(day.days_in_month())).build().ok();
                let this = in_month(today)?;
                if this <= today { Some(this) } else { in_month(today.first_of_month().checked_sub(1.day()).ok()?) }
            }
        }
    }

    fn local(&self, at: &Stamp) -> Option<DateTime> {
        Some(self.zone.to_datetime(at.time.parse::<Timestamp>().ok()?))
    }
}

/// How many milliseconds are left of this minute: hours begin and end with one, and so do zones change.
pub(crate) fn rest_of_minute(at: &Stamp) -> Option<u64> {
    let now = at.time.parse::<Timestamp>().ok()?.as_millisecond();
    u64::try_from(MINUTE - now.rem_euclid(MINUTE)).ok()
}

#[cfg(test)]
mod tests {
    use super::{Calendar, rest_of_minute};
    use ftr_core::config::{Hours, Period, Quota};
    use ftr_core::record::Stamp;
    use jiff::tz::TimeZone;

    fn stamp(time: &str) -> Stamp {
        Stamp { time: time.to_owned(), mono: 0 }
    }

    /// Berlin, by the rule that has held since 1996: nothing of the host is read.
    fn berlin() -> Calendar {
        Calendar::new(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
    }

    #[test]
    fn hours_are_of_local_time_in_summer_and_winter() {
        let work: [Hours; 1] = ["08:00-18:00 mon-fri".parse().unwrap()];
        let covers = |time: &str| berlin().covers(&work, &stamp(time));
        // Friday the 23rd is in summer (UTC+2), Monday the 26th in winter (UTC+1).
        for (time, expected) in [
            ("2026-10-23T05:59:59.999Z", false),
            ("2026-10-23T06:00:00.000Z", true),
            ("2026-10-23T16:00:00.000Z", false),
            ("2026-10-24T10:00:00.000Z", false),
            ("2026-10-26T06:00:00.000Z", false),
            ("2026-10-26T07:00:00.000Z", true),
            ("2026-10-26T16:59:00.000Z", true),
            ("unknown", true),
        ] {
            assert_eq!(covers(time), expected, "{time}");
        }
    }

    #[test]
    fn the_hour_that_comes_twice_counts_twice_and_the_one_left_out_never() {
        let night: [Hours; 1] = ["02:00-03:00".parse().unwrap()];
        let minutes = |day: &str| {
            let minute = |n: u32| format!("{day}T{:02}:{:02}:00.000Z", n / 60, n % 60);
            (0..600).filter(|n| berlin().covers(&night, &stamp(&minute(*n)))).count()
        };
        assert_eq!([minutes("2026-10-25"), minutes("2026-03-29"), minutes("2026-06-01")], [120, 0, 60]);
    }

    #[test]
    fn periods_begin_on_their_day_or_the_last_of_a_month() {
        let first = |period: Period, from: u8, time: &str| {
            let quota = Quota { bytes: 1, period, from };
            berlin().period(&quota, &stamp(time)).unwrap().to_string()
        };
        // In Berlin this is the first of November already.
        assert_eq!(first(Period::Month, 1, "2026-10-31T23:00:00.000Z"), "2026-11-01");
        assert_eq!(first(Period::Month, 31, "2026-02-27T12:00:00.000Z"), "2026-01-31");
        assert_eq!(first(Period::Month, 31, "2026-02-28T12:00:00.000Z"), "2026-02-28");
        assert_eq!(first(Period::Month, 15, "2027-01-03T12:00:00.000Z"), "2026-12-15");
        // A Wednesday.
        assert_eq!(first(Period::Week, 1, "2026-11-04T12:00:00.000Z"), "2026-11-02");
        assert_eq!(first(Period::Week, 4, "2026-11-04T12:00:00.000Z"), "2026-10-29");
        assert_eq!(first(Period::Day, 1, "2026-11-04T12:00:00.000Z"), "2026-11-04");
    }

    #[test]
    fn a_minute_has_a_rest() {
        assert_eq!(rest_of_minute(&stamp("2026-11-04T12:00:59.500Z")), Some(500));
        assert_eq!(rest_of_minute(&stamp("2026-11-04T12:01:00.000Z")), Some(60_000));
        assert_eq!(rest_of_minute(&stamp("")), None);
    }
}
