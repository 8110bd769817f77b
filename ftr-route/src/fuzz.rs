//! What is read of this host and of other programs, whatever is in it. Fuzzers feed these functions (`fuzz/`), and the
//! tests with what the fuzzers once found.

use std::collections::BTreeMap;

use ftr_core::Family;
use ftr_core::newest::Newest;
use ftr_core::record::{Active, Record};

pub use crate::diagnose::fuzz::host_firewall;
pub use crate::remembered::fuzz::sysctl_memory;

/// The name of a target in `fuzz/`, and what it is.
pub type Target = (&'static str, fn(&[u8]));

/// Texts, each fed to the function of its name.
pub const TARGETS: &[Target] = &[
    ("host_files", host_files),
    ("host_firewall", host_firewall),
    ("orders", orders),
    ("sysctl_memory", sysctl_memory),
];

/// Files of sections and keys, the kernel's list of sockets, and leases.
pub fn host_files(bytes: &[u8]) {
    crate::diagnose::fuzz::host_files(bytes);
    crate::leases::read_any(bytes);
}

/// Of all orders that wait, the newest of each family is carried out, with nothing flushed that no order named.
pub fn orders(bytes: &[u8]) {
    let mut inbox = Newest::default();
    let mut newest: BTreeMap<u8, Active> = BTreeMap::new();
    let mut named = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Ok(Record::Active(active)) = Record::parse(line) {
            named.extend(active.flush.clone());
            newest.insert(active.family.number(), active.clone());
            inbox.put(active);
        }
    }
    for family in [Family::V4, Family::V6] {
        let (next, wanted) = (inbox.take(family), newest.get(&family.number()));
        assert_eq!(next.as_ref().map(|active| &active.uplinks), wanted.map(|active| &active.uplinks));
        let flush = next.map(|active| active.flush).unwrap_or_default();
        assert!(wanted.is_none_or(|active| active.flush.iter().all(|uplink| flush.contains(uplink))));
        assert!(flush.iter().all(|uplink| named.contains(uplink)));
        assert!(inbox.take(family).is_none());
    }
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;
