//! Text from outside, made safe for a terminal, a log or a mail header.

use std::borrow::Cow;

/// Replaces every control character by `?`, so that a name, a server's reply or a program's output can neither
/// move a cursor nor begin a new log line or mail header.
///
/// Bidirectional overrides are not control characters to Unicode, but they let text lie about its order: they go too.
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_harmful) {
        Cow::Owned(text.chars().map(|c| if is_harmful(c) { '?' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn is_harmful(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn plain_text_is_not_copied() {
        assert!(matches!(sanitize("Provider Ünö"), std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_can_start_a_line_or_move_a_cursor() {
        assert_eq!(sanitize("a\r\nSubject: b\x1b[2J\u{9b}c\u{202e}d\u{2028}"), "a??Subject: b?[2J?c?d?");
    }
}
