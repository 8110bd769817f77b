//! Questions that are no ICMP echo: each is one exchange with one target, over a socket of its own that is bound to the
//! uplink's device.
//!
//! Nothing here waits. Whoever owns an [`Exchange`] tells epoll of it, calls [`Exchange::progress`] when epoll reports,
//! and drops it when its time is over, which closes the socket.

mod dns;
mod http;
mod tcp;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use ftr_core::config::{DnsTarget, HttpTarget};
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use socket2::{Domain, Socket, Type};

use dns::Dns;
use http::Http;
use tcp::Tcp;

/// One try of one target.
#[derive(Debug)]
pub(crate) enum Exchange {
    /// A connection is opened.
    Tcp(Tcp),
    /// A name is asked for.
    Dns(Dns),
    /// A page is asked for.
    Http(Http),
}

/// How far an exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on when the socket is ready for this.
    Wait(EpollFlags),
    /// The target answered as it should.
    Answered,
    /// It did not, or somebody on the way says that it cannot.
    Failed(&'static str),
    /// Somebody answered, but not what the target would have said.
    Captive,
}

impl Exchange {
    /// Begins to connect. An error is this host's: no such device, no route, not permitted, no room.
    pub(crate) fn tcp(server: SocketAddr, device: &str) -> Result<Self, Errno> {
        Tcp::connect(server, device).map(Self::Tcp)
    }

    /// Sends a query under this `id`, which has to be unpredictable.
    pub(crate) fn dns(target: &DnsTarget, id: u16, device: &str) -> Result<Self, Errno> {
        Dns::ask(target, id, device).map(Self::Dns)
    }

    /// Begins to connect, in order to ask for the page.
    pub(crate) fn http(target: &HttpTarget, device: &str) -> Result<Self, Errno> {
        Http::connect(target, device).map(Self::Http)
    }

    /// What to be told of first.
    pub(crate) const fn interest(&self) -> EpollFlags {
        match self {
            Self::Tcp(_) | Self::Http(_) => EpollFlags::EPOLLOUT,
            Self::Dns(_) => EpollFlags::EPOLLIN,
        }
    }

    /// Goes on as far as it can now. `scratch` has room for what is received: 4 KiB or more, shared by all exchanges.
    pub(crate) fn progress(&mut self, scratch: &mut [u8]) -> Progress {
        match self {
            Self::Tcp(tcp) => tcp.progress(),
            Self::Dns(dns) => dns.progress(scratch),
            Self::Http(http) => http.progress(scratch),
        }
    }

    /// The bytes that it has used so far, both ways, from the IP header on. Exact for DNS. Of TCP the payload is exact
    /// and the segments are reckoned: the kernel does not tell how many it sent again or acknowledged together.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Tcp(tcp) => tcp.bytes(),
            Self::Dns(dns) => dns.bytes(),
            Self::Http(http) => http.bytes(),
        }
    }

    /// The packets that it sends in all where it succeeds.
    pub(crate) const fn packets(&self) -> u64 {
        match self {
            Self::Dns(_) => 1,
            // To open, to acknowledge, to reset.
            Self::Tcp(_) => 3,
            // The request besides, and an acknowledgement of the page.
            Self::Http(_) => 5,
        }
    }

    /// How many datagrams came from the server's address and port and are no answer to the question.
    pub(crate) const fn foreign(&self) -> u32 {
        match self {
            Self::Tcp(_) | Self::Http(_) => 0,
            Self::Dns(dns) => dns.foreign(),
        }
    }
}

impl AsFd for Exchange {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.socket().as_fd(),
            Self::Dns(dns) => dns.socket().as_fd(),
            Self::Http(http) => http.socket().as_fd(),
        }
    }
}

/// Opens a socket that sends through this device alone, and hears nothing from elsewhere.
fn open(server: SocketAddr, kind: Type, device: &str) -> Result<Socket, Errno> {
    let socket = Socket::new(Domain::for_address(server), kind.nonblocking(), None).map_err(|error| errno(&error))?;
    socket.bind_device(Some(device.as_bytes())).map_err(|error| errno(&error))?;
    // A router that says "unreachable" is heard at once. Without this UDP never hears of it (udp(7)), and TCP over IPv6
    // only after the next attempt if the answer came back before connect(2) was over.
    match server {
        SocketAddr::V4(_) => setsockopt(&socket, Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, Ipv6RecvErr, &true)?,
    }
    Ok(socket)
}

/// Why an exchange ended, by the error of its socket (for ICMP errors: `icmp_err_convert` of the kernel).
const fn failure(errno: Errno) -> &'static str {
    match errno {
        Errno::ECONNREFUSED => "refused",
        Errno::ECONNRESET | Errno::ECONNABORTED | Errno::EPIPE => "reset",
        Errno::ENETUNREACH => "net-unreachable",
        Errno::EHOSTUNREACH => "host-unreachable",
        Errno::ENOPROTOOPT => "protocol-unreachable",
        Errno::EPROTO => "parameter-problem",
        Errno::EACCES | Errno::EPERM => "prohibited",
        Errno::ETIMEDOUT => "timeout",
        _ => "socket-error",
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The length of a network header.
const fn header(server: SocketAddr) -> u64 {
    match server {
        SocketAddr::V4(_) => 20,
        SocketAddr::V6(_) => 40,
    }
}

#[cfg(test)]
mod tests;
