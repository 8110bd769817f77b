//! A connection that neither waits nor reads without bounds, whatever lies above it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::Instant;

use ftr_tool::ready;
use nix::poll::{PollFd, PollFlags};
use rustls::{ClientConnection, StreamOwned};

/// How many bytes a server may send in one delivery. A TLS handshake with long certificates has some ten thousand, and
/// each recipient one reply.
pub(super) const BUDGET: usize = 1024 * 1024;

/// What is inside an [`io::Error`] of a [`Wire`] whose budget is used up.
#[derive(Debug, thiserror::Error)]
#[error("more than {BUDGET} bytes")]
pub(super) struct BudgetSpent;

/// A TCP connection that waits until a point in time and no longer, then fails with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    until: Instant,
    left: usize,
}

impl Wire {
    pub(super) fn new(socket: TcpStream, until: Instant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Commands are small and each waits for its answer.
        socket.set_nodelay(true)?;
        Ok(Self { socket, until, left: BUDGET })
    }

    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        ready::wait(&mut [PollFd::new(self.socket.as_fd(), flags)], Some(left)).map(drop)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(BudgetSpent));
        }
        let room = buffer.len().min(self.left);
        loop {
            match self.socket.read(buffer.get_mut(..room).unwrap_or_default()) {
                Ok(length) => {
                    self.left -= length;
                    return Ok(length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::POLLIN)?,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.socket.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::POLLOUT)?,
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The connection as the dialogue sees it: in clear, or over TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Clear(Wire),
    Tls(Box<StreamOwned<ClientConnection, Wire>>),
}

impl Stream {
    fn wire(&mut self) -> &mut Wire {
        match self {
            Self::Clear(wire) => wire,
            Self::Tls(tls) => &mut tls.sock,
        }
    }

    /// Until when it waits from now on.
    pub(super) fn wait_until(&mut self, until: Instant) {
        self.wire().until = until;
    }

    /// What has arrived, without waiting for more: empty if nothing has.
    pub(super) fn arrived(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let until = std::mem::replace(&mut self.wire().until, Instant::now());
        let read = self.read(buffer);
        self.wait_until(until);
        match read {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(None),
            other => other.map(Some),
        }
    }

    /// Begins TLS, and ends its handshake. Nothing that was read before it is known to it.
    pub(super) fn upgrade(self, mut session: ClientConnection) -> io::Result<Self> {
        let Self::Clear(mut wire) = self else { return Err(io::Error::other("TLS within TLS")) };
        while session.is_handshaking() {
            session.complete_io(&mut wire)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(session, wire))))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(wire) => wire.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(wire) => wire.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(wire) => wire.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
