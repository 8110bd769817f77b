//! Tracked connections (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`).

use std::net::IpAddr;
use std::num::NonZeroU32;

use ftr_core::Family;
use neli::consts::nl::NlmF;
use nix::errno::Errno;
use nix::sys::socket::{SockFlag, SockProtocol};

use crate::flow::{self, NESTED};
use crate::frame::{append, payload};
use crate::socket::Socket;
use crate::{Error, Flow, NetlinkError, family};

/// `IPCTNL_MSG_CT_GET` (1) and `IPCTNL_MSG_CT_DELETE` (2) of the connection tracking subsystem (1).
const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`, `CTA_MARK`, `CTA_MARK_MASK`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
/// `IPCTNL_MSG_CT_GET_STATS` (5).
const STATISTICS: u16 = 1 << 8 | 5;
const MARK: u16 = 8;
const MARK_MASK: u16 = 21;
/// `CTA_FILTER`, `CTA_FILTER_ORIG_FLAGS`, `CTA_FILTER_REPLY_FLAGS`.
const FILTER: u16 = 25;
const FILTER_ORIGINAL: u16 = 1;
const FILTER_REPLY: u16 = 2;
/// `struct nfgenmsg`: family, version, resource.
const HEADER: usize = 4;

const LIST: &str = "list tracked connections";
/// With version 0 the kernel ignores the family, and a deletion for IPv6 takes IPv4 connections along.
const VERSION: u8 = 1;

/// A tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its mark; 0 where it has none.
    pub mark: u32,
    /// Its packets from the side that opened it, before any address translation.
    pub original: Flow,
    /// The answers to them, as they arrive here: they go to where the packets seem to come from.
    pub reply: Flow,
}

impl Connection {
    /// The source address that the packets of the side that opened it leave with: translated where it is translated.
    #[must_use]
    pub const fn leaves_as(&self) -> IpAddr {
        self.reply.destination
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Error> {
        let attributes = body.get(HEADER..).unwrap_or_default();
        let flow =
            |kind| payload(attributes, kind).ok_or(Error::Malformed("tracked connection")).and_then(Flow::decode);
        let mark = match payload(attributes, MARK) {
            Some(octets) => {
                octets.try_into().map(u32::from_be_bytes).map_err(|_| Error::Malformed("connection mark"))?
            }
            None => 0,
        };
        Ok(Self { mark, original: flow(ORIGINAL)?, reply: flow(REPLY)? })
    }
}

/// A socket for requests about tracked connections of the default zone. Every request needs `CAP_NET_ADMIN`.
#[derive(Debug)]
pub struct Ctnetlink {
    socket: Socket,
}

impl Ctnetlink {
    /// Opens a socket.
    ///
    /// # Errors
    /// The kernel gives none, or lacks netfilter ([`Error::Open`]).
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open(SockProtocol::NetlinkNetFilter, 0, SockFlag::empty())? })
    }

    /// The connection that these packets belong to, in either of its directions; none where none is tracked.
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without the capability ([`Error::is_permission`]), `EINVAL` or `EOPNOTSUPP` without
    /// connection tracking, `EINVAL` where the protocol needs another [`Transport`](crate::Transport) too.
    pub fn find(&mut self, flow: &Flow) -> Result<Option<Connection>, Error> {
        let mut found = None;
        let end = self.socket.ask((GET, NlmF::ACK, &question(flow)?), |frame| {
            found = Some(Connection::decode(frame.body)?);
            Ok(())
        })?;
        match end.error {
            Some(NetlinkError { errno: Errno::ENOENT, .. }) => Ok(None),
            Some(error) => Err(Error::Rejected { operation: "look up tracked connection", error }),
            None => found.ok_or(Error::Malformed("answer to a connection lookup")).map(Some),
        }
    }

    /// Every tracked connection of a protocol that was opened from an address.
    ///
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without the capability, `EINVAL` or `EOPNOTSUPP` without connection tracking.
    pub fn opened_from(&mut self, source: IpAddr, protocol: u8) -> Result<Vec<Connection>, Error> {
        let mut found = Vec::new();
        let end = self.socket.ask((GET, NlmF::DUMP, &selection(source, protocol)?), |frame| {
            let connection = Connection::decode(frame.body)?;
            let Flow { source: from, transport, .. } = connection.original;
            // The kernel may list more: see the selection.
            if from == source && transport.protocol(Family::of(source)) == protocol {
                found.push(connection);
            }
            Ok(())
        })?;
        match end.error {
            Some(error) => Err(Error::Rejected { operation: LIST, error }),
            None => Ok(found),
        }
    }

    /// Every tracked connection of the family whose mark is `mark` under the mask `masked`.
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without the capability, `EINVAL` or `EOPNOTSUPP` without connection tracking.
    pub fn marked(&mut self, family: Family, mark: u32, masked: NonZeroU32) -> Result<Vec<Connection>, Error> {
        let mut found = Vec::new();
        let end = self.socket.ask((GET, NlmF::DUMP, &by_mark(family, mark, masked)?), |frame| {
            found.push(Connection::decode(frame.body)?);
            Ok(())
        })?;
        match end.error {
            Some(error) => Err(Error::Rejected { operation: LIST, error }),
            None => Ok(found),
        }
    }

    /// Forgets the connection that these packets belong to. Tells whether there was one.
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without the capability, `EINVAL` or `EOPNOTSUPP` without connection tracking.
    pub fn forget(&mut self, flow: &Flow) -> Result<bool, Error> {
        let end = self.socket.ask((DELETE, NlmF::ACK, &question(flow)?), |_| Ok(()))?;
        match end.error {
            None => Ok(true),
            Some(NetlinkError { errno: Errno::ENOENT, .. }) => Ok(false),
            Some(error) => Err(Error::Rejected { operation: "delete tracked connection", error }),
        }
    }

    /// Whether the kernel answers to requests about tracked connections: asks how many there are.
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without the capability, `EINVAL` or `EOPNOTSUPP` without connection tracking.
    pub fn try_out(&mut self) -> Result<(), Error> {
        let unspecified = [0, VERSION, 0, 0];
        let end = self.socket.ask((STATISTICS, NlmF::ACK, &unspecified), |_| Ok(()))?;
        match end.error {
            Some(error) => Err(Error::Rejected { operation: "count tracked connections", error }),
            None => Ok(()),
        }
    }

    /// Forgets every connection of the family whose mark is `mark` under the mask `masked`. One request, however many there are.
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without the capability, `EINVAL` or `EOPNOTSUPP` without connection tracking.
    pub fn flush(&mut self, family: Family, mark: u32, masked: NonZeroU32) -> Result<(), Error> {
        let end = self.socket.ask((DELETE, NlmF::ACK, &by_mark(family, mark, masked)?), |_| Ok(()))?;
        match end.error {
            Some(error) => Err(Error::Rejected { operation: "delete tracked connections", error }),
            None => Ok(()),
        }
    }
}

fn header(family: Family) -> Vec<u8> {
    vec![family::to_kernel(family).into(), VERSION, 0, 0]
}

fn question(flow: &Flow) -> Result<Vec<u8>, Error> {
    let mut body = header(flow.family());
    append(&mut body, ORIGINAL | NESTED, &flow.encode()?)?;
    Ok(body)
}

/// A request for the connections from an address, by a part of their tuple (`CTA_FILTER`). Kernels before Linux 5.8 do
/// not know it and list all that they have.
fn selection(source: IpAddr, protocol: u8) -> Result<Vec<u8>, Error> {
    let mut body = header(Family::of(source));
    append(&mut body, ORIGINAL | NESTED, &flow::sender(source, protocol)?)?;
    let mut filter = Vec::new();
    append(&mut filter, FILTER_ORIGINAL, &flow::told_apart(Family::of(source)).to_ne_bytes())?;
    append(&mut filter, FILTER_REPLY, &0u32.to_ne_bytes())?;
    append(&mut body, FILTER | NESTED, &filter)?;
    Ok(body)
}

/// The body of a request about all connections of a mark. Its numbers are in network byte order, unlike rtnetlink's.
fn by_mark(family: Family, mark: u32, masked: NonZeroU32) -> Result<Vec<u8>, Error> {
    let mut body = header(family);
    for (kind, number) in [(MARK, mark), (MARK_MASK, masked.get())] {
        append(&mut body, kind, &number.to_be_bytes())?;
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::{Connection, Family, HEADER, MARK, NESTED, ORIGINAL, REPLY, append, by_mark, payload, question};
    use crate::flow::Flow;
    use crate::flow::tests::flow;
    use proptest::prelude::*;
    use std::num::NonZeroU32;

    #[test]
    fn marks_travel_in_network_byte_order() {
        let body = by_mark(Family::V6, 0x0102, NonZeroU32::new(0xff00).unwrap()).unwrap();
        assert_eq!(body[..4], [10, 1, 0, 0]);
        assert_eq!(body[8..12], [0, 0, 1, 2]);
        assert_eq!(body[16..], [0, 0, 0xff, 0]);
    }

    proptest! {
        #[test]
        fn a_question_holds_the_flow_and_its_family(flow in flow()) {
            let body = question(&flow).unwrap();
            let family = if flow.family() == Family::V6 { 10 } else { 2 };
            prop_assert_eq!(&body[..HEADER], &[family, 1, 0, 0]);
            prop_assert_eq!(payload(&body[HEADER..], ORIGINAL).map(Flow::decode), Some(Ok(flow)));
        }

        #[test]
        fn an_answer_tells_both_directions_and_the_mark(original in flow(), reply in flow(), mark: Option<u32>) {
            let mut body = question(&original).unwrap();
            append(&mut body, REPLY | NESTED, &reply.encode().unwrap()).unwrap();
            if let Some(mark) = mark {
                append(&mut body, MARK, &mark.to_be_bytes()).unwrap();
            }
            let connection = Connection { mark: mark.unwrap_or(0), original, reply };
            prop_assert_eq!(connection.leaves_as(), reply.destination);
            prop_assert_eq!(Connection::decode(&body), Ok(connection));
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(0u8..12, 0..120)) {
            let _ = Connection::decode(&bytes);
        }
    }
}
