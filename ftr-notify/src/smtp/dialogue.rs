//! A delivery as a state machine: bytes of the server in, what to do next out. Pure.
//!
//! Everything that a server may say is evaluated here. It speaks when it is asked and at no other time: what comes before a
//! command was sent is no answer to it, whether somebody put it there before TLS began or the server counts wrongly.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ftr_core::config::{Authentication, Encryption};

use super::content;
use super::delivery::{Delivery, RejectedRecipient};
use super::error::SmtpError;
use super::error::{Fault, Step};
use super::offer::Offer;
use super::reply::{Replies, Reply, quoted};
use crate::envelope::Envelope;

/// What a delivery shall do, known before the first byte.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The name that we greet with, as EHLO has it.
    pub hello: String,
    /// How the connection shall be protected.
    pub encryption: Encryption,
    /// How we prove who we are, if we do.
    pub credentials: Option<Credentials>,
    /// Whether the credentials may go without TLS.
    pub clear: bool,
    /// What is delivered.
    pub envelope: &'a Envelope,
}

/// A user with a password.
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
    /// By which mechanism; none means PLAIN, then LOGIN.
    pub mechanism: Option<Authentication>,
}

impl std::fmt::Debug for Credentials {
    /// Not even the user's name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send this, unless something came meanwhile: that is for [`Dialogue::receive`].
    Send(Vec<u8>),
    /// Wait for bytes.
    Receive,
    /// Begin TLS, then say [`Dialogue::upgraded`].
    Upgrade,
    /// Nothing more: [`Dialogue::outcome`] has it.
    End,
}

/// Which answer is awaited, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Greeting,
    Hello,
    StartTls,
    User,
    Password,
    Authenticated,
    Sender,
    Recipient(usize),
    Data,
    Content,
}

/// One delivery.
#[derive(Debug)]
pub struct Dialogue<'a> {
    plan: Plan<'a>,
    state: State,
    encrypted: bool,
    replies: Replies,
    sending: Vec<Vec<u8>>,
    upgrade: bool,
    accepted: Vec<String>,
    refused: Vec<RejectedRecipient>,
    again: bool,
    outcome: Option<Result<Delivery, SmtpError>>,
}

impl<'a> Dialogue<'a> {
    /// A delivery over a new connection, with TLS from the first byte where the plan says so.
    #[must_use]
    pub fn new(plan: Plan<'a>) -> Self {
        Self {
            encrypted: plan.encryption == Encryption::Implicit,
            plan,
            state: State::Greeting,
            replies: Replies::default(),
            sending: Vec::new(),
            upgrade: false,
            accepted: Vec::new(),
            refused: Vec::new(),
            again: false,
            outcome: None,
        }
    }

    /// What to do now.
    pub fn act(&mut self) -> Act {
        if self.outcome.is_some() {
            Act::End
        } else if self.upgrade {
            Act::Upgrade
        } else if self.sending.is_empty() {
            Act::Receive
        } else {
            Act::Send(self.sending.remove(0))
        }
    }

    /// The step that the awaited answer belongs to.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self.state {
            // The second greeting, after the change to TLS, is part of the change.
            State::Hello if self.encrypted && !matches!(self.plan.encryption, Encryption::Implicit) => Step::StartTls,
            State::Greeting | State::Hello => Step::Connect,
            State::StartTls => Step::StartTls,
            State::User | State::Password | State::Authenticated => Step::Auth,
            State::Sender => Step::Sender,
            State::Recipient(_) => Step::Recipient,
            State::Data => Step::Data,
            State::Content => Step::Content,
        }
    }

    /// Whether bytes of the server are awaited, and not something that we have to do first.
    fn awaits(&self) -> bool {
        self.outcome.is_none() && !self.upgrade && self.sending.is_empty()
    }

    /// Takes in what the server says.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.outcome.is_some() || bytes.is_empty() {
            return;
        }
        let awaited = self.awaits();
        let reply = match self.replies.receive(bytes) {
            Ok(reply) => reply,
            Err(bad) => return self.fail(Fault::BadReply(bad)),
        };
        match reply {
            None if awaited => {}
            Some(reply) if awaited => self.take(&reply),
            // A server may close, or refuse content, before we are done.
            Some(reply) if reply.class() >= 4 => self.fail(reply.into()),
            _ => self.out_of_turn(bytes),
        }
    }

    /// The connection speaks TLS now.
    pub fn upgraded(&mut self) {
        self.upgrade = false;
        self.encrypted = true;
        // What the server offered before may have been said by somebody else (RFC 3207, section 4.2).
        self.greet();
    }

    /// The server closed the connection.
    pub fn closed(&mut self) {
        self.fail(Fault::Closed);
    }

    /// The delivery failed beside the dialogue, in the step that it is in.
    pub fn fail(&mut self, fault: Fault) {
        self.end(Err(SmtpError::Step { step: self.step(), fault }));
    }

    /// How the delivery ended.
    ///
    /// # Errors
    /// No recipient got the message.
    pub fn outcome(self) -> Result<Delivery, SmtpError> {
        let step = self.step();
        self.outcome.unwrap_or(Err(SmtpError::Step { step, fault: Fault::Closed }))
    }

    fn end(&mut self, outcome: Result<Delivery, SmtpError>) {
        self.outcome.get_or_insert(outcome);
    }

    fn out_of_turn(&mut self, bytes: &[u8]) {
        self.fail(Fault::OutOfTurn(quoted(&String::from_utf8_lossy(bytes))));
    }

    /// Takes an answer in. Nothing may come behind it: we have not asked for more.
    fn take(&mut self, reply: &Reply) {
        let surplus = self.replies.surplus().to_owned();
        // The message's fate is settled before a server that has to close says so (RFC 5321, section 3.8).
        let closing =
            self.state == State::Content && surplus.iter().zip(b"421").all(|(said, expected)| said == expected);
        if reply.class() < 4 && !surplus.is_empty() && !closing {
            return self.out_of_turn(&surplus);
        }
        match self.answered(reply) {
            Err(error) => self.end(Err(error)),
            Ok(()) if surplus.is_empty() || closing => {}
            Ok(()) => self.out_of_turn(&surplus),
        }
    }

    fn answered(&mut self, reply: &Reply) -> Result<(), SmtpError> {
        let refused = || SmtpError::Step { step: self.step(), fault: reply.clone().into() };
        match (self.state, reply.class()) {
            (State::Greeting, 2) => self.greet(),
            (State::Hello, 2) => self.offered(&Offer::of(reply))?,
            (State::StartTls, 2) => self.upgrade = true,
            (State::User, 3) => self.secret(State::Password, |credentials| credentials.user.clone()),
            (State::Password, 3) => self.secret(State::Authenticated, |credentials| credentials.password.clone()),
            (State::Authenticated, 2) => self.sender(),
            (State::Sender, 2) => self.recipient(0)?,
            (State::Recipient(index), 2) => {
                self.accepted.extend(self.plan.envelope.to.get(index).map(ToString::to_string));
                self.recipient(index + 1)?;
            }
            // With 421 it refuses us, not the recipient.
            (State::Recipient(index), 4 | 5) if reply.code != 421 => {
                let recipient = self.plan.envelope.to.get(index).map(ToString::to_string).unwrap_or_default();
                self.again |= reply.class() == 4;
                self.refused.push(RejectedRecipient { recipient, reply: Fault::from(reply.clone()).to_string() });
                self.recipient(index + 1)?;
            }
            (State::Data, 3) => {
                // The end is sent by itself, so that what was said before it is not taken for the answer to it.
                self.sending = vec![content::encoded(&self.plan.envelope.bytes), content::END.to_vec()];
                self.state = State::Content;
            }
            (State::Content, 2) => self.delivered(),
            _ => return Err(refused()),
        }
        Ok(())
    }

    fn command(&mut self, state: State, line: &str) {
        self.state = state;
        self.sending = vec![format!("{line}\r\n").into_bytes()];
    }

    fn greet(&mut self) {
        let hello = format!("EHLO {}", self.plan.hello);
        self.command(State::Hello, &hello);
    }

    fn offered(&mut self, offer: &Offer) -> Result<(), SmtpError> {
        match self.plan.encryption {
            Encryption::Required | Encryption::Opportunistic if !self.encrypted && offer.starttls => {
                self.command(State::StartTls, "STARTTLS");
                return Ok(());
            }
            Encryption::Required if !self.encrypted => return Err(SmtpError::NoStartTls),
            _ => {}
        }
        let Some(credentials) = &self.plan.credentials else {
            self.sender();
            return Ok(());
        };
        if !self.encrypted && !self.plan.clear {
            return Err(SmtpError::Plaintext { offered: offer.starttls });
        }
        match offer.choose(credentials.mechanism) {
            None => return Err(SmtpError::NoMechanism),
            Some(Authentication::Login) => self.command(State::User, "AUTH LOGIN"),
            Some(Authentication::Plain) => {
                let token = STANDARD.encode(format!("\0{}\0{}", credentials.user, credentials.password));
                self.command(State::Authenticated, &format!("AUTH PLAIN {token}"));
            }
        }
        Ok(())
    }

    fn secret(&mut self, state: State, which: impl Fn(&Credentials) -> String) {
        let secret = self.plan.credentials.as_ref().map(which).unwrap_or_default();
        self.command(state, &STANDARD.encode(secret));
    }

    fn sender(&mut self) {
        let line = format!("MAIL FROM:<{}>", self.plan.envelope.from);
        self.command(State::Sender, &line);
    }

    fn recipient(&mut self, index: usize) -> Result<(), SmtpError> {
        if let Some(to) = self.plan.envelope.to.get(index) {
            let line = format!("RCPT TO:<{to}>");
            self.command(State::Recipient(index), &line);
        } else if self.accepted.is_empty() {
            return Err(SmtpError::AllRefused { refused: std::mem::take(&mut self.refused), again: self.again });
        } else {
            self.command(State::Data, "DATA");
        }
        Ok(())
    }

    fn delivered(&mut self) {
        let (accepted, refused) = (std::mem::take(&mut self.accepted), std::mem::take(&mut self.refused));
        self.end(Ok(Delivery { accepted, refused, encrypted: self.encrypted }));
    }
}

#[cfg(test)]
mod tests;
