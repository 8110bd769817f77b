//! A mail server that says whatever it likes, whenever it likes.

use ftr_core::config::Encryption;

use crate::envelope::{Addresses, Envelope};
use crate::message::of_text;
use crate::smtp::dialogue::{Act, Credentials, Dialogue, Plan};
use crate::smtp::{Delivery, SmtpError};

/// Between what the server says at once.
const NEXT: u8 = 0x1e;
/// What the server says without being asked begins with it.
const UNASKED: u8 = 0x1f;
/// How many answers a server has to give before it has a message: greeting, EHLO, MAIL, RCPT, DATA, and to the content.
const ANSWERS: usize = 6;
/// `secret`, alone and at the end of what AUTH PLAIN sends.
const SECRET: &[u8] = b"c2VjcmV0";

/// A message counts as delivered only to a server that said yes often enough, the password leaves only over TLS or where that
/// is allowed, and what the server said has no control characters any more. The first byte tells whether a password is
/// given, whether it may go in the clear, and what TLS is wanted.
///
/// # Panics
/// That is not so.
pub fn smtp_dialogue(script: &[u8]) {
    let Some((&how, script)) = script.split_first() else { return };
    let encryption = match how / 4 % 4 {
        0 => Encryption::None,
        1 => Encryption::Opportunistic,
        2 => Encryption::Required,
        _ => Encryption::Implicit,
    };
    let credentials =
        (how & 1 == 1).then(|| Credentials { user: "user".to_owned(), password: "secret".to_owned(), mechanism: None });
    let clear = how & 2 == 2;
    let envelope = envelope();
    let hello = "router.example".to_owned();
    let mut dialogue = Dialogue::new(Plan { hello, encryption, credentials, clear, envelope: &envelope });
    let mut encrypted = encryption == Encryption::Implicit;
    let mut parts = script.split(|byte| *byte == NEXT).peekable();
    for acts in 0.. {
        assert!(acts < 100 + 4 * script.len(), "no end");
        match dialogue.act() {
            Act::End => break,
            Act::Receive => match parts.next() {
                Some(part) => dialogue.receive(part),
                None => dialogue.closed(),
            },
            Act::Send(_) if parts.peek().is_some_and(|part| part.first() == Some(&UNASKED)) => {
                dialogue.receive(parts.next().and_then(|part| part.get(1..)).unwrap_or_default());
            }
            Act::Send(bytes) => {
                let leaks = bytes.windows(SECRET.len()).any(|part| part == SECRET);
                assert!(!leaks || encrypted || clear, "the password in the clear");
            }
            Act::Upgrade => {
                encrypted = true;
                dialogue.upgraded();
            }
        }
    }
    check(script, &dialogue.outcome());
}

fn check(script: &[u8], outcome: &Result<Delivery, SmtpError>) {
    match outcome {
        Ok(delivery) => {
            let yes = script.split(|byte| matches!(*byte, b'\n' | NEXT));
            let yes = yes.filter(|line| matches!(line.first(), Some(b'2' | b'3'))).count();
            assert!(yes >= ANSWERS && !delivery.accepted.is_empty(), "delivered to nobody: {delivery:?}");
            assert!(delivery.refused.iter().all(|refusal| !refusal.reply.contains(char::is_control)));
        }
        Err(error) => {
            let _ = error.is_permanent();
            let text = error.to_string();
            assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
        }
    }
}

fn envelope() -> Envelope {
    let addresses = Addresses::new("router@example.com", &["a@example.com".to_owned(), "b@example.com".to_owned()]);
    let envelope = addresses.map(|addresses| addresses.envelope(&of_text("r", None, "text"), std::time::UNIX_EPOCH));
    let Ok(Ok(envelope)) = envelope else { panic!("no envelope") };
    envelope
}
