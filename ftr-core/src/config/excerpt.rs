//! The line of a problem, for a terminal.
//!
//! It shows no more than a message would say ([`super::quote`]): keys that look like some, and the one value that is
//! wrong. Whatever else stands in the line is left out, because it may be a secret, or the bytes of a file that is no
//! configuration.

use super::path::{Location, NodePath, Step};
use super::quote;

/// What stands for what is not shown.
const HIDDEN: char = '…';

/// What stands between values.
const BETWEEN: &str = "{}[],'\":-? ";

/// The most characters that are shown on either side of a problem.
const MOST: usize = 60;

/// A line of the file, and a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    number: usize,
    line: String,
    start: usize,
    length: usize,
}

impl Excerpt {
    /// The line of a problem; none where it stands in none.
    pub(super) fn of(text: &str, path: &NodePath, location: Location) -> Option<Self> {
        let line: Vec<char> = text.lines().nth(location.line.checked_sub(1)?)?.chars().collect();
        let from = location.column.checked_sub(1)?.min(line.len());
        let to = (from + location.length).min(line.len());
        let value: String = line.get(from..to)?.iter().collect();
        let is_value = !path.is_secret() && matches!(path.0.last(), Some(Step::Key(_) | Step::Index(_)));
        let told = is_value && quote::is_told(value.trim_matches(['\'', '"']));
        let mut shown = Vec::with_capacity(line.len());
        for piece in pieces(&line) {
            let within = told && (from..to).contains(&shown.len());
            let rest = line.get(shown.len() + piece.len()..).unwrap_or_default();
            shown.resize(shown.len() + piece.len(), within || is_shown(piece, rest, path));
        }
        let mut drawn = Vec::new();
        let columns: Vec<usize> = line
            .iter()
            .zip(shown)
            .map(|(letter, shown)| {
                if shown || drawn.last() != Some(&HIDDEN) {
                    drawn.push(if shown { *letter } else { HIDDEN });
                }
                drawn.len() - 1
            })
            .collect();
        let start = columns.get(from).map_or(drawn.len(), |start| *start);
        let end = to.checked_sub(1).and_then(|last| columns.get(last)).map_or(start, |last| last + 1);
        let first = start.saturating_sub(MOST);
        let line: String = drawn.into_iter().skip(first).take(2 * MOST).collect();
        let length = end.saturating_sub(start).clamp(1, MOST);
        Some(Self { number: location.line, line: line.trim_end().to_owned(), start: start - first, length })
    }

    /// Three lines: the line of the file below an empty one, and carets below the part.
    pub(super) fn drawn(&self, colour: bool) -> String {
        let (red, off) = if colour { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let (number, line) = (self.number, &self.line);
        let margin = " ".repeat(number.to_string().len());
        let (indent, carets) = (" ".repeat(self.start), "^".repeat(self.length));
        format!("{margin} |\n{number} | {line}\n{margin} | {indent}{red}{carets}{off}\n")
    }
}

/// A line in pieces: what could be keys and values, and each letter that stands between them.
fn pieces(line: &[char]) -> Vec<&[char]> {
    let divides = |at: usize, letter: char| {
        let next = line.get(at + 1).is_none_or(|next| next.is_whitespace() || ",]}".contains(*next));
        let quoted = at.checked_sub(1).and_then(|last| line.get(last)).is_some_and(|last| "'\"".contains(*last));
        letter.is_whitespace() || "{}[],'\"".contains(letter) || (":-?".contains(letter) && (next || quoted))
    };
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, letter) in line.iter().enumerate().filter(|(at, letter)| divides(*at, **letter)) {
        pieces.extend([start..at, at..at + 1].into_iter().filter_map(|range| line.get(range)));
        start = at + 1;
        if *letter == ' ' && line.get(start) == Some(&'#') {
            break;
        }
    }
    pieces.extend(line.get(start..));
    pieces
}

/// Whether a piece may be shown: what is between values, and keys; `rest` is what follows it.
fn is_shown(piece: &[char], rest: &[char], path: &NodePath) -> bool {
    let text: String = piece.iter().collect();
    let name = text.strip_prefix(':').unwrap_or(&text);
    let is_between = piece.len() == 1 && BETWEEN.contains(&text);
    let is_key = rest.iter().find(|letter| !"'\"".contains(**letter)) == Some(&':');
    is_between || (is_key && if path.is_secret() { path.names(name) } else { quote::key(name) == name })
}

#[cfg(test)]
mod tests {
    use super::Excerpt;
    use crate::config::path::{Location, NodePath};

    fn drawn(text: &str, path: &NodePath, (line, column, length): (usize, usize, usize)) -> String {
        Excerpt::of(text, path, Location { line, column, length }).unwrap().drawn(false)
    }

    #[test]
    fn the_value_that_is_wrong_is_shown_in_its_line() {
        let path = NodePath::default().key("uplinks").index(0).key("weight");
        let text = "uplinks:\n- interface: eth1\n  weight: 257  # too much\n";
        assert_eq!(drawn(text, &path, (3, 11, 3)), "  |\n3 |   weight: 257  …\n  |           ^^^\n");
        let flow = "uplinks: [{interface: eth1, weight: '257', ip: 192.0.2.1}]\n";
        let shown = [
            "  |",
            "1 | uplinks: [{interface: …, weight: '257', ip: …}]",
            "  |                                  ^^^^^",
            "",
        ];
        assert_eq!(drawn(flow, &path, (1, 37, 5)), shown.join("\n"));
    }

    #[test]
    fn whatever_else_stands_there_is_not() {
        let strange = |key: &str| NodePath::default().strange(key);
        let email = NodePath::default().key("email").key("smtp_parameters").key("port");
        for (text, path, location) in [
            ("password=SECRET\n", NodePath::default(), (1, 1, 15)),
            ("- SECRET\n", NodePath::default(), (1, 1, 1)),
            ("a: SECRET\n", strange("a"), (1, 1, 1)),
            ("a: SECRET SECRET # SECRET\n", strange("a"), (1, 1, 1)),
            ("password:SECRET: 1\n", strange("password:SECRET"), (1, 1, 15)),
            ("{password:SECRET}\n", NodePath::default(), (1, 1, 1)),
            ("{\"a\":\"SECRET\"}\n", NodePath::default(), (1, 1, 1)),
            ("email: {smtp_parameters: {port: SECRET, SECRET: 1, password: SECRET}}\n", email.clone(), (1, 33, 6)),
            ("port: 1 # \u{1b}[2J\u{202e}SECRET\n", email, (1, 7, 1)),
            ("a: \u{1b}]0;SECRET\u{7}\n", NodePath::default().key("a"), (1, 4, 11)),
            ("a: the SECRET\n", NodePath::default().key("a"), (1, 4, 10)),
        ] {
            let shown = drawn(text, &path, location);
            assert!(!shown.contains("SECRET") && !shown.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{shown}");
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        let text = format!("{}a: 5\n", "- ".repeat(5000));
        let shown = drawn(&text, &NodePath::default().key("a"), (1, 10_004, 1));
        assert!(shown.len() < 300 && shown.contains("a: 5\n") && shown.contains(" ^\n"), "{shown}");
    }
}
