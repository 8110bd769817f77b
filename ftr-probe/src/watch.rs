//! The loop: one epoll, one timer, one socket for each uplink and family.

use std::time::Duration;

use ftr_core::record::{Check, Record, Trigger};
use ftr_core::{Config, InterfaceName};
use ftr_tool::{Signals, clock};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::awake::{Awake, LONG};
use crate::devices::Devices;
use crate::echo::{ReceiveBuffer, SendBuffer};
use crate::host::{Changes, Host};
use crate::output::Output;
use crate::plan::Plan;
use crate::tokens::Tokens;
use crate::uplink::{SOCKET_PROBE, Shared, Uplink};
use crate::{Error, open_files, report};

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
const EVENTS: u64 = u64::MAX - 3;
/// Those that end it, and the one by which somebody asks for checks now.
const SIGNALS: [Signal; 3] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1];
/// From the first check of one uplink to that of the next.
const STAGGER: Duration = Duration::from_millis(1);
/// Room for what a question that is no echo reads at once.
const SCRATCH: usize = 16 * 1024;

struct Watch {
    shared: Shared,
    uplinks: Vec<Uplink>,
    /// When to look at each of them again, as long as nothing is heard of it; none when it is done.
    wakes: Vec<Option<Duration>>,
    devices: Devices,
    timer: TimerFd,
    armed: Option<Duration>,
    /// Only open while watching: a single check is ended by a signal as any program is.
    signals: Option<Signals>,
    output: Output,
    /// The lines of single checks, which are printed in the order of the plans.
    lines: Vec<Option<String>>,
    printed: usize,
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
pub(crate) fn run(plans: Vec<Plan>, config: Option<Config>, watch: bool, form: Form) -> Result<bool, Error> {
    open_files::raise();
    let mut watch = Watch::new(plans, config, watch, form)?;
    let mut events = vec![EpollEvent::empty(); watch.uplinks.len() + 4];
    loop {
        let now = watch.wake(None);
        watch.sample(now)?;
        watch.check(now)?;
        if watch.shared.host.has_missed() {
            watch.handle_events()?;
        }
        if watch.wakes.iter().all(Option::is_none) {
            watch.output.finish()?;
            return Ok(watch.all_up);
        }
        watch.output.flush(&watch.shared.epoll)?;
        let wanted = watch.arm()?;
        let count = match watch.shared.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(Error::system("wait for events")(errno)),
        };
        watch.wake(wanted);
        if watch.handle(events.get(..count).unwrap_or_default())? == Heard::Stop {
            watch.output.flush(&watch.shared.epoll)?;
            return Ok(true);
        }
    }
}

impl Watch {
    fn new(plans: Vec<Plan>, config: Option<Config>, watch: bool, form: Form) -> Result<Self, Error> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(Error::system("open epoll"))?;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)
            .map_err(Error::system("open timer"))?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER)).map_err(Error::system("watch timer"))?;
        let signals = if watch { Some(Signals::watch(&SIGNALS).map_err(Error::system("take signals"))?) } else { None };
        if let Some(signals) = &signals {
            epoll.add(signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNAL)).map_err(Error::system("watch signals"))?;
        }
        let host = Host::open(watch)?;
        if let Some(events) = host.events() {
            epoll.add(events, EpollEvent::new(EpollFlags::EPOLLIN, EVENTS)).map_err(Error::system("watch devices"))?;
        }
        // Who prints nothing does not care whether anybody reads: the exit code has to be right all the same.
        let output = Output::watch(&epoll, if form.quiet && !watch { None } else { Some(OUTPUT) })?;
        let awake = Awake::new(clock::since_boot());
        let now = awake.now();
        let devices = Devices::new(plans.iter().filter(|_| watch));
        let uplinks = spread(plans, watch, now);
        let lines = vec![None; uplinks.len()];
        let wakes = uplinks.iter().map(|uplink| uplink.wake(now)).collect();
        let shared = Shared {
            config,
            host,
            awake,
            epoll,
            receive_buffer: ReceiveBuffer::new(),
            send_buffer: SendBuffer::new(),
            batch: Vec::new(),
            scratch: vec![0; SCRATCH],
            tokens: Tokens::new(),
            rng: fastrand::Rng::new(),
            watch,
        };
        Ok(Self {
            shared,
            uplinks,
            wakes,
            devices,
            timer,
            armed: None,
            signals,
            output,
            lines,
            printed: 0,
            form,
            all_up: true,
        })
    }

    /// Reads the counters of the devices when it is time to, and has suspicious uplinks checked.
    fn sample(&mut self, now: Duration) -> Result<(), Error> {
        let uplinks = &self.uplinks;
        let probes = |name: &InterfaceName| {
            uplinks.iter().filter(|uplink| uplink.plan.uplink == *name).map(Uplink::packets).sum()
        };
        let suspects = self.devices.sample(&mut self.shared.host, probes, (now, self.shared.awake.missed()))?;
        for (uplink, wake) in self.uplinks.iter_mut().zip(&mut self.wakes) {
            // What is down already is no more suspicious than that.
            if suspects.contains(&uplink.plan.uplink) && uplink.plan.watch_traffic && !uplink.is_down() {
                uplink.trigger(Trigger::Traffic, now);
                *wake = uplink.wake(now);
            }
        }
        Ok(())
    }

    /// Starts the checks that are due, and goes on with those that run.
    fn check(&mut self, now: Duration) -> Result<(), Error> {
        for index in 0..self.uplinks.len() {
            let proof = self.proof(index);
            let (Some(uplink), Some(wake)) = (self.uplinks.get_mut(index), self.wakes.get_mut(index)) else { break };
            if wake.is_none_or(|wake| wake > now) {
                continue;
            }
            let (mut record, was_up) = (None, !uplink.is_down());
            let name = &uplink.plan.uplink;
            if uplink.is_due(now) {
                let is_idle = uplink.last_start().is_some_and(|since| self.devices.is_idle(name, since, now));
                if uplink.is_sparable(is_idle, now) && (is_idle || self.devices.is_answered(name, now)) {
                    uplink.spare(now);
                } else {
                    record = uplink.begin(&mut self.shared, now)?;
                }
            }
            let traffic = self.devices.traffic(&uplink.plan.uplink);
            let record = match record {
                Some(record) => Some(record),
                None => uplink.step(&mut self.shared, (traffic, proof), now)?,
            };
            *wake = uplink.wake(now);
            let counted = uplink.plan.counted;
            let (held_up, proved) = (uplink.is_held_up(), record.as_ref().is_some_and(|record| record.up));
            let down = record.as_ref().is_some_and(|record| !record.up);
            if was_up && (down || uplink.is_in_doubt()) {
                self.stand_by(index, down, now);
            }
            self.corroborate(index, (held_up, proved), now);
            if let Some(mut record) = record {
                if counted {
                    record.device_bytes = self.devices.bytes(&mut self.shared.host, &record.uplink, now)?;
                }
                // What one family's check says holds for the device only if the other does not say otherwise.
                let fine = |uplink: &Uplink| uplink.plan.uplink != record.uplink || !uplink.is_down();
                if record.up && self.uplinks.iter().all(fine) {
                    self.devices.cleared(&record.uplink, now);
                }
                self.report(index, record);
            }
        }
        Ok(())
    }

    /// The uplink with this index is in doubt, or even down: is there one that can stand in for it?
    fn stand_by(&mut self, index: usize, down: bool, now: Duration) {
        let Some(failing) = self.uplinks.get(index).map(|uplink| (uplink.plan.uplink.clone(), uplink.plan.family))
        else {
            return;
        };
        for (uplink, wake) in self.uplinks.iter_mut().zip(&mut self.wakes) {
            if uplink.plan.family == failing.1 && uplink.plan.uplink != failing.0 {
                uplink.stand_by(down, now);
                *wake = uplink.wake(now);
            }
        }
    }

    /// When a check of the other family of this uplink's device began that found nothing wrong.
    fn proof(&self, index: usize) -> Option<Duration> {
        let of = &self.uplinks.get(index)?.plan;
        let is_other = |other: &&Uplink| other.plan.uplink == of.uplink && other.plan.family != of.family;
        self.uplinks.iter().filter(is_other).filter_map(Uplink::proved).max()
    }

    /// Where this uplink is held up, whether the line is full is known by the other family, which is checked now. Where the
    /// other one is, it looks at what has come of this check.
    fn corroborate(&mut self, index: usize, (held_up, proved): (bool, bool), now: Duration) {
        let Some(this) = self.uplinks.get(index) else { return };
        let (name, family, asked) = (this.plan.uplink.clone(), this.plan.family, this.last_start());
        for (other, wake) in self.uplinks.iter_mut().zip(&mut self.wakes) {
            let concerns = other.plan.uplink == name && other.plan.family != family;
            if concerns && held_up && !other.is_down() && other.last_start() < asked {
                other.trigger(Trigger::Others, now);
                *wake = other.wake(now);
            } else if concerns && proved && other.is_held_up() {
                *wake = Some(now);
            }
        }
    }

    fn report(&mut self, index: usize, check: Check) {
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
        if self.shared.watch {
            self.output.push(line);
            return;
        }
        if let Some(slot) = self.lines.get_mut(index) {
            *slot = Some(line);
        }
        while let Some(line) = self.lines.get_mut(self.printed).and_then(Option::take) {
            self.output.push(line);
            self.printed += 1;
        }
    }

    /// Sets the timer to the next moment at which time alone changes something, and tells when that is.
    fn arm(&mut self) -> Result<Option<Duration>, Error> {
        let wake = self.wakes.iter().flatten().copied().chain(self.devices.wake()).min();
        let at = wake.map(|wake| self.shared.awake.since_boot(wake));
        if let Some(since_boot) = at.filter(|_| at != self.armed) {
            let expiration = Expiration::OneShot(TimeSpec::from(since_boot));
            self.timer.set(expiration, TimerSetTimeFlags::TFD_TIMER_ABSTIME).map_err(Error::system("set timer"))?;
            self.armed = at;
        }
        Ok(wake)
    }

    /// Goes on, after waiting until `wanted`, if it had to wait. Who was away for long has to look at everything anew.
    fn wake(&mut self, wanted: Option<Duration>) -> Duration {
        let missed = self.shared.awake.runs(clock::since_boot(), wanted);
        if missed >= LONG {
            self.check_all(Trigger::Event);
        }
        self.shared.awake.now()
    }

    /// Everything that has arrived is heard before any check is evaluated: it may have arrived in time.
    fn handle(&mut self, events: &[EpollEvent]) -> Result<Heard, Error> {
        let mut heard = Heard::GoOn;
        for event in events {
            match event.data() {
                // Setting it anew makes it unreadable again, so that there is no need to read it.
                TIMER => self.armed = None,
                SIGNAL => match self.signals.as_ref().and_then(Signals::next) {
                    Some(Signal::SIGUSR1) => self.check_all(Trigger::Asked),
                    Some(_) => heard = Heard::Stop,
                    None => {}
                },
                OUTPUT => {
                    if event.events().intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP) {
                        return Err(Error::Output(Errno::EPIPE.into()));
                    }
                }
                EVENTS => self.handle_events()?,
                mark => self.handle_uplink(mark, event.events())?,
            }
        }
        Ok(heard)
    }

    /// Every uplink is checked now: somebody wants to know, or nobody knows any more.
    fn check_all(&mut self, trigger: Trigger) {
        let now = self.shared.awake.now();
        for (uplink, wake) in self.uplinks.iter_mut().zip(&mut self.wakes) {
            uplink.trigger(trigger, now);
            *wake = uplink.wake(now);
        }
    }

    /// Something has arrived at a socket: its uplink has to be looked at.
    fn handle_uplink(&mut self, mark: u64, events: EpollFlags) -> Result<(), Error> {
        let index = usize::try_from(mark & u64::from(u32::MAX)).unwrap_or(usize::MAX);
        let (Some(uplink), Some(wake)) = (self.uplinks.get_mut(index), self.wakes.get_mut(index)) else {
            return Ok(());
        };
        let now = self.shared.awake.now();
        if mark & SOCKET_PROBE != 0 {
            #[expect(clippy::cast_possible_truncation, reason = "the mark holds the sequence number in 16 bits")]
            uplink.go_on((mark >> 32) as u16, &mut self.shared)?;
        } else if uplink.handle(events, &mut self.shared) {
            uplink.trigger(Trigger::Late, now);
        }
        *wake = wake.map(|_| now);
        Ok(())
    }

    /// Devices or addresses have changed: their uplinks are checked now.
    fn handle_events(&mut self) -> Result<(), Error> {
        let now = self.shared.awake.now();
        let before: Vec<_> = self.indexes(now)?;
        let changes = self.shared.host.handle()?;
        let after = self.indexes(now)?;
        let addresses = &self.shared.host.snapshot(now)?.addresses;
        for (index, uplink) in self.uplinks.iter_mut().enumerate() {
            let [before, after] = [&before, &after].map(|indexes| indexes.get(index).copied().flatten());
            let touched = match &changes {
                Changes::Any => true,
                Changes::Of(indexes) => [before, after].into_iter().flatten().any(|index| indexes.contains(&index)),
            };
            if touched || uplink.depends_on(addresses) {
                uplink.trigger(Trigger::Event, now);
                if let Some(wake) = self.wakes.get_mut(index) {
                    *wake = uplink.wake(now);
                }
            }
        }
        Ok(())
    }

    /// The device index of each uplink, if there is such a device.
    fn indexes(&mut self, now: Duration) -> Result<Vec<Option<u32>>, Error> {
        let snapshot = self.shared.host.snapshot(now)?;
        Ok(self.uplinks.iter().map(|uplink| snapshot.index(uplink.plan.uplink.as_str())).collect())
    }
}

/// The first checks follow each other closely; those after them are spread evenly over the interval, so that many
/// uplinks do not send at the same moment.
fn spread(plans: Vec<Plan>, watch: bool, now: Duration) -> Vec<Uplink> {
    let count = u32::try_from(plans.len()).unwrap_or(u32::MAX);
    let uplinks = (0..).zip(plans).map(|(index, plan): (u32, Plan)| {
        let late = if watch { index } else { 0 };
        let beat = now + plan.interval / count * late;
        Uplink::new(plan, u64::from(index), now + STAGGER * late, beat)
    });
    uplinks.collect()
}
