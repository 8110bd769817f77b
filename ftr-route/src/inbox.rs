//! What has come in and is still to be done.

use std::collections::BTreeSet;

use ftr_core::record::{Active, Record};
use ftr_core::{Family, InterfaceName};

/// The newest `active` record of a family that is still to be applied, with what the ones before it wanted
/// flushed and is down still.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Vec<Active>,
    malformed: u64,
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It is a record: pass it on.
    Record,
    /// It is none: skip it.
    Malformed,
}

impl Inbox {
    /// Takes in a line.
    pub(crate) fn take(&mut self, line: &[u8]) -> Line {
        match Record::parse(line) {
            Ok(Record::Active(active)) => {
                self.put(active);
                Line::Record
            }
            Ok(_) => Line::Record,
            Err(_) => {
                self.malformed();
                Line::Malformed
            }
        }
    }

    /// Counts a line that is none.
    pub(crate) const fn malformed(&mut self) {
        self.malformed = self.malformed.saturating_add(1);
    }

    /// How many malformed lines there have been since the last call.
    pub(crate) const fn take_malformed(&mut self) -> u64 {
        std::mem::replace(&mut self.malformed, 0)
    }

    /// The newest record of the family, once.
    pub(crate) fn next(&mut self, family: Family) -> Option<Active> {
        let at = self.waiting.iter().position(|active| active.family == family)?;
        Some(self.waiting.swap_remove(at))
    }

    /// Takes a record back that could not be carried out: it is the next one again, but where a newer one has come.
    pub(crate) fn put_back(&mut self, active: Active) {
        match self.next(active.family) {
            None => self.waiting.push(active),
            Some(newer) => {
                self.waiting.push(active);
                self.put(newer);
            }
        }
    }

    fn put(&mut self, mut active: Active) {
        if let Some(older) = self.next(active.family) {
            // One that carries new connections again has some that nobody wants to lose.
            let carries = |uplink: &InterfaceName| active.uplinks.iter().any(|share| share.uplink == *uplink);
            let still = older.flush.into_iter().filter(|uplink| active.failed.contains(uplink) || !carries(uplink));
            let all: BTreeSet<InterfaceName> = still.chain(std::mem::take(&mut active.flush)).collect();
            active.flush = all.into_iter().collect();
        }
        self.waiting.push(active);
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, Line};
    use ftr_core::record::Active;
    use ftr_core::{Family, InterfaceName};

    fn active(family: u8, uplink: &str, failed: &[&str], flush: &[&str]) -> Vec<u8> {
        let (failed, flush) = (serde_json::to_string(failed).unwrap(), serde_json::to_string(flush).unwrap());
        let uplinks = format!(r#"[{{"uplink":"{uplink}","weight":1}}],"failed":{failed},"flush":{flush}"#);
        format!(r#"{{"type":"active","time":"t","mono":1,"family":{family},"uplinks":{uplinks}}}"#).into_bytes()
    }

    fn flushed(active: &Active) -> Vec<&str> {
        active.flush.iter().map(InterfaceName::as_str).collect()
    }

    #[test]
    fn the_newest_of_each_family_waits_and_flushes_are_united() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.take(&active(4, "eth1", &["eth3"], &["eth3"])), Line::Record);
        assert_eq!(inbox.take(&active(6, "eth1", &[], &[])), Line::Record);
        assert_eq!(inbox.take(&active(4, "eth2", &["eth1", "eth3"], &["eth1"])), Line::Record);
        let next = inbox.next(Family::V4).unwrap();
        assert_eq!(next.uplinks[0].uplink.as_str(), "eth2");
        assert_eq!(flushed(&next), ["eth1", "eth3"]);
        assert_eq!(inbox.next(Family::V4), None);
        assert!(inbox.next(Family::V6).is_some());
    }

    #[test]
    fn an_uplink_that_came_back_keeps_its_connections() {
        let mut inbox = Inbox::default();
        inbox.take(&active(4, "eth1", &["eth2", "eth3"], &["eth2", "eth3"]));
        inbox.take(&active(4, "eth2", &["eth3"], &[]));
        assert_eq!(flushed(&inbox.next(Family::V4).unwrap()), ["eth3"]);
        // It failed again before anyone looked: once is enough.
        inbox.take(&active(4, "eth1", &["eth2"], &["eth2"]));
        inbox.take(&active(4, "eth1", &["eth2"], &["eth2"]));
        assert_eq!(flushed(&inbox.next(Family::V4).unwrap()), ["eth2"]);
    }

    #[test]
    fn what_could_not_be_done_waits_behind_what_is_newer() {
        let mut inbox = Inbox::default();
        inbox.take(&active(4, "eth1", &["eth2"], &["eth2"]));
        let first = inbox.next(Family::V4).unwrap();
        inbox.put_back(first.clone());
        assert_eq!(inbox.next(Family::V4), Some(first.clone()));
        inbox.take(&active(4, "eth3", &["eth1", "eth2"], &["eth1"]));
        inbox.put_back(first);
        let next = inbox.next(Family::V4).unwrap();
        assert_eq!((next.uplinks[0].uplink.as_str(), flushed(&next)), ("eth3", vec!["eth1", "eth2"]));
    }

    #[test]
    fn other_records_pass_and_rubbish_is_counted() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.take(br#"{"type":"later","x":1}"#), Line::Record);
        assert_eq!(inbox.take(b"rubbish"), Line::Malformed);
        assert_eq!(inbox.take(br#"{"type":"active","family":4}"#), Line::Malformed);
        assert_eq!((inbox.take_malformed(), inbox.take_malformed()), (2, 0));
    }
}
