//! What a mail and a delivery have to hold to, whatever an event or a mail server says. Fuzzers feed these functions
//! (`fuzz/`), and the tests with what the fuzzers once found.

mod dialogue;

pub use dialogue::smtp_dialogue;

use std::time::{Duration, SystemTime};

use ftr_core::record::Record;

use crate::digest::Digest;
use crate::envelope::Addresses;
use crate::message::{Message, of_events, of_text};

/// The name of a target in `fuzz/`, and what it is.
pub type Target = (&'static str, fn(&[u8]));

/// Texts, each fed to the function of its name.
pub const TARGETS: &[Target] = &[("envelope", envelope), ("smtp_dialogue", smtp_dialogue)];

/// The header fields of a message; nothing else stands before its body.
const FIELDS: [&str; 9] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Auto-Submitted",
];

/// The first line is the name of this host, the second a subject; what follows is a message, and events where it is such
/// records. Whatever they are, they add no header field, no recipient and no control character.
pub fn envelope(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.splitn(3, '\n');
    let (host, subject) = (parts.next().unwrap_or_default(), parts.next());
    let rest = parts.next().unwrap_or_default();
    // As the program reads its name: see `host`.
    let host = ftr_core::sanitize::sanitize(host.trim());
    let to = ["a@example.com".to_owned(), "Bob <b@example.com>".to_owned()];
    let Ok(addresses) = Addresses::new("Router <router@example.com>", &to) else { panic!("no addresses") };
    check(&addresses, &of_text(&host, subject, rest));
    let mut digest = Digest::new(Duration::from_secs(1));
    for line in rest.lines() {
        if let Ok(Record::Event(event)) = Record::parse(line.as_bytes()) {
            digest.add(event, Duration::ZERO);
        }
    }
    if let Some(batch) = digest.take(Duration::from_secs(1)) {
        let message = of_events(&host, batch, ftr_tool::clock::local_of);
        assert!(message.subject.chars().count() < 200, "{}", message.subject);
        assert!(message.body.lines().count() < 50 + 10 * batch.events.len(), "{}", message.body);
        check(&addresses, &message);
    }
}

fn check(addresses: &Addresses, message: &Message) {
    assert!(!message.subject.contains(char::is_control), "{:?}", message.subject);
    let harmful = |one: char| one.is_control() && !matches!(one, '\n' | '\t');
    assert!(!message.body.contains(harmful), "{:?}", message.body);
    let envelope = match addresses.envelope(message, SystemTime::UNIX_EPOCH) {
        Ok(envelope) => envelope,
        Err(error) => panic!("{error}: {message:?}"),
    };
    assert_eq!(envelope.to.len(), 2);
    let Ok(text) = std::str::from_utf8(&envelope.bytes) else { panic!("not ASCII") };
    assert!(text.is_ascii());
    assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{text:?}");
    let Some((head, _)) = text.split_once("\r\n\r\n") else { panic!("no end of the header: {text:?}") };
    let mut fields: Vec<&str> = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
        let name = line.split_once(':').map(|(name, _)| name);
        let Some(name) = name.filter(|name| FIELDS.contains(name)) else { panic!("{line:?} in the header") };
        assert!(!fields.contains(&name), "{name} twice: {head:?}");
        fields.push(name);
    }
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;
