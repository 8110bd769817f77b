//! `ftr-route` makes the kernel's routing what a router with several uplinks needs.
//!
//! Pure parts: `standing` (how each uplink stands), `balance` (who carries new connections), `desired` (the rules and
//! routes that follow), `diff` (the changes, in an order without holes), `iproute` (the same in words), `walk`
//! (how the kernel decides about a packet), `inbox`, `outbox`, `watched`, `drift`, `rate_limiter` and `given_up` (of
//! `apply -`), `sockets` (which are ended). The kernel is touched in `kernel`, `flush` with `sockets`, `sysctl` and
//! `following` alone.

mod balance;
mod check;
mod clear;
mod cli;
mod clock;
mod desired;
mod diff;
mod drift;
mod error;
mod explain;
mod flush;
mod follow;
mod followed;
mod following;
mod foundation;
mod given_up;
mod hazards;
mod inbox;
mod iproute;
mod kernel;
mod labels;
mod legacy;
mod observed;
mod once;
mod operation;
mod outbox;
mod pipe;
mod rate_limiter;
mod remembered;
mod renumbered;
mod router;
mod show;
mod sockets;
mod standing;
mod sysctl;
mod walk;
mod watched;

use std::io::{self, Write};
use std::process::ExitCode;

use ftr_core::cli::{Failure, say};
use ftr_core::running;
use ftr_core::{Config, Exit, Family};

use cli::{Cli, Command};
use error::Error;
use kernel::Kernel;

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
        for line in config.warning_lines().iter().chain(&running::difference(&config)) {
            say(TOOL, line);
        }
    }
    let asked = |family: &Family| match family {
        Family::V4 => cli.ipv4 || !cli.ipv6,
        Family::V6 => cli.ipv6 || !cli.ipv4,
    };
    if let Command::Clear(clear) = &cli.command {
        let families: Vec<Family> = [Family::V4, Family::V6].into_iter().filter(asked).collect();
        return clear::run(&config, &cli.common, &families, *clear);
    }
    if let Command::Explain(explain) = &cli.command {
        if !asked(&Family::of(explain.to)) {
            return Err(Failure::new(Exit::Usage, format!("{}: not of the family that is asked for", explain.to)));
        }
        return explain::run(&config, &cli.common, explain);
    }
    let families: Vec<Family> = families(&config)?.into_iter().filter(asked).collect();
    if families.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("-6: no uplink of {} has IPv6", config.file.display())));
    }
    match &cli.command {
        Command::Prepare(dry) => once::prepare(&config, &cli.common, &families, *dry),
        Command::Apply(apply) if apply.follows() => follow::run(&config, &families, apply),
        Command::Apply(apply) => once::apply(&config, &cli.common, &families, apply),
        Command::Show => show::run(&config, &cli.common, &families),
        Command::Check => check::run(&config, &cli.common, &families),
        Command::Clear(_) | Command::Explain(_) => Ok(Exit::Yes),
    }
}

/// The families that uplinks have, and IPv6 where they no longer have it but the kernel has something of ours.
fn families(config: &Config) -> Result<Vec<Family>, Error> {
    let mut families = config.families();
    if !families.contains(&Family::V6) {
        let mut kernel = Kernel::open()?;
        let left = kernel.has(Family::V6)?
            && (kernel.rules(Family::V6)?.iter().any(|rule| iproute::is_ours(rule.protocol))
                || !kernel.ours(Family::V6)?.is_empty());
        families.extend(left.then_some(Family::V6));
    }
    Ok(families)
}

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
