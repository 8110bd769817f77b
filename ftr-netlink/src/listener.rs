//! A socket that hears of changes.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{SockFlag, SockProtocol, setsockopt, sockopt};

use crate::socket::Socket;
use crate::{Error, Event, Group};

/// Room for some thousand events; the kernel caps it at `net.core.rmem_max`.
const QUEUE: usize = 1024 * 1024;

/// Hears of changes in the kernel, and never blocks: wait for it to become readable, then take events until there is
/// none.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    waiting: VecDeque<Event>,
}

impl Listener {
    /// Listens to these groups from now on. Needs no capability.
    ///
    /// # Errors
    /// The kernel gives no such socket.
    pub fn open(groups: &[Group]) -> Result<Self, Error> {
        let groups = groups.iter().fold(0, |bits, group| bits | group.bit());
        let socket = Socket::open(SockProtocol::NetlinkRoute, groups, SockFlag::SOCK_NONBLOCK)?;
        setsockopt(&socket, sockopt::RcvBuf, &QUEUE).map_err(Error::Open)?;
        Ok(Self { socket, waiting: VecDeque::new() })
    }

    /// The next event; none where all have been taken. [`Event::Lost`] where the kernel had to drop some.
    ///
    /// # Errors
    /// The socket fails, or a message is malformed.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            match self.socket.receive() {
                Ok(datagram) => self.waiting.extend(Event::decode(datagram)?),
                Err(Error::Receive(Errno::EAGAIN)) => return Ok(None),
                Err(Error::Receive(Errno::ENOBUFS)) => return Ok(Some(Event::Lost)),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
