//! Time spans as people write them, the same in the configuration and on command lines.

use std::time::Duration;

/// The shortest span that is read.
pub const SHORTEST: Duration = Duration::from_millis(1);
/// The longest one.
pub const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What is allowed, for messages.
pub const ALLOWED: &str = "allowed: seconds as a number, or text such as 500ms, 2s, 1m; at least 1ms, at most a year";

/// As [`parse`], with an error that is to be said of the text.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    let parsed = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    match parsed {
        Some(span) if (SHORTEST..=LONGEST).contains(&span) => Ok(span),
        Some(_) => Err(format!("is out of range, {ALLOWED}")),
        None => Err(format!("is no duration, {ALLOWED}")),
    }
}

/// Reads seconds as a number, or text such as `500ms` or `2m`; at least a millisecond, at most a year.
///
/// # Errors
/// What is wrong with the text, and what is allowed.
pub fn parse(text: &str) -> Result<Duration, String> {
    read(text).map_err(|what| format!("{text:?} {what}"))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn seconds_or_words() {
        for (text, millis) in [("2", 2000), ("0.45", 450), ("500ms", 500), ("2m", 120_000), ("1m 30s", 90_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "0", "-1", "soon", "0s", "inf", "nan", "1e99", "9999 years", "0.0001"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
