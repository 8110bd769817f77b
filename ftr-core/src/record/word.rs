//! Words of a field that later versions may have more of.

use std::fmt;

use crate::sanitize::sanitize;

/// The longest word that is kept, in bytes: the rest of a longer one is cut off. Ours have fewer than twenty.
const LONGEST: usize = 47;

/// A word that this version does not know, as it was read. It is small and of fixed size, so that whoever makes words up
/// costs its readers nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Word {
    bytes: [u8; LONGEST],
    length: u8,
}

impl Word {
    /// A word that is none of those that the field has.
    pub(super) fn new(text: &str) -> Self {
        let end = (0..=text.len().min(LONGEST)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
        let mut bytes = [0; LONGEST];
        for (to, from) in bytes.iter_mut().zip(text.bytes().take(end)) {
            *to = from;
        }
        Self { bytes, length: u8::try_from(end).unwrap_or_default() }
    }

    /// The word, which may have any characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Cut at the boundary of a character, so it is text.
        self.bytes.get(..usize::from(self.length)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Shows a word to people.
pub(super) fn show(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.pad(&sanitize(text))
}

/// Declares an enum with the word that each variant has in records. To it comes a variant for words that this version does
/// not know, which keeps them: they are passed on, and shown, as they are.
macro_rules! words {
    ($(#[$about:meta])* pub enum $Name:ident { $($(#[$doc:meta])* $Variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $Name {
            $($(#[$doc])* $Variant,)+
            /// One that this version does not know.
            Unknown($crate::record::word::Word),
        }

        impl $Name {
            /// Those that this version knows.
            pub const KNOWN: &[Self] = &[$(Self::$Variant),+];

            /// As it stands in records. An unknown one may have any characters: [`Display`](std::fmt::Display) shows it
            /// without those that are harmful.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$Variant => $word,)+
                    Self::Unknown(word) => word.as_str(),
                }
            }
        }

        impl From<&str> for $Name {
            fn from(text: &str) -> Self {
                match text {
                    $($word => Self::$Variant,)+
                    _ => Self::Unknown($crate::record::word::Word::new(text)),
                }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::record::word::show(self.as_str(), f)
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer).map(|text| Self::from(text.as_str()))
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::LONGEST;
    use crate::record::{EventKind, Reason, Trigger};
    use proptest::prelude::*;

    #[test]
    fn known_words_are_read_and_written_as_they_are_declared() {
        assert_eq!((Reason::from("loss"), Reason::Loss.as_str()), (Reason::Loss, "loss"));
        assert!(Reason::KNOWN.iter().all(|reason| Reason::from(reason.as_str()) == *reason));
        assert!(EventKind::KNOWN.iter().all(|kind| EventKind::from(kind.as_str()) == *kind));
        assert!(Trigger::KNOWN.iter().all(|trigger| Trigger::from(trigger.as_str()) == *trigger));
        assert_eq!(format!("{:<5}|", Reason::Loss), "loss |");
    }

    #[test]
    fn an_unknown_word_is_shown_without_what_moves_a_cursor() {
        assert_eq!(Reason::from("r\x1b[2Jed").to_string(), "r?[2Jed");
    }

    proptest! {
        #[test]
        fn any_word_is_written_as_it_was_read(text in "(.|\n){0,60}") {
            let reason: Reason = serde_json::from_value(text.clone().into()).unwrap();
            let written = serde_json::to_value(reason).unwrap();
            let kept = written.as_str().unwrap();
            prop_assert!(text.starts_with(kept) && kept.len() <= LONGEST);
            prop_assert!(kept.len() == text.len() || kept.len() + 4 > LONGEST, "{:?}", kept);
            prop_assert_eq!(Reason::from(kept), reason);
        }
    }
}
