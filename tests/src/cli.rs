//! The command line of `ftr-lab`.

use crate::bench::rows::{self, Effort, Row};
use crate::error::{Context, Result};
use crate::teardown;
use clap::{Parser, Subcommand, ValueEnum};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "ftr-lab", version, about = "Shows and measures ftr in network namespaces of this machine")]
struct Arguments {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Breaks an uplink before your eyes and shows the traffic moving and coming back.
    Demo,
    /// Measures rows of docs/benchmarks.md and writes them as a markdown table.
    Bench {
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
    },
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match teardown::on_signals().and_then(|()| work(arguments.work)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ftr-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work(work: Work) -> Result<()> {
    match work {
        Work::Demo => crate::demo::show(&mut std::io::stdout()),
        Work::Bench { rows, runs, seed, alone } => {
            let rows = if rows.is_empty() { Row::value_variants().to_vec() } else { rows };
            let seed = seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
            let effort = Effort { runs, seed, peers: !alone };
            rows::table(&rows, effort, &mut std::io::stdout()).context(|| "write the table".to_owned())
        }
    }
}
