//! HTTP (RFC 9112): a page tells a way to the internet from a captive portal, which answers in the stead of everybody.

mod answer;

use std::os::fd::AsRawFd;

use ftr_core::config::HttpTarget;
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::socket::{MsgFlags, recv, send};
use socket2::Socket;

use super::progress::Progress;
use super::socket::failure;
use super::tcp::Tcp;
use crate::outlet::Outlet;
use answer::{Wanted, evaluate};

/// The port that a host's name says without saying it.
const USUAL_PORT: u16 = 80;

/// A request for one page.
#[derive(Debug)]
pub(crate) struct Http {
    connection: Tcp,
    wanted: Wanted,
    request: Vec<u8>,
    sent: usize,
    received: Vec<u8>,
}

impl Http {
    pub(super) fn connect(target: &HttpTarget, outlet: Outlet<'_>) -> Result<Self, Errno> {
        Ok(Self {
            connection: Tcp::connect(target.server, outlet)?,
            wanted: Wanted { status: target.status, body: target.body.clone() },
            request: request(target).into_bytes(),
            sent: 0,
            received: Vec::new(),
        })
    }

    pub(super) fn progress(&mut self, scratch: &mut [u8]) -> Progress {
        self.go_on(scratch).unwrap_or_else(|errno| Progress::Failed(failure(errno)))
    }

    fn go_on(&mut self, scratch: &mut [u8]) -> Result<Progress, Errno> {
        if !self.connection.is_open()? {
            return Ok(Progress::Wait(EpollFlags::EPOLLOUT));
        }
        let socket = self.connection.socket().as_raw_fd();
        while let Some(rest) = self.request.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match send(socket, rest, MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => self.sent += count,
                Err(Errno::EAGAIN) => return Ok(Progress::Wait(EpollFlags::EPOLLOUT)),
                Err(errno) => return Err(errno),
            }
        }
        loop {
            let count = match recv(socket, scratch, MsgFlags::empty()) {
                Ok(count) => count,
                Err(Errno::EAGAIN) => return Ok(Progress::Wait(EpollFlags::EPOLLIN)),
                Err(errno) => return Err(errno),
            };
            self.received.extend_from_slice(scratch.get(..count).unwrap_or_default());
            if let Some(end) = evaluate(&self.received, count == 0, &self.wanted) {
                return Ok(end);
            }
        }
    }

    pub(super) const fn socket(&self) -> &Socket {
        self.connection.socket()
    }

    pub(super) fn bytes(&self) -> u64 {
        let payloads = [self.sent, self.received.len()];
        self.connection.bytes() + payloads.map(|payload| self.connection.carrying(payload)).iter().sum::<u64>()
    }
}

/// HTTP/1.1, as browsers speak it: there are servers and proxies that refuse 1.0.
fn request(target: &HttpTarget) -> String {
    let HttpTarget { server, host, path, .. } = target;
    let port = if server.port() == USUAL_PORT { String::new() } else { format!(":{}", server.port()) };
    let agent = concat!("ftr-probe/", env!("CARGO_PKG_VERSION"));
    format!("GET {path} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n")
}

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz {
    use super::{Progress, Wanted};

    /// Judges an answer to a request for this text.
    pub(in crate::method) fn evaluate(received: &[u8], ended: bool, text: Option<&str>) -> Option<Progress> {
        super::evaluate(received, ended, &Wanted { status: 200, body: text.map(str::to_owned) })
    }
}

#[cfg(test)]
mod tests {
    use super::request;
    use ftr_core::config::Target;

    fn head(target: &str) -> String {
        let Target::Http(target) = target.parse().unwrap() else { panic!("{target}: not HTTP") };
        request(&target)
    }

    #[test]
    fn a_request_names_page_and_site() {
        let version = env!("CARGO_PKG_VERSION");
        let wanted = format!(
            "GET /a?b HTTP/1.1\r\nHost: example.org\r\nUser-Agent: ftr-probe/{version}\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(head("http://example.org@192.0.2.1/a?b#200:x"), wanted);
    }

    #[test]
    fn an_unusual_port_is_part_of_the_site() {
        for (target, host) in [
            ("http://192.0.2.1/", "192.0.2.1"),
            ("http://192.0.2.1:8080/", "192.0.2.1:8080"),
            ("http://a.example@192.0.2.1:8080/", "a.example:8080"),
            ("http://[2001:db8::1]:81/", "[2001:db8::1]:81"),
        ] {
            assert!(head(target).contains(&format!("\r\nHost: {host}\r\n")), "{target}");
        }
    }
}
