//! Address labels: packets that the router itself sends by an uplink without address leave with the one that belongs to it.
//!
//! Where a provider gives a link-local address and a delegated prefix, the uplink's addresses are those of the prefix, on
//! the device of the LAN. For a destination by that uplink the kernel would take any address of the host, perhaps one that
//! another provider gave. So the destinations by its device and the address get a label of their own (RFC 6724, rule 6).
//! The balanced route could name no source: IPv6 has one for all its nexthops.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use ftr_core::{Family, Prefix};
use ftr_netlink::{Label, Write};

use crate::plan::operation::Operation;
use crate::plan::uplink_state::{Source, UplinkState};

/// The numbers that are ours: they begin as our protocol number does.
const OURS: Range<u32> = 117_000..118_000;

/// Whether a label is ours.
pub(crate) fn is_ours(label: &Label) -> bool {
    OURS.contains(&label.number)
}

/// The labels that there should be.
fn wanted(states: &[UplinkState]) -> Vec<Label> {
    let everything = Prefix::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
    let mut labels: Vec<Label> = Vec::new();
    for (number, state) in OURS.zip(states).filter(|(_, state)| state.source == Source::Elsewhere) {
        let egress = state.egress.as_ref();
        let source = egress.and_then(|egress| egress.source).map(|source| Label {
            prefix: Prefix::host(source),
            index: 0,
            number,
        });
        let by = egress.zip(everything).map(|(egress, prefix)| Label { prefix, index: egress.index, number });
        // Two uplinks that have but one address between them share it, and its label.
        let taken = source.and_then(|source| labels.iter().find(|label| label.prefix == source.prefix).copied());
        let number = taken.map_or(number, |taken| taken.number);
        labels.extend(source.filter(|_| taken.is_none()));
        labels.extend(by.map(|by| Label { number, ..by }));
    }
    labels
}

/// The changes from the labels that there are: deletions first, for one that is there is not replaced.
pub(crate) fn changes(family: Family, states: &[UplinkState], seen: &[Label]) -> Vec<Operation> {
    // IPv4 has none.
    let wanted = if family == Family::V6 { wanted(states) } else { Vec::new() };
    let obsolete = seen.iter().filter(|label| is_ours(label) && !wanted.contains(label));
    let missing = wanted.iter().filter(|label| !seen.contains(label));
    let delete = obsolete.map(|label| Write::DeleteLabel(*label));
    delete.chain(missing.map(|label| Write::AddLabel(*label))).map(Operation::write).collect()
}

#[cfg(test)]
mod tests {
    use super::changes;
    use crate::iproute::command;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;
    use ftr_netlink::{Address, Label, Nexthop, Route, RouteKind, Write};

    fn commands(addresses: &[Address], seen: &[Label]) -> Vec<String> {
        let text = CONFIG
            .replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra, prefix6: '2001:db8:1::/56'")
            .replace("gateway: 2.0.0.1", "gateway: 2.0.0.1, type6: ra");
        let links = [link(2, "eth0"), link(3, "eth1"), link(4, "eth2")];
        let default = |index| {
            let nexthops = vec![Nexthop::new(Some("fe80::1".parse().unwrap()), index)];
            Route { nexthops, ..Route::default(Family::V6, 254, RouteKind::Unicast) }
        };
        let defaults = [default(3), default(4)];
        let host = HostView { links: &links, addresses, defaults: &defaults, ..HostView::default() };
        let all = uplink_states(&config(&text), Family::V6, host);
        let name = |index| links.iter().find(|link| link.index == index).map(|link| link.name.as_str());
        changes(Family::V6, &all, seen).iter().map(|change| command(change, &name)).collect()
    }

    #[test]
    fn what_leaves_by_an_uplink_without_address_takes_that_of_its_prefix() {
        let [lan, own] = [address(2, "2001:db8:1::1", None, 64), address(4, "2001:db8:2::2", None, 64)];
        let add = [
            "ip addrlabel add prefix 2001:db8:1::1/128 label 117000",
            "ip addrlabel add prefix ::/0 dev eth1 label 117000",
        ];
        assert_eq!(commands(&[lan.clone(), own.clone()], &[]), add);
        let label = |prefix: &str, index, number| Label { prefix: prefix.parse().unwrap(), index, number };
        let ours = [label("2001:db8:1::1", 0, 117_000), label("::/0", 3, 117_000)];
        let kernels = label("::/0", 0, 1);
        assert!(commands(&[lan, own.clone()], &[ours[0], ours[1], kernels]).is_empty());
        let delete = [
            "ip addrlabel del prefix 2001:db8:1::1/128 label 117000",
            "ip addrlabel del prefix ::/0 dev eth1 label 117000",
        ];
        let mine = address(3, "2001:db8:1:ff::2", None, 64);
        assert_eq!(commands(&[mine, own], &[ours[0], ours[1], kernels]), delete);
    }

    #[test]
    fn two_uplinks_with_one_address_between_them_share_its_label() {
        let all = commands(&[address(2, "2001:db8:1::1", None, 64), address(2, "2001:db8:9::1", None, 64)], &[]);
        assert_eq!(all.len(), 4, "{all:?}");
        let shared = commands(&[address(2, "2001:db8:9::1", None, 64)], &[]);
        assert_eq!(shared.len(), 3, "{shared:?}");
        assert!(shared[1..].iter().all(|line| line.ends_with("label 117000")), "{shared:?}");
    }

    #[test]
    fn a_deletion_names_the_label_as_it_is() {
        let label = Label { prefix: "::/0".parse().unwrap(), index: 3, number: 117_005 };
        assert_eq!(changes(Family::V6, &[], &[label])[0], super::Operation::write(Write::DeleteLabel(label)));
    }
}
