//! What the kernel hashes to choose among several nexthops, and whether all of it is known (the kernel's `ip-sysctl`
//! document, `fib_multipath_hash_policy` and `fib_multipath_hash_fields`).

use ftr_core::Family;
use ftr_core::config::Protocol;
use ftr_core::number::whole32;

use super::flow::Flow;
use crate::kernel::sysctl;
use crate::plan::sysctl::{FIELDS, Net, POLICY};

/// Bits of the fields: the flow label of the packet and that inside a tunnel; ports.
const FLOW_LABEL: u32 = 0x8;
const PORTS: u32 = 0x30;

/// What the kernel hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hashing {
    /// Policies 0 and 2: addresses, and over IPv6 the flow label.
    Addresses,
    /// Policy 1: addresses and ports, or a hash over them that the packet has already.
    Ports,
    /// Policy 3: fields of one's choice (`FIB_MULTIPATH_HASH_FIELD_*`).
    Fields(u32),
}

impl Hashing {
    /// Asks the kernel.
    pub(super) fn read(family: Family) -> Self {
        let paths = [POLICY, FIELDS].map(|key| Net(family).path(key));
        let values = sysctl::read(paths.clone());
        let [policy, fields] = paths.map(|path| values.get(&path).cloned().unwrap_or_default());
        Self::of(&policy, &fields)
    }

    fn of(policy: &str, fields: &str) -> Self {
        let fields = whole32(fields).unwrap_or(0);
        match policy {
            "1" => Self::Ports,
            "3" => Self::Fields(fields),
            _ => Self::Addresses,
        }
    }

    /// What would have to be known of the flow as well; nothing where its nexthop can be told.
    ///
    /// The kernel is asked by `RTM_GETROUTE`. For packets that come in (`comes_in`) it answers without a packet at hand, so
    /// it does not say what it will do where it hashes something else of a packet: over IPv4, under policy 1, the hash that
    /// the receiving device or the sending socket has given it; over IPv6 nearly always. For packets of this host it is the
    /// other way round: it answers from a packet, and routes without one, which under policy 3 is not the same. (As measured
    /// with Linux 6.18: `explain_tells_what_then_happens`.)
    pub(super) fn missing(self, flow: &Flow, comes_in: bool) -> Option<&'static str> {
        let family = flow.family();
        let hashes = |field| matches!(self, Self::Fields(fields) if fields & field != 0);
        let is_icmp = flow.protocol == Some(Protocol::Icmp);
        let has_ports = is_icmp || (flow.sport.is_some() && flow.dport.is_some());
        if family == Family::V6 && (self == Self::Addresses || hashes(FLOW_LABEL)) {
            Some("its flow label")
        } else if comes_in && family == Family::V6 {
            Some("the kernel's hash of its packets, which cannot be asked for over IPv6")
        } else if !comes_in && matches!(self, Self::Fields(_)) {
            Some("the kernel's hash of this host's own packets, which cannot be asked for")
        } else if !has_ports && (self == Self::Ports || hashes(PORTS)) {
            Some("its ports (--proto, --sport, --dport)")
        } else if comes_in && self == Self::Ports && !is_icmp {
            Some("the hash that the receiving device gives its packets")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Flow, Hashing, Protocol};

    #[test]
    fn what_is_hashed_has_to_be_known() {
        let to = [8, 8, 8, 8].into();
        let addresses = Flow { from: None, to, protocol: None, sport: None, dport: None };
        let ports = Flow { protocol: Some(Protocol::Udp), sport: Some(1), dport: Some(2), ..addresses };
        let icmp = Flow { protocol: Some(Protocol::Icmp), ..addresses };
        let missing = |policy: &str, fields: &str, flow| Hashing::of(policy, fields).missing(flow, false);
        for flow in [&addresses, &ports, &icmp] {
            assert_eq!(missing("0", "", flow), None);
            assert!(Hashing::of("0", "").missing(&Flow { to: [0; 16].into(), ..*flow }, false).is_some());
        }
        assert!(missing("1", "", &addresses).is_some() && missing("3", "0x0001", &ports).is_some());
        assert_eq!((missing("1", "", &ports), missing("1", "", &icmp)), (None, None));
        assert_eq!(Hashing::of("1", "").missing(&Flow { to: [0; 16].into(), ..ports }, false), None);
    }

    #[test]
    fn of_what_comes_in_the_kernel_hashes_more_than_it_tells() {
        let ports = |protocol, to| Flow { from: None, to, protocol: Some(protocol), sport: Some(1), dport: Some(2) };
        let (v4, v6) = ([8, 8, 8, 8].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into());
        let missing = |policy: &str, flow: Flow| Hashing::of(policy, "0x0031").missing(&flow, true);
        assert!(missing("1", ports(Protocol::Tcp, v4)).is_some());
        assert_eq!(missing("1", ports(Protocol::Icmp, v4)), None);
        assert_eq!((missing("3", ports(Protocol::Tcp, v4)), missing("0", ports(Protocol::Tcp, v4))), (None, None));
        assert!(missing("3", ports(Protocol::Udp, v6)).is_some() && missing("1", ports(Protocol::Icmp, v6)).is_some());
    }
}
