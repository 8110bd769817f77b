//! `ftr-monitor`: decides which uplinks carry traffic, supervises the other ftr tools, and shows how things are.
//!
//! The heart is [`decide`] with [`judge`] (is this uplink up?) and [`elect`] (who carries new connections?): records
//! in, records out, no clock. [`run`] is the pipeline `ftr-probe | decide | ftr-route | ftr-notify` with supervision.

mod backoff;
mod check;
mod child;
mod cli;
mod clock;
mod daemon;
mod decide;
mod demo;
mod elect;
mod filter;
mod hazards;
mod init;
mod instance;
mod judge;
mod log;
mod memory;
mod once;
mod privilege;
mod queue;
mod snapshot;
mod status;
mod stream;
mod throttle;
mod words;

use std::process::ExitCode;

const TOOL: &str = "ftr-monitor";

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <cli::Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_core::cli::run(TOOL, cli::run)
}
