//! One uplink, over one family, while it is checked again and again.

mod ask;
mod next;
mod way;

use std::net::IpAddr;
use std::time::Duration;

use ftr_core::Family;
use ftr_core::config::{Config, LATE};
use ftr_core::record::{Check, Prompt, Reason};
use ftr_netlink::Address;
use ftr_netlink::egress::Device;
use nix::sys::epoll::{Epoll, EpollFlags};

use crate::echo::{EchoSocket, Inbox, Mail, Outbox};
use crate::host::Host;
use crate::icmp::{self, Echo};
use crate::method::Exchange;
use crate::path::{Break, Way};
use crate::plan::Plan;
use crate::report::{self, Circumstances};
use crate::round::{Heard, Round};
use crate::solicit::Solicitor;
use crate::tokens::Tokens;
use crate::traffic::Traffic;
use crate::verdict::Verdict;
use crate::window::Window;
use crate::{Error, clock};
pub(crate) use next::Next;

/// How many packets are taken from a socket in one go, so that a flood on one uplink does not starve the others.
const BATCH: usize = 256;
/// After so many checks in a row in which this host could not ask, something has to be said.
const ATTEMPTS: u32 = 3;
/// Targets that limit how often they answer do so once a second or more often.
const LIMIT: Duration = Duration::from_millis(1100);
/// How often it is said that this host is at fault.
const COMPLAIN: Duration = Duration::from_secs(60);
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
    pub(crate) epoll: Epoll,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    /// Requests on their way into the outbox.
    pub(crate) batch: Vec<(IpAddr, Echo)>,
    /// Room for what an exchange reads.
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
    round: Round,
    socket: Option<EchoSocket>,
    /// Opened when it is first needed.
    solicitor: Option<Solicitor>,
    /// When the gateway was asked for its link-layer address in this check.
    solicited: Option<Duration>,
    /// When a way was found last, through the device with which number, and which.
    known: Option<(Duration, u32, Way)>,
    exchanges: Vec<Running>,
    phase: Phase,
    next: Next,
    /// Why the last check failed.
    reason: Option<Reason>,
    voids: u32,
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
    exchange: Exchange,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// The next check starts then.
    Waiting(Duration),
    /// A check runs since then, and goes this way through the device with this index.
    Asking { since: Duration, way: Way, index: u32 },
    /// The only check is over.
    Done,
}

/// What epoll tells the socket of an exchange by, beside the number of its uplink.
pub(crate) const EXCHANGE: u64 = 1 << 62;

impl Uplink {
    /// An uplink whose first check starts at `start`; `mark` is what epoll tells its socket by.
    pub(crate) fn new(plan: Plan, mark: u64, start: Duration, beat: Duration) -> Self {
        Self {
            round: Round::new(plan.timing, &plan.targets, Window::new(plan.window, plan.limits)),
            next: Next::new(&plan, beat),
            plan,
            mark,
            socket: None,
            solicitor: None,
            solicited: None,
            known: None,
            exchanges: Vec::new(),
            phase: Phase::Waiting(start),
            reason: None,
            voids: 0,
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
            Phase::Waiting(start) => Some(start),
            // Past its deadline a check goes on only because the line is busy.
            Phase::Asking { .. } => Some(self.round.wake()).map(|at| if at > now { at } else { now + LOOK_AGAIN }),
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
        let lacks = self.plan.family == Family::V6 && self.reason == Some(Reason::NoAddress);
        let gone = |(_, _, way): (_, _, Way)| addresses.iter().all(|address| address.local != way.address);
        lacks || self.known.is_some_and(gone)
    }

    /// Something has happened: check now. A check that runs already goes on, unless the way may be another now. A device
    /// that changes without end is judged all the same: no check is begun anew for longer than one may take.
    pub(crate) fn prompt(&mut self, prompt: Prompt, now: Duration) {
        if prompt == Prompt::Event {
            self.known = None;
        }
        let waiting = matches!(self.phase, Phase::Waiting(start) if start > now);
        let interrupted = self.asking_since().filter(|_| prompt == Prompt::Event);
        if let Some(since) = interrupted {
            self.outdated = now >= *self.restless.get_or_insert(since) + self.plan.timing.deadline();
        }
        if waiting || (interrupted.is_some() && !self.outdated) {
            self.drop_exchanges(now);
            self.next.prompt(prompt);
            self.phase = Phase::Waiting(now);
        }
    }

    /// A check is due, but the traffic of a metered uplink shows that it works: leave it alone until the next beat.
    pub(crate) fn spare(&mut self, now: Duration) {
        self.phase = Phase::Waiting(self.next.spare(now));
    }

    /// Whether a check of a metered uplink may be left out now.
    pub(crate) fn is_sparable(&self, now: Duration) -> bool {
        self.next.is_sparable(now)
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
        matches!(self.phase, Phase::Asking { .. }) && self.round.is_doubted()
    }

    /// Another uplink is in doubt, or even down: a metered one that was last checked a while ago is checked now.
    pub(crate) fn stand_by(&mut self, down: bool, now: Duration) {
        if self.next.is_outdated(down, now) {
            self.prompt(Prompt::Others, now);
        }
    }

    /// Starts a check. Gives its record at once if the way is broken on this host already.
    pub(crate) fn begin(&mut self, shared: &mut Shared, now: Duration) -> Result<Option<Check>, Error> {
        let test = self.next.start(now);
        self.solicited = None;
        let survey = shared.host.survey(now)?;
        let terms = self.plan.terms(shared.config.as_ref());
        let index = match Device::find(terms, &survey.links, &survey.addresses) {
            Ok(device) => match device.ready() {
                Ok(()) => {
                    // What the gateway has, and what is on the link, cannot be told from a gateway that answers itself.
                    let detect = self.plan.detect_captive;
                    self.round.begin(now, &mut shared.rng, |target| !detect || device.is_near(target), test);
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
                let circumstances = self.circumstances(None)?;
                let record = report::broken(&self.plan, broken, circumstances);
                self.end(Some(broken.reason), shared.watch, now);
                Ok(Some(record))
            }
        }
    }

    /// Reads what its socket has, for which epoll has told these events. Whether a check that was over is answered.
    pub(crate) fn hear(&mut self, events: EpollFlags, inbox: &mut Inbox) -> Result<bool, Error> {
        if events.contains(EpollFlags::EPOLLERR) {
            self.hear_errors(inbox)?;
        }
        let mut late = false;
        let Some(socket) = &self.socket else { return Ok(late) };
        for _ in 0..BATCH {
            match socket.receive(inbox) {
                Mail::Empty => break,
                Mail::Reply { from, ttl, echo, received } => {
                    let now = clock::since_boot()?;
                    // How long it lay here. If the wall clock was set meanwhile, this is not known: then not at all.
                    let waited = match received {
                        Some(received) => clock::wall()?.checked_sub(received).unwrap_or_default(),
                        None => Duration::ZERO,
                    };
                    self.bytes += icmp::bytes(self.plan.family);
                    late |= self.round.echoed((from, ttl), &echo, now, waited) == Heard::Late;
                }
                Mail::Truncated => self.round.ignore(|ignored| ignored.truncated += 1),
                Mail::Foreign => self.round.ignore(|ignored| ignored.foreign += 1),
                Mail::Failure { .. } => {}
            }
        }
        Ok(late && self.next.wants_late())
    }

    /// Goes on with the check that runs: asks who is to be asked. Gives the record when the verdict is certain.
    pub(crate) fn step(
        &mut self,
        shared: &mut Shared,
        traffic: &Traffic,
        now: Duration,
    ) -> Result<Option<Check>, Error> {
        let Phase::Asking { since, way, index } = self.phase else { return Ok(None) };
        self.round.advance(now);
        self.ask(shared, now)?;
        if self.round.is_doubted() && self.solicited.is_none() {
            self.solicit(way, index, shared, now)?;
        }
        let busy = now < since + self.plan.timing.deadline() + LATE && traffic.is_saturated(since, now);
        let up = match self.round.verdict(now, busy) {
            Verdict::Undecided => return Ok(None),
            Verdict::Up => true,
            Verdict::Void if self.begin_again(shared.watch)? => {
                self.drop_exchanges(now);
                self.phase = Phase::Waiting(now);
                return Ok(None);
            }
            Verdict::Unsettled => {
                self.drop_exchanges(now);
                self.phase = Phase::Waiting(now + LIMIT);
                return Ok(None);
            }
            Verdict::Down | Verdict::Void => false,
        };
        if !up && self.round.all_failed_by(PROHIBITED) {
            // That says nothing about the uplink.
            let error = Error::Prohibited { uplink: self.plan.uplink.clone() };
            return self.give_up(error, shared.watch, now).map(|()| None);
        }
        let window = self.round.finish(now, up);
        let (quality, figures) = (window.judge(), window.figures());
        self.drop_exchanges(now);
        let reason = match (up, way.gateway) {
            (true, _) => quality,
            (false, _) if self.round.is_captive() => Some(Reason::Captive),
            (false, Some(gateway)) if self.is_silent(gateway, index, shared, now)? => Some(Reason::GatewaySilent),
            (false, _) => Some(Reason::NoAnswer),
        };
        let circumstances = self.circumstances(figures)?;
        let record = report::asked(&self.plan, way, reason, (&self.round, now), circumstances);
        self.end(reason, shared.watch, now);
        Ok(Some(record))
    }

    fn circumstances(&mut self, window: Option<ftr_core::record::Window>) -> Result<Circumstances, Error> {
        Ok(Circumstances {
            at: clock::now()?,
            prompt: self.next.take_prompt(),
            window,
            ignored: self.round.take_ignored(),
            probe_bytes: self.bytes,
        })
    }

    fn end(&mut self, reason: Option<Reason>, watch: bool, now: Duration) {
        self.voids = 0;
        self.reason = reason;
        self.known = self.known.take().filter(|_| reason.is_none());
        let mut next = self.next.end(reason, now);
        self.restless = None;
        if std::mem::take(&mut self.outdated) {
            self.next.prompt(Prompt::Event);
            next = now;
        }
        self.phase = if watch { Phase::Waiting(next) } else { Phase::Done };
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

    /// This check cannot be made, by fault of this host: the next one is tried in its turn.
    fn give_up(&mut self, error: Error, watch: bool, now: Duration) -> Result<(), Error> {
        if !watch {
            return Err(error);
        }
        if self.complained.is_none_or(|last| now >= last + COMPLAIN) {
            self.complained = Some(now);
            ftr_core::cli::say(crate::TOOL, &error.to_string());
        }
        self.drop_exchanges(now);
        self.phase = Phase::Waiting(self.next.again(now));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
