//! TCP: a target works if it takes a connection.

use std::net::SocketAddr;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use socket2::{Socket, Type};

use super::progress::Progress;
use super::socket::{failure, header, open};
use crate::outlet::{Outlet, errno};

/// The header of a segment that opens a connection, with the options that Linux sends: MSS, SACK, timestamps, scale.
const SYN: u64 = 40;
/// The header of a segment of an open connection, with timestamps.
const SEGMENT: u64 = 32;
/// The header of the reset that refuses a connection.
const REFUSAL: u64 = 20;
/// How much payload a segment carries, at least on Ethernet and PPP.
const PAYLOAD: u64 = 1400;

/// A connection to one server.
#[derive(Debug)]
pub(crate) struct Tcp {
    socket: Socket,
    server: SocketAddr,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    Refused,
    Open,
}

impl Tcp {
    pub(super) fn connect(server: SocketAddr, outlet: Outlet<'_>) -> Result<Self, Errno> {
        let socket = open(server, Type::STREAM, outlet)?;
        // Closed by a reset: an orderly end would cost three more segments, and leave an entry behind in the tables of
        // this host (TIME-WAIT) and of connection tracking (two minutes) for every probe.
        socket.set_linger(Some(Duration::ZERO)).map_err(|error| errno(&error))?;
        match socket.connect(&server.into()).map_err(|error| errno(&error)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(Self { socket, server, stage: Stage::Asked }),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn progress(&mut self) -> Progress {
        match self.is_open() {
            Ok(true) => Progress::Answered,
            Ok(false) => Progress::Wait(EpollFlags::EPOLLOUT),
            Err(errno) => Progress::Failed(failure(errno)),
        }
    }

    /// Whether the server has taken the connection. Once it has, what becomes of the connection is not asked again:
    /// it may have been closed since, with an answer waiting to be read.
    pub(super) fn is_open(&mut self) -> Result<bool, Errno> {
        if self.stage == Stage::Open {
            return Ok(true);
        }
        let failed = self.socket.take_error().and_then(|error| error.map_or(Ok(()), Err));
        match failed.and_then(|()| self.socket.peer_addr()).map_err(|error| errno(&error)) {
            Ok(_) => {
                self.stage = Stage::Open;
                Ok(true)
            }
            Err(Errno::ENOTCONN) => Ok(false),
            Err(errno) => {
                if errno == Errno::ECONNREFUSED {
                    self.stage = Stage::Refused;
                }
                Err(errno)
            }
        }
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// What opening it took, and closing it takes.
    pub(super) const fn bytes(&self) -> u64 {
        let header = header(self.server);
        match self.stage {
            Stage::Asked => header + SYN,
            Stage::Refused => header + SYN + header + REFUSAL,
            // Both requests to open, the acknowledgement, the reset.
            Stage::Open => 2 * (header + SYN) + 2 * (header + SEGMENT),
        }
    }

    /// What so much payload takes in one direction, with an acknowledgement for every segment.
    pub(super) const fn carrying(&self, payload: usize) -> u64 {
        let payload = payload as u64;
        payload + payload.div_ceil(PAYLOAD) * 2 * (header(self.server) + SEGMENT)
    }
}
