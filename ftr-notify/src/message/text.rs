//! Texts from records, as a mail has them.

use ftr_core::sanitize::sanitize;

/// A text from a record, sanitized and bounded.
pub(crate) fn short(text: &str) -> String {
    cut(text, 80)
}

/// A text from a record that is a sentence: sanitized, and bounded less tightly.
pub(crate) fn sentence(text: &str) -> String {
    cut(text, 600)
}

fn cut(text: &str, longest: usize) -> String {
    let mut short: String = sanitize(text).chars().take(longest).collect();
    if text.chars().nth(longest).is_some() {
        short.push('…');
    }
    short
}

/// `eth1`, `eth1 and eth2`, `eth1, eth2 and eth3`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
