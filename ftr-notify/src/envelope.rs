//! A mail with its addresses, as it travels (RFC 5322).

use std::time::SystemTime;

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox};
use lettre::{Address, address::AddressError};

use crate::message::Message;

/// Who writes, and to whom.
#[derive(Clone, Debug)]
pub struct Addresses {
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// An address that no mail can go to or come from.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
    /// Neither sender nor recipient.
    #[error("email: no sender and no recipients; state both in section email of the configuration")]
    Unconfigured,
    /// No sender.
    #[error("email.sender: none; state it in the configuration")]
    NoSender,
    /// No recipient at all.
    #[error("email.recipients: none; state them in the configuration, or with --to")]
    NoRecipient,
    /// One of the recipients.
    #[error("recipient {text:?}: {source}")]
    Recipient {
        /// The address as it was stated.
        text: String,
        /// What is wrong with it.
        source: AddressError,
    },
    /// The sender. Nothing of the section with the password is repeated.
    #[error("email.sender: {source}")]
    Sender {
        /// What is wrong with it.
        source: AddressError,
    },
}

impl BadAddress {
    /// Whether it is the sender's (too): only the configuration can state that one.
    #[must_use]
    pub const fn of_sender(&self) -> bool {
        matches!(self, Self::Unconfigured | Self::NoSender | Self::Sender { .. })
    }
}

/// Bytes to deliver, and the message to deliver them in.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The message's sender, who gets what bounces.
    pub from: Address,
    /// The message's recipients.
    pub to: Vec<Address>,
    /// Headers and body.
    pub bytes: Vec<u8>,
}

impl Addresses {
    /// Reads addresses such as `user@example.com` and `Router <router@example.com>`.
    ///
    /// # Errors
    /// One is none, or there is no sender or no recipient.
    pub fn new(sender: &str, recipients: &[String]) -> Result<Self, BadAddress> {
        match (sender.trim().is_empty(), recipients.is_empty()) {
            (true, true) => return Err(BadAddress::Unconfigured),
            (true, false) => return Err(BadAddress::NoSender),
            (false, true) => return Err(BadAddress::NoRecipient),
            (false, false) => {}
        }
        let from = sender.parse().map_err(|source| BadAddress::Sender { source })?;
        let to = recipients
            .iter()
            .map(|text| text.parse().map_err(|source| BadAddress::Recipient { text: text.clone(), source }))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { from, to })
    }

    /// Addresses and dates a mail. A new Message-ID is made for each message.
    ///
    /// # Errors
    /// The mail cannot be put into the format, which no cleaned text brings about.
    pub fn envelope(&self, message: &Message, now: SystemTime) -> Result<Envelope, lettre::error::Error> {
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(message.subject.clone())
            .date(now)
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            // So that nobody's holiday notice answers a router (RFC 3834, section 5).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        Ok(Envelope {
            from: self.from.email.clone(),
            to: self.to.iter().map(|to| to.email.clone()).collect(),
            bytes: mail.body(body(&message.body))?.formatted(),
        })
    }
}

/// The longest line that servers must take, in bytes without the line's end (RFC 5322, section 2.1.1).
const LONGEST_LINE: usize = 998;

/// ASCII goes as it is, all else as lettre encodes it.
///
/// lettre would encode ASCII too if a line is longer than 76 bytes, and what reads mail raw, such as a gateway to
/// pagers, would show `=20` and broken lines.
fn body(text: &str) -> Body {
    if text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE) {
        Body::dangerous_pre_encoded(text.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, BadAddress};
    use crate::message::of_text;
    use std::time::SystemTime;

    #[test]
    fn a_letter_has_its_headers() {
        let to = ["a@example.com".to_owned(), "Bob <b@example.com>".to_owned()];
        let addresses = Addresses::new("Router <router@example.com>", &to).unwrap();
        let message = of_text("r", Some("Ünö\r\nBcc: x@example.com"), "one\n.\ntwo\n");
        let envelope = addresses.envelope(&message, SystemTime::UNIX_EPOCH).unwrap();
        let text = String::from_utf8(envelope.bytes).unwrap();
        let (headers, body) = text.split_once("\r\n\r\n").unwrap();
        for header in [
            "From: Router <router@example.com>",
            "To: a@example.com, Bob <b@example.com>",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(headers.lines().any(|line| line == header), "{header} in {headers}");
        }
        assert!(headers.contains("\r\nMessage-ID: <") && !headers.contains("\r\nBcc"), "{headers}");
        assert_eq!(body, "one\r\n.\r\ntwo\r\n");
        assert_eq!(envelope.to.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a@example.com", "b@example.com"]);
    }

    #[test]
    fn long_ascii_lines_stay_readable_and_all_else_is_encoded() {
        let addresses = Addresses::new("r@example.com", &["a@example.com".to_owned()]).unwrap();
        let text = |body: &str| {
            let envelope = addresses.envelope(&of_text("r", None, body), SystemTime::UNIX_EPOCH).unwrap();
            assert!(envelope.bytes.is_ascii());
            assert!(envelope.bytes.split(|&b| b == b'\n').all(|line| line.len() <= 999));
            String::from_utf8(envelope.bytes).unwrap()
        };
        let long = "word ".repeat(30);
        assert!(text(&long).contains(&long));
        assert!(text("Provider Ünö is down").contains("Provider =C3=9Cn=C3=B6 is down"));
        text(&"x".repeat(5000));
    }

    #[test]
    fn wrong_addresses_are_named() {
        let error = Addresses::new("r@@x", &["a@example.com".to_owned()]).unwrap_err();
        assert!(error.of_sender() && error.to_string().starts_with("email.sender: "), "{error}");
        let error = Addresses::new("r@example.com", &["a@@b c".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("a@@b c"), "{error}");
    }

    #[test]
    fn missing_addresses_are_asked_for() {
        let missing = |sender: &str, to: &[String]| Addresses::new(sender, to).unwrap_err();
        let (nobody, neither) = (missing("", &["a@example.com".to_owned()]), missing("", &[]));
        assert!(matches!(nobody, BadAddress::NoSender) && nobody.of_sender());
        assert!(matches!(neither, BadAddress::Unconfigured) && neither.of_sender());
        assert!(matches!(missing("r@example.com", &[]), BadAddress::NoRecipient));
    }
}
