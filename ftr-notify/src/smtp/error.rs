//! Why a message was not delivered, and whether it may be later.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ftr_core::sanitize::sanitize;
use rustls::CertificateError;

use super::delivery::RejectedRecipient;
use super::reply::{BadReply, Reply};

/// A step of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Name resolution, connection, greeting.
    Connect,
    /// Making TLS ready on our side.
    Tls,
    /// The change to TLS.
    StartTls,
    /// Authentication.
    Auth,
    /// The message's sender.
    Sender,
    /// One of the message's recipients.
    Recipient,
    /// The wish to send the content.
    Data,
    /// The content.
    Content,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data | Self::Content => "DATA",
        })
    }
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The server refused, or said something else than what the step needs.
    #[error("the server says {code} {text}")]
    Reply {
        /// The code.
        code: u16,
        /// The text, cleaned.
        text: String,
    },
    /// What it said is no reply.
    #[error(transparent)]
    BadReply(#[from] BadReply),
    /// It said something that it was not asked for: what it says next may be no answer to us.
    #[error("the server speaks out of turn ({0})")]
    OutOfTurn(String),
    /// It closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// It sent more than any delivery needs.
    #[error("the server sends without end")]
    TooMuch,
    /// It said nothing, or not enough, within the time for an answer.
    #[error("the server does not answer")]
    Silent,
    /// The whole delivery took too long.
    #[error("the delivery is not over after {}", humantime::format_duration(*.0))]
    TooLong(Duration),
    /// The network, or name resolution.
    #[error("{}", sanitize(&.0.to_string()))]
    Io(io::Error),
    /// TLS, mostly the server's certificate.
    #[error("{}", sanitize(&.0.to_string()))]
    Tls(#[from] rustls::Error),
    /// There is nothing to verify a certificate with.
    #[error("no root certificates are installed on this host, so that no server's certificate can be verified")]
    NoRoots,
}

impl From<Reply> for Fault {
    fn from(reply: Reply) -> Self {
        Self::Reply { code: reply.code, text: reply.text() }
    }
}

/// Why no recipient got the message.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// A step failed, or the server refused it.
    #[error("{step}: {fault}")]
    Step {
        /// Which one.
        step: Step,
        /// Why.
        fault: Fault,
    },
    /// The server does not offer what the configuration requires.
    #[error("STARTTLS: required by the configuration, not offered by the server")]
    NoStartTls,
    /// The password would go in clear over a network.
    #[error(
        "AUTH: the password would go in clear, because {}; TLS is needed (enable_starttls, tls), or \
         email.smtp_parameters.allow_plaintext: true",
        if *.offered { "the configuration has TLS switched off" } else { "the server offers no STARTTLS" }
    )]
    Plaintext {
        /// Whether the server offers TLS.
        offered: bool,
    },
    /// The server has none of the mechanisms that we may use.
    #[error("AUTH: the server offers no mechanism that we know and the configuration allows")]
    NoMechanism,
    /// The password's file cannot be read.
    #[error("password_file {}: {source}", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// We have a bug.
    #[error("a bug in the delivery; what it said is on stderr")]
    Panic,
    /// The server refused every recipient.
    #[error("RCPT TO: {}", refusals(refused))]
    AllRefused {
        /// Each recipient with the server's reply.
        refused: Vec<RejectedRecipient>,
        /// Whether one of the replies was a temporary one.
        again: bool,
    },
}

/// Names the step that a fault happened in.
pub(super) fn at(step: Step) -> impl Fn(Fault) -> SmtpError {
    move |fault| SmtpError::Step { step, fault }
}

impl SmtpError {
    /// Whether trying again is of no use: the server said so (5xx), is not who it should be, or lacks STARTTLS.
    ///
    /// That it offers no TLS for a password is not: whoever stands between us and the server can take the offer away, and
    /// mail is not lost by that.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NoStartTls => true,
            Self::AllRefused { again, .. } => !again,
            Self::Step { fault: Fault::Reply { code, .. }, .. } => *code >= 500,
            Self::Step { fault: Fault::Tls(error), .. } => is_untrusted(error),
            Self::Plaintext { .. } | Self::NoMechanism | Self::Password { .. } | Self::Panic | Self::Step { .. } => {
                false
            }
        }
    }

    /// Whether it is the server itself that will not have the message, so that whoever holds it may give it up.
    ///
    /// What is said before the connection is in order is not the server's word: whoever stands in between, a captive portal
    /// or a provider that blocks the port, can refuse in its name, take the offer of TLS away and show a certificate of his
    /// own. By another uplink, or later, it may be the server that answers.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Step { step: Step::Connect | Step::Tls | Step::StartTls, .. } | Self::NoStartTls => false,
            _ => self.is_permanent(),
        }
    }

    /// Whether the server answered and the connection is in order.
    pub(super) const fn is_reply(&self) -> bool {
        matches!(self, Self::AllRefused { .. } | Self::Step { fault: Fault::Reply { .. }, .. })
    }
}

/// Whether the server's certificate is not accepted.
///
/// One that is out of its time counts as temporary: a router without a battery clock starts in the past, and mails as
/// soon as an uplink is up, which is before its clock is set.
const fn is_untrusted(error: &rustls::Error) -> bool {
    match error {
        rustls::Error::InvalidCertificate(why) => !matches!(
            why,
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        ),
        _ => false,
    }
}

fn refusals(refused: &[RejectedRecipient]) -> String {
    let each: Vec<_> =
        refused.iter().map(|RejectedRecipient { recipient, reply }| format!("{recipient}: {reply}")).collect();
    each.join("; ")
}
