//! `ftr-route` makes the kernel's routing what a router with several uplinks needs.
//!
//! Pure parts: `standing` (how each uplink stands), `balance` (who carries new connections), `desired` (the rules and
//! routes that follow), `diff` (the changes, in an order without holes), `iproute` (the same in words), `inbox`,
//! `outbox` and `drift` (of `apply -`). The kernel is touched in `kernel` and `sysctl` alone.

mod balance;
mod check;
mod clear;
mod cli;
mod clock;
mod desired;
mod diff;
mod drift;
mod error;
mod flush;
mod follow;
mod inbox;
mod iproute;
mod kernel;
mod legacy;
mod observed;
mod once;
mod operation;
mod outbox;
mod pipe;
mod remembered;
mod router;
mod show;
mod standing;
mod sysctl;

use std::io::{self, Write};
use std::process::ExitCode;

use ftr_core::cli::{Failure, say};
use ftr_core::{Config, Exit, Family};

use cli::{Cli, Command};

const TOOL: &str = "ftr-route";

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_core::cli::run(TOOL, run)
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    let config = cli.common.load()?;
    if !cli.common.quiet {
        for line in config.warning_lines() {
            say(TOOL, &line);
        }
    }
    match &cli.command {
        Command::Prepare(dry) => once::prepare(&config, &cli.common, *dry),
        Command::Apply(apply) if apply.follows() => follow::run(&config, apply),
        Command::Apply(apply) => once::apply(&config, &cli.common, apply),
        Command::Show => show::run(&config, &cli.common),
        Command::Check => check::run(&config, &cli.common),
        Command::Clear(clear) => clear::run(&config, &cli.common, *clear),
    }
}

/// The families that the configuration has addresses of.
const FAMILIES: [Family; 1] = [Family::V4];

/// The place of an uplink that the command line names.
fn position(config: &Config, name: &str) -> Result<usize, Failure> {
    config.position(name).ok_or_else(|| {
        let known: Vec<&str> = config.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
        let file = config.file.display();
        Failure::new(Exit::Usage, format!("{name}: no uplink of {file}, which has {}", known.join(", ")))
    })
}

/// Prints lines of the answer.
fn answer<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    for line in lines {
        writeln!(stdout, "{}", ftr_core::clean::clean(line.as_ref())).map_err(|error| Failure::stdout(&error))?;
    }
    stdout.flush().map_err(|error| Failure::stdout(&error))
}
