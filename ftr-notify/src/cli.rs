//! The command line.

use clap::Parser;
use ftr_tool::cli::Common;

const EXAMPLES: &str = "\
Examples:
  ftr-notify --test                        does mail work? says who took it, or what the server answered
  df -h / | ftr-notify -s 'disk of the router'
                                           mail any text to the configured recipients
  ftr-monitor decide < checks | ftr-notify -
                                           mail the events of a pipe

Exit: 0 delivered (to one recipient at least), 1 not delivered (with -: some events were given up),
64 wrong usage, 69 something needed is not there, 74 input or output failed, 75 try again later,
78 configuration";

/// Mail the administrator: a text from stdin, or with - what changed on the uplinks
///
/// Server, sender and recipients come from the configuration (email).
#[derive(Debug, Parser)]
#[command(name = "ftr-notify", version, after_help = EXAMPLES)]
#[command(mut_arg("verbose", |arg| arg.help("Say what is sent to whom, and who took it")))]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Follow event records on stdin, and mail them gathered and in plain words
    #[arg(value_name = "-", value_parser = ["-"], hide_possible_values = true)]
    input: Option<String>,
    /// Send a mail that says that mail works
    #[arg(long, conflicts_with = "input")]
    pub(crate) test: bool,
    /// Subject of the mail
    #[arg(short, long, conflicts_with = "input")]
    pub(crate) subject: Option<String>,
    /// Recipient, instead of the configured ones (may be given several times)
    #[arg(short, long, value_name = "ADDRESS")]
    pub(crate) to: Vec<String>,
}

impl Cli {
    /// Whether records are followed.
    pub(crate) const fn follows(&self) -> bool {
        self.input.is_some()
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn ways_to_call_it() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["ftr-notify"], args].concat());
        assert!(parse(&["-"]).unwrap().follows());
        assert!(!parse(&["-s", "x", "-t", "a@b", "-t", "c@d"]).unwrap().follows());
        for wrong in [&["eth1"][..], &["-", "--test"], &["-", "-s", "x"], &["--list"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
