//! A line of shell in a scenario file, and what it must answer.

use crate::span::Span;
use serde::Deserialize;
use std::process::Output;
use std::time::Duration;

/// What the step `run` does once.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// Where: `router`, `lan`, `dmz`, `internet`, or an uplink for its provider.
    #[serde(default = "router")]
    pub place: String,
    /// The line, for bash.
    pub line: String,
    /// The exit code.
    #[serde(default)]
    pub exit: i32,
    /// Parts of what it prints, stdout and stderr, in order.
    #[serde(default)]
    pub says: Vec<String>,
    /// What it must not print.
    #[serde(default)]
    pub never: Vec<String>,
    /// When it must have ended.
    #[serde(default)]
    pub within: Option<Span>,
}

/// What the step `until` does again and again.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Command")]
pub(crate) struct Until {
    /// What must have been answered once.
    pub command: Command,
    /// When, at the latest.
    pub within: Duration,
}

impl TryFrom<Command> for Until {
    type Error = &'static str;

    fn try_from(command: Command) -> Result<Self, Self::Error> {
        let within = command.within.ok_or("`until` without `within` would wait for ever")?.0;
        Ok(Self { command, within })
    }
}

fn router() -> String {
    "router".to_owned()
}

/// What a line of shell answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// How it ended, as people say it.
    pub ended: String,
    /// The exit code; none after a signal.
    pub code: Option<i32>,
    /// What it printed: stdout, then stderr.
    pub text: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Self { ended: output.status.to_string(), code: output.status.code(), text }
    }
}

impl Command {
    /// Why the answer is not the one that is wanted; nothing where it is.
    pub(crate) fn complaint(&self, answer: &Answer) -> Option<String> {
        let what = if answer.code == Some(self.exit) {
            self.missing(&answer.text).map(|part| format!("does not say {part:?} in its place"))
        } else {
            Some(format!("ended with {}", answer.ended))
        };
        what.or_else(|| self.forbidden(answer)).map(|what| told(&what, answer))
    }

    /// What it says and must not say.
    pub(crate) fn forbidden(&self, answer: &Answer) -> Option<String> {
        let part = self.never.iter().find(|part| answer.text.contains(part.as_str()))?;
        Some(format!("says {part:?}"))
    }

    fn missing(&self, text: &str) -> Option<&String> {
        let mut rest = text;
        self.says.iter().find(|part| match rest.split_once(part.as_str()) {
            Some((_, after)) => {
                rest = after;
                false
            }
            None => true,
        })
    }
}

/// A complaint with all that was printed.
pub(crate) fn told(what: &str, answer: &Answer) -> String {
    format!("{what}; it printed:\n{}", answer.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Command {
        serde_yaml::from_str(text).unwrap()
    }

    fn answer(code: i32, text: &str) -> Answer {
        Answer { ended: format!("exit status: {code}"), code: Some(code), text: text.to_owned() }
    }

    #[test]
    fn parts_are_looked_for_in_order() {
        let command = command("{line: x, says: [one, two]}");
        assert_eq!(command.complaint(&answer(0, "one and two")), None);
        let complaint = command.complaint(&answer(0, "two and one")).unwrap();
        assert!(complaint.starts_with("does not say \"two\""), "{complaint}");
    }

    #[test]
    fn the_exit_code_and_what_it_never_says_count() {
        let command = command("{line: x, exit: 1, never: [three]}");
        assert_eq!(command.complaint(&answer(1, "one")), None);
        assert!(command.complaint(&answer(0, "one")).unwrap().starts_with("ended with exit status: 0"));
        assert!(command.complaint(&answer(1, "three")).unwrap().starts_with("says \"three\""));
    }

    #[test]
    fn what_is_awaited_has_a_time() {
        assert!(serde_yaml::from_str::<Until>("{line: x}").is_err());
        let until: Until = serde_yaml::from_str("{line: x, place: lan, within: 300ms}").unwrap();
        assert_eq!((until.within, until.command.place.as_str()), (Duration::from_millis(300), "lan"));
    }
}
