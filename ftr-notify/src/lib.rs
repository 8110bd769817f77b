//! `ftr-notify` mails the administrator what changed.
//!
//! With `-` it follows `event` records on stdin, gathers what happens together ([`digest`]), writes it in plain words
//! ([`message`]) and sends it ([`smtp`]) without ever making its writer wait. Without `-` it mails its input at once.

mod acknowledge;
mod cli;
pub mod digest;
mod follow;
pub mod letter;
pub mod message;
mod once;
pub mod smtp;

use std::process::ExitCode;

use ftr_core::Exit;
use ftr_core::cli::Failure;

use cli::Cli;
use letter::Addresses;

const TOOL: &str = "ftr-notify";

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_core::cli::run(TOOL, notify)
}

fn notify(cli: &Cli) -> Result<Exit, Failure> {
    let config = cli.common.load()?;
    if cli.follows() {
        let addresses = if config.email.send { Some(addresses(cli, &config)?) } else { None };
        follow::follow(&config.email, addresses, &cli.common)
    } else if cli.test {
        once::test(&config, &addresses(cli, &config)?, cli)
    } else {
        once::send(&config, &addresses(cli, &config)?, cli)
    }
}

/// Sender and recipients: those of the command line, else those of the configuration.
fn addresses(cli: &Cli, config: &ftr_core::Config) -> Result<Addresses, Failure> {
    let (recipients, exit) =
        if cli.to.is_empty() { (&config.email.recipients, Exit::Config) } else { (&cli.to, Exit::Usage) };
    Addresses::new(&config.email.sender, recipients)
        .map_err(|error| Failure::new(if error.of_sender() { Exit::Config } else { exit }, error.to_string()))
}

/// The name of this host, for subjects.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| ftr_core::clean::clean(name.trim()).into_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "router".to_owned())
}
