//! The one place that touches a netlink socket.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use neli::consts::nl::NlmF;
use nix::errno::Errno;
use nix::sys::socket::sockopt::SetBool;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SetSockOpt, SockFlag, SockProtocol, SockType};
use nix::sys::socket::{bind, recvmsg, send, socket};
use nix::{libc, setsockopt_impl};

use crate::frame::{Frame, Frames, Outcome, outcome, request};
use crate::{Error, NetlinkError};

/// The kernel puts at most 32 KiB into a datagram of a dump; a message of its own accord is far smaller.
const BUFFER: usize = 64 * 1024;

/// The number of the first request, and the lowest ever. The kernel tells everybody of a change with the number of the
/// request for it, and wireguard-go takes route changes with numbers up to 65536 for answers to questions of its own.
const FIRST: u32 = 1 << 20;

/// Explanations come with errors (`NETLINK_EXT_ACK`).
#[derive(Clone)]
struct Explain;
setsockopt_impl!(Explain, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, bool, SetBool);

/// An error quotes the header of the request alone (`NETLINK_CAP_ACK`): whole, those of large routes would not fit into
/// the receive queue together.
#[derive(Clone)]
struct Cap;
setsockopt_impl!(Cap, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, bool, SetBool);

/// Requests for dumps are checked, and their filters applied (`NETLINK_GET_STRICT_CHK`).
#[derive(Clone)]
struct Strict;
setsockopt_impl!(Strict, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, bool, SetBool);

/// A netlink socket, its receive buffer and the number of its last request.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    buffer: Vec<u8>,
    sequence: u32,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) error: Option<NetlinkError>,
    /// What was dumped changed meanwhile.
    pub(crate) interrupted: bool,
}

impl Socket {
    pub(crate) fn open(protocol: SockProtocol, groups: u32, flags: SockFlag) -> Result<Self, Error> {
        let flags = flags | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).map_err(Error::Open)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).map_err(Error::Open)?;
        Explain.set(&fd, &true).map_err(Error::Open)?;
        Cap.set(&fd, &true).map_err(Error::Open)?;
        if protocol == SockProtocol::NetlinkRoute {
            Strict.set(&fd, &true).map_err(Error::Open)?;
        }
        Ok(Self { fd, buffer: vec![0; BUFFER], sequence: FIRST })
    }

    /// The number of the next request.
    pub(crate) const fn number(&mut self) -> u32 {
        self.sequence = match self.sequence.checked_add(1) {
            Some(next) => next,
            None => FIRST,
        };
        self.sequence
    }

    /// Hands requests to the kernel, which has acted on them all when this returns.
    pub(crate) fn send(&self, datagram: &[u8]) -> Result<(), Error> {
        loop {
            match send(self.fd.as_raw_fd(), datagram, MsgFlags::empty()) {
                Ok(sent) if sent == datagram.len() => return Ok(()),
                Ok(_) => return Err(Error::Send(Errno::EMSGSIZE)),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::Send(errno)),
            }
        }
    }

    /// The next datagram from the kernel. Those of other processes are skipped.
    pub(crate) fn receive(&mut self) -> Result<&[u8], Error> {
        loop {
            let mut parts = [IoSliceMut::new(&mut self.buffer)];
            let received = recvmsg::<NetlinkAddr>(self.fd.as_raw_fd(), &mut parts, None, MsgFlags::empty());
            let (length, sender, flags) = match received {
                Ok(message) => (message.bytes, message.address.map(|address| address.pid()), message.flags),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(Error::Receive(errno)),
            };
            if flags.contains(MsgFlags::MSG_TRUNC) {
                return Err(Error::Receive(Errno::EMSGSIZE));
            }
            if sender == Some(0) {
                return Ok(self.buffer.get(..length).unwrap_or_default());
            }
        }
    }

    /// Sends one request and passes on each answer to it.
    pub(crate) fn ask(
        &mut self,
        (kind, flags, body): (u16, NlmF, &[u8]),
        answer: impl FnMut(&Frame<'_>) -> Result<(), Error>,
    ) -> Result<End, Error> {
        let number = self.number();
        self.send(&request(kind, flags, number, body)?)?;
        self.answers(number, answer)
    }

    /// Passes on each answer to the request of this number.
    ///
    /// Answers to earlier requests that were given up half way are skipped by their number.
    pub(crate) fn answers(
        &mut self,
        number: u32,
        mut answer: impl FnMut(&Frame<'_>) -> Result<(), Error>,
    ) -> Result<End, Error> {
        let mut interrupted = false;
        loop {
            for frame in Frames::of(self.receive()?) {
                let frame = frame?;
                if frame.sequence != number {
                    continue;
                }
                interrupted |= frame.flags.contains(NlmF::DUMP_INTR);
                match outcome(&frame)? {
                    Outcome::Answer => answer(&frame)?,
                    Outcome::Done => return Ok(End { error: None, interrupted }),
                    Outcome::Rejected(error) => return Ok(End { error: Some(error), interrupted }),
                }
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
