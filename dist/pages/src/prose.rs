//! Sentences for a page.

use roff::{Inline, bold, roman};

/// A sentence, in which what stands in backticks is bold.
pub(crate) fn marked(sentence: &str) -> Vec<Inline> {
    sentence.split('`').enumerate().map(|(at, part)| if at % 2 == 0 { roman(part) } else { bold(part) }).collect()
}
