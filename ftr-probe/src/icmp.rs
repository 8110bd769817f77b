//! ICMP echo messages (RFC 792, RFC 4443), and the network header that a raw IPv4 socket leaves before them.

use ftr_core::Family;

/// The random part of a request, which its reply has to bring back. Its first two bytes are the sequence number too,
/// unless that is taken. As long as fits into the smallest Ethernet frame.
pub(crate) type Token = [u8; 16];

/// The length of a request, and of the only replies that are accepted: 8 bytes of header, then the token.
pub(crate) const LENGTH: usize = HEADER + size_of::<Token>();

/// So much of a token proves that whoever quotes it has seen the packet: 64 bits, which nobody guesses.
const PROOF: usize = 8;

const HEADER: usize = 8;
const PROTOCOL: u8 = 1;

/// What tells one echo from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Echo {
    pub(crate) sequence: u16,
    pub(crate) token: Token,
}

/// A request quoted by an ICMP error. Routers quote the header and as much behind it as they like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quote<'a> {
    pub(crate) sequence: u16,
    /// The beginning of the token, as far as it was quoted.
    pub(crate) token: &'a [u8],
}

impl Quote<'_> {
    /// Whether it is long enough to prove that its sender has seen the packet.
    ///
    /// Routers quote all of it (RFC 1812 section 4.3.2.3). Eight bytes behind the network header are the least (RFC
    /// 792), and what they hold is no secret: every target is sent the identifier, and the sequence number is guessed
    /// by whoever sends 5,000 errors a second once in 13 seconds.
    pub(crate) const fn is_proof(&self) -> bool {
        self.token.len() >= PROOF
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A reply to a request of ours.
    Reply(Echo),
    /// A reply with our identifier that is damaged or of another length.
    Truncated,
    /// Something else.
    Foreign,
}

const fn echo_types(family: Family) -> (u8, u8) {
    match family {
        Family::V4 => (8, 0),
        Family::V6 => (128, 129),
    }
}

/// How many bytes an echo takes on the way, from the IP header on.
pub(crate) const fn bytes(family: Family) -> u64 {
    let header = match family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    header + LENGTH as u64
}

/// The request that asks for `echo`. The checksum of an IPv6 one is the kernel's task, which knows the addresses.
pub(crate) fn request(family: Family, id: u16, echo: &Echo) -> [u8; LENGTH] {
    let [id_high, id_low] = id.to_be_bytes();
    let [sequence_high, sequence_low] = echo.sequence.to_be_bytes();
    let mut message = [0; LENGTH];
    let header = [echo_types(family).0, 0, 0, 0, id_high, id_low, sequence_high, sequence_low];
    for (byte, value) in message.iter_mut().zip(header.into_iter().chain(echo.token)) {
        *byte = value;
    }
    if family == Family::V4 {
        let [high, low] = checksum(&message).to_be_bytes();
        message[2] = high;
        message[3] = low;
    }
    message
}

/// Reads a message that may be a reply to a request with this identifier.
pub(crate) fn read(family: Family, message: &[u8], id: u16) -> Reading {
    let Some((header, token)) = message.split_first_chunk::<HEADER>() else { return Reading::Foreign };
    let [kind, 0, _, _, id_high, id_low, sequence_high, sequence_low] = *header else { return Reading::Foreign };
    if kind != echo_types(family).1 || u16::from_be_bytes([id_high, id_low]) != id {
        return Reading::Foreign;
    }
    // A raw IPv4 socket gets a copy before the kernel looks at the checksum. A sum over a message that holds its own
    // is 0.
    let whole = family == Family::V6 || checksum(message) == 0;
    match token.try_into() {
        Ok(token) if whole => {
            Reading::Reply(Echo { sequence: u16::from_be_bytes([sequence_high, sequence_low]), token })
        }
        _ => Reading::Truncated,
    }
}

/// The request of `id` that an ICMP error quotes.
pub(crate) fn quote(family: Family, message: &[u8], id: u16) -> Option<Quote<'_>> {
    let (header, token) = message.split_first_chunk::<HEADER>()?;
    let [kind, 0, _, _, id_high, id_low, sequence_high, sequence_low] = *header else { return None };
    (kind == echo_types(family).0 && u16::from_be_bytes([id_high, id_low]) == id)
        .then_some(Quote { sequence: u16::from_be_bytes([sequence_high, sequence_low]), token })
}

/// The ICMP message in an IPv4 packet (RFC 791), and what is left of the packet's time to live. None for a fragment
/// and for other protocols.
pub(crate) fn unpack(packet: &[u8]) -> Option<(u8, &[u8])> {
    let &[version, _, _, _, _, _, fragment_high, fragment_low, ttl, protocol, ..] = packet else { return None };
    let header = usize::from(version & 0xf) * 4;
    let fragmented = u16::from_be_bytes([fragment_high, fragment_low]) & 0x3fff != 0;
    if version >> 4 != 4 || header < 20 || protocol != PROTOCOL || fragmented {
        return None;
    }
    Some((ttl, packet.get(header..)?))
}

/// Why an ICMP error says that a target cannot be reached. None for messages that do not say so, such as a redirect,
/// which comes with a packet that *was* sent on.
pub(crate) const fn failure(family: Family, kind: u8, code: u8) -> Option<&'static str> {
    match family {
        Family::V4 => failure4(kind, code),
        Family::V6 => failure6(kind, code),
    }
}

const fn failure4(kind: u8, code: u8) -> Option<&'static str> {
    match (kind, code) {
        // Fragmentation needed: nothing of our length ever is.
        (3, 4) => None,
        (3, 0) => Some("net-unreachable"),
        (3, 1) => Some("host-unreachable"),
        (3, 2) => Some("protocol-unreachable"),
        (3, 3) => Some("port-unreachable"),
        (3, 5) => Some("source-route-failed"),
        (3, 6) => Some("net-unknown"),
        (3, 7) => Some("host-unknown"),
        (3, 9) => Some("net-prohibited"),
        (3, 10) => Some("host-prohibited"),
        (3, 13) => Some("prohibited"),
        (3, _) => Some("unreachable"),
        (11, 0) => Some("time-exceeded"),
        (12, _) => Some("parameter-problem"),
        _ => None,
    }
}

const fn failure6(kind: u8, code: u8) -> Option<&'static str> {
    match (kind, code) {
        (1, 0) => Some("net-unreachable"),
        (1, 1) => Some("prohibited"),
        (1, 3) => Some("host-unreachable"),
        (1, 4) => Some("port-unreachable"),
        (1, _) => Some("unreachable"),
        (3, 0) => Some("time-exceeded"),
        (4, _) => Some("parameter-problem"),
        _ => None,
    }
}

/// The internet checksum (RFC 1071).
pub(crate) fn checksum(message: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in message.chunks(2) {
        let word = match *pair {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        };
        sum += u32::from(word);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Echo, Family, LENGTH, Quote, Reading, Token, checksum, failure, quote, read, request, unpack};
    use proptest::prelude::*;

    const ID: u16 = 0x1234;
    const V4: Family = Family::V4;

    /// What a well-behaved host makes of a request.
    fn answered(mut message: [u8; LENGTH]) -> [u8; LENGTH] {
        message[0] = 0;
        message[2..4].fill(0);
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        message
    }

    #[test]
    fn the_checksum_of_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[1]), !0x0100);
    }

    #[test]
    fn a_request_is_no_reply() {
        for family in [Family::V4, Family::V6] {
            let message = request(family, ID, &Echo { sequence: 7, token: [9; 16] });
            assert_eq!(read(family, &message, ID), Reading::Foreign);
        }
    }

    #[test]
    fn a_redirect_is_no_failure() {
        assert_eq!(failure(V4, 5, 1), None);
        assert_eq!(failure(V4, 3, 4), None);
        assert_eq!(failure(V4, 3, 0), Some("net-unreachable"));
        assert_eq!(failure(V4, 3, 15), Some("unreachable"));
        assert_eq!(failure(Family::V6, 3, 0), Some("time-exceeded"));
        assert_eq!(failure(Family::V6, 2, 0), None, "packet too big");
    }

    #[test]
    fn the_network_header_is_taken_off() {
        let mut packet = vec![0x46, 0, 0, 0, 0, 0, 0x40, 0, 63, 1];
        packet.resize(24, 0);
        packet.push(42);
        assert_eq!(unpack(&packet), Some((63, &[42][..])));
        for (at, value) in [(0, 0x66), (0, 0x44), (0, 0x4f), (6, 0x20), (7, 1), (9, 17)] {
            let mut packet = packet.clone();
            packet[at] = value;
            assert_eq!(unpack(&packet), None, "byte {at} = {value}");
        }
    }

    proptest! {
        #[test]
        fn a_reply_brings_back_the_echo(id: u16, sequence: u16, token: Token) {
            let echo = Echo { sequence, token };
            prop_assert_eq!(read(V4, &answered(request(V4, id, &echo)), id), Reading::Reply(echo));
            let mut six = request(Family::V6, id, &echo);
            six[0] = 129;
            prop_assert_eq!(read(Family::V6, &six, id), Reading::Reply(echo));
        }

        #[test]
        fn a_reply_that_differs_in_any_bit_is_refused(sequence: u16, token: Token, bit in 0..LENGTH * 8) {
            let echo = Echo { sequence, token };
            let mut message = answered(request(V4, ID, &echo));
            message[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!matches!(read(V4, &message, ID), Reading::Reply(_)));
        }

        #[test]
        fn a_reply_of_another_length_is_refused(token: Token, length in 0usize..60) {
            let mut message = answered(request(V4, ID, &Echo { sequence: 1, token })).to_vec();
            message.resize(length, 0);
            let reading = read(V4, &message, ID);
            prop_assert_eq!(matches!(reading, Reading::Reply(_)), length == LENGTH);
            prop_assert_eq!(reading == Reading::Foreign, length < 8);
        }

        #[test]
        fn an_error_may_quote_the_token_or_part_of_it(sequence: u16, token: Token, length in 0..=LENGTH) {
            let message = request(V4, ID, &Echo { sequence, token });
            let quoted = quote(V4, &message[..length], ID);
            prop_assert_eq!(quoted, (length >= 8).then(|| Quote { sequence, token: &token[..length - 8] }));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..128), id: u16) {
            for family in [Family::V4, Family::V6] {
                let _ = (read(family, &bytes, id), quote(family, &bytes, id), unpack(&bytes));
            }
        }
    }
}
