//! A mail with its addresses, as it travels (RFC 5322).

use std::time::SystemTime;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::{Address, address::AddressError};

use crate::message::Mail;

/// Who writes, and to whom.
#[derive(Clone, Debug)]
pub struct Addresses {
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// An address that no mail can go to or come from.
#[derive(Debug, thiserror::Error)]
pub enum BadAddress {
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
    /// The sender.
    #[error("email.sender {text:?}: {source}")]
    Sender {
        /// The address as it was stated.
        text: String,
        /// What is wrong with it.
        source: AddressError,
    },
}

impl BadAddress {
    /// Whether it is the sender's: only the configuration can state that one.
    #[must_use]
    pub const fn of_sender(&self) -> bool {
        matches!(self, Self::Sender { .. })
    }
}

/// Bytes to deliver, and the envelope to deliver them in.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The envelope's sender, who gets what bounces.
    pub from: Address,
    /// The envelope's recipients.
    pub to: Vec<Address>,
    /// Headers and body.
    pub bytes: Vec<u8>,
}

impl Addresses {
    /// Reads addresses such as `user@example.com` and `Router <router@example.com>`.
    ///
    /// # Errors
    /// One is none, or there is no recipient.
    pub fn new(sender: &str, recipients: &[String]) -> Result<Self, BadAddress> {
        let from = sender.parse().map_err(|source| BadAddress::Sender { text: sender.to_owned(), source })?;
        let to = recipients
            .iter()
            .map(|text| text.parse().map_err(|source| BadAddress::Recipient { text: text.clone(), source }))
            .collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() { Err(BadAddress::NoRecipient) } else { Ok(Self { from, to }) }
    }

    /// Addresses and dates a mail. A new Message-ID is made for each letter.
    ///
    /// # Errors
    /// The mail cannot be put into the format, which no cleaned text brings about.
    pub fn letter(&self, mail: &Mail, now: SystemTime) -> Result<Letter, lettre::error::Error> {
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(mail.subject.clone())
            .date(now)
            .message_id(None)
            .header(ContentType::TEXT_PLAIN)
            // So that nobody's holiday notice answers a router (RFC 3834, section 5).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            message = message.to(to.clone());
        }
        Ok(Letter {
            from: self.from.email.clone(),
            to: self.to.iter().map(|to| to.email.clone()).collect(),
            bytes: message.body(mail.body.clone())?.formatted(),
        })
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
        let mail = of_text("r", Some("Ünö\r\nBcc: x@example.com"), "one\n.\ntwo\n");
        let letter = addresses.letter(&mail, SystemTime::UNIX_EPOCH).unwrap();
        let text = String::from_utf8(letter.bytes).unwrap();
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
        assert_eq!(letter.to.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a@example.com", "b@example.com"]);
    }

    #[test]
    fn wrong_addresses_are_named() {
        assert!(Addresses::new("", &["a@example.com".to_owned()]).unwrap_err().of_sender());
        let error = Addresses::new("r@example.com", &["a@@b c".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("a@@b c"), "{error}");
        assert!(matches!(Addresses::new("r@example.com", &[]), Err(BadAddress::NoRecipient)));
    }
}
