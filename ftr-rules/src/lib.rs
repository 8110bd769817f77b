//! `ftr-rules` prints the firewall rules of a router with several uplinks, as `iptables-restore` reads them.
//!
//! It changes nothing itself: `ftr-rules | iptables-restore`. Without the mangle table policy routing cannot keep a
//! connection on its uplink, without the nat table its packets carry an address that no provider lets through.

mod cli;
pub mod render;
pub mod script;

use std::io::{self, Write};
use std::process::ExitCode;

use ftr_core::cli::{Failure, say};
use ftr_core::{Config, Exit};

use cli::Cli;
use render::Table;

const TOOL: &str = "ftr-rules";

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_core::cli::run(TOOL, print)
}

fn print(cli: &Cli) -> Result<Exit, Failure> {
    if cli.common.json {
        return Err(Failure::new(Exit::Usage, "--json: firewall rules have no JSON form"));
    }
    let config = cli.common.load()?;
    let tables = cli.tables();
    if !cli.common.quiet {
        warn(&config, &tables);
    }
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(render::render(&config, &tables).as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::stdout(&error))?;
    Ok(Exit::Yes)
}

fn warn(config: &Config, tables: &[Table]) {
    for line in config.warning_lines() {
        say(TOOL, &line);
    }
    if tables.contains(&Table::Filter) {
        say(
            TOOL,
            "filter: warning: INPUT admits no new connection from the LAN to the router itself (SSH, DNS, DHCP); \
             the rules have examples to uncomment",
        );
    }
}
