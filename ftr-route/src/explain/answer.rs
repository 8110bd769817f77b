//! The answer: which way a flow goes, and why.

use std::net::IpAddr;

use ftr_core::{Exit, Family, InterfaceName};
use serde::Serialize;

use super::mark::Mark;

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// The family of the flow.
    pub(super) family: Family,
    /// Where it comes from; null where nothing was said, and for what this host has not given an address yet.
    pub(super) from: Option<IpAddr>,
    /// Where it goes.
    pub(super) to: IpAddr,
    /// Its protocol: `tcp`, `udp` or `icmp`.
    pub(super) proto: Option<&'static str>,
    /// The port that it comes from.
    pub(super) sport: Option<u16>,
    /// The port that it goes to.
    pub(super) dport: Option<u16>,
    /// The device that it comes in by; null for a flow of this host.
    pub(super) iif: Option<String>,
    /// The uplinks that were taken to be down, by `--assume`.
    pub(super) assumed_down: Vec<InterfaceName>,
    #[serde(flatten)]
    pub(super) mark: Mark,
    /// The rule that decided.
    pub(super) rule: Option<String>,
    /// What that rule is for.
    pub(super) purpose: Option<String>,
    /// The route that it found.
    pub(super) route: Option<String>,
    /// Where the flow goes.
    pub(super) outcome: Outcome,
    /// The nexthop; null where it is one of several.
    pub(super) way: Option<NexthopShare>,
    /// All nexthops that new connections of this kind are shared among.
    pub(super) shares: Vec<NexthopShare>,
    /// What would have to be known to tell which one.
    pub(super) missing: Option<&'static str>,
    /// The source address that it leaves with.
    pub(super) source: Option<IpAddr>,
    /// It has another one before.
    pub(super) translated: bool,
    /// What the kernel answers, where that is something else.
    pub(super) kernel: Option<String>,
    /// Where the configuration would have it go, where that is somewhere else.
    pub(super) intended: Option<Vec<NexthopShare>>,
    /// What else there is to know of it.
    pub(super) notes: Vec<String>,
    /// Every rule that was asked, in their order.
    pub(super) asked: Vec<Asked>,
    /// It goes by uplinks alone that are taken to be down.
    #[serde(skip)]
    pub(super) lost: bool,
}

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// Out by an uplink.
    Uplink,
    /// Out by a device that is no uplink.
    Elsewhere,
    /// To this host itself.
    Here,
    /// To a route that refuses it.
    Refused,
    /// No rule leads to a route.
    Nowhere,
}

/// A nexthop in words.
#[derive(Debug, Serialize)]
pub(super) struct NexthopShare {
    /// The device that it leads through.
    pub(super) device: String,
    /// What people call the uplink; null for a device that is none.
    pub(super) description: Option<String>,
    /// The gateway that it leads to; null where the device needs none.
    pub(super) gateway: Option<IpAddr>,
    /// Its part of the new connections.
    pub(super) percent: f64,
    /// The source address that the flow would leave with this way; null where that is not known, and for what this host has
    /// not given an address yet.
    pub(super) source: Option<IpAddr>,
}

/// A rule that was asked.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    /// The rule, in the words of `ip rule`.
    pub(super) rule: String,
    /// What it is for.
    pub(super) purpose: String,
    /// What it said.
    pub(super) answer: String,
}

impl Explanation {
    /// Yes, if there is a way, the kernel agrees, and the configuration would have it so.
    pub(super) fn exit(&self) -> Exit {
        let leads = matches!(self.outcome, Outcome::Uplink | Outcome::Elsewhere | Outcome::Here);
        let settled = self.kernel.is_none() && self.intended.is_none() && !self.lost;
        if leads && settled { Exit::Yes } else { Exit::No }
    }
}
