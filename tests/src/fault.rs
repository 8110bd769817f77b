//! The ways in which an uplink can break, each with its mend.
//!
//! What happens at the provider is an nftables table of its own, named after the fault, so that mending is
//! taking that table away.

use serde::Deserialize;
use std::fmt;

/// A break of an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The cable is out: the other end of the link is down.
    Carrier,
    /// The router's administrator took the device down.
    AdminDown,
    /// The device is gone: a PPP hang-up, a USB modem pulled.
    Deleted,
    /// The gateway answers nothing any more, not even ARP.
    GatewayMute,
    /// The gateway itself ignores pings but forwards: not a failure.
    GatewayDeaf,
    /// The gateway is well; nothing beyond it comes or goes.
    Silent,
    /// The gateway says "network unreachable" to everything.
    NetUnreachable,
    /// The same for IPv4 alone.
    SilentV4,
    /// The same for IPv6 alone.
    SilentV6,
    /// What the router sends arrives, what is sent back does not.
    RepliesLost,
    /// Each packet is lost with this chance in percent, in both directions.
    Loss(u8),
    /// ICMP does not pass, the rest does.
    IcmpFiltered,
    /// The gateway answers everything itself, as before a log-in page.
    Captive,
    /// The gateway answers ARP requests for every address: not a failure.
    ProxyArp,
    /// What is sent back comes in through the next uplink.
    AnsweredElsewhere,
    /// Everything comes back so many milliseconds later. Only on point-to-point lines.
    Delay(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Carrier => "carrier",
            Self::AdminDown => "admin-down",
            Self::Deleted => "deleted",
            Self::GatewayMute => "gateway-mute",
            Self::GatewayDeaf => "gateway-deaf",
            Self::Silent => "silent",
            Self::NetUnreachable => "net-unreachable",
            Self::RepliesLost => "replies-lost",
            Self::Loss(percent) => return write!(f, "loss {percent}%"),
            Self::IcmpFiltered => "icmp-filtered",
            Self::Captive => "captive",
            Self::SilentV4 => "silent-v4",
            Self::SilentV6 => "silent-v6",
            Self::ProxyArp => "proxy-arp",
            Self::AnsweredElsewhere => "answered-elsewhere",
            Self::Delay(millis) => return write!(f, "delay {millis} ms"),
        };
        f.write_str(name)
    }
}

/// The nftables family of a fault's table at the provider.
fn family(fault: Fault) -> &'static str {
    match fault {
        Fault::GatewayMute => "netdev",
        _ => "inet",
    }
}

/// The nftables chains that make the fault at the provider, whose devices are `access` (towards the router) and
/// `wan`; `None` for those that are made otherwise.
fn chains(fault: Fault) -> Option<String> {
    let forward = |rule: &str| format!("chain c {{ type filter hook forward priority 0; {rule}; }}");
    Some(match fault {
        Fault::Carrier
        | Fault::AdminDown
        | Fault::Deleted
        | Fault::ProxyArp
        | Fault::AnsweredElsewhere
        | Fault::Delay(_) => return None,
        Fault::GatewayMute => ["access", "wan"]
            .map(|device| format!("chain {device} {{ type filter hook ingress device {device} priority 0; drop; }}"))
            .join("\n"),
        Fault::GatewayDeaf => {
            let pings = "icmp type echo-request drop; icmpv6 type echo-request drop";
            format!("chain c {{ type filter hook input priority 0; {pings}; }}")
        }
        Fault::Silent => forward("drop"),
        Fault::SilentV4 => forward("meta nfproto ipv4 drop"),
        Fault::SilentV6 => forward("meta nfproto ipv6 drop"),
        Fault::NetUnreachable => forward("iifname \"access\" reject with icmpx type no-route"),
        Fault::RepliesLost => forward("iifname \"wan\" drop"),
        Fault::Loss(percent) => forward(&format!("numgen random mod 100 < {percent} drop")),
        Fault::IcmpFiltered => forward("meta l4proto { icmp, icmpv6 } drop"),
        Fault::Captive => "chain c { type nat hook prerouting priority 0; iifname \"access\" redirect; }".to_owned(),
    })
}

/// The script that makes the fault at the provider, if that is how it is made.
#[must_use]
pub fn script(fault: Fault) -> Option<String> {
    chains(fault).map(|chains| format!("table {} {} {{\n{chains}\n}}\n", family(fault), table(fault)))
}

/// The script that mends it.
#[must_use]
pub fn mending(fault: Fault) -> String {
    format!("delete table {} {}\n", family(fault), table(fault))
}

fn table(fault: Fault) -> String {
    match fault {
        Fault::Loss(_) => "fault-loss".to_owned(),
        _ => format!("fault-{fault}"),
    }
}
