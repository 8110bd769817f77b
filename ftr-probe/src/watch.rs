//! The loop: one epoll, one timer, one socket for each uplink.

use std::time::Duration;

use ftr_core::record::{Check, Record};
use ftr_netlink::{Family, Rtnetlink};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::echo::Inbox;
use crate::output::Output;
use crate::path::Survey;
use crate::plan::Plan;
use crate::uplink::{Shared, Uplink};
use crate::{Error, clock, report};

/// How results are printed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
}

// What epoll tells its descriptors by; an uplink's socket by its number.
const TIMER: u64 = u64::MAX;
const SIGNAL: u64 = u64::MAX - 1;
const OUTPUT: u64 = u64::MAX - 2;

struct Watch {
    shared: Shared,
    uplinks: Vec<Uplink>,
    timer: TimerFd,
    armed: Option<Duration>,
    /// Only open while watching: a single check is ended by a signal as any program is.
    signals: Option<SignalFd>,
    output: Output,
    form: Form,
    all_up: bool,
}

/// What the events of one wait come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    GoOn,
    Stop,
}

/// Checks the uplinks, once or for ever, and prints each result. Whether all were up.
pub(crate) fn run(plans: Vec<Plan>, watch: bool, form: Form) -> Result<bool, Error> {
    let mut watch = Watch::new(plans, watch, form)?;
    let mut events = vec![EpollEvent::empty(); watch.uplinks.len() + 3];
    loop {
        watch.check()?;
        if watch.uplinks.iter().all(|uplink| uplink.wake().is_none()) {
            watch.output.finish()?;
            return Ok(watch.all_up);
        }
        watch.output.flush(&watch.shared.epoll)?;
        watch.arm()?;
        let count = match watch.shared.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(Error::System { operation: "wait for events", errno }),
        };
        if watch.hear(events.get(..count).unwrap_or_default())? == Heard::Stop {
            watch.output.flush(&watch.shared.epoll)?;
            return Ok(true);
        }
    }
}

impl Watch {
    fn new(plans: Vec<Plan>, watch: bool, form: Form) -> Result<Self, Error> {
        let failed = |operation| move |errno| Error::System { operation, errno };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed("open epoll"))?;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)
            .map_err(failed("open timer"))?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER)).map_err(failed("watch timer"))?;
        let signals = if watch { Some(signals().map_err(failed("take signals"))?) } else { None };
        if let Some(signals) = &signals {
            epoll.add(signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNAL)).map_err(failed("watch signals"))?;
        }
        let output = Output::watch(&epoll, OUTPUT)?;
        let now = clock::since_boot()?;
        let uplinks = (0..).zip(plans).map(|(mark, plan)| Uplink::new(plan, mark, now)).collect();
        let netlink = Rtnetlink::open()?;
        let shared = Shared { netlink, epoll, inbox: Inbox::new(), rng: fastrand::Rng::new(), watch };
        Ok(Self { shared, uplinks, timer, armed: None, signals, output, form, all_up: true })
    }

    /// Starts the checks that are due, and goes on with those that run.
    fn check(&mut self) -> Result<(), Error> {
        let now = clock::since_boot()?;
        let mut records = Vec::new();
        if self.uplinks.iter().any(|uplink| uplink.is_due(now)) {
            let netlink = &mut self.shared.netlink;
            let survey = Survey { links: netlink.links()?, addresses: netlink.addresses(Some(Family::V4))? };
            for uplink in self.uplinks.iter_mut().filter(|uplink| uplink.is_due(now)) {
                records.extend(uplink.begin(&survey, &mut self.shared, now)?);
            }
        }
        for uplink in &mut self.uplinks {
            records.extend(uplink.step(&mut self.shared, now)?);
        }
        for record in records {
            self.report(record);
        }
        Ok(())
    }

    fn report(&mut self, check: Check) {
        self.all_up &= check.up;
        if self.form.quiet {
            return;
        }
        let line = if self.form.json {
            // The types of a record always have a JSON form.
            Record::Check(check).line().unwrap_or_default()
        } else {
            report::text(&check, self.form.verbose)
        };
        self.output.push(line);
    }

    /// Sets the timer to the next moment at which time alone changes something.
    fn arm(&mut self) -> Result<(), Error> {
        let wake = self.uplinks.iter().filter_map(Uplink::wake).min();
        if let Some(wake) = wake.filter(|_| wake != self.armed) {
            let expiration = Expiration::OneShot(TimeSpec::from(wake));
            self.timer
                .set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME)
                .map_err(|errno| Error::System { operation: "set timer", errno })?;
            self.armed = Some(wake);
        }
        Ok(())
    }

    /// Everything that has arrived is heard before any check is judged: it may have arrived in time.
    fn hear(&mut self, events: &[EpollEvent]) -> Result<Heard, Error> {
        let mut heard = Heard::GoOn;
        for event in events {
            match event.data() {
                TIMER => {
                    self.timer
                        .wait()
                        .or_else(|errno| if errno == Errno::EAGAIN { Ok(()) } else { Err(errno) })
                        .map_err(|errno| Error::System { operation: "read timer", errno })?;
                    self.armed = None;
                }
                SIGNAL => {
                    if let Some(signals) = &self.signals {
                        signals.read_signal().map_err(|errno| Error::System { operation: "read signal", errno })?;
                        heard = Heard::Stop;
                    }
                }
                OUTPUT => {
                    if event.events().intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
                        return Err(Error::Output(Errno::EPIPE));
                    }
                }
                mark => {
                    let uplink = usize::try_from(mark).ok().and_then(|mark| self.uplinks.get_mut(mark));
                    uplink.map_or(Ok(()), |uplink| uplink.hear(event.events(), &mut self.shared.inbox))?;
                }
            }
        }
        Ok(heard)
    }
}

/// SIGTERM and SIGINT as something to wait for.
fn signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}
