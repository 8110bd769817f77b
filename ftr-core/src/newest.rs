//! How a newer `active` record supersedes an older one that was not carried out yet, whoever keeps them.

use std::collections::BTreeSet;

use crate::record::Active;
use crate::{Family, InterfaceName};

/// The newest `active` record of each family that waits, with what those before it wanted given up and is down still.
#[derive(Debug, Default)]
pub struct Newest {
    /// At most one of each family.
    waiting: Vec<Active>,
}

impl Newest {
    /// Takes a record in. It supersedes one of its family that waits.
    pub fn put(&mut self, mut active: Active) {
        if let Some(older) = self.take(active.family) {
            let still = older.flush.into_iter().filter(|uplink| active.still_gives_up(uplink));
            let all: BTreeSet<InterfaceName> = still.chain(active.flush.iter().cloned()).collect();
            active.flush = all.into_iter().collect();
            active.take_over(older.policies);
        }
        self.waiting.push(active);
    }

    /// The newest record of the family, once.
    pub fn take(&mut self, family: Family) -> Option<Active> {
        let at = self.waiting.iter().position(|active| active.family == family)?;
        Some(self.waiting.remove(at))
    }

    /// The record that has waited for longest, of whatever family.
    pub fn take_first(&mut self) -> Option<Active> {
        (!self.waiting.is_empty()).then(|| self.waiting.remove(0))
    }

    /// Takes a record back that could not be carried out: it is the next one again, but where a newer one has come.
    pub fn put_back(&mut self, active: Active) {
        let newer = self.take(active.family);
        self.waiting.push(active);
        if let Some(newer) = newer {
            self.put(newer);
        }
    }

    /// Whether one of the family waits.
    #[must_use]
    pub fn has(&self, family: Family) -> bool {
        self.waiting.iter().any(|active| active.family == family)
    }
}

#[cfg(test)]
mod tests {
    use super::Newest;
    use crate::record::{Active, Record};
    use crate::{Family, InterfaceName};

    fn active(family: u8, uplink: &str, failed: &[&str], flush: &[&str]) -> Active {
        let (failed, flush) = (serde_json::to_string(failed).unwrap(), serde_json::to_string(flush).unwrap());
        let uplinks = format!(r#"[{{"uplink":"{uplink}","weight":1}}],"failed":{failed},"flush":{flush}"#);
        let line = format!(r#"{{"type":"active","time":"t","mono":1,"family":{family},"uplinks":{uplinks}}}"#);
        let Ok(Record::Active(active)) = Record::parse(line.as_bytes()) else { panic!("{line}") };
        active
    }

    fn flushed(active: &Active) -> Vec<&str> {
        active.flush.iter().map(InterfaceName::as_str).collect()
    }

    #[test]
    fn the_newest_of_each_family_waits_and_flushes_are_united() {
        let mut newest = Newest::default();
        newest.put(active(4, "eth1", &["eth3"], &["eth3"]));
        newest.put(active(6, "eth1", &[], &[]));
        newest.put(active(4, "eth2", &["eth1", "eth3"], &["eth1"]));
        let next = newest.take(Family::V4).unwrap();
        assert_eq!(next.uplinks[0].uplink.as_str(), "eth2");
        assert_eq!(flushed(&next), ["eth1", "eth3"]);
        assert_eq!(newest.take(Family::V4), None);
        assert!(newest.take(Family::V6).is_some());
    }

    #[test]
    fn an_uplink_that_came_back_keeps_its_connections() {
        let mut newest = Newest::default();
        newest.put(active(4, "eth1", &["eth2", "eth3"], &["eth2", "eth3"]));
        newest.put(active(4, "eth2", &["eth3"], &[]));
        assert_eq!(flushed(&newest.take(Family::V4).unwrap()), ["eth3"]);
        // It failed again before anyone looked: once is enough.
        newest.put(active(4, "eth1", &["eth2"], &["eth2"]));
        newest.put(active(4, "eth1", &["eth2"], &["eth2"]));
        assert_eq!(flushed(&newest.take(Family::V4).unwrap()), ["eth2"]);
    }

    #[test]
    fn what_policies_give_up_is_united_too() {
        let with = |uplinks: &str, flush: &str| {
            let policy = format!(r#"[{{"policy":"voip","uplinks":[{uplinks}],"flush":[{flush}]}}]"#);
            Active { policies: serde_json::from_str(&policy).ok(), ..active(4, "eth1", &[], &[]) }
        };
        let of = |active: Option<Active>| {
            let policies = active.and_then(|active| active.policies).unwrap_or_default();
            policies.into_iter().flat_map(|policy| policy.flush).map(|name| name.to_string()).collect::<Vec<_>>()
        };
        let mut newest = Newest::default();
        newest.put(with("\"eth2\"", "\"eth1\""));
        newest.put(with("\"eth2\"", "\"eth3\""));
        assert_eq!(of(newest.take(Family::V4)), ["eth1", "eth3"]);
        newest.put(with("\"eth2\"", "\"eth1\""));
        newest.put(with("\"eth1\"", ""));
        assert_eq!(of(newest.take(Family::V4)), [""; 0], "it has returned there");
    }

    #[test]
    fn what_could_not_be_done_waits_behind_what_is_newer() {
        let mut newest = Newest::default();
        newest.put(active(4, "eth1", &["eth2"], &["eth2"]));
        let first = newest.take(Family::V4).unwrap();
        newest.put_back(first.clone());
        assert_eq!(newest.take(Family::V4), Some(first.clone()));
        newest.put(active(4, "eth3", &["eth1", "eth2"], &["eth1"]));
        newest.put_back(first);
        let next = newest.take(Family::V4).unwrap();
        assert_eq!((next.uplinks[0].uplink.as_str(), flushed(&next)), ("eth3", vec!["eth1", "eth2"]));
    }
}
