//! `ftr-monitor run`: the pipeline probe → decide → route → notify, supervised.
//!
//! One loop waits for everything there is to wait for: signals, the children's pipes, people who ask for the status, and
//! the next time something is due. Nothing in it blocks, so no child can hold up another.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use caps::Capability;
use ftr_core::cli::{Common, Failure};
use ftr_core::record::Record;
use ftr_core::{Config, Exit};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::child::{Child, Pipe};
use crate::cli::RunOptions;
use crate::clock;
use crate::decide::Decider;
use crate::hazards;
use crate::instance::Instance;
use crate::log::Log;
use crate::memory::{recall, remember};
use crate::privilege;
use crate::queue::{Newest, Unacknowledged};
use crate::status::{self, ChildStatus, Status};
use crate::words;

/// How long children get to end by themselves, so that the whole daemon stops within a second.
const GRACE: Duration = Duration::from_millis(700);
/// How long the route program may take for an order before it counts as hung.
const ROUTE_PATIENCE: Duration = Duration::from_secs(5);

/// Runs until a signal ends it.
pub(crate) fn run(common: &Common, options: RunOptions) -> Result<Exit, Failure> {
    let file = common.config_file()?;
    let config = Config::load(&file)?;
    let signals = watch_signals(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD])?;
    let io = |what: &str, error: &std::io::Error| Failure::new(Exit::Io, format!("{what}: {error}"));
    let instance = Instance::claim().map_err(|error| io("instance", &error))?;
    let instance =
        instance.ok_or_else(|| Failure::new(Exit::Again, "run: another ftr-monitor runs in this network namespace"))?;
    let mut log = Log::open(&config.log).map_err(|error| {
        let name = config.log.file.as_deref().unwrap_or(std::path::Path::new("log")).display().to_string();
        io(&name, &error)
    })?;
    privilege::keep_only_what_is_handed_on()?;
    for warning in config.warning_lines().iter().chain(&hazards::of_this_host(&config)) {
        log.line(warning);
    }
    Daemon::new(config, &file, options, log, instance).serve(&signals)
}

/// Blocks signals and has them read from a descriptor instead.
pub(crate) fn watch_signals(signals: &[Signal]) -> Result<SignalFd, Failure> {
    let set: SigSet = signals.iter().copied().collect();
    set.thread_block()
        .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC))
        .map_err(|error| Failure::new(Exit::Io, format!("signals: {error}")))
}

/// The children, by their place in the daemon's list.
const ROUTE: usize = 0;
const PROBE: usize = 1;
const NOTIFY: usize = 2;

struct Daemon {
    config: Config,
    options: RunOptions,
    log: Log,
    instance: Instance,
    decider: Decider,
    newest: Newest,
    events: Unacknowledged,
    children: [Child; 3],
    /// Whether the uplink tables are in the kernel, so that probes make sense.
    prepared: bool,
    /// Since when the route program has owed an answer to an order.
    ordered: Option<Duration>,
    /// When children that have not ended by themselves are killed; none while running.
    stopping: Option<Duration>,
    /// How long the probe may be silent before it counts as hung.
    probe_patience: Duration,
}

/// Something that can become ready.
#[derive(Clone, Copy)]
enum Source {
    Signals,
    Instance,
    Child(usize, Pipe),
}

impl Daemon {
    fn new(config: Config, file: &std::path::Path, options: RunOptions, log: Log, instance: Instance) -> Self {
        let args = |more: &[&str]| -> Vec<OsString> {
            [OsString::from("-c"), file.into()].into_iter().chain(more.iter().map(OsString::from)).collect()
        };
        let mut children = [
            Child::new("ftr-route", args(&["apply", "-"]), Some(Capability::CAP_NET_ADMIN)),
            Child::new("ftr-probe", args(&["--watch", "--json"]), Some(Capability::CAP_NET_RAW)),
            Child::new("ftr-notify", args(&["-"]), None),
        ];
        let now = clock::since_boot();
        // The probe is due once the route program has said that the uplink tables are in place.
        let [route, probe, notify] = &mut children;
        route.due = (!options.dry_run).then_some(now);
        probe.due = options.dry_run.then_some(now);
        notify.due = (config.email.send && !options.dry_run).then_some(now);
        let patience = config.uplinks.iter().map(|uplink| uplink.tests.interval * 3 + uplink.tests.deadline()).max();
        Self {
            decider: Decider::new(&config, recall(&config)),
            config,
            options,
            log,
            instance,
            newest: Newest::default(),
            events: Unacknowledged::default(),
            children,
            prepared: options.dry_run,
            ordered: None,
            stopping: None,
            probe_patience: patience.unwrap_or_default(),
        }
    }

    fn serve(mut self, signals: &SignalFd) -> Result<Exit, Failure> {
        self.log.line(&format!("started, {} uplinks, {}", self.config.uplinks.len(), self.config.file.display()));
        loop {
            let now = clock::since_boot();
            if self.stopping.is_some() && !self.children.iter().any(Child::runs) {
                self.log.line("stopped; routing stays as it is");
                return Ok(Exit::Yes);
            }
            self.start_what_is_due(now);
            self.end_what_hangs(now);
            self.feed(now);
            for source in self.wait(signals, now)? {
                self.attend(source, signals, clock::since_boot());
            }
        }
    }

    fn start_what_is_due(&mut self, now: Duration) {
        for place in 0..self.children.len() {
            let Some(child) = self.children.get_mut(place) else { continue };
            if self.stopping.is_some() || child.due.is_none_or(|due| due > now) {
                continue;
            }
            match place {
                ROUTE => {
                    self.newest.start_over();
                    // It owes a first answer once it has prepared the tables.
                    self.ordered = Some(now);
                }
                NOTIFY => self.events.start_over(),
                _ => {}
            }
            if let Err(error) = child.start(now) {
                self.log.line(&error.to_string());
            }
        }
    }

    /// A child that was silent for too long is killed, so that its successor can do better.
    fn end_what_hangs(&mut self, now: Duration) {
        let late = |since: Option<Duration>, patience: Duration| since.is_some_and(|since| now >= since + patience);
        if let Some(stop) = self.stopping {
            if now >= stop {
                self.children.iter().for_each(|child| child.signal(Signal::SIGKILL));
            }
            return;
        }
        let [route, probe, _] = &mut self.children;
        if route.runs() && late(self.ordered, ROUTE_PATIENCE) {
            self.log.line("ftr-route has not answered an order for too long: killed");
            self.ordered = None;
            route.signal(Signal::SIGKILL);
        }
        if late(probe.heard(), self.probe_patience) {
            self.log.line("ftr-probe has said nothing for too long: killed");
            probe.forgive(now);
            probe.signal(Signal::SIGKILL);
        }
    }

    fn feed(&mut self, now: Duration) {
        if self.stopping.is_some() {
            return;
        }
        let [route, _, notify] = &mut self.children;
        let (newest, ordered) = (&mut self.newest, &mut self.ordered);
        route.feed(|| {
            let line = Record::Active(newest.take()?).line().ok();
            ordered.get_or_insert(now);
            line
        });
        let events = &mut self.events;
        notify.feed(|| Record::Event(events.take()?).line().ok());
    }

    /// Waits until something is ready or due, and says what is ready.
    fn wait(&self, signals: &SignalFd, now: Duration) -> Result<Vec<Source>, Failure> {
        let mut waiting: Vec<(Source, BorrowedFd<'_>, PollFlags)> = vec![
            (Source::Signals, signals.as_fd(), PollFlags::POLLIN),
            (Source::Instance, self.instance.as_fd(), PollFlags::POLLIN),
        ];
        for (place, child) in self.children.iter().enumerate() {
            waiting.extend(child.pipes().into_iter().map(|(pipe, fd)| {
                let flags = if pipe == Pipe::Stdin { PollFlags::POLLOUT } else { PollFlags::POLLIN };
                (Source::Child(place, pipe), fd, flags)
            }));
        }
        let mut fds: Vec<PollFd<'_>> = waiting.iter().map(|&(_, fd, flags)| PollFd::new(fd, flags)).collect();
        match poll(&mut fds, self.next_due(now)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(Failure::new(Exit::Bug, format!("poll: {error}"))),
        }
        let ready = fds.iter().map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        Ok(waiting.iter().zip(ready).filter(|(_, ready)| *ready).map(|((source, ..), _)| *source).collect())
    }

    fn next_due(&self, now: Duration) -> PollTimeout {
        let [route, probe, _] = &self.children;
        let starts = self.children.iter().filter_map(|child| child.due).filter(|_| self.stopping.is_none());
        let silence = probe.heard().map(|heard| heard + self.probe_patience);
        let answer = self.ordered.filter(|_| route.runs()).map(|since| since + ROUTE_PATIENCE);
        let due = match self.stopping {
            Some(stop) => Some(stop.max(now + Duration::from_millis(10))),
            None => starts.chain(silence).chain(answer).min(),
        };
        // One more millisecond, because poll rounds down and would come back early.
        due.map_or(PollTimeout::NONE, |due| {
            PollTimeout::try_from(due.saturating_sub(now) + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        })
    }

    fn attend(&mut self, source: Source, signals: &SignalFd, now: Duration) {
        match source {
            Source::Signals => self.signals(signals, now),
            Source::Instance => {
                let status = self.status();
                if let Ok(text) = serde_json::to_string(&status) {
                    self.instance.answer(&format!("{text}\n"));
                }
            }
            Source::Child(place, pipe) => {
                let mut lines: Vec<Option<Vec<u8>>> = Vec::new();
                if let Some(child) = self.children.get_mut(place) {
                    child.read(pipe, now, |line| lines.push(line.map(<[u8]>::to_vec)));
                }
                for line in lines {
                    match (pipe, line) {
                        (Pipe::Stdout, Some(line)) => self.answer(place, &line, now),
                        (_, Some(line)) => self.log.line(&String::from_utf8_lossy(&line)),
                        (_, None) => {
                            self.log.line(&format!("{}: a line was too long and is lost", self.program(place)));
                        }
                    }
                }
            }
        }
    }

    fn program(&self, place: usize) -> &'static str {
        self.children.get(place).map_or("child", Child::program)
    }

    /// A record from a child.
    fn answer(&mut self, place: usize, line: &[u8], now: Duration) {
        match (place, Record::parse(line)) {
            (PROBE, Ok(record @ Record::Check(_))) => self.decide(&record),
            (ROUTE, Ok(Record::Applied(applied))) => {
                self.ordered = None;
                if !self.prepared {
                    self.prepared = true;
                    self.children.iter_mut().skip(PROBE).take(1).for_each(|probe| probe.due = Some(now));
                }
                if applied.writes > 0 {
                    let (writes, took) = (applied.writes, applied.took_us);
                    self.log.line(&format!("{} routing: {writes} changes in {took} us", applied.family));
                }
            }
            (NOTIFY, Ok(Record::Spooled(spooled))) => self.events.acknowledge(spooled.seq),
            (_, Ok(_)) => {}
            (_, Err(error)) => self.log.line(&format!("{}: a record is malformed: {error}", self.program(place))),
        }
    }

    fn decide(&mut self, record: &Record) {
        if let (true, Record::Check(check)) = (self.options.debug, record) {
            self.log.line(&words::check(check));
        }
        let decided = self.decider.hear(record);
        if decided.is_empty() {
            return;
        }
        for record in decided {
            match record {
                Record::Active(active) => {
                    self.log.line(&words::active(&active));
                    self.newest.put(active);
                }
                Record::Event(event) => {
                    self.log.line(&words::event(&event));
                    if self.config.email.send {
                        self.events.put(event);
                    }
                }
                _ => {}
            }
        }
        // Routing first: the disk may be slow.
        self.feed(clock::since_boot());
        if let Err(error) = remember(&self.config, self.decider.memory()) {
            self.log.line(&format!("what is known cannot be remembered over a restart: {error}"));
        }
    }

    fn signals(&mut self, signals: &SignalFd, now: Duration) {
        while let Ok(Some(info)) = signals.read_signal() {
            match i32::try_from(info.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGCHLD)) => self.reap(now),
                Ok(Ok(Signal::SIGHUP)) => self.log.line("SIGHUP: the configuration is read at a restart only"),
                _ if self.stopping.is_none() => {
                    self.stopping = Some(now + GRACE);
                    for child in &mut self.children {
                        child.close_input();
                        child.signal(Signal::SIGTERM);
                        // One that is stopped takes the signal only when it goes on.
                        child.signal(Signal::SIGCONT);
                    }
                }
                _ => {}
            }
        }
    }

    fn reap(&mut self, now: Duration) {
        for place in 0..self.children.len() {
            let Some(child) = self.children.get_mut(place) else { continue };
            // Its last words first: they may say why it ended.
            let mut words: Vec<String> = Vec::new();
            child.read(Pipe::Stderr, now, |line| {
                words.extend(line.map(|line| String::from_utf8_lossy(line).into_owned()));
            });
            let ended = child.reap(now);
            if place == ROUTE && ended.is_some() {
                self.ordered = None;
            }
            if self.stopping.is_none() {
                words.extend(ended);
            }
            for line in &words {
                self.log.line(line);
            }
        }
    }

    fn status(&self) -> Status {
        let at = clock::now();
        let wanted = self.children.iter().filter(|child| child.runs() || child.due.is_some());
        let children =
            wanted.map(|child| ChildStatus { program: child.program().to_owned(), pid: child.pid() }).collect();
        Status {
            uplinks: status::uplinks(&self.decider, at.mono),
            at,
            pid: std::process::id(),
            children,
            events_waiting: self.events.len(),
            events_dropped: self.events.dropped(),
        }
    }
}
