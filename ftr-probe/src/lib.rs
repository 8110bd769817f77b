//! Is this uplink working?
//!
//! A check asks several hosts in the internet through one device, and is over as soon as its answer is certain. All
//! uplinks are checked side by side in one loop ([`watch`]). What decides is pure: [`path`] reads the kernel's state,
//! [`schedule`] says whom to ask when, [`round`] keeps account of questions and answers, and [`verdict`] judges.

mod cadence;
mod cli;
mod clock;
mod devices;
mod echo;
mod error;
mod estimate;
mod evidence;
mod figures;
mod host;
mod icmp;
mod method;
mod output;
mod path;
mod plan;
mod probes;
mod queue;
mod report;
mod round;
mod schedule;
mod solicit;
mod survey;
mod tokens;
mod traffic;
mod uplink;
mod usage;
mod verdict;
mod watch;
mod window;

use std::process::ExitCode;

use ftr_core::cli::Failure;
use ftr_core::{Config, Exit};

use cli::Command;
pub(crate) use error::Error;

const TOOL: &str = "ftr-probe";

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Command as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_core::cli::run(TOOL, probe)
}

fn probe(command: &Command) -> Result<Exit, Failure> {
    let bare = !command.targets.is_empty() && !command.uplinks.is_empty();
    let config = match command.common.config_file() {
        Ok(file) => Some(Config::load(&file)?),
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
