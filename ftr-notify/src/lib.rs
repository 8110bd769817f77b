//! `ftr-notify` mails the administrator what changed.
//!
//! With `-` it follows `event` records on stdin, gathers what happens together ([`digest`]), writes it in plain words
//! ([`message`]) and sends it ([`smtp`]) without ever making its writer wait. Without `-` it mails its input at once.

mod acknowledge;
mod cli;
pub mod digest;
pub mod envelope;
mod follow;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod host;
pub mod message;
mod once;
pub mod smtp;
mod tool;

use std::process::ExitCode;

use ftr_core::Exit;
use ftr_tool::cli::Failure;

use cli::Cli;
use envelope::Addresses;

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_tool::cli::run(tool::NAME, notify)
}

fn notify(cli: &Cli) -> Result<Exit, Failure> {
    let config = cli.common.source.load()?;
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
    Addresses::new(&config.email.sender, recipients).map_err(|error| match error {
        // Nothing of the section with the password is repeated.
        envelope::BadAddress::Recipient { source, .. } if cli.to.is_empty() => {
            Failure::new(exit, format!("email.recipients: {source}"))
        }
        error => Failure::new(if error.of_sender() { Exit::Config } else { exit }, error.to_string()),
    })
}
