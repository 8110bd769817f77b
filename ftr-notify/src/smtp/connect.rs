//! From a name to a connection, in bounded time.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::Builder;
use std::time::Instant;

/// Enough for the C library's name resolution with its plug-ins.
const STACK: usize = 256 * 1024;

/// How many look-ups may hang at a time, each longer than somebody was willing to wait for it.
const MOST_LOOKUPS: usize = 4;

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// Connects to the first address that takes us. Each gets an equal part of the time that is left, so that one that is
/// silent leaves some to the others.
pub(super) fn connect(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let addresses = addresses(host, port, until)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let waiting = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / waiting;
        if share.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn addresses(host: &str, port: u16, until: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // Nothing ends a call of getaddrinfo(3) early; it ends by itself, as resolv.conf(5) has it.
    if LOOKUPS.fetch_add(1, Ordering::SeqCst) >= MOST_LOOKUPS {
        LOOKUPS.fetch_sub(1, Ordering::SeqCst);
        return Err(io::Error::other("earlier look-ups of the server's name still hang"));
    }
    let (answer, answered) = sync_channel(1);
    let name = host.to_owned();
    let looking = Builder::new().name("lookup".to_owned()).stack_size(STACK).spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
        LOOKUPS.fetch_sub(1, Ordering::SeqCst);
        // Too late for whoever asked: then nobody wants it.
        let _ = answer.send(found);
    });
    if let Err(error) = looking {
        LOOKUPS.fetch_sub(1, Ordering::SeqCst);
        return Err(error);
    }
    answered.recv_timeout(until.saturating_duration_since(Instant::now())).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => io::Error::new(io::ErrorKind::TimedOut, "the name servers do not answer"),
            RecvTimeoutError::Disconnected => io::Error::other("the look-up broke off"),
        })
    })
}
