//! `ftr-monitor run`: the pipeline probe → decide → route → notify, supervised.
//!
//! One loop waits for everything there is to wait for: signals, the children's pipes, people who ask for the status, and
//! the next time something is due. Nothing in it blocks, so no child can hold up another.

mod hear;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use caps::Capability;
use ftr_core::cli::{Common, Failure};
use ftr_core::config::Uplink;
use ftr_core::record::Record;
use ftr_core::running::Running;
use ftr_core::{Config, Exit, Family};
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
use crate::memory::{Keeper, own_run_dir, recall};
use crate::privilege;
use crate::queue::{Newest, Unacknowledged};
use crate::snapshot::Snapshot;
use crate::stream::Stream;
use crate::throttle::Throttle;

/// How long children get to end by themselves, so that the whole daemon stops within a second.
const GRACE: Duration = Duration::from_millis(700);
/// When the notifier, which may still be sending what was gathered, is told to end at once.
const NOTIFY_GRACE: Duration = Duration::from_millis(500);
/// How long the route program may take to prepare the tables before it counts as hung.
const PREPARE_PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to carry out an order, which is a matter of milliseconds.
const ORDER_PATIENCE: Duration = Duration::from_secs(1);
/// How often it is given its order again while nothing happens: it looks at the kernel then, and shows that it lives.
const REMINDER: Duration = Duration::from_secs(10);

/// Runs until a signal ends it.
pub(crate) fn run(common: &Common, options: RunOptions) -> Result<Exit, Failure> {
    let (config, text) = Config::load_with_text(&common.config_file()?)?;
    let io = |what: &'static str| move |error: io::Error| Failure::new(Exit::Io, format!("{what}: {error}"));
    let running = Running::this(&config).map_err(io("configuration"))?;
    let snapshot = Snapshot::of(&text, running.file()).map_err(io("configuration: copy in memory"))?;
    let signals = watch_signals(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD])?;
    let instance = Instance::claim_or_fail("run")?;
    // While it still can be done.
    let mut keeper = Keeper::default();
    let failed = keeper.keep(|| own_run_dir().and_then(|()| running.tell()));
    let mut log = Log::open(&config.log);
    if let Some(failed) = failed {
        log.line(&failed);
    }
    let both = [Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW];
    privilege::keep_only(if options.dry_run { &both[1..] } else { &both })?;
    for warning in config.warning_lines().iter().chain(&hazards::of_this_host(&config)) {
        log.line(warning);
    }
    let records = common.json.then(Stream::to_stdout).transpose().map_err(io("standard output"))?;
    let outputs = Outputs { log, records, keeper };
    let configuration = Configuration { config, running, snapshot };
    Daemon::new(configuration, options, outputs, instance).serve(&signals)
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
    /// What others are told of it.
    running: Running,
    /// The configuration as children read it.
    _snapshot: Snapshot,
    options: RunOptions,
    log: Log,
    /// Records are printed for whoever reads our standard output.
    records: Option<Stream>,
    keeper: Keeper,
    /// Since when verdicts come in.
    started: Duration,
    instance: Instance,
    decider: Decider,
    newest: Newest,
    events: Unacknowledged,
    children: [Child; 3],
    /// The families whose uplink tables are not in the kernel yet: until then probes make no sense.
    unprepared: Vec<Family>,
    /// By when the route program has to answer; none while it owes no answer.
    answer_due: Option<Duration>,
    /// When it is reminded.
    reminder: Duration,
    /// What each child may complain of.
    throttles: [Throttle; 3],
    /// Since when it is stopping; none while running.
    stopping: Option<Duration>,
    /// How long the probe may be silent before it counts as hung.
    probe_patience: Duration,
}

/// What the daemon goes by, for as long as it runs.
struct Configuration {
    config: Config,
    running: Running,
    snapshot: Snapshot,
}

/// Where the daemon's words go.
struct Outputs {
    log: Log,
    records: Option<Stream>,
    keeper: Keeper,
}

/// Something that can become ready.
#[derive(Clone, Copy)]
enum Source {
    Signals,
    Instance,
    Child(usize, Pipe),
}

impl Daemon {
    fn new(configuration: Configuration, options: RunOptions, outputs: Outputs, instance: Instance) -> Self {
        let Configuration { config, running, snapshot } = configuration;
        let Outputs { log, records, keeper } = outputs;
        let args = |more: &[&str]| -> Vec<OsString> {
            [OsString::from("-c"), snapshot.path().into()].into_iter().chain(more.iter().map(OsString::from)).collect()
        };
        // Quiet: what there is to say of the configuration the monitor has said.
        let mut children = [
            Child::new("ftr-route", args(&["--quiet", "apply", "-"]), Some(Capability::CAP_NET_ADMIN)),
            Child::new("ftr-probe", args(&["--watch", "--json"]), Some(Capability::CAP_NET_RAW)),
            Child::new("ftr-notify", args(&["-"]), None),
        ];
        let now = clock::since_boot();
        // The probe is due once the route program has said that the uplink tables are in place.
        let [route, probe, notify] = &mut children;
        route.due = (!options.dry_run).then_some(now);
        probe.due = options.dry_run.then_some(now);
        notify.due = (config.email.send && !options.dry_run).then_some(now);
        // The uplink that is checked most often is heard of most often.
        let patience = config.uplinks.iter().map(Uplink::patience).min();
        let (memory, waiting) = recall(&config).unzip();
        let mut events = Unacknowledged::default();
        if config.email.send {
            waiting.unwrap_or_default().into_iter().for_each(|event| events.put(event));
        }
        Self {
            decider: Decider::new(&config, memory),
            unprepared: config.families(),
            config,
            running,
            _snapshot: snapshot,
            options,
            log,
            records,
            keeper,
            started: now,
            instance,
            newest: Newest::default(),
            events,
            children,
            answer_due: None,
            reminder: now + REMINDER,
            throttles: Default::default(),
            stopping: None,
            probe_patience: patience.unwrap_or_default(),
        }
    }

    fn serve(mut self, signals: &SignalFd) -> Result<Exit, Failure> {
        self.log.line(&format!("started, {} uplinks, {}", self.config.uplinks.len(), self.config.file.display()));
        loop {
            let now = clock::since_boot();
            if self.stopping.is_some() && !self.children.iter().any(Child::runs) {
                self.running.take_back();
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
                    self.answer_due = Some(now + PREPARE_PATIENCE);
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
        let [route, probe, notify] = &mut self.children;
        if let Some(stop) = self.stopping {
            if now >= stop + GRACE {
                self.children.iter().for_each(|child| child.signal(Signal::SIGKILL));
            } else if now >= stop + NOTIFY_GRACE {
                notify.signal(Signal::SIGTERM);
            }
            return;
        }
        if route.runs() && self.answer_due.is_some_and(|due| now >= due) {
            self.log.line("ftr-route has not answered an order for too long: killed");
            self.answer_due = None;
            route.signal(Signal::SIGKILL);
        }
        if probe.heard().is_some_and(|heard| now >= heard + self.probe_patience) {
            self.log.line("ftr-probe has said nothing for too long: killed");
            probe.forgive(now);
            probe.signal(Signal::SIGKILL);
        }
    }

    fn feed(&mut self, now: Duration) {
        if self.stopping.is_some() {
            return;
        }
        if now >= self.reminder {
            self.reminder = now + REMINDER;
            if !self.newest.is_owed() {
                self.newest.start_over();
            }
            if !self.running.is_told() {
                self.remember();
            }
        }
        let [route, _, notify] = &mut self.children;
        let (newest, answer_due, reminder) = (&mut self.newest, &mut self.answer_due, &mut self.reminder);
        route.feed(|| {
            let line = Record::Active(newest.take()?).line().ok();
            answer_due.get_or_insert(now + ORDER_PATIENCE);
            *reminder = now + REMINDER;
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
        let answer = self.answer_due.filter(|_| route.runs());
        let reminder = Some(self.reminder);
        let due = match self.stopping {
            Some(stop) if now < stop + NOTIFY_GRACE => Some(stop + NOTIFY_GRACE),
            Some(stop) => Some((stop + GRACE).max(now + Duration::from_millis(10))),
            None => starts.chain(silence).chain(answer).chain(reminder).min(),
        };
        // One more millisecond, because poll rounds down and would come back early.
        due.map_or(PollTimeout::NONE, |due| {
            PollTimeout::try_from(due.saturating_sub(now) + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        })
    }
}
