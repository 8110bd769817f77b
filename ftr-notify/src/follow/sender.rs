//! The thread that speaks with the mail server.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use ftr_core::config::Smtp;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::envelope::Envelope;
use crate::smtp::{self, Delivery, SmtpError};

/// Enough for name resolution and a TLS handshake, far less than the usual 2 MiB.
const STACK: usize = 512 * 1024;

/// At most one delivery, and the descriptor that becomes readable when it has ended.
#[derive(Debug)]
pub(super) struct Sender {
    smtp: Arc<Smtp>,
    ended: Arc<EventFd>,
    thread: Option<JoinHandle<Result<Delivery, SmtpError>>>,
}

impl Sender {
    pub(super) fn new(smtp: Smtp) -> io::Result<Self> {
        let ended = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { smtp: Arc::new(smtp), ended: Arc::new(ended), thread: None })
    }

    /// What to poll for the end of the delivery.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Begins a delivery.
    pub(super) fn start(&mut self, envelope: Envelope) -> io::Result<()> {
        let (smtp, ended) = (Arc::clone(&self.smtp), Arc::clone(&self.ended));
        let thread = Builder::new().name("smtp".to_owned()).stack_size(STACK).spawn(move || {
            let outcome = smtp::deliver(&smtp, &envelope);
            // The counter of an eventfd has room for 2^64 deliveries.
            let _ = ended.write(1);
            outcome
        })?;
        self.thread = Some(thread);
        Ok(())
    }

    /// How the delivery ended, once it has.
    pub(super) fn outcome(&mut self) -> Option<Result<Delivery, SmtpError>> {
        self.ended.read().ok()?;
        self.thread.take()?.join().ok()
    }
}
