//! How an uplink asks, and hears of errors.

use std::time::Duration;

use ftr_core::config::Target;
use nix::errno::Errno;
use nix::sys::epoll::EpollEvent;

use super::{BATCH, EXCHANGE, PROHIBITED, Running, Shared, Uplink};
use crate::echo::{Inbox, Mail};
use crate::icmp;
use crate::method::{Exchange, Progress};
use crate::{Error, clock};

impl Uplink {
    /// Asks whoever is to be asked now.
    pub(super) fn ask(&mut self, shared: &mut Shared, now: Duration) -> Result<(), Error> {
        self.test(shared, now)?;
        shared.batch.clear();
        while let Some(turn) = self.round.due(now) {
            let token = shared.tokens.next()?;
            let Some((target, echo)) = self.round.ask(turn, token, now) else { break };
            let device = self.plan.uplink.as_str();
            let started = match target {
                Target::Echo(address) => {
                    shared.batch.push((*address, echo));
                    continue;
                }
                Target::Tcp(server) => Exchange::tcp(*server, device),
                Target::Dns(target) => Exchange::dns(target, u16::from_be_bytes([token[0], token[1]]), device),
                Target::Http(target) => Exchange::http(target, device),
            };
            self.start(started, echo.sequence, shared, now)?;
        }
        self.send(shared)
    }

    /// Sends what is in the batch.
    fn send(&mut self, shared: &mut Shared) -> Result<(), Error> {
        let mut done = 0;
        let mut retried = false;
        while let Some(&(_, first)) = shared.batch.get(done) {
            let Some(socket) = &self.socket else { return Ok(()) };
            let rest = shared.batch.get(done..).unwrap_or_default();
            let before = clock::since_boot()?;
            match socket.send(rest, &mut shared.outbox) {
                Ok(count) => {
                    // The kernel sends one after the other, and each takes its part of the time.
                    let part = clock::since_boot()?.saturating_sub(before) / u32::try_from(count).unwrap_or(1).max(1);
                    for ((_, echo), place) in rest.iter().take(count).zip(0..) {
                        self.round.left(echo.sequence, before + part * place);
                    }
                    self.bytes += icmp::bytes(self.plan.family) * count as u64;
                    self.packets += count as u64;
                    done += count.max(1);
                    retried = false;
                }
                // Perhaps it was the error of an earlier packet.
                Err(_) if !retried => {
                    self.hear_errors(&mut shared.inbox)?;
                    retried = true;
                }
                Err(errno) => {
                    self.unsent(first.sequence, errno)?;
                    done += 1;
                    retried = false;
                }
            }
        }
        Ok(())
    }

    /// Asks targets so that a packet comes no farther than the gateway.
    fn test(&mut self, shared: &mut Shared, now: Duration) -> Result<(), Error> {
        while self.round.has_tests() {
            let Some((to, echo)) = self.round.test(shared.tokens.next()?, now) else { break };
            let Some(socket) = &self.socket else { break };
            let mut sent = socket.send_near(to, &echo);
            if sent.is_err() {
                self.hear_errors(&mut shared.inbox)?;
                sent = self.socket.as_ref().map_or(sent, |socket| socket.send_near(to, &echo));
            }
            match sent {
                Ok(()) => {
                    self.bytes += icmp::bytes(self.plan.family);
                    self.packets += 1;
                }
                Err(_) => self.round.unasked(echo.sequence, now),
            }
        }
        Ok(())
    }

    /// A question that is no echo was asked, or could not be.
    fn start(
        &mut self,
        started: Result<Exchange, Errno>,
        sequence: u16,
        shared: &Shared,
        sent: Duration,
    ) -> Result<(), Error> {
        let exchange = match started {
            Ok(exchange) => exchange,
            Err(errno) => return self.unsent(sequence, errno),
        };
        self.packets += exchange.packets();
        let mark = EXCHANGE | u64::from(sequence) << 32 | self.mark;
        match shared.epoll.add(&exchange, EpollEvent::new(exchange.interest(), mark)) {
            Ok(()) => self.exchanges.push(Running { sequence, sent, exchange }),
            Err(errno) => self.unsent(sequence, errno)?,
        }
        Ok(())
    }

    /// An exchange has something to say.
    pub(crate) fn go_on(&mut self, sequence: u16, shared: &mut Shared) -> Result<(), Error> {
        let Some(place) = self.exchanges.iter().position(|running| running.sequence == sequence) else {
            return Ok(());
        };
        let Some(running) = self.exchanges.get_mut(place) else { return Ok(()) };
        let now = clock::since_boot()?;
        match running.exchange.progress(&mut shared.scratch) {
            Progress::Wait(interest) => {
                let mark = EXCHANGE | u64::from(sequence) << 32 | self.mark;
                shared
                    .epoll
                    .modify(&running.exchange, &mut EpollEvent::new(interest, mark))
                    .map_err(|errno| Error::System { operation: "watch a connection", errno })?;
                return Ok(());
            }
            Progress::Answered => self.round.answered(sequence, now.saturating_sub(running.sent)),
            Progress::Failed(error) => self.round.refused(sequence, error, now),
            Progress::Captive => self.round.captured(sequence, now),
        }
        let done = self.exchanges.swap_remove(place);
        self.close(&done.exchange);
        Ok(())
    }

    /// Ends all exchanges that go on. What they would have brought in time is not known.
    pub(super) fn drop_exchanges(&mut self, now: Duration) {
        while let Some(running) = self.exchanges.pop() {
            self.round.abandoned(running.sequence, now);
            self.close(&running.exchange);
        }
    }

    /// Accounts for an exchange that is over. With it goes its socket, which epoll forgets then.
    fn close(&mut self, exchange: &Exchange) {
        self.bytes += exchange.bytes();
        let foreign = u64::from(exchange.foreign());
        self.round.ignore(|ignored| ignored.foreign += foreign);
    }

    /// The question with this number did not leave.
    fn unsent(&mut self, sequence: u16, errno: Errno) -> Result<(), Error> {
        let now = clock::since_boot()?;
        match errno {
            Errno::ENOBUFS | Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE => {
                self.round.unasked(sequence, now);
            }
            errno => self.round.refused(sequence, refusal(errno), now),
        }
        Ok(())
    }

    pub(super) fn hear_errors(&mut self, inbox: &mut Inbox) -> Result<(), Error> {
        let Some(socket) = &self.socket else { return Ok(()) };
        for _ in 0..BATCH {
            match socket.error(inbox) {
                Mail::Empty => break,
                Mail::Failure { to, quote, error } => {
                    self.round.failed(to, quote, error, clock::since_boot()?);
                }
                Mail::Foreign | Mail::Truncated | Mail::Reply { .. } => {}
            }
        }
        Ok(())
    }
}

/// Why this host did not send a request.
const fn refusal(errno: Errno) -> &'static str {
    match errno {
        Errno::ENETUNREACH => "net-unreachable",
        Errno::EHOSTUNREACH => "host-unreachable",
        Errno::EPERM | Errno::EACCES => PROHIBITED,
        Errno::ENODEV | Errno::ENXIO => "no-interface",
        Errno::ENETDOWN => "admin-down",
        _ => "not-sent",
    }
}
