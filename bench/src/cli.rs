//! The command line of `ftr-bench`.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ftr_lab::error::{Context, Result};
use ftr_lab::teardown;

use crate::rows::{self, Row};
use crate::table::Effort;

/// Measures rows of docs/benchmarks.md and writes them as a markdown table.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench", version)]
struct Arguments {
    /// Which; all when none is named.
    rows: Vec<Row>,
    /// Repetitions of each measurement.
    #[arg(short, long, default_value_t = 10)]
    runs: usize,
    /// Seed of every random choice; drawn and printed when absent.
    #[arg(short, long)]
    seed: Option<u64>,
    /// Without the peers: keepalived, the fping script, fping and ping.
    #[arg(long)]
    alone: bool,
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match teardown::on_signals().and_then(|()| measure(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(Arguments { rows, runs, seed, alone }: Arguments) -> Result<()> {
    let rows = if rows.is_empty() { Row::value_variants().to_vec() } else { rows };
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let effort = Effort { runs, seed, peers: !alone };
    rows::table(&rows, effort, &mut std::io::stdout()).context(|| "write the table".to_owned())
}
