//! The example configuration: values that were chosen for it, each with what its key means, and the keys that are left out.

use std::collections::HashSet;

use ftr_core::config::{Key, known_keys};

/// The values. A line that begins with `#` is an example of a key that need not be stated.
const VALUES: &str = include_str!("example.yaml");

const HEAD: &str = "\
# Configuration of ftr. `ftr-monitor check` tells what is wrong with it, and `man ftr.yaml` all about each key.
# After a change of the order of uplinks load the firewall rules anew (ftr-rules | iptables-restore) and restart.
# Try the mail server: ftr-notify --test

";

/// The column in which the meaning of a key begins where it stands beside its value, and that in which lines end.
const BESIDE: usize = 27;
const WIDTH: usize = 118;

/// The example.
pub(crate) fn text() -> String {
    let whole = known_keys();
    let mut example = Example { text: HEAD.to_owned(), open: Vec::new(), told: HashSet::new() };
    for line in VALUES.lines() {
        let Some(line) = Line::of(line) else {
            example.close(0);
            example.text.push('\n');
            continue;
        };
        example.close(line.column);
        let (keys, above) = example.open.last().map_or((whole.as_slice(), ""), |open| (open.keys, open.path.as_str()));
        if let Some(key) = keys.iter().find(|key| key.name == line.key) {
            let path = format!("{above}{}.", key.name);
            example.tell(&line, key, &path);
            if let Some(open) = example.open.last_mut() {
                open.before = line.margin();
            }
            if line.value.is_empty() && !key.below.is_empty() {
                example.open.push(Open { column: line.column, path, keys: &key.below, before: String::new() });
            }
        }
    }
    example.close(0);
    example.text
}

/// A line such as `  # - key: value`.
struct Line<'a> {
    whole: &'a str,
    before: &'a str,
    /// The column of its key where it is no comment.
    column: usize,
    key: &'a str,
    value: &'a str,
}

impl<'a> Line<'a> {
    fn of(whole: &'a str) -> Option<Self> {
        let text = whole.trim_start_matches([' ', '#', '-']);
        let (key, value) = text.split_once(':')?;
        let before = whole.get(..whole.len() - text.len())?;
        let column = before.len() - if before.contains('#') { "# ".len() } else { 0 };
        Some(Self { whole, before, column, key, value: value.trim() })
    }

    /// What stands before a key beside this one.
    fn margin(&self) -> String {
        self.before.replace('-', " ")
    }

    /// What stands before a comment above this line, which stays one if a list of which it is a part becomes none.
    fn comment(&self) -> String {
        match self.before.split_once('#') {
            Some((indent, " ")) => format!("{indent}# "),
            _ => format!("{}# ", self.margin()),
        }
    }
}

/// A section that is being written.
struct Open<'k> {
    /// The column of its own key.
    column: usize,
    path: String,
    keys: &'k [Key],
    /// What stands before its latest key.
    before: String,
}

struct Example<'k> {
    text: String,
    open: Vec<Open<'k>>,
    /// The paths of the keys whose meaning was told.
    told: HashSet<String>,
}

impl Example<'_> {
    /// Writes a line; where its key comes first, with what it means.
    fn tell(&mut self, line: &Line<'_>, key: &Key, path: &str) {
        let meaning = meaning(key, line.value);
        let beside = format!("{:<BESIDE$} # {meaning}", line.whole);
        if !self.told.insert(path.to_owned()) {
            self.text.push_str(line.whole);
        } else if key.below.is_empty() && beside.chars().count() <= WIDTH {
            self.text.push_str(&beside);
        } else {
            self.text.extend([&wrapped(&meaning, &line.comment()), line.whole]);
        }
        self.text.push('\n');
    }

    /// Ends the sections that a key in this column is not in: with the keys that they leave out.
    fn close(&mut self, column: usize) {
        while self.open.last().is_some_and(|open| open.column >= column) {
            let Some(open) = self.open.pop() else { return };
            let mark = if open.before.contains('#') { "" } else { "# " };
            for key in open.keys {
                let path = format!("{}{}.", open.path, key.name);
                let usual = key.usual.as_deref().unwrap_or_default();
                let whole = format!("{}{mark}{}: {usual}", open.before, key.name);
                if let Some(line) = Line::of(whole.trim_end()).filter(|_| !self.told.contains(&path)) {
                    self.tell(&line, key, &path);
                }
            }
        }
    }
}

/// What a key means, and what it is where it is not stated.
fn meaning(key: &Key, value: &str) -> String {
    let usual = key.usual.as_ref().filter(|usual| *usual != value && !value.is_empty());
    let usual = usual.map_or_else(String::new, |usual| format!(" Default: {usual}."));
    let mut text = key.sentence.to_owned();
    for (word, sentence) in &key.words {
        text.extend([" ", word, ": ", &lower(sentence)]);
    }
    (text + &usual).replace('`', "")
}

/// A sentence as it goes on in another.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().into_iter();
    let rest = letters.as_str();
    if rest.starts_with(char::is_lowercase) {
        first.flat_map(char::to_lowercase).chain(rest.chars()).collect()
    } else {
        sentence.to_owned()
    }
}

/// Lines of comment. None begins with a word and a colon: it would read like a key.
fn wrapped(text: &str, margin: &str) -> String {
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && margin.len() + line.chars().count() + word.chars().count() >= WIDTH {
            let full = line.trim_end();
            let end = full.rfind(' ').filter(|_| word.ends_with(':')).unwrap_or(full.len());
            let (kept, moved) = full.split_at(end);
            lines.extend([margin, kept, "\n"]);
            line = if moved.is_empty() { String::new() } else { format!("{} ", moved.trim_start()) };
        }
        line.extend([word, " "]);
    }
    lines.extend([margin, line.trim_end(), "\n"]);
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ftr_core::Config;
    use ftr_core::config::{Key, known_keys};

    use super::text;

    #[test]
    fn the_example_is_right_and_raises_no_warning() {
        let config = Config::parse(Path::new("example"), &text()).unwrap();
        assert_eq!(config.warnings, []);
        assert!(
            config.base_priority < ftr_core::numbering::MAIN_PRIORITY
                && config.fwmark_mask.is_some()
                && config.log.syslog
        );
    }

    #[test]
    fn every_key_stands_in_it_with_its_meaning() {
        fn named(text: &str, keys: &[Key]) {
            for key in keys {
                assert!(
                    text.contains(&format!(" {}:", key.name)) || text.contains(&format!("\n{}:", key.name)),
                    "{key:?}"
                );
                let first = key.sentence.split(' ').next().unwrap();
                assert!(text.contains(&format!("# {}", first.replace('`', ""))), "{key:?}");
                named(text, &key.below);
            }
        }
        named(&text(), &known_keys());
    }

    /// But for a value that has to be found first, whatever is a comment can be made none.
    #[test]
    fn examples_of_keys_are_ones_that_could_be_stated() {
        let text = text();
        let lines: Vec<&str> = text.lines().collect();
        let mut tried = 0;
        for (at, line) in lines.iter().enumerate() {
            let Some((indent, rest)) = line.split_once("# ").filter(|(indent, _)| indent.trim().is_empty()) else {
                continue;
            };
            let is_key = rest.split_once(": ").is_some_and(|(key, _)| !key.contains([' ', '`']) && !key.is_empty());
            if indent.is_empty() || !is_key {
                continue;
            }
            let stated = format!("{indent}{rest}");
            let changed: Vec<&str> =
                lines[..at].iter().copied().chain([stated.as_str()]).chain(lines[at + 1..].iter().copied()).collect();
            if let Err(problems) = Config::parse(Path::new("example"), &changed.join("\n")) {
                let said = problems.to_string();
                assert!(
                    !said.contains("unknown key") && !said.contains("not valid YAML") && !said.contains("allowed: a"),
                    "{stated}: {said}"
                );
            }
            tried += 1;
        }
        assert!(tried > 25, "{tried}");
    }
}
