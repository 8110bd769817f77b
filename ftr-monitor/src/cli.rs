//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Parser, Subcommand, value_parser};
use ftr_core::Exit;
use ftr_tool::cli::{Common, Failure, no_remarks, verbose};

use crate::control::ReloadOptions;
use crate::daemon::options::RunOptions;
use crate::drain::{Drain, Named};
use crate::hooks::HookOptions;
use crate::request::Request;
use crate::{check, control, daemon, decide_command, demo, drain, follow, hooks, init, once, status};

/// Decide which uplinks carry traffic, and keep the other ftr programs running
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "\
Examples:
  ftr-monitor init --detect /etc/ftr/ftr.yaml     a configuration for this host
  ftr-monitor init                        print an example of one, with every key
  ftr-monitor check                       is the configuration right?
  ftr-monitor run --demo                  see it decide, without uplinks and without root
  ftr-monitor run                         the daemon
  ftr-monitor status                      how are my uplinks?
  ftr-monitor follow                      what happens, while it happens
  ftr-monitor check-now                   look again, now
  ftr-monitor reload --dry-run            what would a changed file bring?
  ftr-monitor reload --confirm 60s        take it, and go back unless `ftr-monitor confirm` follows
  ftr-probe --watch --json | ftr-monitor decide | ftr-route apply -

Exit codes: 0 yes or done, 1 no (degraded), 64 wrong usage, 69 not running, 74 input or
output failed, 75 another one is running, 77 not permitted, 78 configuration problems.";

#[derive(Clone, Debug, Subcommand)]
enum Task {
    /// The daemon: probe, decide, route and notify, in the foreground; -j prints its records
    ///
    /// With -j standard output has the records that it decides (active, event) and that ftr-route answers (applied,
    /// hazard), one object a line, as they are in the pipe; with --debug checks, too. The log goes where the configuration has it,
    /// or to standard error. A reader that is slow loses records, which the log tells, and one that goes away changes nothing.
    ///
    /// A terminal is shown the log in any case, but with -q. SIGTERM, SIGINT and a terminal that closes end it, and routing stays
    /// as it is; SIGHUP opens the log and reads the configuration anew; SIGUSR1 writes into the log how things are, SIGUSR2
    /// switches the logging of every check. Under systemd it is started once the first decision is in the kernel.
    #[command(arg = verbose("Log every check too"))]
    Run(RunOptions),
    /// One cycle with remembered state, for cron and timers: says what changed, and nothing where nothing did
    ///
    /// What is unusual in the configuration is said in the first cycle after a boot, and in each with -v.
    #[command(arg = verbose("Print the active set too, which every cycle decides anew"))]
    Once,
    /// Filter: check records in, active and event records out
    #[command(arg = verbose("Say what is decided in words too, on standard error"), arg = no_remarks(), arg = no_json())]
    Decide,
    /// Run the hooks of the configuration for the event records that come in on standard input
    ///
    /// The daemon does this by itself. By hand, `ftr-monitor hooks < events` shows what a hook does. What hooks print, and how
    /// they end where they do not end well, goes to standard error.
    Hooks(HookOptions),
    /// Print an example configuration, or one for this host, or write it to a new file
    ///
    /// With --detect it is for this host as it is now: its uplinks are the devices that default routes lead through, in
    /// whatever table, and point-to-point lines that are up; whether an address is static or comes from DHCP, and whether
    /// IPv6 is advertised, is told by routes, addresses and the leases of DHCP clients; its LAN are devices with private
    /// addresses that nobody has given them for a time, and no default route. What was seen stands there as comments.
    /// Nothing on the host is changed. It exits with 69 where no device leads to the internet.
    #[command(arg = verbose("Say that the file is written, and what comes next"), arg = no_config())]
    Init {
        /// Make it for this host, of its addresses and default routes
        #[arg(long)]
        detect: bool,
        /// The file to write; it must not exist
        file: Option<PathBuf>,
    },
    /// Check the configuration, and look for what works against it; -v or -j print the effective one
    ///
    /// Prints problems with file, line and column, and exits with 78 if there are any. Warnings have their places, too, and
    /// do not change the exit code: what is seldom meant, and what does not fit this host, such as a device that is not
    /// there, an address that its device does not have, or a file that the service's user cannot use. Then it runs
    /// `ftr-route check` and prints the hazards of this host on stderr, with what to do about each; they do not change the
    /// exit code either. With -q it checks the configuration only, and says nothing where it is right.
    #[command(arg = verbose("Print the configuration with all defaults"))]
    Check,
    /// Show the uplinks of the running monitor, and what works against them
    #[command(arg = verbose("Show addresses, gateways, the time of the last check, and the processes too"))]
    Status {
        /// Print metrics in the text format of Prometheus
        #[arg(long)]
        prometheus: bool,
    },
    /// Print what happens while it happens: state, roles, addresses, hazards, quotas; -j prints the event records
    ///
    /// It ends with 69 when the monitor ends.
    #[command(arg = no_remarks())]
    Follow,
    /// Have the running monitor read its configuration anew, without losing a connection
    ///
    /// Uplinks and policies keep their tables and marks by name, in whatever order they stand. A file with problems
    /// changes nothing, and its problems are printed (exit 78). Root and members of the group ftr may ask for it.
    Reload(ReloadOptions),
    /// Keep the configuration that `reload --confirm` has brought
    Confirm,
    /// Have the running monitor check every uplink now
    ///
    /// The verdicts are in the log and in `status` a moment later. Root and members of the group ftr may ask for it.
    CheckNow,
    /// Let an uplink take no new connections, while those that it has finish
    ///
    /// Where no other uplink works it is used all the same. The monitor remembers it over restarts, but not over a reboot.
    /// Root and members of the group ftr may ask for it. Where no monitor runs the next cycle of `ftr-monitor once` acts
    /// on it, as with undrain and trust. --wait asks ftr-route how many connections are left, which needs
    /// the capability `CAP_NET_ADMIN`.
    Drain(Drain),
    /// Let an uplink that was drained take new connections again
    Undrain(Named),
    /// Forget how often an uplink went down of late: it is held down no longer
    ///
    /// An uplink that keeps going down stays on standby for some minutes although it works; `status` tells which does.
    Trust(Named),
}

/// What all commands have and one has no use for is not shown there, and [`refuse`] tells why.
fn no_json() -> Arg {
    Arg::new("json").short('j').long("json").action(ArgAction::SetTrue).hide(true)
}

fn no_config() -> Arg {
    Arg::new("config").short('c').long("config").value_parser(value_parser!(PathBuf)).hide(true)
}

fn refuse(cli: &Cli) -> Result<(), Failure> {
    let why = match &cli.task {
        Task::Decide if cli.common.json => "decide: -j: records are JSON with and without it",
        Task::Status { prometheus: true } if cli.common.json => "status: --prometheus and -j: one or the other",
        Task::Init { .. } if cli.common.source.config.is_some() => {
            "init: -c: no configuration is read; the file to write is named without it"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(Exit::Usage, why))
}

/// Does what the command line asks for.
pub(crate) fn run(cli: &Cli) -> Result<Exit, Failure> {
    refuse(cli)?;
    let common = &cli.common;
    match &cli.task {
        Task::Run(options) if options.demo => demo::run(common, options.debug),
        Task::Run(options) => daemon::run(common, *options),
        Task::Once => once::run(common),
        Task::Decide => decide_command::run(common),
        Task::Hooks(options) => hooks::run(common, *options),
        Task::Init { detect, file } => init::run(common, *detect, file.as_deref()),
        Task::Check => check::run(common),
        Task::Status { prometheus } => status::command::show(common, *prometheus),
        Task::Follow => follow::run(common),
        Task::Reload(options) => control::reload(common, options),
        Task::Confirm => control::run(common, &Request::Confirm {}),
        Task::CheckNow => control::run(common, &Request::CheckNow {}),
        Task::Drain(drain) => drain::run(common, drain),
        Task::Undrain(named) => {
            control::run(common, &Request::Undrain { uplink: named.uplink.clone(), family: named.family() })
        }
        Task::Trust(named) => {
            control::run(common, &Request::Trust { uplink: named.uplink.clone(), family: named.family() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_help_of_what_prints_in_any_case_does_not_say_otherwise() {
        let mut command = Cli::command();
        command.build();
        for name in ["decide", "follow"] {
            let help = command.find_subcommand_mut(name).unwrap().render_help().to_string();
            assert!(help.contains("Print no remarks") && !help.contains("no answer"), "{help}");
            for line in [["ftr-monitor", "-q", name], ["ftr-monitor", name, "-q"]] {
                assert!(Cli::try_parse_from(line).unwrap().common.quiet, "{line:?}");
            }
        }
    }
}
