//! Text for `iptables-restore`, line by line.

use ftr_core::clean::clean;

/// The longest comment line, in characters.
///
/// `iptables-restore` reads lines into a buffer of 10240 bytes and takes what does not fit for a line of its own, so
/// a longer comment would end in a rule. A character has up to four bytes.
const LONGEST_COMMENT: usize = 200;

/// Rules and comments in the format of iptables-save(8).
#[derive(Debug, Default)]
pub struct Script {
    text: String,
}

impl Script {
    /// The whole text, ending in a newline.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// An empty line, for the eye.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A comment, of a line for each line of `text`; whatever `text` holds stays inside the comment.
    pub fn comment(&mut self, text: &str) {
        for line in text.split('\n') {
            let line: String = clean(line).chars().take(LONGEST_COMMENT).collect();
            self.line(format!("# {line}").trim_end());
        }
    }

    /// Begins a table, whose chains with a policy come first and chains of our own after them.
    pub fn table(&mut self, name: &str, policies: &[(&str, &str)], own: &[&str]) {
        self.line(&format!("*{name}"));
        for (chain, policy) in policies.iter().copied().chain(own.iter().map(|&chain| (chain, "-"))) {
            self.line(&format!(":{chain} {policy} [0:0]"));
        }
    }

    /// A rule at the end of a chain.
    pub fn rule(&mut self, chain: &str, rule: &str) {
        self.line(&rule_line(chain, rule));
    }

    /// A rule that does nothing until its comment sign is taken away.
    pub fn example(&mut self, chain: &str, rule: &str) {
        self.comment(&rule_line(chain, rule));
    }

    /// Ends a table: only now it is loaded, as a whole.
    pub fn commit(&mut self) {
        self.line("COMMIT");
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// A rule with both its counters at zero.
fn rule_line(chain: &str, rule: &str) -> String {
    format!("[0:0] -A {chain} {rule}")
}

#[cfg(test)]
mod tests {
    use super::Script;
    use proptest::prelude::*;

    #[test]
    fn a_table_has_its_chains_and_rules() {
        let mut script = Script::default();
        script.table("filter", &[("INPUT", "DROP")], &["LAN_WAN"]);
        script.rule("INPUT", "-i lo -j ACCEPT");
        script.example("LAN_WAN", "-j ACCEPT");
        script.commit();
        let text = "*filter\n:INPUT DROP [0:0]\n:LAN_WAN - [0:0]\n[0:0] -A INPUT -i lo -j ACCEPT\n# [0:0] -A LAN_WAN -j ACCEPT\nCOMMIT\n";
        assert_eq!(script.into_text(), text);
    }

    proptest! {
        #[test]
        fn nothing_escapes_from_a_comment(text in "(\\PC|\n|\r|\u{0}|\u{85}|\u{2028}){0,60}", times in 1usize..300) {
            let mut script = Script::default();
            script.comment(&text.repeat(times));
            for line in script.into_text().split_terminator(['\n', '\r', '\u{0}', '\u{85}', '\u{2028}']) {
                prop_assert!(line.starts_with('#'), "{line:?}");
                prop_assert!(line.len() < 1024);
            }
        }
    }
}
