//! The devices and addresses of this host, kept up to date by what the kernel tells.

use ftr_netlink::{Address, Event, Link};

/// What is known of this host.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
}

impl Snapshot {
    /// Takes an event into account, and tells the index of the device that it changes, if it changes any.
    ///
    /// The kernel tells of a device and of an address again and again, at each router advertisement for instance:
    /// only what a check looks at counts as a change.
    pub(crate) fn handle(&mut self, event: Event) -> Option<u32> {
        match event {
            Event::Link(link) => self.put_link(link),
            Event::LinkGone(link) => {
                self.addresses.retain(|address| address.index != link.index);
                let before = self.links.len();
                self.links.retain(|known| known.index != link.index);
                (self.links.len() != before).then_some(link.index)
            }
            Event::Address(address) => self.put_address(address),
            Event::AddressGone(address) => {
                let before = self.addresses.len();
                self.addresses.retain(|known| !is_same(known, &address));
                (self.addresses.len() != before).then_some(address.index)
            }
            _ => None,
        }
    }

    /// The index of the device of this name.
    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.links.iter().find(|link| link.name == name).map(|link| link.index)
    }

    /// Whether both say the same of all that a check looks at, in whatever order.
    pub(crate) fn agrees_with(&self, other: &Self) -> bool {
        let known = |link: &Link| other.links.iter().any(|one| one.index == link.index && state(one) == state(link));
        self.links.len() == other.links.len()
            && self.addresses.len() == other.addresses.len()
            && self.links.iter().all(known)
            && self.addresses.iter().all(|address| other.addresses.contains(address))
    }

    fn put_link(&mut self, link: Link) -> Option<u32> {
        let index = link.index;
        let Some(known) = self.links.iter_mut().find(|known| known.index == index) else {
            self.links.push(link);
            return Some(index);
        };
        let changed = state(known) != state(&link);
        *known = link;
        changed.then_some(index)
    }

    fn put_address(&mut self, address: Address) -> Option<u32> {
        let index = address.index;
        let Some(known) = self.addresses.iter_mut().find(|known| is_same(known, &address)) else {
            self.addresses.push(address);
            return Some(index);
        };
        let changed = *known != address;
        *known = address;
        changed.then_some(index)
    }
}

/// What a check looks at.
fn state(link: &Link) -> (bool, bool, bool, &str) {
    (link.flags.is_up(), link.flags.has_carrier(), link.is_dormant(), &link.name)
}

fn is_same(one: &Address, other: &Address) -> bool {
    (one.index, one.local, one.prefix_length) == (other.index, other.local, other.prefix_length)
}

#[cfg(test)]
mod tests {
    use super::Snapshot;
    use ftr_netlink::{Address, Counters, Event, Link, LinkFlags};

    fn link(name: &str, flags: u32, sent: u64) -> Link {
        Link {
            index: 7,
            name: name.to_owned(),
            flags: LinkFlags(flags),
            operational: 0,
            kind: None,
            mtu: 1500,
            counters: Counters { tx_packets: sent, ..Counters::default() },
        }
    }

    fn address(flags: u32) -> Address {
        let local = [192, 0, 2, 2].into();
        Address { index: 7, local, peer: None, prefix_length: 24, scope: 0, flags }
    }

    #[test]
    fn only_changes_are_told() {
        let mut snapshot = Snapshot::default();
        assert_eq!(snapshot.handle(Event::Link(link("eth1", 1, 0))), Some(7));
        assert_eq!(snapshot.handle(Event::Link(link("eth1", 1, 99))), None, "it has sent something");
        assert_eq!(snapshot.handle(Event::Link(link("eth1", 0x1_0001, 99))), Some(7), "carrier");
        let dormant = Link { operational: 5, ..link("eth1", 0x1_0001, 99) };
        assert_eq!(snapshot.handle(Event::Link(dormant)), Some(7), "it waits to be let in");
        assert_eq!(snapshot.handle(Event::Link(link("wan", 0x1_0001, 99))), Some(7), "another name");
        assert_eq!((snapshot.index("wan"), snapshot.index("eth1")), (Some(7), None));
        assert_eq!(snapshot.handle(Event::Address(address(0x40))), Some(7));
        assert_eq!(snapshot.handle(Event::Address(address(0x40))), None, "its life was prolonged");
        assert_eq!(snapshot.handle(Event::Address(address(0))), Some(7), "no longer tentative");
        assert_eq!(snapshot.handle(Event::AddressGone(address(0))), Some(7));
        assert_eq!(snapshot.handle(Event::AddressGone(address(0))), None);
    }

    #[test]
    fn a_reading_agrees_unless_a_check_would_see_the_difference() {
        let of = |links: &[Link], addresses: &[Address]| Snapshot { links: links.into(), addresses: addresses.into() };
        let other = Link { index: 8, ..link("eth2", 1, 0) };
        let snapshot = of(&[link("eth1", 1, 0), other.clone()], &[address(0)]);
        assert!(snapshot.agrees_with(&of(&[other.clone(), link("eth1", 1, 99)], &[address(0)])));
        for (links, addresses) in [
            (vec![link("eth1", 0x1_0001, 0), other.clone()], vec![address(0)]),
            (vec![link("wan", 1, 0), other.clone()], vec![address(0)]),
            (vec![link("eth1", 1, 0)], vec![address(0)]),
            (vec![link("eth1", 1, 0), Link { index: 9, ..other.clone() }], vec![address(0)]),
            (vec![link("eth1", 1, 0), other.clone()], vec![address(0x40)]),
            (vec![link("eth1", 1, 0), other], Vec::new()),
        ] {
            assert!(!snapshot.agrees_with(&of(&links, &addresses)), "{links:?} {addresses:?}");
        }
    }

    #[test]
    fn with_a_device_go_its_addresses() {
        let mut snapshot = Snapshot::default();
        snapshot.handle(Event::Link(link("eth1", 1, 0)));
        snapshot.handle(Event::Address(address(0)));
        assert_eq!(snapshot.handle(Event::LinkGone(link("eth1", 1, 0))), Some(7));
        assert!(snapshot.links.is_empty() && snapshot.addresses.is_empty());
        assert_eq!(snapshot.handle(Event::LinkGone(link("eth1", 1, 0))), None);
        assert_eq!(snapshot.handle(Event::Lost), None);
    }
}
