//! The forms that values of keys have.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use serde_yaml::Value;

use super::hours::Hours;
use super::key::{Form, Key, Keys};
use super::scalar;
use super::section::Section;
use super::words::Words;
use crate::InterfaceName;

/// A form of a single value, which may be an item of a list as well.
pub(super) trait One<T>: Form<T> {
    /// What is wrong is said of the value: `is no duration, allowed: …`.
    fn read(&self, value: &Value) -> Result<T, String>;

    /// Reads the value of a key, if it is stated.
    fn stated(&self, section: &mut Section<'_>, key: &'static str) -> Option<T> {
        section.optional(key, |value| self.read(value))
    }
}

/// A value with functions of its own.
pub(super) struct Scalar<T> {
    pub(super) allowed: &'static str,
    pub(super) read: fn(&Value) -> Result<T, String>,
    pub(super) write: fn(&T) -> Json,
}

impl<T> One<T> for Scalar<T> {
    fn read(&self, value: &Value) -> Result<T, String> {
        (self.read)(value)
    }
}

impl<T> Form<T> for Scalar<T> {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut T) {
        if let Some(value) = self.stated(section, key) {
            *slot = value;
        }
    }

    fn write(&self, value: &T) -> Json {
        (self.write)(value)
    }

    fn describe(&self, key: Key) -> Key {
        Key { allowed: self.allowed.to_owned(), ..key }
    }
}

/// Whatever is parsed from a text, and printed as it is parsed.
pub(super) const fn parsed<T>(allowed: &'static str) -> Scalar<T>
where
    T: FromStr + ToString,
    T::Err: scalar::Wrong,
{
    Scalar { allowed, read: scalar::parsed, write: |value| json!(value.to_string()) }
}

pub(super) const FLAG: Scalar<bool> =
    Scalar { allowed: "true or false", read: scalar::boolean, write: |value| json!(value) };
pub(super) const TIME: Scalar<Duration> = Scalar {
    allowed: "a time: seconds as a number, or such as 500ms, 2m; 1ms to 366 days",
    read: scalar::duration,
    write: |value| json!(humantime::format_duration(*value).to_string()),
};
/// A time, which may be none at all.
pub(super) const SPAN: Scalar<Duration> = Scalar {
    allowed: "a time: seconds as a number, or such as 500ms, 2m; up to 366 days, 0 for none",
    read: scalar::span,
    write: |value| json!(humantime::format_duration(*value).to_string()),
};
pub(super) const TEXT: Scalar<String> =
    Scalar { allowed: "a text of one line", read: scalar::text, write: |value| json!(value) };
pub(super) const FILE: Scalar<PathBuf> =
    Scalar { allowed: "the path of a file", read: scalar::path, write: |value| json!(value) };
pub(super) const HOURS: Scalar<Hours> = parsed("hours of the week, such as 08:00-18:00 mon-fri");
pub(super) const DEVICE: Scalar<InterfaceName> = parsed("the name of a network device");
pub(super) const NUMBER: Scalar<u32> =
    Scalar { allowed: "a whole number, 0 to 4294967295", read: scalar::number, write: |value| json!(value) };

/// A whole number within bounds, both included, of a unit.
pub(super) struct Within<T>(pub(super) T, pub(super) T, pub(super) &'static str);

impl<T> One<T> for Within<T>
where
    T: TryFrom<u64> + PartialOrd + std::fmt::Display + Copy + serde::Serialize,
    u64: TryFrom<T>,
{
    fn read(&self, value: &Value) -> Result<T, String> {
        scalar::within(self.0, self.1)(value)
    }
}

impl<T> Form<T> for Within<T>
where
    T: TryFrom<u64> + PartialOrd + std::fmt::Display + Copy + serde::Serialize,
    u64: TryFrom<T>,
{
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut T) {
        if let Some(value) = self.stated(section, key) {
            *slot = value;
        }
    }

    fn write(&self, value: &T) -> Json {
        json!(value)
    }

    fn describe(&self, key: Key) -> Key {
        let Self(low, high, unit) = self;
        let of = if unit.is_empty() { "" } else { " of " };
        let bounds = match u64::try_from(*high) {
            Ok(u64::MAX) => format!("{low} and up"),
            _ => format!("{low} to {high}"),
        };
        Key { allowed: format!("a whole number{of}{unit}, {bounds}"), ..key }
    }
}

/// One word of a choice, in any case.
pub(super) struct Word;

impl<E: Words> One<E> for Word {
    fn read(&self, value: &Value) -> Result<E, String> {
        let text = scalar::text(value)?;
        let meant = E::ALL.iter().find(|(meaning, _)| meaning.word().eq_ignore_ascii_case(&text));
        meant.map(|(meaning, _)| *meaning).ok_or_else(|| format!("is not known, allowed: {}", listed::<E>()))
    }
}

impl<E: Words> Form<E> for Word {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut E) {
        if let Some(value) = self.stated(section, key) {
            *slot = value;
        }
    }

    fn write(&self, value: &E) -> Json {
        json!(value.word())
    }

    fn describe(&self, key: Key) -> Key {
        let words = E::ALL.iter().map(|(meaning, sentence)| (meaning.word(), sentence.trim())).collect();
        Key { allowed: listed::<E>(), words, ..key }
    }
}

fn listed<E: Words>() -> String {
    E::ALL.iter().map(|(meaning, _)| meaning.word()).collect::<Vec<_>>().join(", ")
}

/// What need not be stated, and is nothing then.
pub(super) struct Maybe<F>(pub(super) F);

impl<T, F: One<T>> Form<Option<T>> for Maybe<F> {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut Option<T>) {
        if let Some(value) = self.0.stated(section, key) {
            *slot = Some(value);
        }
    }

    fn write(&self, value: &Option<T>) -> Json {
        value.as_ref().map_or(Json::Null, |value| self.0.write(value))
    }

    fn describe(&self, key: Key) -> Key {
        self.0.describe(key)
    }
}

/// What has to be stated; the text says what belongs there.
pub(super) struct Needed<F>(pub(super) F, pub(super) &'static str);

impl<T, F: Form<T>> Form<T> for Needed<F> {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut T) {
        section.require(key, self.1);
        self.0.update(section, key, slot);
    }

    fn write(&self, value: &T) -> Json {
        self.0.write(value)
    }

    fn describe(&self, key: Key) -> Key {
        Key { usual: None, needed: true, ..self.0.describe(key) }
    }
}

/// One value, or a list of them.
pub(super) struct List<F>(pub(super) F);

impl<T, F: One<T>> Form<Vec<T>> for List<F> {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut Vec<T>) {
        if section.has(key) {
            *slot = section.list(key, |value| self.0.read(value));
        }
    }

    fn write(&self, value: &Vec<T>) -> Json {
        value.iter().map(|item| self.0.write(item)).collect()
    }

    fn describe(&self, key: Key) -> Key {
        let key = self.0.describe(key);
        Key { allowed: format!("{}; or a list of such", key.allowed), ..key }
    }
}

/// What is not written out while it is this, which holds where nothing is stated.
pub(super) struct Unless<T, F>(pub(super) T, pub(super) F);

impl<T: PartialEq, F: One<T>> Form<T> for Unless<T, F> {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut T) {
        self.1.update(section, key, slot);
    }

    fn write(&self, value: &T) -> Json {
        if *value == self.0 { Json::Null } else { self.1.write(value) }
    }

    fn keys(&self, key: Key, usual: &T) -> Vec<Key> {
        self.1.keys(key, usual)
    }
}

/// A section with keys of its own.
pub(super) struct Below;

impl<S: Keys> Form<S> for Below {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut S) {
        if let Some(mut below) = section.section(key) {
            slot.read(&mut below);
            below.finish();
        }
    }

    fn write(&self, value: &S) -> Json {
        Json::Object(value.write())
    }

    fn describe(&self, key: Key) -> Key {
        Key { below: S::keys(), allowed: "a section".to_owned(), ..key }
    }
}

/// A section that is read by a function of its own, because what it may say depends on other sections.
pub(super) struct Apart;

impl<S: Keys> Form<S> for Apart {
    fn write(&self, value: &S) -> Json {
        Below.write(value)
    }

    fn describe(&self, key: Key) -> Key {
        Form::<S>::describe(&Below, key)
    }
}

impl<S: Keys> Form<Option<S>> for Apart {
    fn write(&self, value: &Option<S>) -> Json {
        value.as_ref().map_or(Json::Null, |section| Below.write(section))
    }

    fn describe(&self, key: Key) -> Key {
        Form::<S>::describe(&Below, key)
    }
}

impl<S: Keys> Form<Vec<S>> for Apart {
    fn write(&self, value: &Vec<S>) -> Json {
        value.iter().map(|section| Below.write(section)).collect()
    }

    fn describe(&self, key: Key) -> Key {
        Key { below: S::keys(), many: true, allowed: "a list of sections".to_owned(), ..key }
    }
}

/// A value that is read and written out by functions of its own, because it means something only beside others.
pub(super) struct ByHand(pub(super) &'static str);

impl<T> Form<T> for ByHand {
    fn describe(&self, key: Key) -> Key {
        Key { allowed: self.0.to_owned(), ..key }
    }
}

/// A value that several keys state together.
pub(super) trait Together: Sized {
    /// The keys, as they are stated.
    type Stated: Keys;

    /// What they mean; none where they are wrong, which is noted in the section.
    fn understood(self, stated: Self::Stated, section: &mut Section<'_>) -> Self;
    /// What says the same.
    fn stated(&self) -> Self::Stated;
}

/// The form of what several keys state together.
pub(super) struct Several;

impl<T: Together + Clone> Form<T> for Several {
    fn update(&self, section: &mut Section<'_>, _: &'static str, slot: &mut T) {
        let mut stated = T::Stated::usual();
        stated.read(section);
        *slot = slot.clone().understood(stated, section);
    }

    fn put(&self, _: &'static str, value: &T, map: &mut Map<String, Json>) {
        map.extend(value.stated().write());
    }

    fn keys(&self, _: Key, _: &T) -> Vec<Key> {
        T::Stated::keys()
    }
}

/// A gateway as it is stated: an address, or the word `none` where none is needed, as on a tunnel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Gateway<A>(pub(super) Option<A>);

/// The form of a gateway.
pub(super) struct OrNone<A>(pub(super) Scalar<A>);

impl<A> One<Gateway<A>> for OrNone<A> {
    fn read(&self, value: &Value) -> Result<Gateway<A>, String> {
        let none = scalar::text(value).is_ok_and(|text| text == "none");
        if none { Ok(Gateway(None)) } else { self.0.read(value).map(|address| Gateway(Some(address))) }
    }
}

impl<A> Form<Gateway<A>> for OrNone<A> {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut Gateway<A>) {
        if let Some(value) = self.stated(section, key) {
            *slot = value;
        }
    }

    fn write(&self, value: &Gateway<A>) -> Json {
        value.0.as_ref().map_or_else(|| json!("none"), |address| self.0.write(address))
    }

    fn describe(&self, key: Key) -> Key {
        Key { allowed: format!("{}, or none", self.0.allowed), ..key }
    }
}
