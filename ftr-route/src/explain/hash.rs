//! What the kernel hashes to choose among several next hops, and whether all of it is known (the kernel's `ip-sysctl`
//! document, `fib_multipath_hash_policy` and `fib_multipath_hash_fields`).

use ftr_core::Family;
use ftr_core::config::Protocol;

use super::flow::Flow;
use crate::sysctl;

/// Bits of the fields: the flow label of the packet and that inside a tunnel; ports.
const FLOW_LABEL: u32 = 0x8;
const PORTS: u32 = 0x30;

/// What the kernel hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hashing {
    ports: bool,
    flow_label: bool,
}

impl Hashing {
    /// Asks the kernel.
    pub(super) fn read(family: Family) -> Self {
        let net = if family == Family::V4 { "ipv4" } else { "ipv6" };
        let paths = ["policy", "fields"].map(|key| format!("net/{net}/fib_multipath_hash_{key}"));
        let values = sysctl::read(paths.clone());
        let [policy, fields] = paths.map(|path| values.get(&path).cloned().unwrap_or_default());
        Self::of(family, &policy, &fields)
    }

    fn of(family: Family, policy: &str, fields: &str) -> Self {
        let fields = u32::from_str_radix(fields.trim_start_matches("0x"), 16).unwrap_or(0);
        match policy {
            "1" => Self { ports: true, flow_label: false },
            "3" => Self { ports: fields & PORTS != 0, flow_label: fields & FLOW_LABEL != 0 && family == Family::V6 },
            _ => Self { ports: false, flow_label: family == Family::V6 },
        }
    }

    /// What would have to be known of the flow as well; nothing where its next hop can be told.
    pub(super) fn missing(self, flow: &Flow) -> Option<&'static str> {
        let has_ports = flow.protocol == Some(Protocol::Icmp) || (flow.sport.is_some() && flow.dport.is_some());
        if self.flow_label {
            Some("its flow label")
        } else if self.ports && !has_ports {
            Some("its ports (--proto, --sport, --dport)")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Family, Flow, Hashing, Protocol};

    #[test]
    fn what_is_hashed_has_to_be_known() {
        let to = [8, 8, 8, 8].into();
        let addresses = Flow { from: None, to, protocol: None, sport: None, dport: None };
        let ports = Flow { protocol: Some(Protocol::Udp), sport: Some(1), dport: Some(2), ..addresses };
        let icmp = Flow { protocol: Some(Protocol::Icmp), ..addresses };
        let missing = |policy: &str, fields: &str, flow| Hashing::of(Family::V4, policy, fields).missing(flow);
        for flow in [&addresses, &ports, &icmp] {
            assert_eq!(missing("0", "", flow), None);
            assert_eq!(missing("3", "0x0001", flow), None);
            assert!(Hashing::of(Family::V6, "0", "").missing(flow).is_some());
        }
        assert!(missing("1", "", &addresses).is_some() && missing("3", "0x0037", &addresses).is_some());
        assert_eq!((missing("1", "", &ports), missing("1", "", &icmp)), (None, None));
        assert_eq!(Hashing::of(Family::V6, "1", "").missing(&ports), None);
    }
}
