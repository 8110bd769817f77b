//! Tracked connections (`include/uapi/linux/netfilter/nfnetlink_conntrack.h`).

use std::num::NonZeroU32;

use ftr_core::Family;
use neli::consts::nl::NlmF;
use nix::sys::socket::{SockFlag, SockProtocol};

use crate::socket::Socket;
use crate::{Error, family};

/// `IPCTNL_MSG_CT_DELETE` (2) of the connection tracking subsystem (1).
const DELETE: u16 = 1 << 8 | 2;
const MARK: u16 = 8;
const MARK_MASK: u16 = 21;
/// With version 0 the kernel ignores the family, and a deletion for IPv6 takes IPv4 connections along.
const VERSION: u8 = 1;

/// A socket for requests about tracked connections. Every request needs `CAP_NET_ADMIN`.
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

    /// Forgets every connection of the family whose mark is `mark` in its `heeded` bits. One request, however many there are.
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without the capability, `EINVAL` or `EOPNOTSUPP` without connection tracking.
    pub fn flush(&mut self, family: Family, mark: u32, heeded: NonZeroU32) -> Result<(), Error> {
        let end = self.socket.ask((DELETE, NlmF::ACK, &body(family, mark, heeded)), |_| Ok(()))?;
        match end.refusal {
            Some(refusal) => Err(Error::Refused { operation: "delete tracked connections", refusal }),
            None => Ok(()),
        }
    }
}

/// `struct nfgenmsg` and the two attributes; their numbers are in network byte order, unlike rtnetlink's.
fn body(family: Family, mark: u32, heeded: NonZeroU32) -> Vec<u8> {
    let mut body = vec![family::to_kernel(family).into(), VERSION, 0, 0];
    for (kind, number) in [(MARK, mark), (MARK_MASK, heeded.get())] {
        body.extend(8u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(number.to_be_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::{Family, body};
    use std::num::NonZeroU32;

    #[test]
    fn marks_travel_in_network_byte_order() {
        let body = body(Family::V6, 0x0102, NonZeroU32::new(0xff00).unwrap());
        assert_eq!(body[..4], [10, 1, 0, 0]);
        assert_eq!(body[8..12], [0, 0, 1, 2]);
        assert_eq!(body[16..], [0, 0, 0xff, 0]);
    }
}
