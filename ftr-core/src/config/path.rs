//! The way to a node of the file, and where it stands.

use std::fmt;

use super::quote;

/// Sections with secrets: the password and addresses of people, arguments of programs.
const SECRET: [&str; 2] = ["email", "hooks"];

/// A step from a node of the file to one below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of ours.
    Key(String),
    /// A key that nobody knows.
    Strange(String),
    /// A key that is stated for the `nth` time, known or not.
    Again {
        key: String,
        nth: usize,
    },
    Index(usize),
}

/// The way from the top of the file to a node: `uplinks[0].weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NodePath(pub(super) Vec<Step>);

impl NodePath {
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn strange(&self, key: &str) -> Self {
        self.with(Step::Strange(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    pub(super) fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Whether it leads to where secrets stand.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.0.first(), Some(Step::Key(key) | Step::Again { key, .. }) if SECRET.contains(&key.as_str()))
    }

    /// Whether a key of ours on the way has this name.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Key(key) if key == name))
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            let dot = if depth == 0 { "" } else { "." };
            match step {
                Step::Key(key) => write!(f, "{dot}{key}")?,
                // Where secrets stand, nothing of it is repeated.
                Step::Strange(_) | Step::Again { .. } if depth > 0 && self.is_secret() => write!(f, "{dot}(a key)")?,
                Step::Strange(key) | Step::Again { key, .. } => write!(f, "{dot}{}", quote::key(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Where something stands in a file, counted from 1, and how many characters of the line it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) length: usize,
}

impl Location {
    /// A place that nothing more is known of.
    pub(super) const fn at(line: usize, column: usize) -> Self {
        Self { line, column, length: 1 }
    }
}
