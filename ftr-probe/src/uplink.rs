//! One uplink, over one family, while it is checked again and again.

mod ask;
mod blind;
mod fault;
mod gateway;
mod next;
mod path;
mod phase;

use std::net::IpAddr;
use std::time::Duration;

use ftr_core::config::{Config, LATE};
use ftr_core::record::{Check, Reason, Trigger};
use ftr_netlink::Address;
use ftr_netlink::egress::Device;
use ftr_tool::clock;
use nix::sys::epoll::{Epoll, EpollFlags};

use crate::Error;
use crate::awake::Awake;
use crate::check::{Heard, RunningCheck};
use crate::echo::{EchoSocket, ReceiveBuffer, Received, SendBuffer};
use crate::host::Host;
use crate::icmp::{self, Echo};
use crate::method::SocketProbe;
use crate::path::{Break, Path};
use crate::plan::Plan;
use crate::report::{self, Circumstances};
use crate::tokens::Tokens;
use crate::traffic::Traffic;
use crate::verdict::Verdict;
use blind::Blind;
use gateway::Gateway;
pub(crate) use next::Next;
use phase::Phase;

/// How many packets are taken from a socket in one go, so that a flood on one uplink does not starve the others.
const BATCH: usize = 256;
/// Targets that limit how often they answer do so once a second or more often.
const LIMIT: Duration = Duration::from_millis(1100);
/// A busy line that answers nothing is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The kernel is asked for the way again after this, or when the device or its addresses change: it does not tell of
/// every route that goes.
const STALE: Duration = Duration::from_secs(1);
/// What a request that this host's own firewall refuses fails by.
const PROHIBITED: &str = "prohibited-here";

/// What all uplinks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Option<Config>,
    pub(crate) host: Host,
    pub(crate) awake: Awake,
    pub(crate) epoll: Epoll,
    pub(crate) receive_buffer: ReceiveBuffer,
    pub(crate) send_buffer: SendBuffer,
    /// Requests on their way into the send buffer.
    pub(crate) batch: Vec<(IpAddr, Echo)>,
    /// Room for what a probe reads.
    pub(crate) scratch: Vec<u8>,
    pub(crate) tokens: Tokens,
    pub(crate) rng: fastrand::Rng,
    /// Whether checks go on for ever.
    pub(crate) watch: bool,
}

/// An uplink: its plan, its sockets, and the check that runs.
#[derive(Debug)]
pub(crate) struct Uplink {
    pub(crate) plan: Plan,
    mark: u64,
    check: RunningCheck,
    socket: Option<EchoSocket>,
    gateway: Gateway,
    blind: Blind,
    /// When a way was found last, through the device with which number, and which.
    known: Option<(Duration, u32, Path)>,
    socket_probes: Vec<Running>,
    phase: Phase,
    next: Next,
    /// Why the last check failed.
    reason: Option<Reason>,
    /// When the last check began, where that found nothing wrong.
    proved: Option<Duration>,
    /// Nothing has come back yet in the check that runs, and it goes on because the line seems to be full.
    held_up: bool,
    inconclusive: u32,
    /// When it was last said that this host is at fault.
    complained: Option<Duration>,
    /// Since when events have begun checks anew before they came to an end.
    restless: Option<Duration>,
    /// An event came that did not begin the check anew: another check has to follow it.
    outdated: bool,
    /// IP bytes that probing has used.
    bytes: u64,
    /// Packets that probing has sent.
    packets: u64,
}

/// A question that is no echo, on its way.
#[derive(Debug)]
struct Running {
    sequence: u16,
    sent: Duration,
    probe: SocketProbe,
}

/// What epoll tells the socket of a probe by, beside the number of its uplink.
pub(crate) const SOCKET_PROBE: u64 = 1 << 62;

impl Uplink {
    /// An uplink whose first check starts at `start`; `mark` is what epoll tells its socket by.
    pub(crate) fn new(plan: Plan, mark: u64, start: Duration, beat: Duration) -> Self {
        Self {
            check: RunningCheck::of(&plan),
            next: Next::new(&plan, beat),
            plan,
            mark,
            socket: None,
            gateway: Gateway::default(),
            blind: Blind::default(),
            known: None,
            socket_probes: Vec::new(),
            phase: Phase::Waiting(start),
            reason: None,
            proved: None,
            held_up: false,
            inconclusive: 0,
            complained: None,
            restless: None,
            outdated: false,
            bytes: 0,
            packets: 0,
        }
    }

    /// When to look at it again; none when it is done.
    pub(crate) fn wake(&self, now: Duration) -> Option<Duration> {
        match self.phase {
            Phase::Waiting(start) => Some(self.gateway.next().map_or(start, |at| at.min(start))),
            // Past its deadline a check goes on only because the line is busy.
            Phase::Asking { .. } => Some(self.check.wake()).map(|at| if at > now { at } else { now + LOOK_AGAIN }),
            Phase::Done => None,
        }
    }

    /// Whether a check is to start now.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Waiting(start) if start <= now)
    }

    /// Since when the check runs, if one does.
    pub(crate) const fn asking_since(&self) -> Option<Duration> {
        match self.phase {
            Phase::Asking { since, .. } => Some(since),
            Phase::Waiting(_) | Phase::Done => None,
        }
    }

    /// Whether the last check failed.
    pub(crate) const fn is_down(&self) -> bool {
        self.next.is_down()
    }

    /// Whether a change of another device may concern it: an address there could be what it lacks, or was the one that it
    /// sends from.
    pub(crate) fn depends_on(&self, addresses: &[Address]) -> bool {
        let lacks = self.reason == Some(Reason::NoAddress);
        let gone = |(_, _, way): (_, _, Path)| addresses.iter().all(|address| address.local != way.address);
        lacks || self.known.is_some_and(gone)
    }

    /// Something has happened: check now. A check that runs already goes on, unless the way may be another now. A device
    /// that changes without end is evaluated all the same: no check is begun anew for longer than one may take.
    pub(crate) fn trigger(&mut self, trigger: Trigger, now: Duration) {
        if trigger == Trigger::Event {
            self.known = None;
        }
        let waiting = matches!(self.phase, Phase::Waiting(start) if start > now);
        let interrupted = self.asking_since().filter(|_| trigger == Trigger::Event);
        if let Some(since) = interrupted {
            self.outdated = now >= *self.restless.get_or_insert(since) + self.plan.timing.deadline();
        }
        if waiting || (interrupted.is_some() && !self.outdated) {
            self.drop_socket_probes(now);
            self.next.trigger(trigger);
            self.phase = Phase::Waiting(now);
        }
    }

    /// A check is due, but the traffic of a metered uplink shows that it works: leave it alone until the next beat.
    pub(crate) fn spare(&mut self, now: Duration) {
        self.phase = Phase::Waiting(self.next.spare(now));
    }

    /// Whether a check of a metered uplink, which is idle or not, may be left out now.
    pub(crate) fn is_sparable(&self, is_idle: bool, now: Duration) -> bool {
        self.next.is_sparable(is_idle, now)
    }

    /// When the last check started.
    pub(crate) const fn last_start(&self) -> Option<Duration> {
        self.next.started()
    }

    /// How many packets probing has sent so far.
    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Whether the check that runs does not go well.
    pub(crate) const fn is_in_doubt(&self) -> bool {
        matches!(self.phase, Phase::Asking { .. }) && self.check.is_in_doubt()
    }

    /// When the last check began, where that found nothing wrong.
    pub(crate) const fn proved(&self) -> Option<Duration> {
        self.proved
    }

    /// Whether nothing has come back yet in the check that runs, and it goes on because the line seems to be full.
    pub(crate) const fn is_held_up(&self) -> bool {
        self.held_up
    }

    /// Another uplink is in doubt, or even down: a metered one that was last checked a while ago is checked now.
    pub(crate) fn stand_by(&mut self, down: bool, now: Duration) {
        if self.next.is_outdated(down, now) {
            self.trigger(Trigger::Others, now);
        }
    }

    /// Starts a check. Gives its record at once if the way is broken on this host already.
    pub(crate) fn begin(&mut self, shared: &mut Shared, now: Duration) -> Result<Option<Check>, Error> {
        let test = self.next.start(now);
        self.gateway.begin();
        self.blind.begin();
        let snapshot = shared.host.snapshot(now)?;
        let terms = self.plan.terms(shared.config.as_ref());
        let index = match Device::find(terms, &snapshot.links, &snapshot.addresses) {
            Ok(device) => match device.ready() {
                Ok(()) => {
                    // What the gateway has, and what is on the link, cannot be told from a gateway that answers itself.
                    let detect = self.plan.detect_captive;
                    self.check.begin(now, &mut shared.rng, |target| !detect || device.is_near(target), test);
                    Ok(device.index())
                }
                Err(reason) => Err(Break::of(&device, reason)),
            },
            Err(reason) => Err(Break { reason, address: None }),
        };
        let way = match index {
            Ok(index) => match self.way(index, shared, now) {
                // It says nothing about the uplink, and may have passed by the next check.
                Err(error) if error.is_room() => return self.give_up(error, shared.watch, now).map(|()| None),
                way => way?.map(|way| (way, index)),
            },
            Err(broken) => Err(broken),
        };
        match way {
            Ok((way, index)) => {
                self.phase = Phase::Asking { since: now, way, index };
                Ok(None)
            }
            Err(broken) => {
                self.check.broken(now);
                let circumstances = self.circumstances(None);
                let record = report::broken(&self.plan, broken, circumstances);
                self.end(Some(broken.reason), shared.watch, now);
                Ok(Some(record))
            }
        }
    }

    /// Reads what its socket has, for which epoll has told these events. Whether a check that was over is answered.
    pub(crate) fn handle(&mut self, events: EpollFlags, shared: &mut Shared) -> bool {
        if events.contains(EpollFlags::EPOLLERR) {
            self.read_errors(shared);
        }
        let mut late = false;
        let Some(socket) = &self.socket else { return late };
        for _ in 0..BATCH {
            match socket.receive(&mut shared.receive_buffer) {
                Received::Empty => break,
                Received::Reply { from, ttl, echo, received } => {
                    let now = shared.awake.now();
                    // How long it lay here. If the wall clock was set meanwhile, this is not known: then not at all.
                    let waited = match received {
                        Some(received) => clock::wall().checked_sub(received).unwrap_or_default(),
                        None => Duration::ZERO,
                    };
                    self.bytes += icmp::bytes(self.plan.family);
                    late |= self.check.echoed((from, ttl), &echo, now, waited) == Heard::Late;
                }
                Received::Truncated => self.check.ignore(|ignored| ignored.truncated += 1),
                Received::Foreign => self.check.ignore(|ignored| ignored.foreign += 1),
                Received::Failure { .. } => {}
            }
        }
        late && self.next.wants_late()
    }

    /// Goes on with the check that runs: asks who is to be asked. Gives the record when the verdict is certain. `proof` is
    /// when a check of the device's other family began that found nothing wrong.
    pub(crate) fn step(
        &mut self,
        shared: &mut Shared,
        (traffic, proof): (&Traffic, Option<Duration>),
        now: Duration,
    ) -> Result<Option<Check>, Error> {
        let Phase::Asking { since, way, index } = self.phase else {
            return self.solicit_ahead(shared, now).map(|()| None);
        };
        self.check.advance(now);
        self.ask(shared, now)?;
        if self.check.is_in_doubt() && !self.gateway.is_asked() {
            self.solicit(way, index, shared, now)?;
        }
        // After a failed check there is nothing left to protect: probes of the next one find out sooner whether it works again.
        let late = if self.reason.is_some() { LATE.min(self.plan.interval) } else { LATE };
        // A full line holds up whatever goes through it. Where the other family was asked later and is answered, what this
        // one lacks is not merely late.
        let silent = self.check.tally(now).back == 0;
        let refuted = silent && proof.is_some_and(|began| began >= since);
        let busy = !refuted && now < since + self.plan.timing.deadline() + late && traffic.is_saturated(since, now);
        self.held_up = busy && silent;
        let up = match self.check.verdict(now, busy) {
            Verdict::Undecided => return Ok(None),
            Verdict::Up => true,
            Verdict::Inconclusive if self.begin_again(shared.watch)? => {
                self.drop_socket_probes(now);
                self.next.trigger(Trigger::Doubt);
                self.phase = Phase::Waiting(now);
                return Ok(None);
            }
            Verdict::Unsettled => {
                self.drop_socket_probes(now);
                self.next.trigger(Trigger::Doubt);
                self.phase = Phase::Waiting(now + LIMIT);
                return Ok(None);
            }
            Verdict::Down | Verdict::Inconclusive => false,
        };
        if !up && self.check.all_failed_by(PROHIBITED) {
            // That says nothing about the uplink.
            let error = Error::Prohibited { uplink: self.plan.uplink.clone() };
            return self.give_up(error, shared.watch, now).map(|()| None);
        }
        let window = self.check.finish(now, up);
        let (quality, figures) = (window.evaluate(), window.figures());
        self.drop_socket_probes(now);
        let reason = match (up, way.gateway) {
            (true, _) => quality,
            (false, _) if self.check.is_captive() => Some(Reason::Captive),
            (false, Some(gateway)) if self.is_silent(gateway, index, shared, now)? => Some(Reason::GatewaySilent),
            (false, _) => Some(Reason::NoAnswer),
        };
        let circumstances = self.circumstances(figures);
        let record = report::asked(&self.plan, way, reason, (&self.check, now), circumstances);
        self.end(reason, shared.watch, now);
        Ok(Some(record))
    }

    fn circumstances(&mut self, window: Option<ftr_core::record::Window>) -> Circumstances {
        Circumstances {
            at: clock::now(),
            trigger: self.next.take_trigger(),
            window,
            ignored: self.check.take_ignored(),
            probe_bytes: self.bytes,
            not_looked_for: self.blind.signs().collect(),
        }
    }

    fn end(&mut self, reason: Option<Reason>, watch: bool, now: Duration) {
        self.inconclusive = 0;
        self.held_up = false;
        self.proved = self.next.started().filter(|_| reason.is_none());
        self.reason = reason;
        self.known = self.known.take().filter(|_| reason.is_none());
        let mut next = self.next.end(reason, now);
        if self.check.is_slow_to_prove() {
            next = next.min(now + LIMIT);
        }
        self.gateway.end(self.phase, reason, next);
        self.restless = None;
        if std::mem::take(&mut self.outdated) {
            self.next.trigger(Trigger::Event);
            next = now;
        }
        self.phase = if watch { Phase::Waiting(next) } else { Phase::Done };
    }
}

#[cfg(test)]
mod tests;
