//! The command line.

use std::net::IpAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ftr_core::config::Protocol;
use ftr_core::number::whole32;
use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure, no_remarks, verbose};
use ftr_tool::completion::{uplinks, uplinks_and};

const EXAMPLES: &str = "\
Examples:
  ftr-route apply                          all uplinks of the configuration carry new connections
  ftr-route apply eth1 eth3                these two do
  ftr-route apply --failed eth2            all but eth2, by priority group
  ftr-route apply -n | sh                  the same by hand: -n prints the commands
  ftr-route prepare && ftr-probe --watch --json | ftr-monitor decide | ftr-route apply -
  ftr-route explain --from 192.168.1.5 --to 203.0.113.9 --proto tcp --dport 443
  ftr-route check || mail -s 'routing differs' root </dev/null
  ftr-route detect                         what this host has, before anything is configured
  ftr-route clear                          take it all away again";

const CHECK: &str = "\
Compare the kernel with what is wanted: 0 as wanted, 1 differs, or an uplink has no egress

Prints the commands that would make it as wanted. An uplink that has no egress, although its device is up and has \
carrier, is named with what is missing: an address of the configuration, or a gateway. A device that is absent, down or \
without carrier, and a lease or PPP connection that has ended, are failures of the line: they do not count. Hazards of \
the host are printed, and do not count.";

const EXPLAIN: &str = "\
Tell which uplink carries a flow, and why

The rules are looked up one after the other, as the kernel does it, and the kernel is asked as well. The output says which
rule decides and what it is for, the route and the nexthop, the source address that the flow leaves with (as the rules of
ftr-rules translate it), and whether this is what the configuration asks for. -v names every rule that was asked, -j prints
it all as one JSON object. Nothing is changed, and no packet is sent.

Where the whole of a connection is given (both addresses, protocol and ports) and the kernel tracks it, its packets have
its mark. Else it is taken for a new one, which a policy may mark. To see connections needs the capability
CAP_NET_ADMIN.

Exit code: 0 there is a way, and it is as intended; 1 there is none, or it is another; 64 an uplink or device that is
not there.";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  ftr-route explain --to 8.8.8.8           a new connection of this host
  ftr-route explain --from 192.168.1.5 --to 203.0.113.9 --proto tcp --dport 443
                                           a new connection of a host in the LAN; add --sport for one that is there
  ftr-route explain --from 192.168.1.5 --to 203.0.113.9 --assume eth1=down
                                           the same while eth1 does not work
  ftr-route explain --from 198.51.100.7 --iif eth2 --to 192.0.2.2
                                           what comes in from the internet
  ftr-route explain --to 8.8.8.8 --mark 2  packets of the mark 2, whatever they are";

const PREPARE: &str = "\
Put rules, uplink tables and sysctls in place; new connections go on as they do

Where a rule of others stands between our priorities, in either family, it is named and nothing is changed in any family.

Exit code: 0 done; 1 a rule of others is in the way, or the kernel refused a part.";

const CHANGES: &str = "Print the commands of what is changed, as -n does";

const APPLY: &str = "\
Prepare, and let uplinks carry new connections

Where a rule of others stands between our priorities, in either family, it is named and nothing is changed in any family.
With `-` this holds at the first start after boot only. Later it reports such a rule and sets the routes all the same.

Exit code: 0 done; 1 a rule of others is in the way, or the kernel refused a part.";

const ADVERTISE: &str = "\
Print what a daemon has to say in router advertisements now

Hosts prefer another prefix than that of an uplink that is down, once the router advertises it with a preferred lifetime of
0. For each network of the devices in downlinks (or of those that are named) the output says whether it is to be used, in the
words of the daemon that the router has. It follows the rules that `ftr-route` has set, and routing.ipv6_rescue: with
`deprecate` and `both` the prefixes of an uplink are deprecated while its IPv6 is down and another one works, and with
--standby while it is on standby or drained. Nothing is changed. docs/ipv6.md has a hook for each daemon.

Exit code: 0 printed; 64 an uplink that is not there.";

const ADVERTISE_EXAMPLES: &str = "\
Examples:
  ftr-route advertise --for radvd > /etc/radvd.conf && systemctl reload radvd
  ftr-route advertise --for dnsmasq > /etc/dnsmasq.d/ftr.conf && systemctl restart dnsmasq
  ftr-route advertise --for networkd br0 > /etc/systemd/network/br0.network.d/ftr.conf && networkctl reload
  ftr-route advertise --for odhcpd | sh
  ftr-route advertise --for radvd --failed eth2        as it would be";

const DNS: &str = "\
Print the name servers of the uplinks that work, for a daemon that asks them

Those of an uplink are the ones that its `dns` in the configuration states, or with `auto` those that its DHCP or PPP client
has been told, as far as the client keeps them in a file that can be read. A rule for each lets packets of this host
reach it by its uplink. Where no uplink with name servers works, all are printed. The hook `dns` keeps a file up to date.

Exit code: 0 printed; 64 an uplink that is not there; 78 no uplink has name servers.";

const DNS_EXAMPLES: &str = "\
Examples:
  ftr-route dns --for dnsmasq > /etc/dnsmasq.servers  dnsmasq: servers-file=/etc/dnsmasq.servers, and SIGHUP
  ftr-route dns --for unbound > /etc/unbound/unbound.conf.d/ftr.conf && unbound-control reload
  ftr-route dns --for resolved > /etc/systemd/resolved.conf.d/ftr.conf && systemctl reload-or-restart systemd-resolved
  ftr-route dns --for dnsmasq --failed eth2            as it would be
  ftr-route dns --for dnsmasq -j                       all of them, with their uplinks and whether those work";

const CLEAR: &str = "\
Take away all that was put into the kernel, and nothing else

Sysctls are put back as they were found, but for those that somebody else has changed since.

Exit code: 0 done; 1 a part could not be taken away; 75 an `ftr-route apply -` is running, which would undo it: nothing
was changed.";

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
    #[arg(short = '4', long = "ipv4", global = true)]
    pub(crate) ipv4: bool,
    /// IPv6 alone
    #[arg(short = '6', long = "ipv6", global = true)]
    pub(crate) ipv6: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put rules, uplink tables and sysctls in place; new connections go on as they do
    #[command(long_about = PREPARE, arg = verbose(CHANGES))]
    Prepare(DryRun),
    /// Prepare, and let uplinks carry new connections
    #[command(long_about = APPLY, arg = verbose(CHANGES))]
    Apply(Apply),
    /// Show what the kernel has
    #[command(arg = verbose("Print the commands that would make it as wanted, too"))]
    Show,
    /// Compare the kernel with what is wanted: 0 as wanted, 1 differs, or an uplink has no egress
    #[command(long_about = CHECK, arg = verbose("Say for each family that is as wanted that it is, on standard error"))]
    Check,
    /// Tell which uplink carries a flow, and why: 0 there is a way and it is as intended, 1 not so
    #[command(long_about = EXPLAIN, after_help = EXPLAIN_EXAMPLES, arg = verbose("Name every rule that was asked"))]
    Explain(Explain),
    /// Count the connections that stay on each uplink
    ///
    /// Counted is what the kernel tracks and the firewall has marked, that which has ended and is remembered for a while
    /// included. Needs the capability `CAP_NET_ADMIN`.
    Connections {
        /// Of these alone [default: of all]
        #[arg(value_name = "UPLINK", add = uplinks())]
        uplinks: Vec<String>,
    },
    /// Print what a daemon has to say in router advertisements now
    #[command(long_about = ADVERTISE, after_help = ADVERTISE_EXAMPLES, arg = no_remarks())]
    Advertise(Advertise),
    /// Print the name servers of the uplinks that work, for a daemon that asks them
    #[command(long_about = DNS, after_help = DNS_EXAMPLES, arg = no_remarks())]
    Dns(Dns),
    /// Take away all that was put into the kernel, and nothing else
    #[command(long_about = CLEAR, arg = verbose(CHANGES))]
    Clear(Clear),
    /// Show what this host has: devices, addresses, default routes of all tables, delegated prefixes
    ///
    /// It reads no configuration: `ftr-monitor init --detect` makes one of it, and `ftr-monitor check` compares one with it.
    /// -j prints one JSON object.
    Detect,
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
    #[arg(long, value_name = "UPLINK", add = uplinks())]
    pub(crate) failed: Vec<String>,
    /// The uplinks that carry new connections [default: all that may carry them];
    /// `-`: follow `active` records from standard input
    #[arg(value_name = "UPLINK", add = uplinks())]
    pub(crate) uplinks: Vec<String>,
}

impl Apply {
    /// Whether it follows records instead of doing one thing.
    pub(crate) fn follows(&self) -> bool {
        self.uplinks.iter().any(|uplink| uplink == "-")
    }
}

#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// Where it comes from: a host, or an address of this one [default: this host, which chooses its source]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<IpAddr>,
    /// Where it goes to
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: IpAddr,
    /// Its protocol: tcp, udp or icmp
    #[arg(long, value_parser = protocol)]
    pub(crate) proto: Option<Protocol>,
    /// The port that it comes from
    #[arg(long, value_name = "PORT")]
    pub(crate) sport: Option<u16>,
    /// The port that it goes to
    #[arg(long, value_name = "PORT")]
    pub(crate) dport: Option<u16>,
    /// The mark of its packets, such as 2 or 0x200 [default: that of its connection or policy]
    #[arg(long, value_parser = mark)]
    pub(crate) mark: Option<u32>,
    /// The device that it comes in by [default: the one by which its sender is reached]
    #[arg(long, value_name = "DEVICE")]
    pub(crate) iif: Option<String>,
    /// Answer for when this uplink does not work, and every other one does that has an egress (may be given several
    /// times)
    #[arg(long, value_name = "UPLINK=down", value_parser = down, add = uplinks_and("=down"))]
    pub(crate) assume: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Advertise {
    /// The daemon whose words it has
    #[arg(long = "for", value_name = "DAEMON", value_enum)]
    pub(crate) daemon: Daemon,
    /// The uplinks whose IPv6 does not work, or none, behind the devices [default: as the kernel's rules tell]
    #[arg(long, value_name = "UPLINK", num_args = 0.., add = uplinks())]
    pub(crate) failed: Option<Vec<String>>,
    /// Deprecate the prefixes of uplinks that work and carry no new connections as well, while others do
    #[arg(long)]
    pub(crate) standby: bool,
    /// The uplinks that carry new connections, for --standby [default: as the kernel's routes tell]
    #[arg(long, value_name = "UPLINK", num_args = 0.., requires = "standby", add = uplinks())]
    pub(crate) active: Option<Vec<String>>,
    /// The devices whose networks are meant [default: those in downlinks]
    #[arg(value_name = "DEVICE")]
    pub(crate) devices: Vec<String>,
}

/// A daemon that sends router advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Daemon {
    /// radvd(8): a whole configuration file
    Radvd,
    /// dnsmasq(8): a file for its directory of configuration files
    Dnsmasq,
    /// systemd-networkd(8): a drop-in of the .network file of a device
    Networkd,
    /// odhcpd, which says what the router's own addresses say: commands for a shell
    Odhcpd,
}

#[derive(Args, Debug)]
pub(crate) struct Dns {
    /// The daemon whose words it has
    #[arg(long = "for", value_name = "DAEMON", value_enum)]
    pub(crate) daemon: Forwarder,
    /// The uplinks that do not work, or none [default: as the kernel's rules and routes tell]
    #[arg(long, value_name = "UPLINK", num_args = 0.., add = uplinks())]
    pub(crate) failed: Option<Vec<String>>,
}

/// A daemon that asks name servers for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Forwarder {
    /// dnsmasq(8): a file for its servers-file
    Dnsmasq,
    /// unbound(8): a forward-zone
    Unbound,
    /// systemd-resolved(8): a drop-in of resolved.conf(5)
    Resolved,
}

/// The index of an uplink that the command line names.
pub(crate) fn position(config: &Config, name: &str) -> Result<usize, Failure> {
    config.position(name).ok_or_else(|| {
        let known: Vec<&str> = config.uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
        let file = config.file.display();
        Failure::new(Exit::Usage, format!("{name}: no uplink of {file}, which has {}", known.join(", ")))
    })
}

fn protocol(text: &str) -> Result<Protocol, String> {
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp];
    let found = all.into_iter().find(|protocol| protocol.as_str() == text);
    found.ok_or_else(|| "allowed: tcp, udp, icmp".to_owned())
}

fn mark(text: &str) -> Result<u32, String> {
    whole32(text).ok_or_else(|| "allowed: a number of 32 bits, such as 2 or 0x200".to_owned())
}

fn down(text: &str) -> Result<String, String> {
    let name = text.strip_suffix("=down").filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| "allowed: the name of an uplink and =down, such as eth1=down".to_owned())
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
    fn the_help_of_what_prints_in_any_case_does_not_say_otherwise() {
        let mut command = Cli::command();
        command.build();
        for name in ["advertise", "dns"] {
            let help = command.find_subcommand_mut(name).unwrap().render_help().to_string();
            assert!(help.contains("Print no remarks") && !help.contains("no answer"), "{help}");
            for line in [["ftr-route", "-q", name, "--for", "dnsmasq"], ["ftr-route", name, "-q", "--for", "dnsmasq"]] {
                assert!(Cli::try_parse_from(line).unwrap().common.quiet, "{line:?}");
            }
        }
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
