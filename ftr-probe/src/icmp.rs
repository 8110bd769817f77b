//! ICMP echo messages (RFC 792), and the network header that a raw socket leaves before them.

/// The random part of a request, which its reply has to bring back. As long as fits into the smallest Ethernet frame.
pub(crate) type Token = [u8; 16];

/// The length of a request, and of the only replies that are accepted: 8 bytes of header, then the token.
pub(crate) const LENGTH: usize = HEADER + size_of::<Token>();

const HEADER: usize = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;
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

/// The request that asks for `echo`.
pub(crate) fn request(id: u16, echo: &Echo) -> [u8; LENGTH] {
    let [id_high, id_low] = id.to_be_bytes();
    let [sequence_high, sequence_low] = echo.sequence.to_be_bytes();
    let mut message = [0; LENGTH];
    let header = [ECHO_REQUEST, 0, 0, 0, id_high, id_low, sequence_high, sequence_low];
    for (byte, value) in message.iter_mut().zip(header.into_iter().chain(echo.token)) {
        *byte = value;
    }
    let [high, low] = checksum(&message).to_be_bytes();
    message[2] = high;
    message[3] = low;
    message
}

/// The echo in a reply to `id`. None for every other message, for a damaged one and for one of another length.
pub(crate) fn reply(message: &[u8], id: u16) -> Option<Echo> {
    let (header, token) = message.split_first_chunk::<HEADER>()?;
    let [ECHO_REPLY, 0, _, _, id_high, id_low, sequence_high, sequence_low] = *header else { return None };
    // Raw sockets get a copy before the kernel looks at the checksum. A sum over a message that holds its own is 0.
    (u16::from_be_bytes([id_high, id_low]) == id && checksum(message) == 0).then_some(())?;
    Some(Echo { sequence: u16::from_be_bytes([sequence_high, sequence_low]), token: token.try_into().ok()? })
}

/// The request of `id` that an ICMP error quotes.
pub(crate) fn quote(message: &[u8], id: u16) -> Option<Quote<'_>> {
    let (header, token) = message.split_first_chunk::<HEADER>()?;
    let [ECHO_REQUEST, 0, _, _, id_high, id_low, sequence_high, sequence_low] = *header else { return None };
    (u16::from_be_bytes([id_high, id_low]) == id)
        .then_some(Quote { sequence: u16::from_be_bytes([sequence_high, sequence_low]), token })
}

/// The ICMP message in an IPv4 packet (RFC 791). None for a fragment and for other protocols.
pub(crate) fn message(packet: &[u8]) -> Option<&[u8]> {
    let &[version, _, _, _, _, _, fragment_high, fragment_low, _, protocol, ..] = packet else { return None };
    let header = usize::from(version & 0xf) * 4;
    let fragmented = u16::from_be_bytes([fragment_high, fragment_low]) & 0x3fff != 0;
    if version >> 4 != 4 || header < 20 || protocol != PROTOCOL || fragmented {
        return None;
    }
    packet.get(header..)
}

/// Why an ICMP error says that a target cannot be reached. None for messages that do not say so, such as a redirect,
/// which comes with a packet that *was* sent on.
pub(crate) const fn failure(kind: u8, code: u8) -> Option<&'static str> {
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

/// The internet checksum (RFC 1071).
fn checksum(message: &[u8]) -> u16 {
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
    use super::{Echo, LENGTH, Quote, Token, checksum, failure, message, quote, reply, request};
    use proptest::prelude::*;

    const ID: u16 = 0x1234;

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
        assert_eq!(reply(&request(ID, &Echo { sequence: 7, token: [9; 16] }), ID), None);
    }

    #[test]
    fn a_redirect_is_no_failure() {
        assert_eq!(failure(5, 1), None);
        assert_eq!(failure(3, 4), None);
        assert_eq!(failure(3, 0), Some("net-unreachable"));
        assert_eq!(failure(3, 15), Some("unreachable"));
    }

    #[test]
    fn the_network_header_is_taken_off() {
        let mut packet = vec![0x46, 0, 0, 0, 0, 0, 0x40, 0, 64, 1];
        packet.resize(24, 0);
        packet.push(42);
        assert_eq!(message(&packet), Some(&[42][..]));
        for (at, value) in [(0, 0x66), (0, 0x44), (0, 0x4f), (6, 0x20), (7, 1), (9, 17)] {
            let mut packet = packet.clone();
            packet[at] = value;
            assert_eq!(message(&packet), None, "byte {at} = {value}");
        }
    }

    proptest! {
        #[test]
        fn a_reply_brings_back_the_echo(id: u16, sequence: u16, token: Token) {
            let echo = Echo { sequence, token };
            prop_assert_eq!(reply(&answered(request(id, &echo)), id), Some(echo));
        }

        #[test]
        fn a_reply_that_differs_in_any_bit_is_refused_or_another_echo(sequence: u16, token: Token, bit in 0..LENGTH * 8) {
            let echo = Echo { sequence, token };
            let mut message = answered(request(ID, &echo));
            message[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(reply(&message, ID), None);
        }

        #[test]
        fn a_reply_of_another_length_is_refused(token: Token, length in 0usize..60) {
            let mut message = answered(request(ID, &Echo { sequence: 1, token })).to_vec();
            message.resize(length, 0);
            prop_assert_eq!(reply(&message, ID).is_some(), length == LENGTH);
        }

        #[test]
        fn an_error_may_quote_the_token_or_part_of_it(sequence: u16, token: Token, length in 0..=LENGTH) {
            let message = request(ID, &Echo { sequence, token });
            let quoted = quote(&message[..length], ID);
            prop_assert_eq!(quoted, (length >= 8).then(|| Quote { sequence, token: &token[..length - 8] }));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..128), id: u16) {
            let _ = (reply(&bytes, id), quote(&bytes, id), message(&bytes).and_then(|message| reply(message, id)));
        }
    }
}
