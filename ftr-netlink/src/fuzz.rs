//! What every message has to hold to, whatever is in it. Fuzzers feed these functions (`fuzz/`), and the tests with what
//! the fuzzers once found. Where there are several readers the first byte chooses one.

use std::fmt::Debug;

use crate::counters;
use crate::flow::Flow;
use crate::frame::{Frames, Outcome, outcome, payload};
use crate::label::Label;
use crate::nexthop::{decode_multipath, encode_multipath};
use crate::{
    Address, Connection, Counters, Error, Event, Family, InetSocket, Link, Neighbour, Netconf, Route, Rule,
    SocketProtocol,
};

/// The name of a target in `fuzz/`, and what it is.
pub type Target = (&'static str, fn(&[u8]));

/// Messages, each fed to the function of its name.
pub const TARGETS: &[Target] = &[
    ("netlink_datagram", datagram),
    ("netlink_device", device),
    ("netlink_routing", routing),
    ("netlink_socket", socket),
];

/// The messages of a datagram lie within it and do not overlap; its events are as many at most.
pub fn datagram(bytes: &[u8]) {
    let mut rest = bytes.len();
    let mut good = 0;
    for frame in Frames::of(bytes) {
        let Ok(frame) = frame else { break };
        rest = rest.checked_sub(frame.body.len()).unwrap_or_else(|| panic!("more in {frame:?} than there was"));
        good += 1;
        if let Ok(Outcome::Rejected(error)) = outcome(&frame) {
            assert!(!error.to_string().is_empty());
        }
    }
    if let Ok(events) = Event::decode(bytes) {
        assert!(events.len() <= good, "{events:?}");
    }
}

/// Devices, their counters, addresses, neighbours and parameters.
pub fn device(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    match kind % 6 {
        0 => bounded(body, Link::decode(body), |link| link.name.len() + link.kind.as_ref().map_or(0, String::len)),
        1 => bounded(body, counters::decode(body).map(Some), |_| 0),
        2 => bounded(body, Counters::decode(body).map(Some), |_| 0),
        3 => {
            let address = Address::decode(body);
            if let Ok(Some(Address { prefix_length: length, .. })) = &address {
                let network = address.as_ref().ok().and_then(|address| address.as_ref()?.network());
                assert!(network.is_none_or(|network| network.length() == *length));
            }
            bounded(body, address, |_| 0);
        }
        4 => bounded(body, Neighbour::decode(body), |neighbour| neighbour.link_address.as_ref().map_or(0, Vec::len)),
        _ => bounded(body, Netconf::decode(body), |_| 0),
    }
}

/// What is kept of a message is no larger than three times the message: bytes that are no UTF-8 are replaced by three.
fn bounded<T: Debug>(body: &[u8], decoded: Result<Option<T>, Error>, size: impl Fn(&T) -> usize) {
    if let Ok(Some(value)) = decoded {
        assert!(size(&value) <= 3 * body.len(), "{value:?}");
    }
}

/// Routes, rules, nexthops and labels: what is read, written and read again is the same.
pub fn routing(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => {
            if let Ok(Some(route)) = Route::decode(body) {
                let _ = (route.preference(), route.encode_deletion());
                settles(&route, Route::encode, Route::decode, |one| {
                    (one.family, one.destination, one.table, one.metric, one.kind, one.source)
                });
            }
        }
        1 => {
            if let Ok(Some(rule)) = Rule::decode(body) {
                settles(&rule, Rule::encode, Rule::decode, |one| {
                    (one.family, one.priority, one.action, one.from, one.to, one.mark, one.iif.clone(), one.oif.clone())
                });
            }
        }
        2 => {
            if let Ok(nexthops) = decode_multipath(body) {
                let write = |nexthops: &Vec<_>| encode_multipath(Family::V4, nexthops);
                settles(&nexthops, write, |body| decode_multipath(body).map(Some), Vec::len);
            }
        }
        _ => {
            if let Ok(Some(label)) = Label::decode(body) {
                settles(&label, Label::encode, Label::decode, |label| *label);
            }
        }
    }
}

/// A value keeps its essence when it is written and read, and all of it from the second time on.
fn settles<T: PartialEq + Debug, E: PartialEq + Debug>(
    value: &T,
    write: impl Fn(&T) -> Result<Vec<u8>, Error>,
    read: impl Fn(&[u8]) -> Result<Option<T>, Error>,
    essence: impl Fn(&T) -> E,
) {
    let again = |value: &T| {
        let written = write(value).ok()?;
        let Ok(Some(again)) = read(&written) else { panic!("{value:?} is not read as it is written") };
        Some(again)
    };
    let Some(first) = again(value) else { return };
    assert_eq!(essence(&first), essence(value));
    let Some(second) = again(&first) else { panic!("{first:?} cannot be written any more") };
    assert_eq!(second, first);
}

/// Sockets of this host and tracked connections.
pub fn socket(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else { return };
    match kind % 4 {
        0 | 1 => {
            let protocol = if *kind % 4 == 0 { SocketProtocol::Tcp } else { SocketProtocol::Udp };
            if let Ok(socket) = InetSocket::decode(protocol, body) {
                assert!(!socket.encode().is_empty());
            }
        }
        2 => {
            if let Ok(connection) = Connection::decode(body) {
                assert_eq!(connection.leaves_as(), connection.reply.destination);
            }
        }
        _ => {
            let _ = payload(body, 1);
            if let Ok(flow) = Flow::decode(body) {
                settles(&flow, Flow::encode, |body| Flow::decode(body).map(Some), |flow| *flow);
            }
        }
    }
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;
