//! TCP and UDP sockets of this host as `sock_diag(7)` tells of them (`include/uapi/linux/inet_diag.h`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ftr_core::Family;

use crate::Error;
use crate::family;
use crate::frame::payload;

/// `struct inet_diag_sockid`: both ports, both addresses in 16 bytes each, the device, and two words of cookie.
const IDENTITY: usize = 48;
/// What stands before it: in a request (`struct inet_diag_req_v2`) family, protocol, extensions, padding and states; in an
/// answer (`struct inet_diag_msg`) family, state and two timers.
const REQUEST: usize = 8;
const ANSWER: usize = 4;
/// An answer's fixed part; attributes follow.
const FIXED: usize = ANSWER + IDENTITY + 20;
/// `INET_DIAG_MARK`, told to those with `CAP_NET_ADMIN`.
const MARK: u16 = 15;

/// What is asked for: the sockets of a family that have this protocol and are in one of these states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) family: Family,
    pub(crate) protocol: SocketProtocol,
    /// A bit for each state.
    pub(crate) states: u32,
}

/// A protocol whose sockets the kernel tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketProtocol {
    /// The Transmission Control Protocol.
    Tcp,
    /// The User Datagram Protocol.
    Udp,
}

impl SocketProtocol {
    /// Its number in IP headers.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// A socket of this host that is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InetSocket {
    /// Its protocol.
    pub protocol: SocketProtocol,
    /// Its end here. An IPv6 socket that speaks IPv4 (`::ffff:a.b.c.d`) has IPv4 ends.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The number of the device that it is bound to.
    pub device: Option<u32>,
    /// What it marks its packets with; 0 where it does not, or the capability to see it is missing.
    pub mark: u32,
    /// As the kernel names it: the family of the socket itself, and what tells it from every other, also later ones.
    family: Family,
    identity: [u8; IDENTITY],
}

impl Question {
    /// The body of a request for all of them.
    pub(crate) fn encode(self) -> Vec<u8> {
        request(self.family, self.protocol, self.states, &[0; IDENTITY])
    }
}

/// The body of a request about a socket that does not exist: no socket has the port 0.
pub(crate) fn nobody(protocol: SocketProtocol) -> Vec<u8> {
    request(Family::V4, protocol, u32::MAX, &[0; IDENTITY])
}

fn request(family: Family, protocol: SocketProtocol, states: u32, identity: &[u8; IDENTITY]) -> Vec<u8> {
    let mut body = Vec::with_capacity(REQUEST + IDENTITY);
    body.extend([family::to_kernel(family).into(), protocol.number(), 0, 0]);
    body.extend(states.to_ne_bytes());
    body.extend(identity);
    body
}

impl InetSocket {
    /// A socket that only looks so: the kernel's own come from a list, and no other can be ended.
    #[must_use]
    pub const fn new(protocol: SocketProtocol, local: SocketAddr, remote: SocketAddr) -> Self {
        let family = Family::of(local.ip());
        Self { protocol, local, remote, device: None, mark: 0, family, identity: [0; IDENTITY] }
    }

    /// The body of a request about exactly this socket.
    pub(crate) fn encode(&self) -> Vec<u8> {
        request(self.family, self.protocol, u32::MAX, &self.identity)
    }

    pub(crate) fn decode(protocol: SocketProtocol, body: &[u8]) -> Result<Self, Error> {
        Self::read(protocol, body).ok_or(Error::Malformed("socket"))
    }

    fn read(protocol: SocketProtocol, body: &[u8]) -> Option<Self> {
        let family = family::from_kernel((*body.first()?).into())?;
        let identity: [u8; IDENTITY] = body.get(ANSWER..ANSWER + IDENTITY)?.try_into().ok()?;
        let end = |port: usize, address: usize| {
            let port = identity.get(port..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))?;
            Some(SocketAddr::new(ip(family, identity.get(address..)?)?, port))
        };
        let device = identity.get(36..)?.first_chunk().map(|octets| u32::from_ne_bytes(*octets))?;
        let mark = payload(body.get(FIXED..)?, MARK).and_then(|octets| octets.try_into().ok());
        Some(Self {
            protocol,
            local: end(0, 4)?,
            remote: end(2, 20)?,
            device: (device != 0).then_some(device),
            mark: mark.map_or(0, u32::from_ne_bytes),
            family,
            identity,
        })
    }
}

/// An address of 4 or 16 bytes, in network byte order at the beginning of its field.
fn ip(family: Family, field: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => field.first_chunk().map(|octets: &[u8; 4]| Ipv4Addr::from(*octets).into()),
        Family::V6 => field.first_chunk().map(|octets: &[u8; 16]| IpAddr::V6(Ipv6Addr::from(*octets)).to_canonical()),
    }
}

#[cfg(test)]
mod tests {
    use super::{FIXED, Family, IDENTITY, InetSocket, MARK, Question, SocketProtocol, nobody};
    use crate::frame::append;
    use proptest::prelude::*;
    use std::net::{IpAddr, SocketAddr};

    /// An answer as the kernel writes it.
    fn answer(local: SocketAddr, remote: SocketAddr, device: u32, mark: Option<u32>) -> Vec<u8> {
        let mut body = vec![if local.is_ipv4() { 2 } else { 10 }, 1, 0, 0];
        body.extend(local.port().to_be_bytes());
        body.extend(remote.port().to_be_bytes());
        for address in [local.ip(), remote.ip()] {
            let mut field = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            field.resize(16, 0);
            body.extend(field);
        }
        body.extend(device.to_ne_bytes());
        body.extend(0x0102_0304_0506_0708u64.to_ne_bytes());
        body.resize(FIXED, 0);
        append(&mut body, 1, b"other").unwrap();
        if let Some(mark) = mark {
            append(&mut body, MARK, &mark.to_ne_bytes()).unwrap();
        }
        body
    }

    #[test]
    fn a_question_names_family_protocol_and_states() {
        let body = Question { family: Family::V6, protocol: SocketProtocol::Udp, states: 2 }.encode();
        assert_eq!(body.len(), 56);
        assert_eq!((&body[..4], &body[4..8]), (&[10, 17, 0, 0][..], &2u32.to_ne_bytes()[..]));
        assert_eq!(nobody(SocketProtocol::Tcp)[8..], [0; IDENTITY]);
    }

    #[test]
    fn an_ipv6_socket_that_speaks_ipv4_has_ipv4_ends() {
        let [local, remote] = ["[::ffff:1.0.0.2]:80", "[::ffff:9.9.9.9]:7"].map(|end| end.parse().unwrap());
        let socket = InetSocket::decode(SocketProtocol::Tcp, &answer(local, remote, 0, None)).unwrap();
        assert_eq!((socket.local.to_string(), socket.remote.to_string()), ("1.0.0.2:80".into(), "9.9.9.9:7".into()));
        // The kernel looks for it among those of IPv6.
        assert_eq!(socket.encode()[0], 10);
    }

    prop_compose! {
        fn ends()(v6: bool, here: u128, there: u128, ports: (u16, u16)) -> (SocketAddr, SocketAddr) {
            let address = |bits: u128| {
                let four = |bits: u128| u32::try_from(bits >> 96).unwrap_or_default();
                // Not of the part of IPv6 that means IPv4.
                if v6 { IpAddr::from((bits | 1 << 127).to_be_bytes()) } else { IpAddr::from(four(bits).to_be_bytes()) }
            };
            (SocketAddr::new(address(here), ports.0), SocketAddr::new(address(there), ports.1))
        }
    }

    proptest! {
        #[test]
        fn a_socket_is_read_and_named_again((local, remote) in ends(), device: u32, mark: Option<u32>) {
            let body = answer(local, remote, device, mark);
            let socket = InetSocket::decode(SocketProtocol::Tcp, &body).unwrap();
            prop_assert_eq!((socket.local, socket.remote), (local, remote));
            prop_assert_eq!((socket.device, socket.mark), (Some(device).filter(|device| *device != 0), mark.unwrap_or(0)));
            let named = socket.encode();
            prop_assert_eq!((named[0], named[1], &named[8..]), (body[0], 6, &body[4..4 + IDENTITY]));
        }

        #[test]
        fn any_bytes_are_decoded_without_panic(bytes in prop::collection::vec(0u8..12, 0..120)) {
            let _ = InetSocket::decode(SocketProtocol::Udp, &bytes);
        }
    }
}
