//! All that is wrong with a file, for people and for editors.

use std::fmt;
use std::path::{Path, PathBuf};

use super::location;
use super::path::NodePath;
use super::problem::Problem;
use crate::sanitize::sanitize;

/// All that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    all: Vec<Problem>,
    /// What they are, if not errors.
    kind: &'static str,
}

impl Problems {
    pub(super) fn new(file: &Path, text: &str, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), all: location::found(text, problems), kind: "" }
    }

    /// A file that cannot be read.
    #[must_use]
    pub fn of_file(file: &Path, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), all: vec![Problem::new(NodePath::default(), reason)], kind: "" }
    }

    /// What is odd with a file, but works.
    pub(super) fn warnings(file: &Path, all: &[Problem]) -> Self {
        Self { file: file.to_owned(), all: all.to_vec(), kind: "warning: " }
    }

    /// A line for each, in file order: `file:line:column: path: what is wrong, what is allowed`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.all.iter().map(|problem| problem.line(&self.file, self.kind)).collect()
    }

    /// The same for a terminal, each with the line of the file below it.
    #[must_use]
    pub fn drawn(&self, colour: bool) -> String {
        let one = |problem: &Problem| {
            let excerpt = problem.excerpt.as_ref().map_or_else(String::new, |excerpt| excerpt.drawn(colour));
            format!("{}\n{excerpt}", sanitize(&problem.line(&self.file, self.kind)))
        };
        self.all.iter().map(one).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for Problems {}
