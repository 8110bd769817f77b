//! What every answer has to hold to, whatever is in it. Fuzzers feed these functions (`fuzz/`), and the tests with what the
//! fuzzers once found.

use ftr_core::Family;

use crate::icmp::{self, Echo, LENGTH, Reading};
pub use crate::method::fuzz::{dns, http};

/// The identifier of every request that is asked for here.
const ID: u16 = 0x1234;

/// The name of a target in `fuzz/`, and what it is.
pub type Target = (&'static str, fn(&[u8]));

/// Packets, each fed to the function of its name.
pub const TARGETS: &[Target] = &[("icmp", icmp), ("icmpv6", icmpv6), ("dns", dns), ("http", http)];

/// A packet of IPv4: only one that has the reply's type, our identifier, its length and a right checksum is a reply.
pub fn icmp(packet: &[u8]) {
    let Some((_, message)) = icmp::unpack(packet) else { return };
    assert!(message.len() + 20 <= packet.len());
    if let Reading::Reply(echo) = message_of(Family::V4, message) {
        assert_eq!(icmp::checksum(message), 0);
        assert_eq!(message.get(4..), icmp::request(Family::V4, ID, &echo).get(4..));
    }
}

/// A message of `ICMPv6`, whose checksum the kernel has looked at.
pub fn icmpv6(message: &[u8]) {
    if let Reading::Reply(echo) = message_of(Family::V6, message) {
        assert_eq!(message.get(4..), icmp::request(Family::V6, ID, &echo).get(4..));
    }
}

/// Reads it as an answer and as an error; what an error quotes is the request or its beginning.
fn message_of(family: Family, message: &[u8]) -> Reading {
    if let &[kind, code, ..] = message {
        let _ = icmp::failure(family, kind, code);
    }
    // An error has eight bytes of its own; of IPv4 the quoted packet follows with its header.
    let quoted = message.get(8..).unwrap_or_default();
    let quoted = match family {
        Family::V4 => icmp::unpack(quoted).map_or(quoted, |(_, message)| message),
        Family::V6 => quoted,
    };
    if let Some(quote) = icmp::quote(family, quoted, ID) {
        assert_eq!(quoted.get(8..), Some(quote.token));
    }
    let reading = icmp::read(family, message, ID);
    if let Reading::Reply(Echo { sequence, .. }) = reading {
        assert_eq!(message.len(), LENGTH);
        assert_eq!(message.get(6..8), Some(&sequence.to_be_bytes()[..]));
    }
    reading
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;
