//! Somebody at the provider who reads the router's echo requests and answers them wrongly.
//!
//! Everything but one point of each packet is what a true answer would have: nothing but care keeps a prober from
//! counting it.

pub mod forgery;
pub mod poison;
pub mod slander;

use crate::error::{Context, Result};
use crate::namespace::Namespace;
use crate::plan::{TARGETS, Uplink};
use fastrand::Rng;
use forgery::{Echo, Forgery};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

/// How many requests are remembered. Those of one check are under way together.
const REMEMBERED: usize = 64;
/// How often packets are sent: many small bursts, so that no queue overflows.
const TICK: Duration = Duration::from_millis(1);
/// How long a packet is that is read at most.
const LONGEST: usize = 1500;
/// `ETH_P_ALL` of packet(7).
const EVERY_PROTOCOL: u16 = 3;
/// A packet that was sent from here, as packet(7) numbers it.
const OUTGOING: u8 = libc::PACKET_OUTGOING;
/// A packet that arrived here, as packet(7) numbers it.
const ARRIVED: u8 = libc::PACKET_HOST;

/// What was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests of the router that were overheard.
    pub overheard: u64,
    /// Answers wrong in one point.
    pub forged: u64,
    /// True answers, sent a second time.
    pub repeated: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { overheard, forged, repeated } = self;
        write!(f, "{overheard} requests overheard, {forged} answers forged, {repeated} true ones repeated")
    }
}

/// Sends `count` hostile packets to the router, evenly over `during`, and returns when that is done.
///
/// # Errors
/// When a raw or a packet socket cannot be made or used.
pub fn attack(provider: &Namespace, uplink: &Uplink, count: u64, during: Duration, seed: u64) -> Result<Tally> {
    provider.enter(|| Attacker::new(uplink, seed)?.send(count, during))
}

struct Attacker {
    ear: Socket,
    mouth: Socket,
    router: SockAddr,
    random: Rng,
    requests: VecDeque<Echo>,
    answers: VecDeque<Vec<u8>>,
    tally: Tally,
}

impl Attacker {
    fn new(uplink: &Uplink, seed: u64) -> Result<Self> {
        let mut random = Rng::with_seed(seed);
        // A socket for IP alone would hear nothing that is sent from here.
        let everything = Protocol::from(i32::from(EVERY_PROTOCOL.to_be()));
        let ear = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), Some(everything))
            .context(|| "make a packet socket".to_owned())?;
        let mouth = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))
            .context(|| "make a raw socket".to_owned())?;
        // Until the first true request is overheard.
        let guess = Echo {
            router: uplink.address(),
            target: TARGETS[0],
            id: random.u16(..),
            sequence: 1,
            payload: (0..16).map(|_| random.u8(..)).collect(),
        };
        let router = SockAddr::from(SocketAddrV4::new(uplink.address(), 0));
        let requests = VecDeque::from([guess]);
        Ok(Self { ear, mouth, router, random, requests, answers: VecDeque::new(), tally: Tally::default() })
    }

    fn send(mut self, count: u64, during: Duration) -> Result<Tally> {
        let began = Instant::now();
        let mut next = began;
        while self.tally.forged + self.tally.repeated < count {
            self.overhear()?;
            let due = due(count, began.elapsed(), during);
            let missing = due.saturating_sub(self.tally.forged + self.tally.repeated);
            self.burst(missing.min(most(count, during)))?;
            next = (next + TICK).max(Instant::now());
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(self.tally)
    }

    fn burst(&mut self, packets: u64) -> Result<()> {
        for _ in 0..packets {
            let old = self.random.usize(..self.answers.len() + Forgery::ALL.len() * REMEMBERED);
            if let Some(answer) = self.answers.get(old) {
                self.say(answer)?;
                self.tally.repeated += 1;
                continue;
            }
            let newest = self.requests.len();
            let Some(request) = self.requests.get(self.random.usize(..newest)) else { return Ok(()) };
            let forgery = self.random.choice(Forgery::ALL).unwrap_or(Forgery::Source);
            let packet = forgery::forge(request, forgery, &mut self.random);
            self.say(&packet)?;
            self.tally.forged += 1;
        }
        Ok(())
    }

    fn say(&self, packet: &[u8]) -> Result<()> {
        loop {
            match self.mouth.send_to(packet, &self.router) {
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => thread::sleep(TICK),
                // The fault may be that there is no link.
                Err(error) if error.raw_os_error() == Some(libc::ENETUNREACH) => return Ok(()),
                sent => return sent.map(drop).context(|| "send a hostile packet".to_owned()),
            }
        }
    }

    /// Takes note of the router's requests, and of true answers on their way to it.
    ///
    /// An answer is repeated only after it has left for the router: one that a fault holds back would be the first.
    fn overhear(&mut self) -> Result<()> {
        let mut room = [0_u8; LONGEST];
        loop {
            let (length, from) = match recvfrom::<LinkAddr>(self.ear.as_raw_fd(), &mut room) {
                Err(Errno::EAGAIN) => return Ok(()),
                heard => heard.context(|| "overhear packets".to_owned())?,
            };
            let packet = room.get(..length).unwrap_or_default();
            match from.map(|from| from.pkttype()) {
                Some(ARRIVED) => self.requests.extend(forgery::request(packet).inspect(|_| self.tally.overheard += 1)),
                Some(OUTGOING) => {
                    let asked = forgery::reply(packet).is_some_and(|reply| self.requests.contains(&reply));
                    if asked && !self.answers.iter().any(|known| known == packet) {
                        self.answers.push_back(packet.to_owned());
                    }
                }
                _ => {}
            }
            self.requests.drain(..self.requests.len().saturating_sub(REMEMBERED));
            self.answers.drain(..self.answers.len().saturating_sub(REMEMBERED));
        }
    }
}

/// How many are sent at once at the most. After a time in which nobody ran, all that should have been sent meanwhile would
/// fill the queue of whoever reads it, and true answers with it.
fn most(count: u64, during: Duration) -> u64 {
    4 * due(count, TICK, during).max(1)
}

/// How many of `count` packets, spread evenly over `during`, should have been sent by now.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a count of packets"
)]
fn due(count: u64, elapsed: Duration, during: Duration) -> u64 {
    (count as f64 * elapsed.div_duration_f64(during).min(1.0)) as u64
}
