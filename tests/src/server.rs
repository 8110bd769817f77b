//! The servers of the internet: they tell each client the address that it comes from, then echo what it says.

use crate::error::{Context, Result};
use crate::namespace::Namespace;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// The port of all servers.
pub const PORT: u16 = 8000;

/// One listening socket for all addresses of the internet, of both families. Dropping it closes every connection.
#[derive(Debug)]
pub struct Server {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts serving in the namespace.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(space: &Namespace) -> Result<Self> {
        let stop = Arc::new(EventFd::new().context(|| "make an eventfd".to_owned())?);
        let listener = space.enter(|| {
            let listener = listen().context(|| format!("listen on port {PORT}"))?;
            listener.set_nonblocking(true).context(|| "unblock the server".to_owned())?;
            Ok(listener)
        })?;
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            if let Err(error) = serve(&listener, &seen) {
                eprintln!("lab: server: {error}");
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The counter of a fresh eventfd has room for one.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been printed by its thread.
            let _ = thread.join();
        }
    }
}

/// A socket of IPv6 hears IPv4 too.
fn listen() -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)) {
        Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        }
        heard => heard,
    }
}

fn serve(listener: &TcpListener, stop: &EventFd) -> io::Result<()> {
    let mut clients: Vec<TcpStream> = Vec::new();
    loop {
        let (woken, ready) = {
            let mut fds: Vec<PollFd> = [stop.as_fd(), listener.as_fd()]
                .into_iter()
                .chain(clients.iter().map(AsFd::as_fd))
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
                .collect();
            poll(&mut fds, PollTimeout::NONE)?;
            let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
            (ready.next().unwrap_or(false), ready.skip(1).collect::<Vec<bool>>())
        };
        if woken {
            return Ok(());
        }
        let mut flags = ready.into_iter();
        clients.retain_mut(|client| !flags.next().unwrap_or(false) || echo(client));
        accept_all(listener, &mut clients)?;
    }
}

fn accept_all(listener: &TcpListener, clients: &mut Vec<TcpStream>) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((mut client, source)) => {
                // A client that is already gone is dropped at its first event.
                if client.set_nonblocking(true).is_ok() && writeln!(client, "{}", source.ip().to_canonical()).is_ok() {
                    clients.push(client);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends back what came; false when the connection is over.
fn echo(client: &mut TcpStream) -> bool {
    let mut words = [0_u8; 512];
    match client.read(&mut words) {
        Ok(0) => false,
        Ok(length) => words.get(..length).is_some_and(|said| client.write_all(said).is_ok()),
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
