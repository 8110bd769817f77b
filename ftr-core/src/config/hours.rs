//! Hours of the week: `08:00-18:00 mon-fri`. Of civil time: whoever asks knows the clock and the zone.

use std::fmt;
use std::str::FromStr;

use super::section::Section;

/// The days as they are written, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// From one time of the day to another, on some days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes of the day: the first that belongs to it, and the first that does not any more. Where the latter is the
    /// lower one, the hours end on the day after.
    from: u16,
    to: u16,
    /// A bit for each day, Monday the lowest.
    days: u8,
}

impl Hours {
    /// Whether they cover a minute of the day (0 to 1439), on a day of the week (0 is Monday).
    #[must_use]
    pub fn cover(&self, day: u8, minute: u16) -> bool {
        let on = |day: u8| self.days & (1 << (day % 7)) != 0;
        if self.from < self.to {
            on(day) && (self.from..self.to).contains(&minute)
        } else {
            (on(day) && minute >= self.from) || (on((day % 7) + 6) && minute < self.to)
        }
    }
}

/// No hours at all: it would look like never, and mean always.
pub(super) fn check(section: &mut Section<'_>) {
    if section.is_empty_list("active") {
        section.wrong("active", "an empty list, allowed: one or more; without active it is always");
    }
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = "allowed: such as 08:00-18:00, 08:00-18:00 mon-fri, 22:00-06:00 sat,sun";
        let wrong = || format!("is no time of the week, {allowed}");
        let (times, days) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let (from, to) = times.split_once('-').ok_or_else(wrong)?;
        let from = minute(from).filter(|from| *from < DAY).ok_or_else(wrong)?;
        let to = minute(to).ok_or_else(wrong)?;
        if from == to {
            return Err(format!("begins when it ends, {allowed}; a whole day is 00:00-24:00"));
        }
        let days = if days.trim().is_empty() { Some(0x7f) } else { self::days(days) };
        Ok(Self { from, to, days: days.ok_or_else(wrong)? })
    }
}

/// `08:00`, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
    Some(hour * 60 + minute).filter(|minute| *minute <= DAY)
}

/// `mon-fri`, `sat,sun`, `fri-mon`.
fn days(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| name.trim().eq_ignore_ascii_case(day));
    let mut bits = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        loop {
            bits |= 1u8 << at;
            if at == last {
                break;
            }
            at = (at + 1) % DAYS.len();
        }
    }
    Some(bits)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        write!(f, "{}-{}", clock(self.from), clock(self.to))?;
        let named: Vec<&str> =
            DAYS.iter().enumerate().filter(|(at, _)| self.days & (1 << at) != 0).map(|(_, day)| *day).collect();
        if named.len() < DAYS.len() { write!(f, " {}", named.join(",")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::Hours;
    use proptest::prelude::*;

    fn hours(text: &str) -> Hours {
        text.parse().unwrap()
    }

    #[test]
    fn they_cover_their_minutes_on_their_days() {
        let work = hours("08:00-18:00 mon-fri");
        let covered = [(0, 480), (4, 1079), (0, 479), (0, 1080), (5, 600), (6, 600)].map(|(d, m)| work.cover(d, m));
        assert_eq!(covered, [true, true, false, false, false, false]);
        let night = hours("22:00-06:00 fri,sun");
        let covered = [(4, 1320), (5, 359), (6, 1439), (0, 0), (4, 0), (5, 1320)].map(|(d, m)| night.cover(d, m));
        assert_eq!(covered, [true, true, true, true, false, false]);
        assert!((0..7).all(|day| (0..1440).all(|minute| hours("00:00-24:00").cover(day, minute))));
        assert_eq!(hours("08:00-24:00 SAT-mon").to_string(), "08:00-24:00 mon,sat,sun");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in
            ["", "8-18", "08:00", "08:00-08:00", "25:00-26:00", "08:60-09:00", "24:00-08:00", "08:00-18:00 monday"]
        {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn they_are_written_as_they_are_read(from in 0u16..1440, to in 1u16..=1440, days in 1u8..0x80) {
            prop_assume!(from != to);
            let hours = Hours { from, to, days };
            prop_assert_eq!(hours.to_string().parse(), Ok(hours));
            prop_assert!((0..7).any(|day| (0..1440).any(|minute| hours.cover(day, minute))));
        }
    }
}
