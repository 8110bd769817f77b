//! `applied` records, as far as they are measured, and the records that ask for them.

use ftr_lab::error::{Result, malformed};
use ftr_netlink::Family;
use serde::Deserialize;

/// What `ftr-route` says that it did.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Applied {
    /// 4 or 6.
    pub(super) family: u8,
    /// How many changes it made.
    pub(super) writes: u32,
    /// How long it took, in microseconds.
    pub(super) took_us: u32,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Record {
    Applied(Applied),
    #[serde(other)]
    Other,
}

/// Reads a line; none where it is another record.
pub(super) fn parse(line: &str) -> Result<Option<Applied>> {
    match serde_json::from_str(line) {
        Ok(Record::Applied(applied)) => Ok(Some(applied)),
        Ok(Record::Other) => Ok(None),
        Err(error) => Err(malformed(format!("record {line}"), &error)),
    }
}

/// The `applied` records of a run of `ftr-route -j`.
pub(super) fn all(text: &str) -> Result<Vec<Applied>> {
    text.lines().filter_map(|line| parse(line).transpose()).collect()
}

/// The number of a family in records.
pub(super) const fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

/// The record that lets these uplinks carry new connections.
pub(super) fn active(family: Family, uplinks: &[String]) -> String {
    let shares: Vec<String> = uplinks.iter().map(|uplink| format!(r#"{{"uplink":"{uplink}","weight":1}}"#)).collect();
    format!(r#"{{"type":"active","time":"","mono":1,"family":{},"uplinks":[{}]}}"#, number(family), shares.join(","))
        + "\n"
}

/// The record of a check of an uplink over IPv4, so many milliseconds after boot.
pub(super) fn check(uplink: &str, up: bool, mono: u64) -> String {
    let (reason, answered) = if up { ("null", 1) } else { (r#""no-answer""#, 0) };
    format!(
        r#"{{"type":"check","time":"","mono":{mono},"uplink":"{uplink}","family":4,"up":{up},"reason":{reason},"answered":{answered},"required":1,"asked":1,"rtt_ms":null,"jitter_ms":null,"loss":null}}"#
    ) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_applied_records_are_read() {
        let text = active(Family::V6, &["eth1".to_owned()])
            + r#"{"type":"applied","time":"t","mono":1,"family":6,"writes":2,"took_us":310,"active":["eth1"],"uplinks":[]}"#;
        let all = all(&text).unwrap();
        assert_eq!(all.iter().map(|one| (one.family, one.writes, one.took_us)).collect::<Vec<_>>(), [(6, 2, 310)]);
        assert!(parse("rubbish").is_err());
    }

    #[test]
    fn what_is_asked_is_json() {
        for line in [active(Family::V4, &["eth1".to_owned(), "eth2".to_owned()]), check("eth1", false, 7)] {
            assert!(line.ends_with('\n') && serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
        }
    }
}
