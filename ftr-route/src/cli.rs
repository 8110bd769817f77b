//! The command line.

use clap::{Args, Parser, Subcommand};
use ftr_core::cli::Common;

const EXAMPLES: &str = "\
Examples:
  ftr-route apply                          all uplinks of the configuration carry new connections
  ftr-route apply eth1 eth3                these two do
  ftr-route apply --failed eth2            all but eth2, by priority group
  ftr-route apply -n | sh                  the same by hand: -n prints the commands
  ftr-route prepare && ftr-probe --watch --json | ftr-monitor decide | ftr-route apply -
  ftr-route check || mail -s 'routing differs' root </dev/null
  ftr-route clear                          take it all away again";

/// Make the kernel's routing what several uplinks need
///
/// Rules and routes are read, compared and changed one by one, never replaced, in an order that leaves no moment without
/// a route. What is right already is not touched, and nothing of others ever is. Changing anything needs the
/// capability `CAP_NET_ADMIN`.
#[derive(Debug, Parser)]
#[command(name = "ftr-route", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    /// IPv4 alone [default: every family that the configuration has]
    #[arg(short = '4', global = true)]
    pub(crate) ipv4: bool,
    /// IPv6 alone
    #[arg(short = '6', global = true)]
    pub(crate) ipv6: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put rules, uplink tables and sysctls in place; new connections go on as they do
    Prepare(DryRun),
    /// Prepare, and let uplinks carry new connections
    Apply(Apply),
    /// Show what the kernel has
    Show,
    /// Compare the kernel with what is wanted: 0 as wanted, 1 differs
    Check,
    /// Take away all that was put into the kernel, and nothing else
    Clear(Clear),
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct DryRun {
    /// Print the commands that would do it, change nothing
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    #[command(flatten)]
    pub(crate) dry: DryRun,
    /// An uplink that does not work (may be given several times)
    #[arg(long, value_name = "UPLINK")]
    pub(crate) failed: Vec<String>,
    /// The uplinks that carry new connections [default: all that the configuration lets];
    /// `-`: follow `active` records from standard input
    #[arg(value_name = "UPLINK")]
    pub(crate) uplinks: Vec<String>,
}

impl Apply {
    /// Whether it follows records instead of doing one thing.
    pub(crate) fn follows(&self) -> bool {
        self.uplinks.iter().any(|uplink| uplink == "-")
    }
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Clear {
    #[command(flatten)]
    pub(crate) dry: DryRun,
    /// Also take away what Fault Tolerant Router (the Ruby daemon) has left behind, by its numbering
    #[arg(long)]
    pub(crate) legacy: bool,
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_dash_follows() {
        let apply = |args: &[&str]| match Cli::try_parse_from(args).unwrap().command {
            Command::Apply(apply) => apply,
            other => panic!("{other:?}"),
        };
        assert!(apply(&["ftr-route", "apply", "-"]).follows());
        let some = apply(&["ftr-route", "apply", "-n", "--failed", "eth2", "eth1", "eth3"]);
        assert!(!some.follows() && some.dry.dry_run);
        assert_eq!((some.failed, some.uplinks), (vec!["eth2".to_owned()], vec!["eth1".to_owned(), "eth3".to_owned()]));
        assert!(Cli::try_parse_from(["ftr-route"]).is_err());
    }
}
