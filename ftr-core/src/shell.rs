//! Words of a command line, for `sh` (POSIX, XCU 2.2): whatever a word holds, it stays one word and runs nothing.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::sanitize::sanitize;

/// A word as a shell takes it: as it is where it has no special signs, else in quotes.
///
/// Control characters are written by their numbers, so that a terminal may show the line.
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    // What a command prints loses the newlines at its end. No device can have such a name.
    if matches!(sanitize(word), Cow::Borrowed(_)) || word.ends_with('\n') {
        return Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")));
    }
    let mut printed = String::new();
    for byte in word.bytes() {
        // Writing to a String cannot fail.
        let _ = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => write!(printed, "{}", char::from(byte)),
            other => write!(printed, "\\{other:03o}"),
        };
    }
    Cow::Owned(format!("\"$(printf '{printed}')\""))
}

/// Words as one command line.
pub fn line<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(|word| quoted(word.as_ref()).into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{line, quoted};
    use crate::sanitize::sanitize;
    use proptest::prelude::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        for word in ["eth1", "net/ipv4/conf/e.10/rp_filter=2", "wan0@if7", "2001:db8::1/64", "0x100/0xff00"] {
            assert_eq!(quoted(word), word);
        }
        assert_eq!(line(["ip", "link", "x;id>o;#", ""]), "ip link 'x;id>o;#' ''");
        assert_eq!(quoted("a'b"), r"'a'\''b'");
        assert_eq!(quoted("a\x1b[2J"), r#""$(printf 'a\033\1332J')""#);
    }

    proptest! {
        #[test]
        fn what_is_shown_on_a_terminal_is_still_the_word(word in "[ -~\u{1}-\u{1f}\u{7f}-\u{9f}\u{202e}]{0,15}[!-~]") {
            let shown = quoted(&word);
            prop_assert_eq!(&sanitize(&shown), &shown);
        }
    }
}
