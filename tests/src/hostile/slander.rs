//! One of the targets, which makes up what became of the questions to the others.
//!
//! It knows what it is asked itself and all addresses, and the identifier by that. What the others are asked it has to
//! guess. The port that a name server is asked from is soon guessed, so it knows that one, and says of each query that
//! nobody listens, quoting no more than the ports.

use super::forgery::{
    self, ECHO_HEADER, ECHO_REPLY, ECHO_REQUEST, Echo, IP_HEADER, TIME_EXCEEDED, UNREACHABLE, header, message, packet,
    seal,
};
use super::{due, most};
use crate::error::{Context, Result};
use crate::namespace::Namespace;
use crate::plan::{TARGETS, Uplink};
use fastrand::Rng;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

/// How often packets are sent: small bursts.
const TICK: Duration = Duration::from_millis(1);
/// How far from its own number a guess is that goes by it: others were asked just before or after.
const NEAR: u16 = 8;
/// So long after it was asked itself it says of all others that they cannot be reached.
const FOLLOWS: Duration = Duration::from_millis(5);
const UDP: u8 = 17;
/// The port of name servers, 53.
const DNS: [u8; 2] = [0, 53];
const REDIRECT: u8 = 5;
/// "Port unreachable".
const PORT: u8 = 3;
/// "Fragmentation needed", with the next hop's MTU.
const TOO_BIG: u8 = 4;

/// Sends `count` packets to the router in the name of `target`, evenly over `during`, and tells how many of its own
/// questions it has seen.
///
/// # Errors
/// When a raw or a packet socket cannot be made or used.
pub fn slander(
    provider: &Namespace,
    uplink: &Uplink,
    target: Ipv4Addr,
    (count, during): (u64, Duration),
    seed: u64,
) -> Result<u64> {
    provider.enter(|| {
        let protocol = Protocol::from(i32::from(0x0800_u16.to_be()));
        let ear = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), Some(protocol))
            .context(|| "make a packet socket".to_owned())?;
        let mouth = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))
            .context(|| "make a raw socket".to_owned())?;
        let router = SockAddr::from(SocketAddrV4::new(uplink.address(), 0));
        let began = Instant::now();
        let mut random = Rng::with_seed(seed);
        let (mut questions, mut sent, mut own, mut heard) = (0, 0, None, began);
        let mut next = began;
        while began.elapsed() < during || sent < count {
            while let Some(overheard) = overhear(&ear, target)? {
                questions += 1;
                match overheard {
                    Overheard::Question(question) => (own, heard) = (Some(question), Instant::now()),
                    Overheard::Query(packet) => say(&mouth, &router, &unheard(&packet, uplink, target))?,
                }
            }
            if let Some(own) = own.as_ref().filter(|_| heard.elapsed() < FOLLOWS) {
                for about in neighbours(own) {
                    say(&mouth, &router, &error(&about, (UNREACHABLE, 1, [0; 4]), ECHO_HEADER, own.target))?;
                    sent += 1;
                }
            }
            let due = due(count, began.elapsed(), during).min(sent + most(count, during));
            while sent < due {
                if let Some(own) = &own {
                    say(&mouth, &router, &lie(own, uplink.gateway(), &mut random))?;
                }
                sent += 1;
            }
            next = (next + TICK).max(Instant::now());
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(questions)
    })
}

enum Overheard {
    /// The target was asked.
    Question(Echo),
    /// A name server was asked, by this packet.
    Query(Vec<u8>),
}

/// What passes next.
fn overhear(ear: &Socket, target: Ipv4Addr) -> Result<Option<Overheard>> {
    let mut room = [0_u8; 256];
    loop {
        let (length, _) = match recvfrom::<LinkAddr>(ear.as_raw_fd(), &mut room) {
            Err(Errno::EAGAIN) => return Ok(None),
            heard => heard.context(|| "overhear packets".to_owned())?,
        };
        let packet = room.get(..length).unwrap_or_default();
        if packet.get(9) == Some(&UDP) && packet.get(IP_HEADER + 2..IP_HEADER + 4) == Some(&DNS) {
            return Ok(Some(Overheard::Query(packet.to_owned())));
        }
        if let Some(request) = forgery::request(packet).filter(|request| request.target == target) {
            return Ok(Some(Overheard::Question(request)));
        }
    }
}

/// "Nobody listens at this port", about a datagram.
fn unheard(datagram: &[u8], uplink: &Uplink, target: Ipv4Addr) -> Vec<u8> {
    let mut error = vec![UNREACHABLE, PORT, 0, 0, 0, 0, 0, 0];
    error.extend(datagram.iter().take(IP_HEADER + 8));
    seal(&mut error);
    let sender = Echo { router: uplink.address(), target, id: 0, sequence: 0, payload: Vec::new() };
    packet(&sender, &error)
}

fn say(mouth: &Socket, router: &SockAddr, packet: &[u8]) -> Result<()> {
    loop {
        match mouth.send_to(packet, router) {
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => thread::sleep(TICK),
            sent => return sent.map(drop).context(|| "send a slander".to_owned()),
        }
    }
}

/// A packet about a question to another target, as far as somebody can make it up who was asked this one.
fn lie(own: &Echo, gateway: Ipv4Addr, random: &mut Rng) -> Vec<u8> {
    let others: Vec<Ipv4Addr> = TARGETS.into_iter().filter(|target| *target != own.target).collect();
    let target = random.choice(others).unwrap_or(own.target);
    let near = own.sequence.wrapping_sub(NEAR).wrapping_add(random.u16(..2 * NEAR));
    let sequence = if random.bool() { near } else { random.u16(..) };
    let about = Echo { target, sequence, ..own.clone() };
    if random.u8(..8) == 0 {
        return packet(&about, &message(&about, ECHO_REPLY));
    }
    let what = match random.u8(..8) {
        0 => (TIME_EXCEEDED, 0, [0; 4]),
        1 => (UNREACHABLE, TOO_BIG, [0, 0, 0, random.u8(..)]),
        2 => (REDIRECT, 1, own.target.octets()),
        _ => (UNREACHABLE, random.u8(..16), [0; 4]),
    };
    // The least that a router quotes, or all of it with the token of its own question.
    let length = if random.u8(..4) == 0 { ECHO_HEADER + about.payload.len() } else { ECHO_HEADER };
    let source = *random.choice([own.target, target, gateway].iter()).unwrap_or(&gateway);
    error(&about, what, length, source)
}

/// Questions to all others, as they are numbered where numbers count up.
fn neighbours(own: &Echo) -> impl Iterator<Item = Echo> + '_ {
    let others = TARGETS.into_iter().filter(|target| *target != own.target);
    let numbers =
        move |target| (0..=2 * NEAR).map(move |step| (target, own.sequence.wrapping_sub(NEAR).wrapping_add(step)));
    others.flat_map(numbers).map(|(target, sequence)| Echo { target, sequence, ..own.clone() })
}

/// An error from `source` that quotes so much of a question, behind its network header.
fn error(about: &Echo, (kind, code, rest): (u8, u8, [u8; 4]), length: usize, source: Ipv4Addr) -> Vec<u8> {
    let question = message(about, ECHO_REQUEST);
    let mut error = vec![kind, code, 0, 0];
    error.extend(rest);
    error.extend(header(about.router, about.target, question.len()));
    error.extend(question.get(..length).unwrap_or_default());
    seal(&mut error);
    packet(&Echo { target: source, ..about.clone() }, &error)
}
