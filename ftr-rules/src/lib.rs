//! `ftr-rules` prints the firewall rules of a router with several uplinks, as `iptables-restore` or `nft` reads them.
//!
//! It changes nothing itself: `ftr-rules | iptables-restore`. Without the mangle table policy routing cannot keep a
//! connection on its uplink, without the nat table its packets carry an address that no provider lets through.

mod cli;
mod compose;
mod diff;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod iptables;
mod learned;
mod loaded;
pub mod model;
mod names;
mod nft;
mod programs;
pub mod render;
mod script;
mod space;

use std::process::ExitCode;

use ftr_core::config::Policy;
use ftr_core::{Config, Exit, Family};
use ftr_tool::cli::{Failure, answer, say};
use ftr_tool::running;

use cli::{Cli, NameServer};
use model::Table;
use render::{Backend, Request};

const TOOL: &str = "ftr-rules";

/// The command line, for its man page and completions.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    ftr_tool::cli::run(TOOL, print)
}

fn print(cli: &Cli) -> Result<Exit, Failure> {
    let request = cli.request().map_err(|reason| Failure::new(Exit::Usage, reason))?;
    let mut config = cli.source.load_numbered()?;
    if request.families.contains(&Family::V6) && config.learns_prefixes() {
        learned::fill(&mut config).unwrap_or_else(|warning| say(TOOL, &warning));
    }
    if let Some(text) = of_names(cli, &config, request.backend)? {
        answer(&text)?;
        return Ok(Exit::Yes);
    }
    if !cli.quiet && !cli.diff {
        warn(&config, &request);
    }
    if let Some(warning) = running::difference(&config).filter(|_| !cli.quiet) {
        say(TOOL, &warning);
    }
    if !cli.diff {
        answer(&render::render(&config, &request))?;
        return Ok(Exit::Yes);
    }
    let mut differences = loaded::differences(&request, &config)?;
    for line in &mut differences {
        line.push('\n');
    }
    if !cli.quiet {
        answer(&differences.concat())?;
    }
    Ok(if differences.is_empty() { Exit::Yes } else { Exit::No })
}

/// What policies for names need beside the rules, where that is asked for.
fn of_names(cli: &Cli, config: &Config, backend: Backend) -> Result<Option<String>, Failure> {
    let families = cli.families(config);
    if cli.sets {
        return Ok(Some(names::ipsets(config, &families)));
    }
    let Some(NameServer::Dnsmasq) = cli.dns else { return Ok(None) };
    if !config.policies.iter().any(Policy::of_names) {
        let what = format!("no policy of {} is for domains", config.file.display());
        return Err(Failure::new(Exit::Config, what));
    }
    Ok(Some(names::dnsmasq(config, backend, &families)))
}

fn warn(config: &Config, request: &Request) {
    for line in config.warning_lines() {
        say(TOOL, &line);
    }
    let printed = request.printed(config);
    if printed.contains(&Table::Filter) && request.original(config) {
        say(
            TOOL,
            "filter: warning: INPUT admits no new connection from the LAN to the router itself (SSH, DNS, DHCP); \
             the rules have examples to uncomment, and `firewall: safe` in the configuration admits them all",
        );
    }
    if printed.contains(&Table::Filter) && config.downlinks.lan.is_empty() {
        say(
            TOOL,
            "filter: warning: without a local network (downlinks.lan) INPUT admits no new connection to this host (SSH); \
             the rules have examples to uncomment, and `firewall: none` in the configuration leaves the filter out",
        );
    }
    if printed.is_empty() {
        say(TOOL, "filter: warning: `firewall: none` in the configuration leaves it out, so there are no rules");
    }
    let leads = |family: &Family| config.uplinks.iter().any(|uplink| uplink.has(*family));
    if !request.families.iter().any(leads) {
        say(TOOL, "uplinks: warning: none has IPv6 (ip6, type6), so none is in these rules");
    }
}
