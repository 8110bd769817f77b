//! The records that flow between the tools: one JSON object a line.
//!
//! A newer writer never stops an older reader: types and fields that a reader does not know it ignores, and passes on where
//! it passes records on. A word that it does not know, of those that may become more (reasons, kinds of events, what made a
//! check start), is carried on as itself.

mod active;
mod applied;
mod check;
mod count;
mod event;
mod hazard;
mod held;
mod reason;
mod stamp;
mod word;

use serde::{Deserialize, Serialize};

pub use active::{Active, PolicyUplinks, Share};
pub use applied::{Applied, AppliedUplink, InsideNetwork, NoWay};
pub use check::{Check, Ignored, TargetResult, Trigger, Window};
pub use event::{Event, EventKind, Spooled};
pub use hazard::Hazard;
pub use held::Held;
pub use reason::Reason;
pub use stamp::Stamp;
pub use word::Word;

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
    /// What works against several uplinks on this host.
    Hazard(Hazard),
    /// A type that this version does not know. Whoever passes records on passes on its line.
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
    fn words_and_fields_of_a_later_version_are_carried_on() {
        let line = r#"{"type":"event","seq":7,"kind":"weather","time":"2026-11-01T10:00:00.000Z","mono":5,"description":"","from":null,"to":"rain","reason":"flood","answered":0,"required":0,"asked":0,"active":[],"wind":{"knots":[30]}}"#;
        assert_eq!(Record::parse(line.as_bytes()).unwrap().line().unwrap().trim_end(), line);
        let check = r#"{"type":"check","time":"","mono":1,"uplink":"eth1","family":4,"up":false,"reason":"flood","answered":0,"required":1,"asked":1,"rtt_ms":null,"jitter_ms":null,"loss":null,"targets":[],"prompt":"moon"}"#;
        let Record::Check(read) = Record::parse(check.as_bytes()).unwrap() else { panic!("not a check") };
        assert_eq!((read.up, read.reason, read.trigger), (false, Some("flood".into()), Some("moon".into())));
        assert_eq!(Record::Check(read).line().unwrap().trim_end(), check);
    }

    #[test]
    fn a_hazard_may_leave_out_what_is_not_so() {
        let line = br#"{"type":"hazard","time":"t","mono":1,"hazard":"new-kind","object":"eth1","what":"a","advice":"b","since":"s"}"#;
        let Record::Hazard(hazard) = Record::parse(line).unwrap() else { panic!("not a hazard") };
        assert_eq!((hazard.kind.as_str(), hazard.loses_traffic, hazard.gone), ("new-kind", false, false));
        let written = Record::Hazard(hazard).line().unwrap();
        assert!(written.ends_with("\"since\":\"s\",\"loses_traffic\":false,\"gone\":false}\n"), "{written}");
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        for line in [&b""[..], b"{}", b"[]", b"{\"type\":\"check\"}", b"\xff", b"{\"type\":\"spooled\",\"seq\":-1}"] {
            assert!(Record::parse(line).is_err());
        }
    }
}
