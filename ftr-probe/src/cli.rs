//! The command line.

use std::time::Duration;

use clap::Parser;
use ftr_core::InterfaceName;
use ftr_core::config::Target;
use ftr_tool::cli::Common;
use ftr_tool::completion;

use crate::before::Before;

/// Tells whether internet uplinks work, by asking hosts behind them.
///
/// Exit: 0 all are up, 1 any is down, 64 wrong usage, 74 input or output failed, 75 try again, 77 not permitted, 78
/// configuration.
#[derive(Clone, Debug, Parser)]
#[command(name = "ftr-probe", version, after_help = EXAMPLES)]
#[command(mut_arg("verbose", |arg| arg.help("Print what each target said, the gateway, and quality over more than one check, too")))]
pub(crate) struct Command {
    /// Uplinks to check [default: all of the configuration]
    #[arg(value_name = "UPLINK", add = completion::uplinks())]
    pub(crate) uplinks: Vec<InterfaceName>,
    /// Host to ask, instead of tests.ips; may be given more than once (forms below)
    #[arg(short, long = "target", value_name = "TARGET")]
    pub(crate) targets: Vec<Target>,
    /// How many targets have to answer [default: as configured; all targets without a configuration]
    #[arg(short, long, value_name = "N")]
    pub(crate) required: Option<usize>,
    /// How often each target is asked before the check is confirmed [default: as configured; 1]
    #[arg(long = "retries", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) tries: Option<u32>,
    /// How long to wait for an answer at most, such as 2s or 450ms [default: as configured; 2s]
    #[arg(short = 'W', long, value_name = "DUR", value_parser = ftr_core::duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// From the start of one check to that of the next, with --watch [default: as configured; 60s]
    #[arg(short, long, value_name = "DUR", value_parser = ftr_core::duration::parse, requires = "watch")]
    pub(crate) interval: Option<Duration>,
    /// Check again and again, and print every result
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// How an uplink was down before: it has to show more than one that was up; may be given more than once (forms below)
    #[arg(long, value_name = "UPLINK=STATE")]
    pub(crate) before: Vec<Before>,
    /// Ask over IPv4 only
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    pub(crate) ipv4: bool,
    /// Ask over IPv6 only
    #[arg(short = '6', long = "ipv6")]
    pub(crate) ipv6: bool,
    #[command(flatten)]
    pub(crate) common: Common,
}

const EXAMPLES: &str = "Targets:
  ADDR                                  ICMP echo, IPv4 or IPv6
  tcp://ADDR:PORT                       a connection
  dns://ADDR[:PORT][/NAME]              a query, for the root's name servers without NAME
  http://[HOST@]ADDR[:PORT]/PATH[#STATUS[:TEXT]]    a page [default: status 204]

Before:
  eth1=dead, eth1/4=dead, eth1/6=dead   nothing came back, over both families or one of them
  eth1=lossy                            too little came back
  eth1=loss, eth1=latency               it was worse than the limits of the configuration allow

Examples:
  ftr-probe                          all uplinks of the configuration
  ftr-probe -q eth1 && echo works    in a script
  ftr-probe -t 9.9.9.9 -t 1.1.1.1 -r 1 eth1    without a configuration
  ftr-probe -v -t dns://9.9.9.9 -t tcp://1.1.1.1:443 eth1
  ftr-probe --watch --json           a record for every check, for other programs";

#[cfg(test)]
mod tests {
    use super::Command;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_refused() {
        for line in [
            "-i 2 eth1",
            "-4 -6",
            "-t localhost",
            "-t 127.0.0.1",
            "-W 0",
            "--retries 0",
            "a/b",
            "-r x",
            "--before eth1",
        ] {
            let words = std::iter::once("ftr-probe").chain(line.split(' '));
            assert!(Command::try_parse_from(words).is_err(), "{line}");
        }
        assert!(Command::try_parse_from("ftr-probe -w -i 2 -t 9.9.9.9 -r 1 -W 450ms -jqv eth1".split(' ')).is_ok());
    }
}
