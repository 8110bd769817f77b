//! One uplink while it is checked again and again.

use std::net::IpAddr;
use std::time::Duration;

use ftr_core::record::{Check, Reason};
use ftr_netlink::{Error as NetlinkError, Lookup, Route, Rtnetlink};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::cadence::Cadence;
use crate::echo::{EchoSocket, Inbox, Mail};
use crate::icmp::Token;
use crate::path::{Break, Device, Survey, Way};
use crate::plan::Plan;
use crate::round::Round;
use crate::verdict::Verdict;
use crate::{Error, clock, report};

/// How many packets are taken from a socket in one go, so that a flood on one uplink does not starve the others.
const BATCH: usize = 256;
/// After so many checks in a row in which this host could not ask, something has to be said.
const ATTEMPTS: u32 = 3;

/// What all uplinks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) netlink: Rtnetlink,
    pub(crate) epoll: Epoll,
    pub(crate) inbox: Inbox,
    pub(crate) rng: fastrand::Rng,
    /// Whether checks go on for ever.
    pub(crate) watch: bool,
}

/// An uplink: its plan, its socket, and the check that runs.
#[derive(Debug)]
pub(crate) struct Uplink {
    plan: Plan,
    mark: u64,
    cadence: Cadence,
    round: Round,
    socket: Option<EchoSocket>,
    phase: Phase,
    voids: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The next check starts then.
    Waiting(Duration),
    /// A check runs, and goes this way.
    Asking(Way),
    /// The only check is over.
    Done,
}

impl Uplink {
    /// An uplink whose first check starts at `start`; `mark` is what epoll tells its socket by.
    pub(crate) fn new(plan: Plan, mark: u64, start: Duration) -> Self {
        Self {
            round: Round::new(plan.timing, &plan.targets),
            cadence: Cadence::new(start, plan.interval),
            plan,
            mark,
            socket: None,
            phase: Phase::Waiting(start),
            voids: 0,
        }
    }

    /// When to look at it again; none when it is done.
    pub(crate) fn wake(&self) -> Option<Duration> {
        match self.phase {
            Phase::Waiting(start) => Some(start),
            Phase::Asking(_) => Some(self.round.wake()),
            Phase::Done => None,
        }
    }

    /// Whether a check is to start now.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Waiting(start) if start <= now)
    }

    /// Starts a check. Gives its record at once if the way is broken on this host already.
    pub(crate) fn begin(
        &mut self,
        survey: &Survey,
        shared: &mut Shared,
        now: Duration,
    ) -> Result<Option<Check>, Error> {
        self.cadence.start(now);
        self.round.begin(now, &mut shared.rng);
        let found = match survey.device(self.plan.uplink.as_str(), self.plan.ip) {
            Ok(device) => self.way(&device, shared)?,
            Err(broken) => Err(broken),
        };
        match found {
            Ok(way) => {
                self.phase = Phase::Asking(way);
                Ok(None)
            }
            Err(broken) => {
                let record = report::broken(&self.plan.uplink, self.plan.timing.required, broken, clock::now()?);
                self.end(shared.watch, now);
                Ok(Some(record))
            }
        }
    }

    /// Reads what its socket has, for which epoll has told these events.
    pub(crate) fn hear(&mut self, events: EpollFlags, inbox: &mut Inbox) -> Result<(), Error> {
        if events.contains(EpollFlags::EPOLLERR) {
            self.hear_errors(inbox)?;
        }
        let Some(socket) = &self.socket else { return Ok(()) };
        for _ in 0..BATCH {
            match socket.receive(inbox) {
                Mail::Empty => break,
                Mail::Reply { from, echo, received } => {
                    let now = clock::since_boot()?;
                    // How long it lay here. If the wall clock was set meanwhile, this is not known: then not at all.
                    let waited = match received {
                        Some(received) => clock::wall()?.checked_sub(received).unwrap_or_default(),
                        None => Duration::ZERO,
                    };
                    self.round.answered(from, &echo, now, waited);
                }
                Mail::Foreign | Mail::Failure { .. } => {}
            }
        }
        Ok(())
    }

    /// Goes on with the check that runs: asks who is to be asked. Gives the record when the verdict is certain.
    pub(crate) fn step(&mut self, shared: &mut Shared, now: Duration) -> Result<Option<Check>, Error> {
        let Phase::Asking(way) = self.phase else { return Ok(None) };
        self.round.advance(now);
        self.ask(&mut shared.inbox, now)?;
        let up = match self.round.verdict(now) {
            Verdict::Undecided => return Ok(None),
            Verdict::Up => true,
            Verdict::Void if self.begin_again(shared.watch)? => {
                self.phase = Phase::Waiting(now);
                return Ok(None);
            }
            Verdict::Down | Verdict::Void => false,
        };
        let record = report::asked(&self.plan.uplink, way, up, &self.round, (clock::now()?, now));
        self.end(shared.watch, now);
        Ok(Some(record))
    }

    /// The way through the device, with the socket ready for it.
    fn way(&mut self, device: &Device, shared: &mut Shared) -> Result<Result<Way, Break>, Error> {
        let Some(target) = self.round.first_target() else { return Ok(Err(device.broken(Reason::NoRoute))) };
        let route = look_up(&mut shared.netlink, target, device.index)?;
        let way = match device.way(target, route.as_ref()) {
            Ok(way) => way,
            Err(broken) => return Ok(Err(broken)),
        };
        if self.socket.as_ref().is_some_and(|socket| socket.is_bound_to(device.index)) {
            return Ok(Ok(way));
        }
        match self.open(device.index, shared) {
            Ok(()) => Ok(Ok(way)),
            Err(Errno::ENODEV) => Ok(Err(Break { reason: Reason::NoInterface, address: None })),
            Err(Errno::EPERM | Errno::EACCES) => Err(Error::NotPermitted { uplink: self.plan.uplink.clone() }),
            Err(errno) => Err(Error::Socket { uplink: self.plan.uplink.clone(), operation: "open ICMP socket", errno }),
        }
    }

    fn open(&mut self, index: u32, shared: &mut Shared) -> Result<(), Errno> {
        let socket = EchoSocket::open(self.plan.uplink.as_str(), index, shared.rng.u16(..))?;
        shared.epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, self.mark))?;
        self.socket = Some(socket);
        Ok(())
    }

    fn ask(&mut self, inbox: &mut Inbox, now: Duration) -> Result<(), Error> {
        for question in 0..self.round.len() {
            if !self.round.is_due(question, now) {
                continue;
            }
            let mut token = Token::default();
            getrandom::fill(&mut token)?;
            let now = clock::since_boot()?;
            let Some((to, echo)) = self.round.ask(question, token, now) else { continue };
            let Some(socket) = &self.socket else { continue };
            let mut sent = socket.send(to, &echo);
            if sent.is_err() {
                // Perhaps it was the error of an earlier packet.
                self.hear_errors(inbox)?;
                sent = self.socket.as_ref().map_or(sent, |socket| socket.send(to, &echo));
            }
            match sent {
                Ok(()) => {}
                Err(Errno::ENOBUFS | Errno::ENOMEM | Errno::EAGAIN) => self.round.unasked(now),
                Err(errno) => self.round.refused(echo.sequence, refusal(errno), now),
            }
        }
        Ok(())
    }

    fn hear_errors(&mut self, inbox: &mut Inbox) -> Result<(), Error> {
        let Some(socket) = &self.socket else { return Ok(()) };
        for _ in 0..BATCH {
            match socket.error(inbox) {
                Mail::Empty => break,
                Mail::Failure { to, quote, error } => {
                    self.round.failed(to, quote, error, clock::since_boot()?);
                }
                Mail::Foreign | Mail::Reply { .. } => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, watch: bool, now: Duration) {
        self.voids = 0;
        self.phase = if watch { Phase::Waiting(self.cadence.next(now)) } else { Phase::Done };
    }

    /// Whether a check that says nothing about the uplink is begun anew. A device that takes no packet again and again
    /// is stuck: whoever watches has to know.
    fn begin_again(&mut self, watch: bool) -> Result<bool, Error> {
        self.voids += 1;
        let again = self.voids < ATTEMPTS;
        if again || watch {
            Ok(again)
        } else {
            Err(Error::NoRoom { uplink: self.plan.uplink.clone(), attempts: self.voids })
        }
    }
}

/// The route to a target through a device; none where the kernel has none.
fn look_up(netlink: &mut Rtnetlink, target: IpAddr, index: u32) -> Result<Option<Route>, Error> {
    match netlink.lookup(&Lookup { oif: Some(index), ..Lookup::to(target) }) {
        Ok(route) => Ok(Some(route)),
        Err(NetlinkError::Refused { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Why this host did not send a request.
const fn refusal(errno: Errno) -> &'static str {
    match errno {
        Errno::ENETUNREACH => "net-unreachable",
        Errno::EHOSTUNREACH => "host-unreachable",
        Errno::EPERM | Errno::EACCES => "prohibited-here",
        Errno::ENODEV | Errno::ENXIO => "no-interface",
        Errno::ENETDOWN => "admin-down",
        _ => "not-sent",
    }
}
