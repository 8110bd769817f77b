//! What is wrong with a configuration, and where.

use std::path::Path;

use super::excerpt::Excerpt;
use super::path::{Location, NodePath, Step};

/// One thing that is wrong, or odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) path: NodePath,
    pub(super) location: Option<Location>,
    pub(super) what: String,
    pub(super) excerpt: Option<Box<Excerpt>>,
}

impl Problem {
    pub(super) fn new(path: NodePath, what: impl Into<String>) -> Self {
        Self { path, location: None, what: what.into(), excerpt: None }
    }

    /// A key of a section that is stated for the `nth` time.
    pub(super) fn again(section: &NodePath, key: &str, nth: usize) -> Self {
        let step = Step::Again { key: key.to_owned(), nth };
        Self::new(section.with(step), "stated twice")
    }

    /// `file:line:column: path: what`, with what is known of it.
    pub(super) fn line(&self, file: &Path, kind: &str) -> String {
        let location = self.location.map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
        let path = self.path.to_string();
        let colon = if path.is_empty() { "" } else { ": " };
        format!("{}{location}{colon}{path}: {kind}{}", file.display(), self.what)
    }
}
