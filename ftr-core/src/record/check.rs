//! What a check of one uplink found.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::count::is_zero;
use super::reason::Reason;
use super::stamp::Stamp;
use super::word::words;
use crate::{Family, InterfaceName};

/// What a check of one uplink found, for one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// When the verdict was reached.
    #[serde(flatten)]
    pub at: Stamp,
    /// Which uplink.
    pub uplink: InterfaceName,
    /// For which family.
    pub family: Family,
    /// The verdict.
    pub up: bool,
    /// Why it is down; none when it is up.
    pub reason: Option<Reason>,
    /// How many targets answered.
    pub answered: u32,
    /// How many had to.
    pub required: u32,
    /// How many were asked.
    pub asked: u32,
    /// How many questions they were asked in all: in doubt each is asked several times.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub questions: u32,
    /// How many of the questions were answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replies: u32,
    /// Mean round trip of the answers, in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Mean deviation of the round trips from their mean, in milliseconds.
    pub jitter_ms: Option<f64>,
    /// Probes lost, of those whose fate is known: 0.0 to 1.0.
    pub loss: Option<f64>,
    /// The address that the uplink has, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The gateway that the kernel uses for the uplink, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Each target asked, with its round trip or its error.
    #[serde(default)]
    pub targets: Vec<TargetResult>,
    /// What made this check start; absent when its time had come.
    #[serde(rename = "prompt", default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// How good the uplink has been over its latest probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What arrived since the last check and is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
    /// Bytes that probing has sent and received through the uplink since the program started, from the IP header on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_bytes: Option<u64>,
    /// Bytes that the uplink's device has sent and received since it was made, probes included; only where the uplink has a
    /// quota.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_bytes: Option<u64>,
    /// What the check could not look for, because this host does not permit it: the reason may be one of these instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_looked_for: Vec<Reason>,
}

impl Check {
    /// A verdict that was reached without asking any target.
    #[must_use]
    pub const fn without_questions(
        at: Stamp,
        uplink: InterfaceName,
        family: Family,
        up: bool,
        reason: Option<Reason>,
    ) -> Self {
        Self {
            at,
            uplink,
            family,
            up,
            reason,
            answered: 0,
            required: 0,
            asked: 0,
            questions: 0,
            replies: 0,
            rtt_ms: None,
            jitter_ms: None,
            loss: None,
            address: None,
            gateway: None,
            targets: Vec::new(),
            trigger: None,
            window: None,
            ignored: None,
            probe_bytes: None,
            device_bytes: None,
            not_looked_for: Vec::new(),
        }
    }
}

words! {
    /// What made a check start before its time.
    pub enum Trigger {
        /// The device or its addresses changed.
        Event = "event",
        /// The device kept sending, but what it received collapsed.
        Traffic = "traffic",
        /// The check before it failed.
        Doubt = "doubt",
        /// An answer came after the check before it was over.
        Late = "late",
        /// Another uplink is in doubt or down, and this one was last checked a while ago.
        Others = "others",
        /// Somebody asked for it (`ftr-monitor check-now`).
        Asked = "asked",
    }
}

/// Loss, round trip and jitter over the latest probes of an uplink.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// How many probes.
    pub probes: u32,
    /// The lost part of them: 0.0 to 1.0.
    pub loss: f64,
    /// Mean round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Mean difference between two round trips in a row to the same target, in milliseconds.
    pub jitter_ms: Option<f64>,
}

/// Packets that arrived and are no answers, by why not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ignored {
    /// From another address than was asked, or without the random bytes of the request.
    pub spoofed: u64,
    /// Answered already.
    pub duplicate: u64,
    /// After its check was over.
    pub late: u64,
    /// Shorter or longer than the request, or damaged.
    pub truncated: u64,
    /// About nothing that was asked.
    pub foreign: u64,
}

impl Ignored {
    /// Whether there was nothing to ignore.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The fate of one target in a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// The target as configured.
    pub target: String,
    /// Its round trip in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Why it has none: `timeout`, `net-unreachable`, ….
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
