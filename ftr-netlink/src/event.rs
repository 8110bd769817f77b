//! What the kernel tells of its own accord.

use ftr_core::Family;
use neli::consts::rtnl::Rtm;

use crate::frame::{Frame, Frames};
use crate::{Address, Error, Link, Neighbour, Netconf, Route, Rule};

/// A multicast group of rtnetlink(7): one kind of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Devices.
    Link,
    /// Neighbours of both families.
    Neighbour,
    /// Addresses.
    Address(Family),
    /// Routes.
    Route(Family),
    /// Policy rules.
    Rule(Family),
    /// Parameters of devices.
    Netconf(Family),
}

impl Group {
    /// The bit of the group in a socket's address.
    pub(crate) const fn bit(self) -> u32 {
        // RTNLGRP_* of include/uapi/linux/rtnetlink.h
        let number = match self {
            Self::Link => 1,
            Self::Neighbour => 3,
            Self::Address(Family::V4) => 5,
            Self::Route(Family::V4) => 7,
            Self::Rule(Family::V4) => 8,
            Self::Address(Family::V6) => 9,
            Self::Route(Family::V6) => 11,
            Self::Rule(Family::V6) => 19,
            Self::Netconf(Family::V4) => 24,
            Self::Netconf(Family::V6) => 25,
        };
        1 << (number - 1)
    }
}

/// Something has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A device is new or has changed.
    Link(Link),
    /// A device is gone.
    LinkGone(Link),
    /// An address is new or has changed.
    Address(Address),
    /// An address is gone.
    AddressGone(Address),
    /// A route is new.
    Route(Route),
    /// A route is gone. The kernel does not tell of every one: those of a deleted device or address go silently.
    RouteGone(Route),
    /// A rule is new.
    Rule(Rule),
    /// A rule is gone.
    RuleGone(Rule),
    /// A neighbour is new or has changed.
    Neighbour(Neighbour),
    /// A neighbour is gone.
    NeighbourGone(Neighbour),
    /// Parameters of a device, or of all, have changed.
    Netconf(Netconf),
    /// Events came faster than they were read, and some are lost: read everything anew.
    Lost,
}

impl Event {
    /// The events of one datagram.
    ///
    /// # Errors
    /// A message in it is malformed.
    pub fn decode(datagram: &[u8]) -> Result<Vec<Self>, Error> {
        let mut events = Vec::new();
        for frame in Frames::of(datagram) {
            events.extend(Self::of(&frame?)?);
        }
        Ok(events)
    }

    fn of(frame: &Frame<'_>) -> Result<Option<Self>, Error> {
        let body = frame.body;
        Ok(match Rtm::from(frame.kind) {
            Rtm::Newlink => Link::decode(body)?.map(Self::Link),
            Rtm::Dellink => Link::decode(body)?.map(Self::LinkGone),
            Rtm::Newaddr => Address::decode(body)?.map(Self::Address),
            Rtm::Deladdr => Address::decode(body)?.map(Self::AddressGone),
            Rtm::Newroute => Route::decode(body)?.map(Self::Route),
            Rtm::Delroute => Route::decode(body)?.map(Self::RouteGone),
            Rtm::Newrule => Rule::decode(body)?.map(Self::Rule),
            Rtm::Delrule => Rule::decode(body)?.map(Self::RuleGone),
            Rtm::Newneigh => Neighbour::decode(body)?.map(Self::Neighbour),
            Rtm::Delneigh => Neighbour::decode(body)?.map(Self::NeighbourGone),
            Rtm::Newnetconf => Netconf::decode(body)?.map(Self::Netconf),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Event;
    use crate::frame::request;
    use crate::{Family, Route, RouteKind, Rule};
    use neli::consts::nl::NlmF;
    use proptest::prelude::*;

    #[test]
    fn a_datagram_may_hold_several() {
        let route = Route::default(Family::V4, 7, RouteKind::Unreachable);
        let rule = Rule::lookup(Family::V6, 100, 7);
        let mut datagram = request(24, NlmF::empty(), 0, &route.encode().unwrap()).unwrap();
        datagram.extend(request(33, NlmF::empty(), 0, &rule.encode().unwrap()).unwrap());
        assert_eq!(Event::decode(&datagram).unwrap(), [Event::Route(route), Event::RuleGone(rule)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic(kind in 16u16..84, body in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Event::decode(&body);
            let _ = Event::decode(&request(kind, NlmF::empty(), 0, &body).unwrap());
        }
    }
}
