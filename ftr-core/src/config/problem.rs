//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use super::place;

/// A step from a node of the file to one below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// The way from the top of the file to a node: `uplinks[0].weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NodePath(pub(super) Vec<Step>);

impl NodePath {
    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if depth == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One thing that is wrong, or odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) path: NodePath,
    pub(super) place: Option<(usize, usize)>,
    what: String,
}

impl Problem {
    pub(super) fn new(path: NodePath, what: impl Into<String>) -> Self {
        Self { path, place: None, what: what.into() }
    }

    /// `file:line:column: path: what`, with what is known of it.
    pub(super) fn line(&self, file: &Path, kind: &str) -> String {
        let place = self.place.map_or_else(String::new, |(row, column)| format!(":{row}:{column}"));
        let path = self.path.to_string();
        let colon = if path.is_empty() { "" } else { ": " };
        format!("{}{place}{colon}{path}: {kind}{}", file.display(), self.what)
    }
}

/// All that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    all: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &Path, text: &str, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), all: place::found(text, problems) }
    }

    pub(super) fn of_file(file: &Path, reason: String) -> Self {
        Self { file: file.to_owned(), all: vec![Problem::new(NodePath::default(), reason)] }
    }

    /// A line for each, in file order: `file:line:column: path: what is wrong, what is allowed`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.all.iter().map(|problem| problem.line(&self.file, "")).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for Problems {}
