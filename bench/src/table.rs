//! The lines of a table, and how what is in its cells is written.

use std::fmt;

use ftr_lab::error::LabError;

use crate::figure::Figure;

/// How a row is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Repetitions.
    pub runs: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether the peers are measured as well.
    pub peers: bool,
}

/// One line of a table: what was measured, and what stands in each column.
#[derive(Debug)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// What it showed, in the order of the heads.
    pub cells: Vec<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.what, self.cells.join(" | "))
    }
}

/// The cell of what is not measured.
pub(crate) fn dash() -> String {
    "–".to_owned()
}

/// The cell of what could not be measured; why is told on stderr.
pub(crate) fn failure(error: &LabError) -> String {
    eprintln!("bench: {error}");
    "failed".to_owned()
}

/// A figure with its mean behind it.
pub(crate) fn with_mean(figure: &Figure) -> String {
    figure.mean().map_or_else(dash, |mean| format!("{figure}, mean {mean:.2}"))
}
