//! Text for `iptables-restore` and `nft -f`, line by line.

use ftr_core::sanitize::sanitize;

/// The longest comment line, in characters.
///
/// `iptables-restore` reads lines into a buffer of 10240 bytes and takes what does not fit for a line of its own, so
/// a longer comment would end in a rule. A character has up to four bytes.
const LONGEST_COMMENT: usize = 200;

/// Lines of rules and comments, indented by tabs.
#[derive(Debug, Default)]
pub(crate) struct Script {
    text: String,
    depth: usize,
}

impl Script {
    /// The whole text, ending in a newline.
    #[must_use]
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// An empty line, for the eye.
    pub(crate) fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A comment, of a line for each line of `text`; whatever `text` holds stays inside the comment.
    pub(crate) fn comment(&mut self, text: &str) {
        self.remark("# ", text);
    }

    /// A comment with a sign of its own, which begins with `#`.
    pub(crate) fn remark(&mut self, sign: &'static str, text: &str) {
        for line in text.split('\n') {
            // Nor does any program take a backslash at its end for a sign that the next line belongs to it.
            let line: String = sanitize(line).chars().take(LONGEST_COMMENT).collect();
            self.line(format!("{sign}{line}").trim_end_matches(|last: char| last.is_whitespace() || last == '\\'));
        }
    }

    /// A line that acts.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.extend(std::iter::repeat_n('\t', self.depth));
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// The lines that `inner` writes between `head {` and `}`, indented.
    pub(crate) fn braces(&mut self, head: &str, inner: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        inner(self);
        self.depth -= 1;
        self.line("}");
    }
}

#[cfg(test)]
mod tests {
    use super::Script;
    use proptest::prelude::*;

    #[test]
    fn braces_indent_what_is_between_them() {
        let mut script = Script::default();
        script.braces("table inet t", |script| script.braces("chain c", |script| script.line("accept")));
        assert_eq!(script.into_text(), "table inet t {\n\tchain c {\n\t\taccept\n\t}\n}\n");
    }

    proptest! {
        #[test]
        fn nothing_escapes_from_a_comment(text in "(\\PC|\n|\r|\u{0}|\u{85}|\u{2028}|\\\\){0,60}", times in 1usize..300) {
            let mut script = Script::default();
            script.comment(&text.repeat(times));
            for line in script.into_text().split_terminator(['\n', '\r', '\u{0}', '\u{85}', '\u{2028}']) {
                prop_assert!(line.starts_with('#'), "{line:?}");
                prop_assert!(line.len() < 1024);
                prop_assert!(!line.ends_with('\\'));
            }
        }
    }
}
