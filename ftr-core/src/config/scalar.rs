//! Single values: numbers, booleans, durations and names as Ruby and modern files write them.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_yaml::Value;

use crate::number::whole;

/// What is wrong with a text that is none of its kind, to be said of it: `is no prefix, allowed: …`.
pub(super) trait Wrong {
    fn what(&self) -> String;
}

impl Wrong for String {
    fn what(&self) -> String {
        self.clone()
    }
}

impl Wrong for crate::name::BadName {
    fn what(&self) -> String {
        self.what()
    }
}

impl Wrong for crate::BadPrefix {
    fn what(&self) -> String {
        Self::what(self)
    }
}

/// The text of a mapping's key; a Ruby symbol (`:port`) means its text.
pub(super) fn key_text(key: &Value) -> Option<String> {
    text(key).ok()
}

/// A value as text: strings, Ruby symbols (`:login`, `!ruby/symbol login`), numbers and booleans as they are written.
pub(super) fn text(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.strip_prefix(':').filter(|rest| is_word(rest)).unwrap_or(text).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(boolean) => boolean.to_string(),
        Value::Tagged(tagged) if matches!(tagged.tag.to_string().as_str(), "!ruby/symbol" | "!ruby/sym") => {
            return self::text(&tagged.value);
        }
        _ => return Err("where a text is expected".to_owned()),
    };
    if text.chars().any(char::is_control) {
        Err("with control characters, which are not allowed".to_owned())
    } else {
        Ok(text)
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a section",
        Value::Tagged(_) => "a tagged value",
    }
}

/// `true`, `false`, and what YAML 1.1 (so Ruby) reads as such: `yes`, `no`, `on`, `off`.
pub(super) fn boolean(value: &Value) -> Result<bool, String> {
    if let Value::Bool(boolean) = value {
        return Ok(*boolean);
    }
    let text = text(value)?;
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "true" => Ok(true),
        "no" | "off" | "false" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

/// A whole number from 0; `0x` and, as in YAML 1.1, `_` between digits are understood.
pub(super) fn number<T: TryFrom<u64>>(value: &Value) -> Result<T, String> {
    let text = text(value)?;
    let parsed = whole(&text.replace('_', "")).ok_or_else(|| "is no whole number from 0 up".to_owned())?;
    T::try_from(parsed).map_err(|_| "is too large".to_owned())
}

/// A whole number between two bounds, both included.
pub(super) fn within<T>(low: T, high: T) -> impl Fn(&Value) -> Result<T, String>
where
    T: TryFrom<u64> + PartialOrd + std::fmt::Display + Copy,
    u64: TryFrom<T>,
{
    move |value| {
        let wide: u64 = number(value).map_err(|what| format!("{what}; allowed: {low} to {high}"))?;
        T::try_from(wide)
            .ok()
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("is out of range, allowed: {low} to {high}"))
    }
}

/// A time span: see [`crate::duration`].
pub(super) fn duration(value: &Value) -> Result<Duration, String> {
    crate::duration::read(&text(value)?)
}

/// A time span, or none at all.
pub(super) fn span(value: &Value) -> Result<Duration, String> {
    let text = text(value)?;
    if matches!(text.as_str(), "0" | "0s") { Ok(Duration::ZERO) } else { crate::duration::read(&text) }
}

/// The path of a file.
pub(super) fn path(value: &Value) -> Result<PathBuf, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => text(other)?,
    };
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err("is no file name".to_owned());
    }
    Ok(PathBuf::from(text))
}

/// Whatever can be parsed from a text.
pub(super) fn parsed<T>(value: &Value) -> Result<T, String>
where
    T: FromStr,
    T::Err: Wrong,
{
    text(value)?.parse().map_err(|error: T::Err| error.what())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn durations_are_numbers_or_text() {
        for (text, millis) in [("2", 2000), ("0.45", 450), ("500ms", 500)] {
            assert_eq!(duration(&yaml(text)).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in [".inf", ".nan", "[]", "0"] {
            assert!(duration(&yaml(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn booleans_of_old_and_new_yaml() {
        assert_eq!(boolean(&yaml("on")), Ok(true));
        assert_eq!(boolean(&yaml("No")), Ok(false));
        assert!(boolean(&yaml("maybe")).is_err());
        assert!(boolean(&yaml("1")).is_err());
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(within(1u16, 256)(&yaml("256")), Ok(256));
        for text in ["0", "257", "-1", "1.5", "x"] {
            assert!(within(1u16, 256)(&yaml(text)).is_err(), "{text}");
        }
        assert_eq!(number::<u32>(&yaml("0x3f00")), Ok(0x3f00));
        assert_eq!(number::<u32>(&yaml("1_024_000")), Ok(1_024_000));
    }

    #[test]
    fn ruby_symbols_mean_their_text() {
        assert_eq!(text(&yaml(":login")).unwrap(), "login");
        assert_eq!(text(&yaml("!ruby/symbol plain")).unwrap(), "plain");
        assert_eq!(text(&yaml("':-) hello'")).unwrap(), ":-) hello");
        assert!(text(&yaml("\"a\\nb\"")).is_err());
        assert!(text(&yaml("\"a\\0b\"")).is_err());
    }
}
