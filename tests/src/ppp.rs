//! A point-to-point line, dialled or a tunnel: a tun device at each end and a thread that carries packets between them.
//!
//! As with a real PPP link, hanging up takes the router's device away, addresses and all.

use crate::error::{Context, Result};
use crate::namespace::Namespace;
use crate::plan::{Kind, Uplink};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tappers::{Interface, Tun};

/// The largest packet of the line.
const MTU: usize = 1500;

/// A line in use. Dropping it hangs up.
#[derive(Debug)]
pub(crate) struct Line {
    hang_up: Arc<EventFd>,
    delay: Arc<AtomicU64>,
    pump: Option<JoinHandle<()>>,
}

impl Line {
    /// Makes both devices, connects them and gives them the uplink's two addresses.
    ///
    /// # Errors
    /// When a tun device cannot be made (no `/dev/net/tun`, no permission) or configured.
    pub(crate) fn dial(router: &Namespace, provider: &Namespace, uplink: &Uplink) -> Result<Self> {
        let device = uplink.device();
        let ours = open(router, &device)?;
        let theirs = open(provider, "access")?;
        let (address, gateway) = (uplink.address(), uplink.gateway());
        let (near, far) = match uplink.wish.kind {
            // A tunnel has a network on it, and no one address is the far end's.
            Kind::Tunnel => (format!("{address}/{}", uplink.prefix()), format!("{gateway}/24")),
            _ => (format!("{address} peer {gateway}"), format!("{gateway} peer {address}")),
        };
        provider.ip(&format!("addr add {far} dev access\nlink set access up"))?;
        router.ip(&format!("link set {device} up\naddr add {near} dev {device}"))?;
        let hang_up = Arc::new(EventFd::new().context(|| "make an eventfd".to_owned())?);
        let delay = Arc::new(AtomicU64::new(0));
        let (seen, late) = (Arc::clone(&hang_up), Arc::clone(&delay));
        let pump = thread::spawn(move || {
            if let Err(error) = carry(&ours, &theirs, &seen, &late) {
                eprintln!("lab: {device}: carry packets: {error}");
            }
        });
        Ok(Self { hang_up, delay, pump: Some(pump) })
    }

    /// From now on the router gets everything so much later.
    pub(crate) fn delay(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
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

fn carry(ours: &Tun, theirs: &Tun, hang_up: &EventFd, delay: &AtomicU64) -> io::Result<()> {
    let mut packet = [0_u8; MTU];
    let mut under_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    loop {
        let due = under_way.front().map(|(due, _)| TimeSpec::from(due.saturating_duration_since(Instant::now())));
        let mut ready = [ours.as_fd(), theirs.as_fd(), hang_up.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        ppoll(&mut ready, due, None)?;
        let [from_us, from_them, ended] = ready.map(|fd| fd.any().unwrap_or(false));
        if ended {
            return Ok(());
        }
        if from_us {
            pass(ours, &mut packet, |whole| give(theirs, whole))?;
        }
        if from_them {
            let late = Duration::from_millis(delay.load(Ordering::Relaxed));
            if late.is_zero() && under_way.is_empty() {
                pass(theirs, &mut packet, |whole| give(ours, whole))?;
            } else {
                pass(theirs, &mut packet, |whole| {
                    under_way.push_back((Instant::now() + late, whole.to_owned()));
                    Ok(())
                })?;
            }
        }
        let now = Instant::now();
        while under_way.front().is_some_and(|(due, _)| *due <= now) {
            under_way.pop_front().map_or(Ok(()), |(_, whole)| give(ours, &whole))?;
        }
    }
}

/// Takes what waits on one end.
fn pass(from: &Tun, packet: &mut [u8], mut give: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    while let Ok(length) = from.recv(packet) {
        packet.get(..length).map_or(Ok(()), &mut give)?;
    }
    Ok(())
}

/// Hands over a packet. A device that is down neither gives nor takes: its packets are lost, as on a line.
fn give(to: &Tun, packet: &[u8]) -> io::Result<()> {
    match to.send(packet) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EIO) => Err(error),
        _ => Ok(()),
    }
}
