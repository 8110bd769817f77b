//! The steps of a scenario as its file has them.

use crate::command::{Command, Until};
use crate::family::Family;
use crate::fault::Fault;
use crate::span::Span;
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One thing that happens or is awaited.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Breaks an uplink.
    Break {
        /// Which.
        uplink: String,
        /// How.
        by: Fault,
    },
    /// Mends everything that is broken on an uplink, and ends its uploads.
    Mend(String),
    /// The DHCP server of an uplink hands this out from now on, and the client asks it; goes on when the router has it.
    Lease {
        /// Which.
        uplink: String,
        /// The router's address; as before when absent.
        #[serde(default)]
        address: Option<Ipv4Addr>,
        /// The default gateway; as before when absent.
        #[serde(default)]
        gateway: Option<Ipv4Addr>,
    },
    /// The DHCP server of an uplink takes the address away; goes on when the router has given it up.
    Expire(String),
    /// The router of an uplink's provider advertises this from now on.
    Advertise {
        /// Which uplink.
        uplink: String,
        /// For how many seconds it is a default router; 0: it is none any more; as before when absent.
        #[serde(default)]
        lifetime: Option<u32>,
        /// The network, the fourth group of its addresses; as before when absent. The old one is called out of use.
        #[serde(default)]
        subnet: Option<u16>,
        /// Another router's address (`fe80::…`) instead of the one before, which is silent then; as before when absent.
        #[serde(default)]
        router: Option<Ipv6Addr>,
    },
    /// Makes an uplink send at this rate and fills it with an upload.
    Saturate {
        /// Which.
        uplink: String,
        /// As tc(8) writes it: `1mbit`.
        rate: String,
    },
    /// Sends broadcasts into an uplink until the end.
    Noise {
        /// Which.
        uplink: String,
        /// Packets a second.
        rate: u32,
    },
    /// Sends answers into an uplink that are none, and goes on when that is done.
    Hostile {
        /// Which.
        uplink: String,
        /// How many.
        count: u64,
        /// Evenly over this time.
        during: Span,
    },
    /// One of the targets sends what it makes up about the questions to the others.
    Slander {
        /// Through which uplink.
        uplink: String,
        /// Which target.
        target: Ipv4Addr,
        /// How many packets.
        count: u64,
        /// Evenly over this time.
        during: Span,
    },
    /// Somebody on an uplink's segment says by ARP or neighbour discovery that the gateway is where nobody is.
    Poison {
        /// Which.
        uplink: String,
        /// 4 or 6; 4 when absent.
        #[serde(default)]
        family: Family,
        /// How often.
        times: u32,
        /// So far apart.
        every: Span,
    },
    /// Starts `ftr-probe --watch --json` with these arguments besides.
    Watch(String),
    /// Waits until a check record says so.
    Judged {
        /// Of which uplink.
        uplink: String,
        /// 4 or 6; 4 when absent.
        #[serde(default)]
        family: Family,
        /// The verdict.
        up: bool,
        /// Why; any when absent.
        #[serde(default)]
        reason: Option<String>,
        /// At most so long after what last happened to an uplink or to `watch`.
        within: Span,
    },
    /// Waits until exactly these uplinks carry new connections.
    Carries {
        /// In any order.
        uplinks: Vec<String>,
        /// 4 or 6; 4 when absent.
        #[serde(default)]
        family: Family,
        /// At most this long.
        within: Span,
    },
    /// For all that time exactly these uplinks carry new connections.
    Keeps {
        /// In any order.
        uplinks: Vec<String>,
        /// 4 or 6; 4 when absent.
        #[serde(default)]
        family: Family,
        /// So long.
        during: Span,
    },
    /// Lets traffic flow.
    Flow(Span),
    /// The client begins, where it was told to wait.
    Traffic,
    /// Stops the monitor and starts it again.
    Restart,
    /// Starts the monitor.
    Start,
    /// Stops the monitor.
    Stop,
    /// Sends a signal to a program that the monitor runs.
    Signal {
        /// `ftr-probe`, `ftr-monitor` …
        program: String,
        /// `KILL`, `STOP`, `CONT`, `TERM` …
        signal: String,
    },
    /// Waits for a program that the monitor runs to be another process than at the last signal.
    Respawned {
        /// `ftr-probe`, `ftr-notify` …
        program: String,
        /// At most this long.
        within: Span,
    },
    /// Waits until mail says all of these.
    Mails {
        /// Anywhere in the messages.
        says: Vec<String>,
        /// At most this long.
        within: Span,
    },
    /// Waits until the log says this, after what earlier steps found.
    Logs {
        /// A part of a line.
        says: String,
        /// At most this long.
        within: Span,
    },
    /// Starts a server like those of the internet: at port 8000 it tells everybody where they come from.
    Serve(String),
    /// Runs a line of shell once, on the router unless it says where.
    Run(Command),
    /// Runs a line of shell again and again, until it answers as wanted.
    Until(Until),
}
