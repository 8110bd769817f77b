//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use ftr_core::Exit;
use ftr_core::cli::{Common, Failure};

use crate::{check, daemon, demo, filter, init, once, status};

/// Decide which uplinks carry traffic, and keep the other ftr tools running
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "\
Examples:
  ftr-monitor init /etc/ftr/ftr.yaml      write an example configuration
  ftr-monitor check                       is the configuration right?
  ftr-monitor run --demo                  see it decide, without uplinks and without root
  ftr-monitor run                         the daemon
  ftr-monitor status                      how are my uplinks?
  ftr-probe --watch --json | ftr-monitor decide | ftr-route apply -

Exit codes: 0 yes or done, 1 no (degraded), 64 wrong usage, 69 not running, 74 input or
output failed, 75 another one is running, 77 not permitted, 78 configuration problems.";

#[derive(Clone, Debug, Subcommand)]
enum Task {
    /// The daemon: probe, decide, route and notify, in the foreground; -j prints its records
    ///
    /// With -j standard output has the records that it decides (active, event) and that ftr-route answers (applied), one
    /// object a line, as they are in the pipe; with --debug checks, too. The log goes where the configuration has it,
    /// or to standard error. A reader that is slow loses records, which the log tells, and one that goes away changes nothing.
    Run(RunOptions),
    /// One cycle with remembered state, for cron and timers
    Once,
    /// Filter: check records in, active and event records out
    Decide,
    /// Print an example configuration, or write it to a new file
    Init {
        /// The file to write; it must not exist
        file: Option<PathBuf>,
    },
    /// Check the configuration; -v or -j print the effective one
    Check,
    /// Show the uplinks of the running monitor
    Status,
}

/// How the daemon runs.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct RunOptions {
    /// Make up uplinks that come and go, and show what would be done; needs no root
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) demo: bool,
    /// Probe and decide, but write nothing to the kernel and send no mail
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Log every check
    #[arg(long)]
    pub(crate) debug: bool,
}

/// Does what the command line asks for.
pub(crate) fn run(cli: &Cli) -> Result<Exit, Failure> {
    let common = &cli.common;
    match &cli.task {
        Task::Run(options) if options.demo => demo::run(common),
        Task::Run(options) => daemon::run(common, *options),
        Task::Once => once::run(common),
        Task::Decide => filter::run(common),
        Task::Init { file } => init::run(file.as_deref()),
        Task::Check => check::run(common),
        Task::Status => status::show(common),
    }
}
