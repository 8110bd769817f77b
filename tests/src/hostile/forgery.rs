//! ICMP packets that look like an answer and are none: pure, packet in, packet out (RFC 791, RFC 792).

use fastrand::Rng;
use std::net::Ipv4Addr;

/// The length of an IP header without options.
pub(super) const IP_HEADER: usize = 20;
/// The length of the header of an echo message.
pub(super) const ECHO_HEADER: usize = 8;

const ICMP: u8 = 1;
pub(super) const ECHO_REPLY: u8 = 0;
pub(super) const UNREACHABLE: u8 = 3;
pub(super) const ECHO_REQUEST: u8 = 8;
pub(super) const TIME_EXCEEDED: u8 = 11;

/// An echo message between the router and a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// The router's address.
    pub router: Ipv4Addr,
    /// The other one's.
    pub target: Ipv4Addr,
    /// The identifier.
    pub id: u16,
    /// The sequence number.
    pub sequence: u16,
    /// What follows the header.
    pub payload: Vec<u8>,
}

/// In which point a packet is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// It comes from somebody who was not asked.
    Source,
    /// Another identifier.
    Id,
    /// A sequence number that is not under way.
    Sequence,
    /// A changed byte after the header, with a right checksum.
    Payload,
    /// Some bytes are missing at the end.
    Truncated,
    /// A changed byte with the checksum of the true one.
    Damaged,
    /// An error that quotes a request never made.
    Error,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Source, Self::Id, Self::Sequence, Self::Payload, Self::Truncated, Self::Damaged, Self::Error];
}

/// Reads an IP packet as an echo request of the router; none when it is something else.
#[must_use]
pub fn request(packet: &[u8]) -> Option<Echo> {
    let (source, target, message) = open(packet)?;
    echo(message, ECHO_REQUEST, source, target)
}

/// Reads an IP packet as an echo reply to the router; none when it is something else.
#[must_use]
pub fn reply(packet: &[u8]) -> Option<Echo> {
    let (source, target, message) = open(packet)?;
    echo(message, ECHO_REPLY, target, source)
}

fn open(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, &[u8])> {
    let first = packet.first().copied()?;
    let protocol = packet.get(9).copied()?;
    let address = |from: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(from..from + 4)?).ok()?));
    let header = usize::from(first & 0xf) * 4;
    (first >> 4 == 4 && protocol == ICMP).then_some(())?;
    Some((address(12)?, address(16)?, packet.get(header..)?))
}

fn echo(message: &[u8], kind: u8, router: Ipv4Addr, target: Ipv4Addr) -> Option<Echo> {
    let word = |at: usize| Some(u16::from_be_bytes(<[u8; 2]>::try_from(message.get(at..at + 2)?).ok()?));
    (message.first() == Some(&kind)).then_some(())?;
    let payload = message.get(ECHO_HEADER..)?.to_owned();
    Some(Echo { router, target, id: word(4)?, sequence: word(6)?, payload })
}

/// The packet that would answer the request, wrong in one point.
#[must_use]
pub fn forge(request: &Echo, forgery: Forgery, random: &mut Rng) -> Vec<u8> {
    let mut answer = request.clone();
    match forgery {
        Forgery::Source => {
            answer.target = stranger(random);
            packet(&answer, &message(&answer, ECHO_REPLY))
        }
        Forgery::Id => {
            answer.id ^= random.u16(1..);
            packet(&answer, &message(&answer, ECHO_REPLY))
        }
        Forgery::Sequence => {
            answer.sequence = elsewhere(request.sequence, random);
            packet(&answer, &message(&answer, ECHO_REPLY))
        }
        Forgery::Payload => {
            change(&mut answer.payload, random);
            packet(&answer, &message(&answer, ECHO_REPLY))
        }
        Forgery::Truncated => {
            let whole = message(&answer, ECHO_REPLY);
            let rest = random.usize(..whole.len());
            packet(&answer, whole.get(..rest).unwrap_or_default())
        }
        Forgery::Damaged => {
            let mut whole = message(&answer, ECHO_REPLY);
            change(whole.get_mut(ECHO_HEADER..).unwrap_or_default(), random);
            packet(&answer, &whole)
        }
        Forgery::Error => error(request, random),
    }
}

/// "Unreachable" or "time exceeded" of a router on the way, for a request with a number never used.
fn error(request: &Echo, random: &mut Rng) -> Vec<u8> {
    let forged = Echo { sequence: elsewhere(request.sequence, random), ..request.clone() };
    let quoted = message(&forged, ECHO_REQUEST);
    let (kind, code) = if random.bool() { (UNREACHABLE, random.u8(..16)) } else { (TIME_EXCEEDED, 0) };
    let mut whole = vec![kind, code, 0, 0, 0, 0, 0, 0];
    whole.extend(header(forged.router, forged.target, quoted.len()));
    whole.extend(quoted);
    seal(&mut whole);
    packet(&Echo { target: stranger(random), ..forged }, &whole)
}

/// An address of the documentation network TEST-NET-2 (RFC 5737), which nobody is asked at.
fn stranger(random: &mut Rng) -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, random.u8(1..))
}

/// A number far from those that may be under way.
fn elsewhere(sequence: u16, random: &mut Rng) -> u16 {
    sequence.wrapping_add(random.u16(0x2000..0xe000))
}

fn change(bytes: &mut [u8], random: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= random.u8(1..);
    }
}

pub(super) fn message(echo: &Echo, kind: u8) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0];
    message.extend(echo.id.to_be_bytes());
    message.extend(echo.sequence.to_be_bytes());
    message.extend(&echo.payload);
    seal(&mut message);
    message
}

/// An IP packet to the router that carries the message.
pub(super) fn packet(echo: &Echo, message: &[u8]) -> Vec<u8> {
    let mut packet = header(echo.target, echo.router, message.len()).to_vec();
    packet.extend(message);
    packet
}

/// An IP header. The kernel fills in the checksum of a packet that it sends (raw(7)).
pub(super) fn header(source: Ipv4Addr, target: Ipv4Addr, length: usize) -> [u8; IP_HEADER] {
    let [high, low] = u16::try_from(IP_HEADER + length).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = [0_u8; IP_HEADER];
    header[..12].copy_from_slice(&[0x45, 0, high, low, 0, 0, 0, 0, 64, ICMP, 0, 0]);
    header[12..16].copy_from_slice(&source.octets());
    header[16..].copy_from_slice(&target.octets());
    header
}

/// Writes the checksum (RFC 1071) into an ICMP message that has none yet.
pub(super) fn seal(message: &mut [u8]) {
    let sum = checksum(message).to_be_bytes();
    if let Some(place) = message.get_mut(2..4) {
        place.copy_from_slice(&sum);
    }
}

pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    };
    let sum: u32 = bytes.chunks(2).map(word).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    // After a second folding it fits.
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Echo {
        let (router, target) = (Ipv4Addr::new(1, 0, 0, 2), Ipv4Addr::new(8, 8, 8, 8));
        Echo { router, target, id: 7, sequence: 9, payload: (0..16).collect() }
    }

    #[test]
    fn a_true_reply_is_read_back_and_its_checksum_holds() {
        let whole = message(&asked(), ECHO_REPLY);
        assert_eq!(checksum(&whole), 0);
        assert_eq!(reply(&packet(&asked(), &whole)), Some(asked()));
        assert_eq!(request(&packet(&asked(), &whole)), None);
    }

    #[test]
    fn every_forgery_differs_from_the_true_answer() {
        let mut random = Rng::with_seed(1);
        let right = |packet: &[u8]| reply(packet).filter(|_| checksum(packet.get(IP_HEADER..).unwrap()) == 0);
        for forgery in Forgery::ALL {
            for _ in 0..10_000 {
                let packet = forge(&asked(), forgery, &mut random);
                assert_ne!(right(&packet), Some(asked()), "{forgery:?}");
            }
        }
    }

    #[test]
    fn any_packet_is_read_without_panic() {
        let mut random = Rng::with_seed(1);
        for length in 0..64 {
            for _ in 0..200 {
                let mut bytes: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
                bytes.first_mut().into_iter().for_each(|first| *first = 0x40 | (*first & 0xf));
                bytes.get_mut(9).into_iter().for_each(|protocol| *protocol = ICMP);
                let _ = (request(&bytes), reply(&bytes));
            }
        }
    }
}
