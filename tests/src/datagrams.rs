//! Flows over UDP: a connected socket asks a server ten times a second, which answers with the address that it sees.

use crate::error::{Context, Result};
use crate::family::Family;
use crate::namespace::Namespace;
use crate::report::Flow;
use crate::server;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a flow asks.
const BEAT: Duration = Duration::from_millis(100);

/// The other ends of all flows: a socket for each address, for one of all would answer from another one.
#[derive(Debug)]
pub(crate) struct Answerer {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Answerer {
    /// Starts answering at these addresses.
    pub(crate) fn start(space: &Namespace, addresses: Vec<IpAddr>) -> Result<Self> {
        let stop = Arc::new(EventFd::new().context(|| "make an eventfd".to_owned())?);
        let open = |address: IpAddr| {
            let socket = UdpSocket::bind((address, server::PORT)).context(|| format!("bind to {address}"))?;
            socket.set_nonblocking(true).context(|| "unblock a socket".to_owned())?;
            Ok(socket)
        };
        let sockets = space.enter(|| addresses.into_iter().map(open).collect::<Result<Vec<_>>>())?;
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            if let Err(error) = answer(&sockets, &seen) {
                eprintln!("lab: answerer: {error}");
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        // The counter of a fresh eventfd has room for one.
        let _ = self.stop.write(1);
        // A panic of the thread has been printed by it.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(sockets: &[UdpSocket], stop: &EventFd) -> io::Result<()> {
    let mut words = [0_u8; 64];
    loop {
        let fds = [stop.as_fd()].into_iter().chain(sockets.iter().map(AsFd::as_fd));
        let mut fds: Vec<PollFd> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::NONE)?;
        if fds.first().and_then(PollFd::any).unwrap_or(false) {
            return Ok(());
        }
        for socket in sockets {
            while let Ok((_, from)) = socket.recv_from(&mut words) {
                // Whoever is gone by now does not mind.
                let _ = socket.send_to(from.ip().to_canonical().to_string().as_bytes(), from);
            }
        }
    }
}

/// The near end of a flow.
#[derive(Debug)]
pub(crate) struct Asker {
    socket: UdpSocket,
    ends: (IpAddr, SocketAddr),
    next_word: Instant,
    last_answer: Option<Instant>,
    seen: Flow,
}

impl Asker {
    pub(crate) fn open(source: IpAddr, server: SocketAddr, now: Instant) -> io::Result<Self> {
        let family = Family::of(server.ip());
        let seen = Flow { family, heard: Vec::new(), longest_stall: Duration::ZERO, ended: Vec::new() };
        let (socket, ends) = (connect(source, server)?, (source, server));
        Ok(Self { socket, ends, next_word: now, last_answer: None, seen })
    }

    pub(crate) const fn next_word(&self) -> Instant {
        self.next_word
    }

    /// So long nobody was there who could have heard an answer.
    pub(crate) fn excuse(&mut self, absence: Duration) {
        self.last_answer = self.last_answer.map(|last| last + absence);
    }

    /// Asks when due, hears the answers, and tells what was heard. Where the socket was ended it takes a new one, as
    /// programs do.
    pub(crate) fn advance(&mut self, now: Instant) -> Flow {
        if let Err(error) = self.talk(now) {
            let (source, server) = self.ends;
            if let Ok(socket) = connect(source, server) {
                self.socket = socket;
            }
            self.seen.ended.push((now, error.to_string()));
        }
        self.seen.clone()
    }

    fn talk(&mut self, now: Instant) -> io::Result<()> {
        let mut words = [0_u8; 64];
        loop {
            match self.socket.recv(&mut words) {
                Ok(length) => {
                    let text = words.get(..length).and_then(|words| std::str::from_utf8(words).ok());
                    self.seen.heard.extend(text.and_then(|text| text.parse().ok()).map(|source| (now, source)));
                    let stall = self.last_answer.map_or(Duration::ZERO, |last| now.duration_since(last));
                    self.seen.longest_stall = self.seen.longest_stall.max(stall);
                    self.last_answer = Some(now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if now >= self.next_word {
            self.next_word = now + BEAT;
            match self.socket.send(b"who am I") {
                Err(error) if !is_passing(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// An ICMP error about an earlier datagram, or no route at the moment.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable)
}

fn connect(source: IpAddr, server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((source, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl AsFd for Asker {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
