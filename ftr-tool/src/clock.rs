//! The clocks of this host, read in one place. What decides has the time handed in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ftr_core::record::Stamp;
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;
use nix::time::{ClockId, clock_gettime};

/// Now, for a record.
#[must_use]
pub fn now() -> Stamp {
    Stamp::new(SystemTime::now(), since_boot())
}

/// The time since boot, which runs on through suspend and never jumps (`CLOCK_BOOTTIME` of `clock_gettime(2)`). Every
/// kernel since 2.6.39 has this clock, so that there is no error to deal with.
#[must_use]
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}

/// The time by which service managers reckon (`CLOCK_MONOTONIC`), which stands still in suspend.
#[must_use]
pub fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

/// The time of the wall clock, since 1970; people set it, so nothing but what the kernel stamps with it is reckoned by it.
#[must_use]
pub fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Local times as logs have them: `2026-11-01T11:00:00.000+01:00`.
const LOGGED: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
/// The same for sentences, to the second: `2026-11-01 11:00:00+01:00`.
const TOLD: DateTimePrinter = DateTimePrinter::new().precision(Some(0)).separator(b' ');

/// Now, for a line of a log: the time of this host's zone, with its offset, so that no hour of the year is there twice.
#[must_use]
pub fn local() -> String {
    // A clock beyond the year 9999 has no local time.
    Timestamp::try_from(SystemTime::now()).map_or_else(|_| now().time, |now| in_zone(&LOGGED, now, &TimeZone::system()))
}

/// A record's time, which is UTC, in this host's zone, for people; what is no time is returned as it is.
#[must_use]
pub fn local_of(time: &str) -> String {
    told(time, &TimeZone::system())
}

fn told(time: &str, zone: &TimeZone) -> String {
    time.parse().map_or_else(|_| time.to_owned(), |instant| in_zone(&TOLD, instant, zone))
}

fn in_zone(printer: &DateTimePrinter, instant: Timestamp, zone: &TimeZone) -> String {
    printer.timestamp_with_offset_to_string(&instant, zone.to_offset(instant))
}

#[cfg(test)]
mod tests {
    use super::{LOGGED, in_zone, local, now, since_boot, told, wall};
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn zone(rule: &str) -> TimeZone {
        TimeZone::posix(rule).unwrap()
    }

    #[test]
    fn local_times_tell_the_two_hours_of_the_end_of_summer_apart() {
        let berlin = zone("CET-1CEST,M3.5.0,M10.5.0/3");
        let logged = |utc: &str| in_zone(&LOGGED, utc.parse().unwrap(), &berlin);
        assert_eq!(logged("2026-10-25T00:30:00.250Z"), "2026-10-25T02:30:00.250+02:00");
        assert_eq!(logged("2026-10-25T01:30:00.250Z"), "2026-10-25T02:30:00.250+01:00");
        assert_eq!(logged("2026-03-29T01:00:00Z"), "2026-03-29T03:00:00.000+02:00");
    }

    #[test]
    fn people_are_told_the_second_and_what_is_no_time_as_it_is() {
        assert_eq!(told("2026-11-01T10:00:00.999Z", &zone("<+0545>-5:45")), "2026-11-01 15:45:00+05:45");
        assert_eq!(told("2026-11-01T10:00:00.000Z", &TimeZone::UTC), "2026-11-01 10:00:00+00:00");
        for odd in ["", "soon", "2026-11-01", "2026-13-01T10:00:00Z"] {
            assert_eq!(told(odd, &TimeZone::UTC), odd);
        }
    }

    #[test]
    fn the_local_time_is_the_same_instant() {
        let seconds = local().parse::<Timestamp>().unwrap().as_second();
        assert!(wall().as_secs().abs_diff(u64::try_from(seconds).unwrap()) < 5);
    }

    #[test]
    fn a_stamp_has_both_times() {
        let before = since_boot();
        let stamp = now();
        let mono = u128::from(stamp.mono);
        assert!(!before.is_zero() && (before.as_millis()..=since_boot().as_millis()).contains(&mono), "{stamp:?}");
        assert!(stamp.time.starts_with("20") && stamp.time.ends_with('Z'), "{stamp:?}");
        assert!(wall().as_secs() > 1_700_000_000);
    }
}
