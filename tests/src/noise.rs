//! Broadcasts of a provider's network: packets that arrive although the uplink carries nothing.

use crate::error::{Context, LabError, Result};
use crate::namespace::Namespace;
use crate::plan::Uplink;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Makes a packet as short as an ARP request on Ethernet (RFC 826), padding and all: 46 bytes from the IP header on.
const PAYLOAD: [u8; 18] = [0; 18];
/// Where nobody listens (RFC 863).
const DISCARD: u16 = 9;

/// Broadcasts under way. Dropping it ends them.
#[derive(Debug)]
pub struct Noise {
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

impl Noise {
    /// Sends so many broadcasts a second from the provider's device towards the router.
    ///
    /// # Errors
    /// On a point-to-point line, or when the socket cannot be made.
    pub fn start(provider: &Namespace, uplink: &Uplink, rate: u32) -> Result<Self> {
        if uplink.is_line() {
            let device = uplink.device();
            return Err(LabError::Unexpected(format!("{device}: a point-to-point line has no broadcasts")));
        }
        let [network, ..] = uplink.gateway().octets();
        let everybody = (Ipv4Addr::new(network, 0, 0, 255), DISCARD);
        let socket = provider.enter(|| {
            let socket = UdpSocket::bind((uplink.gateway(), 0)).context(|| "make a socket for noise".to_owned())?;
            socket.set_broadcast(true).context(|| "permit broadcasts".to_owned())?;
            socket.connect(everybody).context(|| "address broadcasts".to_owned())?;
            Ok(socket)
        })?;
        let stop = Arc::new(EventFd::new().context(|| "make an eventfd".to_owned())?);
        let seen = Arc::clone(&stop);
        let period = Duration::from_secs(1) / rate.max(1);
        let thread = thread::spawn(move || {
            if let Err(error) = babble(&socket, period, &seen) {
                eprintln!("lab: noise: {error}");
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        // The counter of a fresh eventfd has room for one.
        let _ = self.stop.write(1);
        if let Some(thread) = self.thread.take() {
            // A panic has been printed by its thread.
            let _ = thread.join();
        }
    }
}

fn babble(socket: &UdpSocket, period: Duration, stop: &EventFd) -> io::Result<()> {
    let mut next = Instant::now();
    loop {
        // A link that is down takes nothing: its noise is lost as well.
        let _ = socket.send(&PAYLOAD);
        next += period;
        let pause = TimeSpec::from(next.saturating_duration_since(Instant::now()));
        let mut told = [PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
        if ppoll(&mut told, Some(pause), None)? > 0 {
            return Ok(());
        }
    }
}
