//! How an uplink asks, and hears of errors.

use std::time::Duration;

use ftr_core::config::Target;
use nix::errno::Errno;
use nix::sys::epoll::EpollEvent;

use super::{BATCH, PROHIBITED, Running, SOCKET_PROBE, Shared, Uplink};
use crate::Error;
use crate::echo::Received;
use crate::icmp;
use crate::method::SocketProbe;
use crate::method::progress::Progress;
use crate::outlet::Outlet;

/// So often a request is tried again at once when errors of others keep it from leaving.
const PATIENCE: u32 = 16;

impl Uplink {
    /// Asks whoever is to be asked now.
    pub(super) fn ask(&mut self, shared: &mut Shared, now: Duration) -> Result<(), Error> {
        self.test(shared, now)?;
        shared.batch.clear();
        while let Some(turn) = self.check.due(now) {
            let token = shared.tokens.next()?;
            let Some((target, echo)) = self.check.ask(turn, token, now) else { break };
            let outlet = Outlet::of(self.plan.terms(shared.config.as_ref()));
            let started = match target {
                Target::Echo(address) => {
                    shared.batch.push((*address, echo));
                    continue;
                }
                Target::Tcp(server) => SocketProbe::tcp(*server, outlet),
                Target::Dns(target) => SocketProbe::dns(target, u16::from_be_bytes([token[0], token[1]]), outlet),
                Target::Http(target) => SocketProbe::http(target, outlet),
            };
            self.start(started, echo.sequence, shared, now);
        }
        self.send(shared);
        Ok(())
    }

    /// Sends what is in the batch.
    fn send(&mut self, shared: &mut Shared) {
        let mut done = 0;
        let mut blame = Blame::default();
        while let Some(&(_, first)) = shared.batch.get(done) {
            let Some(socket) = &self.socket else { return };
            let rest = shared.batch.get(done..).unwrap_or_default();
            let before = shared.awake.now();
            let errno = match socket.send(rest, &mut shared.send_buffer) {
                Ok(count) => {
                    // The kernel sends one after the other, and each takes its part of the time.
                    let part = shared.awake.now().saturating_sub(before) / u32::try_from(count).unwrap_or(1).max(1);
                    for ((_, echo), index) in rest.iter().take(count).zip(0..) {
                        self.check.left(echo.sequence, before + part * index);
                    }
                    self.bytes += icmp::bytes(self.plan.family) * count as u64;
                    self.packets += count as u64;
                    done += count.max(1);
                    blame = Blame::default();
                    continue;
                }
                Err(errno) => errno,
            };
            match blame.failed(self.read_errors(shared)) {
                Cause::Unclear => continue,
                Cause::Errors => self.check.unasked(first.sequence, shared.awake.now()),
                Cause::Ours => self.unsent(first.sequence, errno, shared.awake.now()),
            }
            done += 1;
            blame = Blame::default();
        }
    }

    /// Asks targets so that a packet comes no farther than the gateway.
    fn test(&mut self, shared: &mut Shared, now: Duration) -> Result<(), Error> {
        while self.check.has_tests() {
            let Some((to, echo)) = self.check.test(shared.tokens.next()?, now) else { break };
            let Some(socket) = &self.socket else { break };
            let mut sent = socket.send_ttl_one(to, &echo);
            let mut blame = Blame::default();
            while sent.is_err() && blame.failed(self.read_errors(shared)) == Cause::Unclear {
                sent = self.socket.as_ref().map_or(sent, |socket| socket.send_ttl_one(to, &echo));
            }
            if !sent.is_err_and(is_room) {
                self.blind.captive(&self.plan.uplink, sent.map_err(|errno| format!("send to {to}: {}", errno.desc())));
            }
            match sent {
                Ok(()) => {
                    self.bytes += icmp::bytes(self.plan.family);
                    self.packets += 1;
                }
                Err(_) => self.check.unasked(echo.sequence, now),
            }
        }
        Ok(())
    }

    /// A question that is no echo was asked, or could not be.
    fn start(&mut self, started: Result<SocketProbe, Errno>, sequence: u16, shared: &Shared, sent: Duration) {
        let probe = match started {
            Ok(probe) => probe,
            Err(errno) => return self.unsent(sequence, errno, shared.awake.now()),
        };
        self.packets += probe.packets();
        let mark = SOCKET_PROBE | u64::from(sequence) << 32 | self.mark;
        match shared.epoll.add(&probe, EpollEvent::new(probe.interest(), mark)) {
            Ok(()) => self.socket_probes.push(Running { sequence, sent, probe }),
            Err(errno) => self.unsent(sequence, errno, shared.awake.now()),
        }
    }

    /// An probe has something to say.
    pub(crate) fn go_on(&mut self, sequence: u16, shared: &mut Shared) -> Result<(), Error> {
        let Some(index) = self.socket_probes.iter().position(|running| running.sequence == sequence) else {
            return Ok(());
        };
        let Some(running) = self.socket_probes.get_mut(index) else { return Ok(()) };
        let now = shared.awake.now();
        match running.probe.progress(&mut shared.scratch) {
            Progress::Wait(interest) => {
                let mark = SOCKET_PROBE | u64::from(sequence) << 32 | self.mark;
                shared
                    .epoll
                    .modify(&running.probe, &mut EpollEvent::new(interest, mark))
                    .map_err(Error::system("watch a connection"))?;
                return Ok(());
            }
            Progress::Hinted(error) => {
                self.check.hinted(sequence, error);
                return Ok(());
            }
            Progress::Answered => self.check.answered(sequence, now.saturating_sub(running.sent)),
            Progress::Failed(error) => self.check.refused(sequence, error, now),
            Progress::Captive => self.check.captured(sequence, now),
        }
        let done = self.socket_probes.swap_remove(index);
        self.close(&done.probe);
        Ok(())
    }

    /// Ends all socket probes that go on. What they would have brought in time is not known.
    pub(super) fn drop_socket_probes(&mut self, now: Duration) {
        while let Some(running) = self.socket_probes.pop() {
            self.check.abandoned(running.sequence, now);
            self.close(&running.probe);
        }
    }

    /// Accounts for a probe that is over. With it goes its socket, which epoll forgets then.
    fn close(&mut self, probe: &SocketProbe) {
        self.bytes += probe.bytes();
        let foreign = u64::from(probe.foreign());
        self.check.ignore(|ignored| ignored.foreign += foreign);
    }

    /// The question with this number did not leave.
    fn unsent(&mut self, sequence: u16, errno: Errno, now: Duration) {
        match errno {
            errno if is_room(errno) => self.check.unasked(sequence, now),
            errno => self.check.refused(sequence, refusal(errno), now),
        }
    }

    /// Reads the ICMP errors that wait, and tells whether there were any, whatever they were about.
    pub(super) fn read_errors(&mut self, shared: &mut Shared) -> bool {
        let Some(socket) = &self.socket else { return false };
        for count in 0..BATCH {
            match socket.error(&mut shared.receive_buffer) {
                Received::Empty => return count > 0,
                Received::Failure { to, quote, error } => {
                    self.check.failed(to, quote, error, shared.awake.now());
                }
                Received::Foreign | Received::Truncated | Received::Reply { .. } => {}
            }
        }
        true
    }
}

/// Whose fault it is that a request cannot be sent.
///
/// With `IP_RECVERR` an ICMP error that somebody has sent makes the next request fail (ip(7)), whomever it is to. So a
/// failure counts as this host's own only if no error was waiting: else whoever sends errors without end would keep
/// requests to others from leaving, and be believed that they cannot.
#[derive(Debug, Default)]
struct Blame {
    failures: u32,
    /// How many in a row came without an error that was waiting.
    alone: u32,
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Try again now.
    Unclear,
    /// There is no end of errors: try again later.
    Errors,
    /// This host does not let it out, or has no route.
    Ours,
}

impl Blame {
    /// A request could not be sent; `errors`: there were ICMP errors waiting, which have been read since.
    const fn failed(&mut self, errors: bool) -> Cause {
        self.failures += 1;
        self.alone = if errors { 0 } else { self.alone + 1 };
        // One that found no room in the queue leaves no trace but the failure of the next request.
        if self.alone >= 2 {
            Cause::Ours
        } else if self.failures >= PATIENCE {
            Cause::Errors
        } else {
            Cause::Unclear
        }
    }
}

/// Whether this host has no room now.
const fn is_room(errno: Errno) -> bool {
    matches!(errno, Errno::ENOBUFS | Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE)
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

#[cfg(test)]
mod tests {
    use super::{Blame, Cause, PATIENCE};

    #[test]
    fn only_what_fails_without_errors_of_others_is_our_own_fault() {
        let mut blame = Blame::default();
        assert_eq!([false, false].map(|errors| blame.failed(errors)), [Cause::Unclear, Cause::Ours]);
        let mut blame = Blame::default();
        assert_eq!([true, false, true, false].map(|errors| blame.failed(errors)), [Cause::Unclear; 4]);
        assert_eq!(blame.failed(false), Cause::Ours);
        let mut blame = Blame::default();
        for _ in 1..PATIENCE {
            assert_eq!(blame.failed(true), Cause::Unclear);
        }
        assert_eq!(blame.failed(true), Cause::Errors);
    }
}
