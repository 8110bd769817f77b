//! Questions that are no ICMP echo: each is one probe of one target, over a socket of its own that is bound to the
//! uplink's device.
//!
//! Nothing here waits. Whoever owns a [`SocketProbe`] tells epoll of it, calls [`SocketProbe::progress`] when epoll reports,
//! and drops it when its time is over, which closes the socket.

mod dns;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod http;
pub(crate) mod progress;
mod socket;
mod tcp;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use ftr_core::config::{DnsTarget, HttpTarget};
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;

use crate::outlet::Outlet;
use dns::Dns;
use http::Http;
use progress::Progress;
use tcp::Tcp;

/// One try of one target.
#[derive(Debug)]
pub(crate) enum SocketProbe {
    /// A connection is opened.
    Tcp(Tcp),
    /// A name is asked for.
    Dns(Dns),
    /// A page is asked for.
    Http(Http),
}

impl SocketProbe {
    /// Begins to connect. An error is this host's: no such device, no route, not permitted, no room.
    pub(crate) fn tcp(server: SocketAddr, outlet: Outlet<'_>) -> Result<Self, Errno> {
        Tcp::connect(server, outlet).map(Self::Tcp)
    }

    /// Sends a query under this `id`, which has to be unpredictable.
    pub(crate) fn dns(target: &DnsTarget, id: u16, outlet: Outlet<'_>) -> Result<Self, Errno> {
        Dns::ask(target, id, outlet).map(Self::Dns)
    }

    /// Begins to connect, in order to ask for the page.
    pub(crate) fn http(target: &HttpTarget, outlet: Outlet<'_>) -> Result<Self, Errno> {
        Http::connect(target, outlet).map(Self::Http)
    }

    /// What to be told of first.
    pub(crate) const fn interest(&self) -> EpollFlags {
        match self {
            Self::Tcp(_) | Self::Http(_) => EpollFlags::EPOLLOUT,
            Self::Dns(_) => EpollFlags::EPOLLIN,
        }
    }

    /// Goes on as far as it can now. `scratch` has room for what is received: 4 KiB or more, shared by all socket probes.
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

impl AsFd for SocketProbe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(tcp) => tcp.socket().as_fd(),
            Self::Dns(dns) => dns.socket().as_fd(),
            Self::Http(http) => http.socket().as_fd(),
        }
    }
}

#[cfg(test)]
mod tests;
