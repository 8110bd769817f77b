//! What this host's kernel knows: devices, addresses, routes, neighbours, counters.

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ftr_netlink::egress::{Device, Terms};
use ftr_netlink::{Address, Counters, Error, Event, Family, Group, Listener, Lookup, Neighbour, Rtnetlink};

use crate::path::{self, Break, Path};
use crate::snapshot::Snapshot;
use crate::solicit::Question;

/// What was heard is compared with what is there so often, in case an event was missed.
const AUDIT: Duration = Duration::from_secs(30);
/// How exactly the kernel tells the age of a neighbour's confirmation.
const TICK: Duration = Duration::from_millis(10);
/// A gateway may take so long to tell its link-layer address.
const PATIENCE: Duration = Duration::from_millis(50);

/// The kernel's tables.
#[derive(Debug)]
pub(crate) struct Host {
    netlink: Rtnetlink,
    /// Only while watching.
    listener: Option<Listener>,
    snapshot: Snapshot,
    /// When the snapshot was last read as a whole; none where that has to be done.
    read: Option<Duration>,
    /// The snapshot has changed by being read, before or without any event.
    missed: bool,
}

/// Which devices have changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changes {
    /// Those with these indexes.
    Of(Vec<u32>),
    /// Nobody knows: events were lost.
    Any,
}

impl Host {
    /// Opens the kernel's tables; and listens for changes while watching.
    pub(crate) fn open(watch: bool) -> Result<Self, Error> {
        let groups = [Group::Link, Group::Address(Family::V4), Group::Address(Family::V6)];
        // Listening begins before the first reading, so that nothing in between is missed.
        let listener = if watch { Some(Listener::open(&groups)?) } else { None };
        Ok(Self { netlink: Rtnetlink::open()?, listener, snapshot: Snapshot::default(), read: None, missed: false })
    }

    /// What to wait for, where there is something to wait for.
    pub(crate) fn events(&self) -> Option<BorrowedFd<'_>> {
        self.listener.as_ref().map(AsFd::as_fd)
    }

    /// The devices and addresses as they are now.
    pub(crate) fn snapshot(&mut self, now: Duration) -> Result<&Snapshot, Error> {
        if self.read.is_none_or(|read| self.listener.is_none() || now >= read + AUDIT) {
            let found = Snapshot { links: self.netlink.links()?, addresses: self.netlink.addresses(None)? };
            self.missed |= self.read.is_some() && self.listener.is_some() && !found.agrees_with(&self.snapshot);
            self.snapshot = found;
            self.read = Some(now);
        }
        Ok(&self.snapshot)
    }

    /// Whether there is a change that nobody was told of yet, because an event came too late or never.
    pub(crate) const fn has_missed(&self) -> bool {
        self.missed
    }

    /// Takes all waiting events into account.
    pub(crate) fn handle(&mut self) -> Result<Changes, Error> {
        let mut changed = Vec::new();
        let mut lost = std::mem::take(&mut self.missed);
        let Some(listener) = &mut self.listener else { return Ok(Changes::Of(changed)) };
        while let Some(event) = listener.next_event()? {
            if event == Event::Lost {
                lost = true;
                self.read = None;
            }
            changed.extend(self.snapshot.handle(event).filter(|index| !changed.contains(index)));
        }
        if lost {
            return Ok(Changes::Any);
        }
        Ok(Changes::Of(changed))
    }

    /// The way to a target through the device of an uplink.
    pub(crate) fn way(&mut self, terms: Terms<'_>, target: IpAddr) -> Result<Result<Path, Break>, Error> {
        let device = match Device::find(terms, &self.snapshot.links, &self.snapshot.addresses) {
            Ok(device) => device,
            Err(reason) => return Ok(Err(Break { reason, address: None })),
        };
        let answer = match self.netlink.lookup(&Lookup { oif: Some(device.index()), ..Lookup::to(target) }) {
            Ok(route) => Some(route),
            Err(Error::Rejected { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(path::way(&device, answer.as_ref()))
    }

    /// What to ask a gateway for its link-layer address with, if it is known to have one: from our address in its
    /// network, as the kernel asks, or from the one that packets leave with where it is outside of all.
    pub(crate) fn question(&mut self, index: u32, gateway: IpAddr, source: IpAddr) -> Result<Option<Question>, Error> {
        let believed = |neighbour: &Neighbour| neighbour.is_asked() && !neighbour.is_unanswered();
        let known = self.netlink.neighbour(index, gateway)?.filter(believed);
        let mac = known.and_then(|neighbour| neighbour.link_address).and_then(|mac| mac.try_into().ok());
        let near = |address: &&Address| address.network().is_some_and(|network| network.contains(gateway));
        let own = self.snapshot.addresses.iter().filter(|address| address.index == index).find(near);
        let from = own.map_or(source, |own| own.local);
        Ok(mac.map(|mac| Question { from, gateway, mac }))
    }

    /// Whether a neighbour is silent: the kernel has asked for it and got no answer, or nothing has confirmed it since
    /// we asked, which was so long ago.
    ///
    /// An entry that had failed before is asked again by whatever is sent to it, so it is believed only after
    /// something was.
    pub(crate) fn is_silent(&mut self, index: u32, neighbour: IpAddr, asked: Option<Duration>) -> Result<bool, Error> {
        let Some(neighbour) = self.netlink.neighbour(index, neighbour)? else { return Ok(false) };
        let ignored_us = asked.zip(neighbour.confirmed).is_some_and(|(asked, age)| is_overdue(asked, age));
        Ok(neighbour.is_unanswered() || ignored_us)
    }

    /// What went through each device so far.
    pub(crate) fn counters(&mut self, into: &mut Vec<(u32, Counters)>) -> Result<(), Error> {
        self.netlink.counters(into)
    }
}

/// Whether an answer is missing to a question that was asked so long ago, of a neighbour that was last confirmed so
/// long ago. Where everybody is said to be unreachable, a check is over before any answer can be here.
fn is_overdue(asked: Duration, confirmed: Duration) -> bool {
    asked >= PATIENCE && confirmed > asked + TICK
}

#[cfg(test)]
mod tests {
    use super::is_overdue;
    use std::time::Duration;

    #[test]
    fn a_gateway_is_given_time_before_it_is_called_silent() {
        let overdue = |asked, confirmed| is_overdue(Duration::from_millis(asked), Duration::from_millis(confirmed));
        assert!(!overdue(0, 20_000), "asked just now, and heard twenty seconds ago");
        assert!(overdue(130, 20_000));
        assert!(!overdue(130, 120), "it has answered since");
        assert!(!overdue(130, 140), "within a tick");
    }
}
