//! Choices of words.

/// A choice of words: see [`words`].
pub(super) trait Words: Copy + 'static {
    const ALL: &'static [(Self, &'static str)];

    fn word(self) -> &'static str;
}

/// Declares a choice of words: each is read and written as it stands here.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $sentence:literal])+ $word:literal => $variant:ident, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $( $(#[doc = $sentence])+ $variant, )+
        }

        impl $name {
            /// Its word in the configuration.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl $crate::config::words::Words for $name {
            const ALL: &'static [(Self, &'static str)] = &[ $( (Self::$variant, concat!($($sentence),+)), )+ ];

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

pub(super) use words;
