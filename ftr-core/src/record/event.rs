//! What changed, for people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::count::is_zero;
use super::held::Held;
use super::reason::Reason;
use super::stamp::Stamp;
use super::word::words;
use crate::{Family, InterfaceName};

words! {
    /// What kind of change an event tells of. A reader acknowledges one that it does not know like any other.
    pub enum EventKind {
        /// An uplink went up or down.
        State = "state",
        /// An uplink began or ceased to carry new connections.
        Role = "role",
        /// The address of an uplink changed.
        Address = "address",
        /// The gateway of an uplink changed.
        Gateway = "gateway",
        /// The IPv6 prefixes that an uplink has been delegated changed.
        Prefix = "prefix",
        /// Something on the host works against several uplinks, or no longer does.
        Hazard = "hazard",
        /// People have drained an uplink, or no longer do.
        Drain = "drain",
        /// Much of an uplink's quota is used, or all of it.
        Quota = "quota",
        /// The configuration changed while the monitor ran.
        Config = "config",
    }
}

/// What changed, for people and their programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up by one; an acknowledgement names it.
    pub seq: u64,
    /// What kind of change it is.
    pub kind: EventKind,
    /// When it was decided.
    #[serde(flatten)]
    pub at: Stamp,
    /// Which uplink; none where it is about no single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplink: Option<InterfaceName>,
    /// For which family; none where it is about none in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// The uplink's description in the configuration; of a hazard, what is wrong.
    #[serde(default)]
    pub description: String,
    /// What it was: `up` or `down`, `routing` or `standby`, an address; none where nothing was known.
    pub from: Option<String>,
    /// What it is now. Of a hazard: `present` or `gone`.
    pub to: Option<String>,
    /// Why an uplink went down.
    #[serde(default)]
    pub reason: Option<Reason>,
    /// How many targets answered in the check that decided it.
    #[serde(default)]
    pub answered: u32,
    /// How many had to.
    #[serde(default)]
    pub required: u32,
    /// How many were asked.
    #[serde(default)]
    pub asked: u32,
    /// How many questions they were asked in all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub questions: u32,
    /// How many of the questions were answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replies: u32,
    /// Why an uplink that works again stays on standby for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// The uplinks that carry new connections from now on.
    #[serde(default)]
    pub active: Vec<InterfaceName>,
    /// Which uplinks of the family do not work now, eligible or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<InterfaceName>,
    /// Which kind of hazard it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hazard: Option<String>,
    /// What on the host the hazard is about: a rule, a route, a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What to do about the hazard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// What a later version says beside it, which is passed on as it is.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

impl Event {
    /// An event that says nothing but its kind yet.
    #[must_use]
    pub const fn new(seq: u64, kind: EventKind, at: Stamp) -> Self {
        Self {
            seq,
            kind,
            at,
            uplink: None,
            family: None,
            description: String::new(),
            from: None,
            to: None,
            reason: None,
            answered: 0,
            required: 0,
            asked: 0,
            questions: 0,
            replies: 0,
            held: None,
            active: Vec::new(),
            failed: Vec::new(),
            hazard: None,
            object: None,
            advice: None,
            more: BTreeMap::new(),
        }
    }

    /// What came back of what was asked, in words; none where nobody was asked.
    #[must_use]
    pub fn count_text(&self) -> Option<String> {
        let Self { answered, required, asked, questions, replies, .. } = *self;
        let hosts = if asked == 1 { "host" } else { "hosts" };
        match (questions, asked) {
            (0, 0) => None,
            // Of a program that does not count questions.
            (0, _) if answered >= required => None,
            (0, _) => Some(format!("{answered} of {asked} {hosts} answered, {required} needed")),
            _ => Some(format!("{replies} of {questions} questions to {asked} {hosts} came back")),
        }
    }
}

/// The event with this number is in safe hands: its writer need not keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// The event's number.
    pub seq: u64,
}
