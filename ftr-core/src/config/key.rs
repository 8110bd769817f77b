//! What a key of the configuration is. Each is declared once, as a field of the struct that it is read into; reading it,
//! writing it out, the manual page and the example follow from that.

use serde_json::{Map, Value as Json};

use super::section::Section;

/// A program that the configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `ftr-monitor`, which hands the others what they read.
    Monitor,
    /// `ftr-monitor hooks`.
    Hooks,
    /// `ftr-notify`.
    Notify,
    /// `ftr-probe`.
    Probe,
    /// `ftr-route`.
    Route,
    /// `ftr-rules`.
    Rules,
}

impl Reader {
    /// The program's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monitor | Self::Hooks => "ftr-monitor",
            Self::Notify => "ftr-notify",
            Self::Probe => "ftr-probe",
            Self::Route => "ftr-route",
            Self::Rules => "ftr-rules",
        }
    }
}

/// A key, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it means.
    pub sentence: &'static str,
    /// What may stand there, with its range and unit.
    pub allowed: String,
    /// What holds where it is left out, as it would be written; none where nothing does, or the sentence says what.
    pub usual: Option<String>,
    /// The words that may stand there, and what each means; empty where it is no choice of words.
    pub words: Vec<(&'static str, &'static str)>,
    /// The programs that read it; empty for those that read its section.
    pub readers: &'static [Reader],
    /// Whether it has to be stated in its section.
    pub needed: bool,
    /// The keys of the section that stands there; empty where none does.
    pub below: Vec<Key>,
    /// Whether there may be a list of such sections.
    pub many: bool,
}

impl Key {
    pub(super) fn new(name: &'static str, sentence: &'static str, readers: &'static [Reader]) -> Self {
        let (allowed, usual, words, below) = (String::new(), None, Vec::new(), Vec::new());
        Self { name, sentence: sentence.trim(), allowed, usual, words, readers, needed: false, below, many: false }
    }

    fn with_usual(self, usual: &Json) -> Self {
        let usual = match usual {
            Json::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
            Json::Number(_) | Json::Bool(_) => Some(usual.to_string()),
            _ => None,
        };
        Self { usual, ..self }
    }
}

/// A struct whose fields are keys of a section of the file.
pub(super) trait Keys: Sized {
    /// What holds where nothing is stated.
    fn usual() -> Self;
    /// Takes what the section states over what there is.
    fn read(&mut self, section: &mut Section<'_>);
    /// All of it, under the names of the file.
    fn write(&self) -> Map<String, Json>;
    /// Its keys, in the order of their declaration.
    fn keys() -> Vec<Key>;
    /// Puts keys back to what holds where they are not stated.
    fn forget(&mut self, names: &[&str]);
}

/// How the value of a key is read, written and described.
pub(super) trait Form<T> {
    /// Reads what the section states into `slot`, if it states anything. A value that means something only beside others
    /// is read by a function of its own.
    fn update(&self, _section: &mut Section<'_>, _key: &'static str, _slot: &mut T) {}

    /// The value as it would be stated; nothing where that is up to a function of its own.
    fn write(&self, _value: &T) -> Json {
        Json::Null
    }

    /// Says what may stand there.
    fn describe(&self, key: Key) -> Key {
        key
    }

    /// Writes a value under the name of its key.
    fn put(&self, key: &'static str, value: &T, map: &mut Map<String, Json>) {
        map.insert(key.to_owned(), self.write(value));
    }

    /// The key, described; several where they state the value together.
    fn keys(&self, key: Key, usual: &T) -> Vec<Key> {
        vec![self.describe(key.with_usual(&self.write(usual)))]
    }
}

/// Declares a struct, and with each field the key that it is read from:
///
/// ```text
/// /// The sentence: what the key means.
/// "key" => field: Type = USUAL, FORM;
/// ```
///
/// `for [Reader, …]` behind the form tells who reads it, where that is not whoever reads the section. Fields that no key
/// is read into stand in a block of their own, `beside { field: Type = USUAL; }`. What the keys of a section demand of each
/// other is told by a function, `check FUNCTION;`.
macro_rules! keys {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $sentence:literal])+
                $key:literal => $fvis:vis $field:ident: $type:ty = $usual:expr, $form:expr $(, for $readers:expr)?;
            )*
        }
        $(beside {
            $( $(#[doc = $doc:literal])+ $bvis:vis $beside:ident: $btype:ty = $busual:expr; )*
        })?
        $(check $check:path;)?
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[doc = $sentence])+ $fvis $field: $type, )*
            $( $( $(#[doc = $doc])+ $bvis $beside: $btype, )* )?
        }

        impl $crate::config::key::Keys for $name {
            fn usual() -> Self {
                Self { $( $field: $usual, )* $( $( $beside: $busual, )* )? }
            }

            fn read(&mut self, section: &mut $crate::config::section::Section<'_>) {
                $( $crate::config::key::Form::<$type>::update(&$form, section, $key, &mut self.$field); )*
                $( $check(self, section); )?
            }

            fn write(&self) -> serde_json::Map<String, serde_json::Value> {
                let mut map = serde_json::Map::new();
                $( $crate::config::key::Form::<$type>::put(&$form, $key, &self.$field, &mut map); )*
                map
            }

            fn forget(&mut self, names: &[&str]) {
                $( if names.contains(&$key) { self.$field = $usual; } )*
            }

            fn keys() -> Vec<$crate::config::key::Key> {
                let mut keys = Vec::new();
                $(
                    let readers: &'static [$crate::config::key::Reader] = &[];
                    $( let _ = readers; let readers = $readers; )?
                    let key = $crate::config::key::Key::new($key, concat!($($sentence),+), readers);
                    keys.extend($crate::config::key::Form::<$type>::keys(&$form, key, &$usual));
                )*
                keys
            }
        }
    };
}

pub(super) use keys;
