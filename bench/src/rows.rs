//! The rows of the published tables.

use super::daemon_rows::{self, DaemonRow};
use super::probe::rows::{self as probe_rows, ProbeRow};
use super::route::rows::{self as route_rows, RouteRow};
use super::table::{Effort, Line};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use std::io::{self, Write};
use std::sync::LazyLock;

/// A row of one of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    /// Whole daemons side by side.
    Daemon(DaemonRow),
    /// `ftr-probe` alone.
    Probe(ProbeRow),
    /// `ftr-route` alone.
    Route(RouteRow),
}

static ALL: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let daemons = DaemonRow::value_variants().iter().copied().map(Row::Daemon);
    let probe = ProbeRow::value_variants().iter().copied().map(Row::Probe);
    daemons.chain(probe).chain(RouteRow::value_variants().iter().copied().map(Row::Route)).collect()
});

impl ValueEnum for Row {
    fn value_variants<'a>() -> &'a [Self] {
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Daemon(row) => row.to_possible_value(),
            Self::Probe(row) => row.to_possible_value(),
            Self::Route(row) => row.to_possible_value(),
        }
    }
}

impl Row {
    /// The heads of its table.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Daemon(_) => &daemon_rows::COLUMNS,
            Self::Probe(_) => &probe_rows::COLUMNS,
            Self::Route(_) => &route_rows::COLUMNS,
        }
    }

    fn measure(self, effort: Effort) -> Vec<Line> {
        match self {
            Self::Daemon(row) => daemon_rows::measure(row, effort),
            Self::Probe(row) => probe_rows::measure(row, effort),
            Self::Route(row) => route_rows::measure(row, effort),
        }
    }
}

/// Measures rows and writes each line of their tables as soon as it is known.
///
/// # Errors
/// When the output cannot be written; what fails in the lab stands in its cell.
pub(crate) fn table(rows: &[Row], effort: Effort, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Least / median / most (number of trials); seed {}.", effort.seed)?;
    let mut columns: &[&str] = &[];
    for row in rows {
        if row.columns() != columns {
            columns = row.columns();
            writeln!(out, "\n| | {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len() + 1))?;
        }
        for line in row.measure(effort) {
            writeln!(out, "{line}")?;
            out.flush()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_a_name_of_its_own_and_says_what_it_is() {
        let values: Vec<PossibleValue> =
            Row::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        let names: BTreeSet<&str> = values.iter().map(PossibleValue::get_name).collect();
        assert_eq!(names.len(), Row::value_variants().len());
        assert!(values.iter().all(|value| value.get_help().is_some()));
    }
}
