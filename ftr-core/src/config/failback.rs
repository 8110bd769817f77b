//! `failback`: how new and established connections return to a better uplink. A word, or a section.

use std::time::Duration;

use serde_json::{Value as Json, json};
use serde_yaml::Value;

use super::form::{Below, Maybe, Scalar, TIME, Word};
use super::key::{Form, Key, Keys as _, keys};
use super::scalar;
use super::section::Section;
use super::words::words;

keys! {
    /// How connections return to an uplink that works again.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Failback {
        /// What becomes of established connections when an uplink of a better priority group works again.
        "mode" => pub mode: FailbackMode = FailbackMode::Soft, Word;
        /// The part of the new connections that an uplink gets at first when it works again and others carry them;
        /// without it, its whole part at once.
        "canary" => pub canary: Option<u8> = None, Maybe(PERCENT);
        /// How long that lasts. An uplink that fails meanwhile is left at once, as ever.
        "for" => pub canary_for: Duration = Duration::from_secs(120), TIME;
    }
}

words! {
    /// What becomes of established connections when an uplink of a better priority group works again.
    pub enum FailbackMode {
        /// They stay where they are.
        "soft" => Soft,
        /// Those of uplinks that no longer carry new connections are forgotten, and start again on the better one.
        "hard" => Hard,
    }
}

const PERCENT: Scalar<u8> =
    Scalar { allowed: "1% to 99%", read: percent, write: |percent| json!(format!("{percent}%")) };

fn percent(value: &Value) -> Result<u8, String> {
    let text = scalar::text(value)?;
    let digits = text.strip_suffix('%').unwrap_or(&text).trim_end();
    let percent = digits.parse().ok().filter(|percent| (1..=99).contains(percent));
    percent.ok_or_else(|| "is no part, allowed: 1% to 99%".to_owned())
}

/// The mode alone, or a section.
pub(super) struct WordOrSection;

impl Form<Failback> for WordOrSection {
    fn update(&self, section: &mut Section<'_>, key: &'static str, slot: &mut Failback) {
        if section.is_section(key) {
            Below.update(section, key, slot);
        } else {
            Word.update(section, key, &mut slot.mode);
        }
    }

    fn write(&self, value: &Failback) -> Json {
        if value.canary.is_none() { Word.write(&value.mode) } else { Below.write(value) }
    }

    fn describe(&self, key: Key) -> Key {
        let word: Key = Form::<FailbackMode>::describe(&Word, key);
        Key { allowed: format!("{}; or a section", word.allowed), below: Failback::keys(), ..word }
    }
}
