//! The two kinds of connection of the client, each a small state machine over a non-blocking socket.

use crate::family::Family;
use crate::report::{Attempt, Held, Outcome};
use nix::poll::PollFlags;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// A connection that is not established by then has failed. Below the kernel's first repetition of a SYN
/// (1 s), so that one lost packet counts.
pub(crate) const PATIENCE: Duration = Duration::from_millis(900);

/// How long an established connection is given to bring the server's first line.
const GREETING: Duration = Duration::from_secs(2);

/// How often a held connection says something.
const CHAT: Duration = Duration::from_millis(100);

/// A new connection: established or failed, then done as soon as the server said where it came from.
#[derive(Debug)]
pub(crate) struct Fresh {
    socket: Socket,
    deadline: Instant,
    established: bool,
    heard: Vec<u8>,
}

impl Fresh {
    /// Begins a connection. The inner error is what the network answered at once.
    pub(crate) fn open(source: IpAddr, server: SocketAddr, now: Instant) -> io::Result<Result<Self, io::Error>> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
        Ok(match socket.connect(&SockAddr::from(server)) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
            _ => Ok(Self { socket, deadline: now + PATIENCE, established: false, heard: Vec::new() }),
        })
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn interest(&self) -> PollFlags {
        if self.established { PollFlags::POLLIN } else { PollFlags::POLLOUT }
    }

    /// Takes note of what happened; false when there is nothing more to learn.
    pub(crate) fn advance(&mut self, now: Instant, attempt: &mut Attempt) -> bool {
        if !self.established && !self.establish(now, attempt) {
            return matches!(attempt.outcome, Outcome::Pending);
        }
        if let Some(source) = hear(&mut self.socket, &mut self.heard) {
            attempt.seen_as = Some(source);
            return false;
        }
        now < self.deadline
    }

    fn establish(&mut self, now: Instant, attempt: &mut Attempt) -> bool {
        match self.socket.take_error() {
            Ok(Some(error)) | Err(error) => attempt.outcome = Outcome::Failed(error.to_string()),
            Ok(None) if self.socket.peer_addr().is_ok() => {
                self.established = true;
                self.deadline = now + GREETING;
                attempt.outcome = Outcome::Established(now.duration_since(attempt.began));
            }
            Ok(None) if now >= self.deadline => {
                attempt.outcome = Outcome::Failed(format!("not established within {PATIENCE:?}"));
            }
            Ok(None) => {}
        }
        self.established
    }
}

impl AsFd for Fresh {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A held connection.
#[derive(Debug)]
pub(crate) struct Lasting {
    socket: Socket,
    last_answer: Instant,
    next_word: Instant,
    seen: Held,
}

impl Lasting {
    /// Connects, and waits for the server's first line: who is held on which uplink is known from the beginning.
    pub(crate) fn open(source: IpAddr, server: SocketAddr, now: Instant) -> io::Result<Self> {
        let mut socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SockAddr::from(SocketAddr::new(source, 0)))?;
        socket.set_read_timeout(Some(GREETING))?;
        let mut heard = Vec::new();
        let greeted = socket
            .connect_timeout(&SockAddr::from(server), Duration::from_secs(5))
            .and_then(|()| await_greeting(&mut socket, &mut heard));
        socket.set_nonblocking(true)?;
        let family = Family::of(server.ip());
        let seen = Held {
            family,
            seen_as: greeting(&heard),
            longest_stall: Duration::ZERO,
            broke: greeted.err().map(|error| (now, error.to_string())),
        };
        let now = Instant::now();
        Ok(Self { socket, last_answer: now, next_word: now, seen })
    }

    /// From now on it talks.
    pub(crate) fn begin(&mut self, now: Instant) {
        (self.last_answer, self.next_word) = (now, now);
    }

    /// So long nobody was there who could have heard an answer.
    pub(crate) fn excuse(&mut self, absence: Duration) {
        self.last_answer += absence;
    }

    pub(crate) fn alive(&self) -> bool {
        self.seen.broke.is_none()
    }

    pub(crate) fn next_word(&self) -> Option<Instant> {
        self.alive().then_some(self.next_word)
    }

    /// Says its word when due, hears the answers, and tells how it has fared.
    pub(crate) fn advance(&mut self, now: Instant) -> Held {
        if self.alive() {
            if let Err(error) = self.chat(now) {
                self.seen.broke = Some((now, error.to_string()));
            }
            let stall = now.duration_since(self.last_answer);
            self.seen.longest_stall = self.seen.longest_stall.max(stall);
        }
        self.seen.clone()
    }

    fn chat(&mut self, now: Instant) -> io::Result<()> {
        let mut words = [0_u8; 512];
        loop {
            match self.socket.read(&mut words) {
                Ok(0) => return Err(ErrorKind::ConnectionAborted.into()),
                Ok(_) => {
                    let stall = now.duration_since(self.last_answer);
                    self.seen.longest_stall = self.seen.longest_stall.max(stall);
                    self.last_answer = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if now >= self.next_word {
            self.next_word = now + CHAT;
            match self.socket.write(b"still here\n") {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl AsFd for Lasting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn hear(socket: &mut Socket, heard: &mut Vec<u8>) -> Option<IpAddr> {
    let mut words = [0_u8; 64];
    if let Ok(length) = socket.read(&mut words) {
        heard.extend_from_slice(words.get(..length).unwrap_or_default());
    }
    greeting(heard)
}

fn await_greeting(socket: &mut Socket, heard: &mut Vec<u8>) -> io::Result<()> {
    let mut words = [0_u8; 64];
    while greeting(heard).is_none() {
        match socket.read(&mut words)? {
            0 => return Err(ErrorKind::ConnectionAborted.into()),
            length => heard.extend_from_slice(words.get(..length).unwrap_or_default()),
        }
    }
    Ok(())
}

/// The address in the server's first line, once that is whole.
fn greeting(heard: &[u8]) -> Option<IpAddr> {
    let end = heard.iter().position(|byte| *byte == b'\n')?;
    std::str::from_utf8(heard.get(..end)?).ok()?.parse().ok()
}
