//! One delivery to the mail server (RFC 5321), over lettre's connection.
//!
//! The steps are taken one by one rather than by lettre's `send`, which gives up the whole mail at the first recipient
//! that the server refuses.

mod error;
mod tls;

use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ftr_core::config::{Authentication, Encryption, Smtp};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::ClientId;

pub use error::SmtpError;

use crate::letter::Letter;
use error::{Step, at};

/// The longest password that is read from a file, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// What became of a letter that the server took.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Recipients for whom the server answers now.
    pub accepted: Vec<String>,
    /// Recipients that it refused, each with its reply.
    pub refused: Vec<Refusal>,
    /// Whether the letter went over TLS.
    pub encrypted: bool,
}

/// A recipient that the server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The recipient's address.
    pub recipient: String,
    /// What the server said.
    pub reply: String,
}

/// `address:port`, for messages.
#[must_use]
pub fn server(smtp: &Smtp) -> String {
    format!("{}:{}", smtp.address, smtp.port)
}

/// Delivers a letter, which takes as long as the server likes within the timeouts of the configuration.
///
/// # Errors
/// No recipient got it: [`SmtpError::is_permanent`] tells whether trying again is of any use.
pub fn deliver(smtp: &Smtp, letter: &Letter) -> Result<Delivery, SmtpError> {
    // lettre 0.11.23 panics where a line of the server's answer to EHLO has nothing but blanks. What a server says must
    // not end us; nothing that lettre may have left half done is looked at again.
    catch_unwind(AssertUnwindSafe(|| exchange(smtp, letter))).unwrap_or(Err(SmtpError::Panic))
}

fn exchange(smtp: &Smtp, letter: &Letter) -> Result<Delivery, SmtpError> {
    let mut connection = connect(smtp)?;
    authenticate(smtp, &mut connection)?;
    let delivery = transfer(&mut connection, letter);
    if delivery.as_ref().map_or_else(SmtpError::is_reply, |_| true) {
        // The letter's fate is settled; a server that is slow to say goodbye changes nothing.
        let _ = connection.set_timeout(Some(smtp.open_timeout.min(GOODBYE)));
        let _ = connection.command(Quit);
    }
    delivery
}

/// How long a server may take over QUIT.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);

fn connect(smtp: &Smtp) -> Result<SmtpConnection, SmtpError> {
    let host = smtp.address.trim_start_matches('[').trim_end_matches(']');
    let hello = hello(smtp);
    let wrapper = match smtp.encryption {
        Encryption::Implicit => Some(tls::parameters(smtp, host).map_err(at(Step::Tls))?),
        _ => None,
    };
    let mut connection =
        SmtpConnection::connect((host, smtp.port), Some(smtp.open_timeout), &hello, wrapper.as_ref(), None)
            .map_err(at(Step::Connect))?;
    connection.set_timeout(Some(smtp.read_timeout)).map_err(SmtpError::Timeout)?;
    match smtp.encryption {
        Encryption::Required if !connection.can_starttls() => return Err(SmtpError::NoStartTls),
        Encryption::Required | Encryption::Opportunistic if connection.can_starttls() => {
            let parameters = tls::parameters(smtp, host).map_err(at(Step::Tls))?;
            connection.starttls(&parameters, &hello).map_err(at(Step::StartTls))?;
        }
        _ => {}
    }
    Ok(connection)
}

/// The name that we greet with: the configured one, or the host's.
fn hello(smtp: &Smtp) -> ClientId {
    match &smtp.domain {
        None => ClientId::default(),
        Some(domain) => match domain.trim_start_matches('[').trim_end_matches(']').parse() {
            Ok(std::net::IpAddr::V4(address)) => ClientId::Ipv4(address),
            Ok(std::net::IpAddr::V6(address)) => ClientId::Ipv6(address),
            Err(_) => ClientId::Domain(domain.clone()),
        },
    }
}

fn authenticate(smtp: &Smtp, connection: &mut SmtpConnection) -> Result<(), SmtpError> {
    let Some(user) = &smtp.user_name else { return Ok(()) };
    let mechanisms: &[Mechanism] = match smtp.authentication {
        Some(Authentication::Plain) => &[Mechanism::Plain],
        Some(Authentication::Login) => &[Mechanism::Login],
        None => &[Mechanism::Plain, Mechanism::Login],
    };
    let credentials = Credentials::new(user.clone(), password(smtp)?);
    connection.auth(mechanisms, &credentials).map_err(at(Step::Auth))?;
    Ok(())
}

/// The configured password, or the first line of its file, read when it is needed and not kept.
fn password(smtp: &Smtp) -> Result<String, SmtpError> {
    let Some(file) = &smtp.password_file else { return Ok(smtp.password.clone().unwrap_or_default()) };
    let mut line = String::new();
    std::fs::File::open(file)
        .and_then(|open| BufReader::new(open.take(LONGEST_PASSWORD)).read_line(&mut line))
        .map_err(|source| SmtpError::Password { file: file.clone(), source })?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn transfer(connection: &mut SmtpConnection, letter: &Letter) -> Result<Delivery, SmtpError> {
    let mut delivery = Delivery { accepted: Vec::new(), refused: Vec::new(), encrypted: connection.is_encrypted() };
    connection.command(Mail::new(Some(letter.from.clone()), Vec::new())).map_err(at(Step::Sender))?;
    let mut again = false;
    for to in &letter.to {
        match connection.command(Rcpt::new(to.clone(), Vec::new())).map_err(at(Step::Recipient)) {
            Ok(_) => delivery.accepted.push(to.to_string()),
            Err(refusal) if refusal.is_reply() => {
                again |= !refusal.is_permanent();
                delivery.refused.push(Refusal { recipient: to.to_string(), reply: refusal.reason() });
            }
            Err(broken) => return Err(broken),
        }
    }
    if delivery.accepted.is_empty() {
        return Err(SmtpError::AllRefused { refused: delivery.refused, again });
    }
    connection.command(Data).map_err(at(Step::Data))?;
    // lettre ends the content with a line break of its own.
    let content = letter.bytes.strip_suffix(b"\r\n").unwrap_or(&letter.bytes);
    connection.message(content).map_err(at(Step::Content))?;
    Ok(delivery)
}
