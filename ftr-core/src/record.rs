//! The records that flow between the tools: one JSON object a line.
//!
//! A reader ignores types and fields that it does not know, so that a newer writer never stops an older reader.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{Family, InterfaceName};

/// When something happened, for people and for arithmetic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// UTC, RFC 3339 with milliseconds. For people: no decision reads it.
    pub time: String,
    /// Milliseconds of `CLOCK_BOOTTIME`, which runs on through suspend and never jumps.
    pub mono: u64,
}

impl Stamp {
    /// A stamp from a reading of the wall clock and one of the time since boot.
    #[must_use]
    pub fn new(wall: SystemTime, since_boot: Duration) -> Self {
        Self {
            time: humantime::format_rfc3339_millis(wall).to_string(),
            mono: u64::try_from(since_boot.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Any record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record {
    /// What a check of one uplink found.
    Check(Check),
    /// What changed, for people.
    Event(Event),
    /// Who shall carry new connections.
    Active(Active),
    /// What the kernel has now.
    Applied(Applied),
    /// An event that is in safe hands.
    Spooled(Spooled),
    /// A type that this version does not know.
    #[serde(other)]
    Unknown,
}

impl Record {
    /// Reads one line.
    ///
    /// # Errors
    /// The line is no JSON object with a `type`, or a record of a known type lacks a field.
    pub fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// The record as one line, newline included.
    ///
    /// # Errors
    /// Never for the types of this module; `serde_json` says so by type only.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        let mut line = serde_json::to_string(self)?;
        line.push('\n');
        Ok(line)
    }
}

/// Why an uplink is down: where the path to the internet broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// There is no such device.
    NoInterface,
    /// The device is switched off (`ip link set DEV down`).
    AdminDown,
    /// No cable, no link partner, no modem.
    NoCarrier,
    /// The device has no address of the family, or not the configured one.
    NoAddress,
    /// A dynamic uplink has learned no gateway.
    NoGateway,
    /// The kernel has no gateway for this device: its table or rules are not in place.
    NoRoute,
    /// The gateway does not answer the neighbour query.
    GatewaySilent,
    /// Too few targets answered.
    NoAnswer,
    /// Too many answers were lost.
    Loss,
    /// The answers took too long.
    Latency,
    /// The gateway answers in the internet's stead.
    Captive,
}

impl Reason {
    /// The reason as it stands in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoInterface => "no-interface",
            Self::AdminDown => "admin-down",
            Self::NoCarrier => "no-carrier",
            Self::NoAddress => "no-address",
            Self::NoGateway => "no-gateway",
            Self::NoRoute => "no-route",
            Self::GatewaySilent => "gateway-silent",
            Self::NoAnswer => "no-answer",
            Self::Loss => "loss",
            Self::Latency => "latency",
            Self::Captive => "captive",
        }
    }

    /// What to do where the verdict is wrong, if there is something.
    #[must_use]
    pub const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Captive => Some(
                "if the internet can be reached all the same, ask tcp:// or http:// targets, or set tests.detect_captive: \
                 false",
            ),
            _ => None,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Prompt>,
    /// How good the uplink has been over its latest probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// What arrived since the last check and is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Ignored>,
    /// Bytes that probing has sent and received through the uplink since the program started, from the IP header on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_bytes: Option<u64>,
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
            prompt: None,
            window: None,
            ignored: None,
            probe_bytes: None,
        }
    }
}

/// What made a check start before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prompt {
    /// The device or its addresses changed.
    Event,
    /// The device kept sending, but what it received collapsed.
    Traffic,
    /// The check before it failed.
    Doubt,
    /// An answer came after the check before it was over.
    Late,
    /// Another uplink is in doubt or down, and this one was last checked a while ago.
    Others,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
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

/// What kind of change an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// An uplink went up or down.
    State,
    /// An uplink began or ceased to carry new connections.
    Role,
    /// The address of an uplink changed.
    Address,
    /// The gateway of an uplink changed.
    Gateway,
    /// The configuration changed.
    Config,
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
    /// Which uplink.
    pub uplink: InterfaceName,
    /// For which family.
    pub family: Family,
    /// The uplink's description in the configuration.
    pub description: String,
    /// What it was: `up` or `down`, `routing` or `standby`, an address; none where nothing was known.
    pub from: Option<String>,
    /// What it is now.
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
    /// Who carries new connections from now on.
    #[serde(default)]
    pub active: Vec<InterfaceName>,
}

impl Event {
    /// What came back of what was asked, in words; none where nobody was asked.
    #[must_use]
    pub fn count_in_words(&self) -> Option<String> {
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

/// Counts that say nothing are left out of records.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over by reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Who shall carry new connections of one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// When it was decided.
    #[serde(flatten)]
    pub at: Stamp,
    /// For which family.
    pub family: Family,
    /// The uplinks, with the weight of each.
    pub uplinks: Vec<Share>,
    /// Every configured uplink that is down now, eligible for balancing or not.
    #[serde(default)]
    pub failed: Vec<InterfaceName>,
    /// Uplinks whose connections this very transition deletes.
    #[serde(default)]
    pub flush: Vec<InterfaceName>,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
}

/// One uplink's part of the new connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which uplink.
    pub uplink: InterfaceName,
    /// Its weight: 1 to 256.
    pub weight: u16,
}

/// What the kernel has now, for one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// When it was done.
    #[serde(flatten)]
    pub at: Stamp,
    /// For which family.
    pub family: Family,
    /// How many writes to the kernel it took; 0 where nothing differed.
    pub writes: u32,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// The uplinks that carry new connections.
    pub active: Vec<InterfaceName>,
    /// Address and gateway of every uplink that has them.
    #[serde(default)]
    pub uplinks: Vec<AppliedUplink>,
    /// The uplinks that were asked for and cannot carry anything in the family.
    #[serde(default)]
    pub no_way: Vec<NoWay>,
}

/// An uplink that has no way out, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoWay {
    /// Which uplink.
    pub uplink: InterfaceName,
    /// What is missing, as a check would say it: `no-interface`, `no-address`, `no-gateway`; `no-route` where the kernel
    /// has refused its route.
    pub reason: Reason,
}

/// Address and gateway of an uplink, as its table has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedUplink {
    /// Which uplink.
    pub uplink: InterfaceName,
    /// Its address, none while it has none.
    pub address: Option<IpAddr>,
    /// Its gateway, or the peer of a point-to-point device; none while it has none.
    pub gateway: Option<IpAddr>,
}

/// The event with this number is in safe hands: its writer need not keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spooled {
    /// The event's number.
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use super::{Reason, Record};

    #[test]
    fn unknown_types_and_fields_are_ignored() {
        assert_eq!(Record::parse(br#"{"type":"weather","sun":true}"#).unwrap(), Record::Unknown);
        let spooled = Record::parse(br#"{"type":"spooled","seq":3,"later":[1]}"#).unwrap();
        assert_eq!(spooled.line().unwrap(), "{\"type\":\"spooled\",\"seq\":3}\n");
    }

    #[test]
    fn a_check_reads_back_as_it_was_written() {
        let line = br#"{"type":"check","time":"2026-11-01T10:00:00.000Z","mono":123456,"uplink":"eth1","family":4,"up":false,"reason":"no-answer","answered":1,"required":4,"asked":6,"rtt_ms":12.4,"jitter_ms":null,"loss":0.8,"targets":[{"target":"8.8.8.8","rtt_ms":12.1},{"target":"4.2.2.2","error":"timeout"}]}"#;
        let record = Record::parse(line).unwrap();
        assert_eq!(record.line().unwrap().trim_end().as_bytes(), line);
        let Record::Check(check) = record else { panic!("not a check") };
        assert_eq!((check.at.mono, check.reason), (123_456, Some(Reason::NoAnswer)));
    }

    #[test]
    fn reasons_are_written_as_they_are_named() {
        for reason in [
            Reason::NoInterface,
            Reason::AdminDown,
            Reason::NoCarrier,
            Reason::NoAddress,
            Reason::NoGateway,
            Reason::NoRoute,
            Reason::GatewaySilent,
            Reason::NoAnswer,
            Reason::Loss,
            Reason::Latency,
            Reason::Captive,
        ] {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.as_str()));
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for line in [&b""[..], b"{}", b"[]", b"{\"type\":\"check\"}", b"\xff", b"{\"type\":\"spooled\",\"seq\":-1}"] {
            assert!(Record::parse(line).is_err());
        }
    }
}
