//! Delivers a message to the configured mail server (RFC 5321). Blocks, for no longer than [`Smtp::longest`].
//!
//! [`dialogue`] decides what is said and what counts as an answer; here bytes are moved and time is kept.

mod connect;
mod content;
mod delivery;
pub mod dialogue;
mod error;
mod offer;
pub mod reply;
mod tls;
mod wire;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use ftr_core::config::{Encryption, Smtp};

use crate::envelope::Envelope;
pub use delivery::{Delivery, RejectedRecipient};
use dialogue::{Act, Credentials, Dialogue, Plan};
use error::at;
pub use error::{Fault, SmtpError, Step};
use wire::{BudgetSpent, Stream, Wire};

/// The longest password that is read from a file, in bytes.
const LONGEST_PASSWORD: u64 = 4096;

/// How long a server may take over QUIT.
const GOODBYE: Duration = Duration::from_secs(2);

/// `address:port`, for messages.
#[must_use]
pub fn server(smtp: &Smtp) -> String {
    format!("{}:{}", smtp.address, smtp.port)
}

/// Delivers a message, or fails, within [`Smtp::longest`].
///
/// # Errors
/// No recipient got it: [`SmtpError::is_permanent`] tells whether trying again is of any use.
pub fn deliver(smtp: &Smtp, envelope: &Envelope) -> Result<Delivery, SmtpError> {
    // A bug of ours must not end who has mail to keep; nothing that it may have left half done is looked at again.
    catch_unwind(AssertUnwindSafe(|| exchange(smtp, envelope))).unwrap_or(Err(SmtpError::Panic))
}

/// When something has to be over.
#[derive(Clone, Copy)]
struct Deadlines {
    opened: Instant,
    end: Instant,
}

impl Deadlines {
    fn new(smtp: &Smtp, now: Instant) -> Self {
        // A time that the clock cannot tell is one that nobody lives to see.
        let far = now + Duration::from_secs(86_400 * 365);
        let end = now.checked_add(smtp.longest()).unwrap_or(far);
        Self { opened: now.checked_add(smtp.open_timeout).unwrap_or(end).min(end), end }
    }

    /// Until when an answer has to be here.
    fn answer(self, smtp: &Smtp, step: Step) -> Instant {
        match step {
            Step::Connect => self.opened,
            _ => Instant::now().checked_add(smtp.read_timeout).unwrap_or(self.end).min(self.end),
        }
    }
}

fn exchange(smtp: &Smtp, envelope: &Envelope) -> Result<Delivery, SmtpError> {
    let deadlines = Deadlines::new(smtp, Instant::now());
    let credentials = credentials(smtp)?;
    let fault = |error| fault(error, smtp, deadlines);
    let host = smtp.address.trim_start_matches('[').trim_end_matches(']');
    let socket = connect::connect(host, smtp.port, deadlines.opened).map_err(fault).map_err(at(Step::Connect))?;
    let peer = socket.peer_addr().map_err(fault).map_err(at(Step::Connect))?;
    let loopback = peer.ip().to_canonical().is_loopback();
    let mut stream = Stream::Clear(Wire::new(socket, deadlines.opened).map_err(fault).map_err(at(Step::Connect))?);
    if smtp.encryption == Encryption::Implicit {
        let session = tls::session(smtp, host, loopback).map_err(at(Step::Tls))?;
        stream = stream.upgrade(session).map_err(fault).map_err(at(Step::Connect))?;
    }
    let clear = loopback || smtp.allow_plaintext;
    let plan = Plan { hello: hello(smtp), encryption: smtp.encryption, credentials, clear, envelope };
    let mut dialogue = Dialogue::new(plan);
    let mut buffer = [0; 4096];
    loop {
        let moved = match dialogue.act() {
            Act::End => break,
            Act::Receive => stream.read(&mut buffer).map(Some),
            Act::Send(bytes) => {
                stream.wait_until(deadlines.answer(smtp, dialogue.step()));
                send(&mut stream, &bytes, &mut buffer, deadlines.end, dialogue.step())
            }
            Act::Upgrade => {
                let session = tls::session(smtp, host, loopback).map_err(at(Step::Tls))?;
                stream.wait_until(deadlines.answer(smtp, dialogue.step()));
                stream = stream.upgrade(session).map_err(fault).map_err(at(Step::StartTls))?;
                dialogue.upgraded();
                Ok(None)
            }
        };
        match moved {
            Ok(None) => {}
            Ok(Some(0)) => dialogue.closed(),
            Ok(Some(length)) => dialogue.receive(buffer.get(..length).unwrap_or_default()),
            Err(error) => dialogue.fail(fault(error)),
        }
    }
    let outcome = dialogue.outcome();
    if outcome.as_ref().map_or_else(SmtpError::is_reply, |_| true) {
        goodbye(&mut stream, deadlines.end.min(Instant::now() + GOODBYE.min(smtp.read_timeout)));
    }
    outcome
}

/// Sends, unless the server has said something meanwhile: then its length, and nothing is sent.
fn send(stream: &mut Stream, bytes: &[u8], buffer: &mut [u8], end: Instant, step: Step) -> io::Result<Option<usize>> {
    if let Some(length) = stream.arrived(buffer)? {
        return Ok(Some(length));
    }
    let content = step == Step::Content && bytes != content::END;
    if content {
        // A slow line may take longer over it than a server over an answer.
        stream.wait_until(end);
    }
    stream.write_all(bytes)?;
    stream.flush()?;
    Ok(None)
}

/// The message's fate is settled: a server that is slow to say goodbye changes nothing.
fn goodbye(stream: &mut Stream, until: Instant) {
    stream.wait_until(until);
    let _ = stream.write_all(b"QUIT\r\n").and_then(|()| stream.flush()).and_then(|()| stream.read(&mut [0; 512]));
}

fn fault(error: io::Error, smtp: &Smtp, deadlines: Deadlines) -> Fault {
    if error.kind() == io::ErrorKind::TimedOut {
        return if Instant::now() >= deadlines.end { Fault::TooLong(smtp.longest()) } else { Fault::Silent };
    }
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<BudgetSpent>) {
        return Fault::TooMuch;
    }
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => Fault::Tls(tls.clone()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Fault::Closed,
        None => Fault::Io(error),
    }
}

/// The name that we greet with: the configured one, or the host's.
fn hello(smtp: &Smtp) -> String {
    let own = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let name = smtp.domain.clone().or_else(own).unwrap_or_default();
    let name = name.trim_start_matches('[').trim_end_matches(']');
    match name.parse() {
        Ok(IpAddr::V4(address)) => format!("[{address}]"),
        Ok(IpAddr::V6(address)) => format!("[IPv6:{address}]"),
        Err(_) if is_name(name) => name.to_owned(),
        // What RFC 5321, section 4.1.4, has for hosts without a name.
        Err(_) => "[127.0.0.1]".to_owned(),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

fn credentials(smtp: &Smtp) -> Result<Option<Credentials>, SmtpError> {
    let Some(user) = &smtp.user_name else { return Ok(None) };
    Ok(Some(Credentials { user: user.clone(), password: password(smtp)?, mechanism: smtp.authentication }))
}

/// The configured password, or the first line of its file, read when it is needed and not kept.
fn password(smtp: &Smtp) -> Result<String, SmtpError> {
    let Some(file) = &smtp.password_file else { return Ok(smtp.password.clone().unwrap_or_default()) };
    let mut line = String::new();
    ftr_tool::open::readable(file)
        .and_then(|open| BufReader::new(open.take(LONGEST_PASSWORD)).read_line(&mut line))
        .map_err(|source| SmtpError::Password { file: file.clone(), source })?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}
