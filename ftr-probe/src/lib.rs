//! Is this uplink working?
//!
//! A check asks several hosts in the internet through one device, and is over as soon as its answer is certain. All
//! uplinks are checked side by side in one loop ([`watch`]). What decides is pure: [`path`] reads the kernel's state,
//! [`schedule`] says whom to ask when, [`check`] keeps account of probes and answers, and [`verdict`] evaluates.

mod awake;
mod before;
mod cadence;
mod check;
mod cli;
mod devices;
mod echo;
mod error;
mod estimate;
mod evidence;
mod figures;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod host;
mod icmp;
mod method;
mod open_files;
mod outlet;
mod output;
mod path;
mod plan;
mod probes;
mod report;
mod schedule;
mod snapshot;
mod solicit;
mod tokens;
mod tool;
mod traffic;
mod uplink;
mod usage;
mod verdict;
mod watch;
mod window;

use std::process::ExitCode;

use ftr_core::Exit;
use ftr_tool::cli::Failure;
use ftr_tool::configuration;

use cli::Command;
pub(crate) use error::Error;

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Command as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_tool::cli::run(tool::NAME, probe)
}

fn probe(command: &Command) -> Result<Exit, Failure> {
    let bare = !command.targets.is_empty() && !command.uplinks.is_empty();
    let config = match command.common.source.file() {
        Ok(file) => Some(configuration::load(&file)?),
        // An interface and whom to ask is enough to go by.
        Err(_) if bare => None,
        Err(failure) => {
            let hint = "; or name an UPLINK and a --target, which takes no configuration";
            return Err(Failure::new(failure.exit(), failure.lines().join("; ") + hint));
        }
    };
    let plans = plan::plans(command, config.as_ref())?;
    let form = watch::Form { json: command.common.json, quiet: command.common.quiet, verbose: command.common.verbose };
    let all_up = watch::run(plans, config, command.watch, form)?;
    Ok(if all_up { Exit::Yes } else { Exit::No })
}
