//! `ftr-monitor`: decides which uplinks carry traffic, supervises the other ftr tools, and shows how things are.
//!
//! Its two hearts are pure. [`decide`]: records in, records out, from check to check. [`supervisor`]: what programs say
//! and how they end in, what is to be started, fed, killed and told out. [`daemon`] carries that out.

mod ask;
mod change;
mod check;
mod cli;
mod confine;
mod control;
mod cycles;
mod daemon;
mod decide;
mod decide_command;
mod demo;
mod detect;
mod down_before;
mod drain;
mod entry;
mod example;
mod follow;
mod followers;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod hazards;
mod hooks;
mod host;
#[cfg(test)]
mod hostile;
mod init;
mod instance;
mod log;
mod memory;
mod once;
mod peer;
mod privilege;
mod program;
mod reduce;
mod request;
mod service;
mod snapshot;
mod starter;
mod state;
mod status;
mod supervisor;
mod tool;
mod trial;
mod user;
mod visitors;

use std::process::ExitCode;

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <cli::Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    hooks::keeper::run().unwrap_or_else(|| ftr_tool::cli::run(tool::NAME, cli::run))
}
