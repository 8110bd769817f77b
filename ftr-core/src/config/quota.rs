//! `quota`: how much may go through an uplink in a billing period.

use serde_json::{Value as Json, json};
use serde_yaml::Value;

use super::form::{Needed, Scalar, Within, Word};
use super::key::keys;
use super::scalar;
use super::section::Section;
use super::words::words;

keys! {
    /// How much may go through an uplink in a billing period. Past that it is on standby: used where no other works.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Quota {
        /// How much may be sent and received together.
        "bytes" => pub bytes: u64 = 0, Needed(BYTES, "how much may be sent and received, such as 50GB");
        /// How long it lasts until counting begins anew.
        "period" => pub period: Period = Period::Month, Word;
        /// The day of the month, or of the week (1 is Monday), on which a period begins, at midnight of local time. A month
        /// that is too short begins its period on its last day.
        "from" => pub from: u8 = 1, Within(1, 31, "");
    }
    check check;
}

/// A day that the period has.
fn check(quota: &Quota, section: &mut Section<'_>) {
    let (last, allowed) = match quota.period {
        Period::Day => (1, "beside period: day, which begins at each midnight, none but 1"),
        Period::Week => (7, "beside period: week, 1 (Monday) to 7 (Sunday)"),
        Period::Month => return,
    };
    if section.sound("from") && section.sound("period") && quota.from > last {
        section.wrong("from", format!("{} is no day of the period, allowed: {allowed}", quota.from));
    }
}

words! {
    /// How long a billing period is.
    pub enum Period {
        /// A day.
        "day" => Day,
        /// A week.
        "week" => Week,
        /// A month.
        "month" => Month,
    }
}

/// Units with the bytes in one. Providers bill in powers of ten.
const UNITS: [(&str, u64); 9] = [
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("b", 1),
];

const BYTES: Scalar<u64> =
    Scalar { allowed: "bytes, such as 500MB, 50GB, 1TiB", read: bytes, write: |bytes| written(*bytes) };

fn bytes(value: &Value) -> Result<u64, String> {
    let text = scalar::text(value)?.to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let factor =
        if unit.is_empty() { Some(1) } else { UNITS.iter().find(|(name, _)| *name == unit).map(|(_, one)| *one) };
    let count = digits.trim().replace('_', "").parse::<u64>().ok().filter(|count| *count > 0);
    let all = factor.zip(count).and_then(|(factor, count)| count.checked_mul(factor));
    all.ok_or_else(|| {
        "is no quota, allowed: a whole number from 1 up with a unit, such as 500MB, 50GB, 1TiB".to_owned()
    })
}

/// In the largest unit that leaves no rest.
fn written(bytes: u64) -> Json {
    let decimal = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    let unit = decimal.into_iter().find(|(_, one)| bytes > 0 && bytes % one == 0);
    unit.map_or_else(|| json!(bytes), |(name, one)| json!(format!("{}{name}", bytes / one)))
}

#[cfg(test)]
mod tests {
    use super::{bytes, written};
    use serde_yaml::Value;

    #[test]
    fn units_of_providers_and_of_programmers() {
        for (text, count) in
            [("50GB", 50_000_000_000), ("1 TiB", 1 << 40), ("1_000", 1000), ("7b", 7), ("2MB", 2_000_000)]
        {
            assert_eq!(bytes(&Value::String(text.to_owned())), Ok(count), "{text}");
            let again = serde_yaml::to_value(written(count)).unwrap();
            assert_eq!(bytes(&again), Ok(count), "{again:?}");
        }
        for text in ["", "GB", "-1GB", "0GB", "5XB", "99999999999TB", "1.5GB"] {
            assert!(bytes(&Value::String(text.to_owned())).is_err(), "{text}");
        }
    }
}
