//! A point-to-point line: a tun device at each end and a thread that carries packets between them.
//!
//! As with a real PPP link, hanging up takes the router's device away, addresses and all.

use crate::error::{Context, Result};
use crate::namespace::Namespace;
use crate::plan::Uplink;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tappers::{Interface, Tun};

/// The largest packet of the line.
const MTU: usize = 1500;

/// A line in use. Dropping it hangs up.
#[derive(Debug)]
pub struct Line {
    hang_up: Arc<EventFd>,
    pump: Option<JoinHandle<()>>,
}

impl Line {
    /// Makes both devices, connects them and gives them the uplink's two addresses.
    ///
    /// # Errors
    /// When a tun device cannot be made (no `/dev/net/tun`, no permission) or configured.
    pub fn dial(router: &Namespace, provider: &Namespace, uplink: &Uplink) -> Result<Self> {
        let device = uplink.device();
        let ours = open(router, &device)?;
        let theirs = open(provider, "access")?;
        let (address, gateway) = (uplink.address(), uplink.gateway());
        provider.ip(&format!("addr add {gateway} peer {address} dev access\nlink set access up"))?;
        router.ip(&format!("link set {device} up\naddr add {address} peer {gateway} dev {device}"))?;
        let hang_up = Arc::new(EventFd::new().context(|| "make an eventfd".to_owned())?);
        let seen = Arc::clone(&hang_up);
        let pump = thread::spawn(move || {
            if let Err(error) = carry(&ours, &theirs, &seen) {
                eprintln!("lab: {device}: carry packets: {error}");
            }
        });
        Ok(Self { hang_up, pump: Some(pump) })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // The counter of a fresh eventfd has room for one.
        let _ = self.hang_up.write(1);
        if let Some(pump) = self.pump.take() {
            // A panic of the pump has been printed by its thread.
            let _ = pump.join();
        }
    }
}

fn open(space: &Namespace, device: &str) -> Result<Tun> {
    space.enter(|| {
        let name = Interface::new(device).context(|| format!("name a device {device}"))?;
        let mut tun = Tun::new_named(name).context(|| format!("make tun device {device}"))?;
        tun.set_nonblocking(true).context(|| format!("unblock tun device {device}"))?;
        Ok(tun)
    })
}

fn carry(ours: &Tun, theirs: &Tun, hang_up: &EventFd) -> io::Result<()> {
    let mut packet = [0_u8; MTU];
    loop {
        let mut ready = [ours.as_fd(), theirs.as_fd(), hang_up.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        poll(&mut ready, PollTimeout::NONE)?;
        let [from_us, from_them, ended] = ready.map(|fd| fd.any().unwrap_or(false));
        if ended {
            return Ok(());
        }
        if from_us {
            pass(ours, theirs, &mut packet)?;
        }
        if from_them {
            pass(theirs, ours, &mut packet)?;
        }
    }
}

/// Moves what waits on one end. A device that is down neither gives nor takes: its packets are lost, as on a line.
fn pass(from: &Tun, to: &Tun, packet: &mut [u8]) -> io::Result<()> {
    while let Ok(length) = from.recv(packet) {
        let sent = packet.get(..length).map_or(Ok(0), |whole| to.send(whole));
        if let Err(error) = sent {
            if error.raw_os_error() != Some(nix::libc::EIO) {
                return Err(error);
            }
        }
    }
    Ok(())
}
