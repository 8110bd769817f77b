//! How the demonstration looks: lines of at most 80 columns, with colour only where a person sees it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// The width that every line keeps to.
const COLUMNS: usize = 80;

/// How many connections a full bar stands for, and its length.
const BAR: usize = 10;
const FULL_BAR: usize = 30;

/// What happened on one uplink within a second.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    /// The uplink's device.
    pub uplink: String,
    /// Connections that it carried.
    pub carried: usize,
}

/// Whether colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// On a terminal without `NO_COLOR`.
    Colour,
    /// Elsewhere.
    Plain,
}

impl Paint {
    /// As stdout and the environment allow (<https://no-color.org>).
    #[must_use]
    pub(crate) fn allowed() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if io::stdout().is_terminal() && !unwanted && !dumb { Self::Colour } else { Self::Plain }
    }

    fn dye(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    /// Something that the demonstration does.
    #[must_use]
    pub(crate) fn deed(self, text: &str) -> String {
        wrap(text, COLUMNS).iter().fold(String::new(), |mut all, line| {
            // Writing to a String cannot fail.
            let _ = writeln!(all, "{}", self.dye("1", line));
            all
        })
    }

    /// Something that the monitor logged.
    #[must_use]
    pub(crate) fn word(self, text: &str) -> String {
        const MARGIN: &str = "      ftr: ";
        wrap(text, COLUMNS - MARGIN.len()).iter().fold(String::new(), |mut all, line| {
            // Writing to a String cannot fail.
            let _ = writeln!(all, "{MARGIN}{}", self.dye("36", line));
            all
        })
    }

    /// One second of traffic.
    #[must_use]
    pub(crate) fn second(self, at: Duration, shares: &[Share], failed: usize) -> String {
        let mut line = format!("{:>4} s ", at.as_secs());
        for share in shares {
            let length = (share.carried * BAR).div_ceil(FULL_BAR).min(BAR);
            let bar = self.dye("32", &"#".repeat(length));
            // Writing to a String cannot fail.
            let _ = write!(line, " {} {bar}{} {:>2} ", share.uplink, " ".repeat(BAR - length), share.carried);
        }
        let failures = format!("failed {failed:>2}");
        line.push_str(&if failed > 0 { self.dye("31;1", &failures) } else { failures });
        line.push('\n');
        line
    }
}

/// Breaks a text at spaces; a word longer than a line stands alone on one.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_fits_eighty_columns() {
        let shares = ["eth1", "eth2", "eth3"].map(|uplink| Share { uplink: uplink.to_owned(), carried: 40 });
        let line = Paint::Plain.second(Duration::from_secs(1234), &shares, 40);
        assert!(line.trim_end().len() <= COLUMNS, "{line}");
        assert!(!line.contains('\x1b'));
    }

    #[test]
    fn long_messages_are_wrapped() {
        let text = "eth2 (Provider 2) is down: no-answer, 0 of 24 questions to 6 hosts came back; new connections use eth1, eth3";
        let shown = Paint::Plain.word(text);
        assert_eq!(shown.lines().count(), 2);
        assert!(shown.lines().all(|line| line.chars().count() <= COLUMNS));
    }
}
