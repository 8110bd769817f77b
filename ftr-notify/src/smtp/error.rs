//! Why a letter was not delivered, and whether it may be later.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;

use ftr_core::clean::clean;
use lettre::transport::smtp::Error;
use rustls::CertificateError;

use super::Refusal;

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
    /// The envelope's sender.
    Sender,
    /// One of the envelope's recipients.
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

/// Why no recipient got the letter.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// A step failed, or the server refused it.
    #[error("{step}: {}", reason(source))]
    Step {
        /// Which one.
        step: Step,
        /// Why.
        source: Error,
    },
    /// The server does not offer what the configuration requires.
    #[error("STARTTLS: required by the configuration, not offered by the server")]
    NoStartTls,
    /// The password's file cannot be read.
    #[error("password_file {}: {source}", file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The timeout cannot be set.
    #[error("timeout: {0}")]
    Timeout(io::Error),
    /// The mail library has a bug.
    #[error("the mail library panicked; what it said is on stderr")]
    Panic,
    /// The server refused every recipient.
    #[error("RCPT TO: {}", refusals(refused))]
    AllRefused {
        /// Each recipient with the server's reply.
        refused: Vec<Refusal>,
        /// Whether one of the replies was a temporary one.
        again: bool,
    },
}

/// Names the step that an error of lettre happened in.
pub(super) fn at(step: Step) -> impl Fn(Error) -> SmtpError {
    move |source| SmtpError::Step { step, source }
}

impl SmtpError {
    /// Whether trying again is of no use: the server said so (5xx), is not who it should be, or lacks STARTTLS.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NoStartTls => true,
            Self::AllRefused { again, .. } => !again,
            Self::Password { .. } | Self::Timeout(_) | Self::Panic => false,
            Self::Step { source, .. } => source.is_permanent() || is_untrusted(source),
        }
    }

    /// Whether the server answered and the connection is in order.
    pub(super) fn is_reply(&self) -> bool {
        match self {
            Self::AllRefused { .. } => true,
            Self::Step { source, .. } => source.status().is_some(),
            _ => false,
        }
    }

    /// The reason without the step.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Step { source, .. } => reason(source),
            other => other.to_string(),
        }
    }
}

/// Whether the server's certificate is not accepted.
///
/// One that is out of its time counts as temporary: a router without a battery clock starts in the past, and mails as
/// soon as an uplink is up, which is before its clock is set.
fn is_untrusted(error: &Error) -> bool {
    let tls = input_output(error).and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => !matches!(
            why,
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        ),
        _ => false,
    }
}

fn input_output(error: &Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

/// lettre's reason in our form, with what comes from the server cleaned.
fn reason(error: &Error) -> String {
    use io::ErrorKind::{TimedOut, WouldBlock};
    // A socket's timeout is reported as the error of a socket that never blocks.
    if input_output(error).is_some_and(|cause| matches!(cause.kind(), TimedOut | WouldBlock)) {
        return "the server does not answer".to_owned();
    }
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    match error.status() {
        None if error.is_response() => format!("the answer is not SMTP ({})", clean(text.trim())),
        Some(code) => format!("the server says {code} {}", clean(text.trim())),
        None => clean(&text).into_owned(),
    }
}

fn refusals(refused: &[Refusal]) -> String {
    let each: Vec<_> = refused.iter().map(|Refusal { recipient, reply }| format!("{recipient}: {reply}")).collect();
    each.join("; ")
}
