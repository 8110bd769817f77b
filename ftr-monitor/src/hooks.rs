//! `ftr-monitor hooks`: runs the programs of the configuration's `hooks` for the events that come in.
//!
//! [`occasion`] tells what an event is, [`queue`] which program runs when; [`process`] is one that runs,
//! [`keeper`] the parent that each of them has.

mod environment;
pub(crate) mod keeper;
mod occasion;
mod process;
mod queue;

use std::io::{self, Stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use ftr_core::record::{Event, EventKind, Record};
use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure, say};
use ftr_tool::{Input, Signals, clock, ready};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use crate::trial::{self, REFUSED, Seen};
use crate::{follow, tool};
use process::Process;
use queue::Queue;

/// How long those that run are waited for when they are ended with us, at the most.
const GRACE: Duration = Duration::from_millis(500);

/// Which of them.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct HookOptions {
    /// Run those that are `privileged`, and no others; without it, the others
    #[arg(long)]
    privileged: bool,
    /// Take the events from the running monitor, not from standard input, and read the configuration anew after each reload
    ///
    /// It ends when the monitor does, once the hooks that run have ended.
    #[arg(long)]
    follow: bool,
}

/// Where events come from.
enum Events {
    Stdin(Stdin),
    Monitor(UnixStream),
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Stdin(stdin) => stdin.as_fd(),
            Self::Monitor(monitor) => monitor.as_fd(),
        }
    }
}

/// Runs until the input has ended and so have all programs, or until it is told to end.
pub(crate) fn run(common: &Common, options: HookOptions) -> Result<Exit, Failure> {
    let mut seen = Seen::default();
    let config = configuration(common, options, &mut seen)?;
    let failed = |error: io::Error| Failure::new(Exit::Io, format!("signals: {error}"));
    let signals = Signals::watch(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT]).map_err(failed)?;
    if config.hooks.is_empty() && !common.quiet {
        say(tool::NAME, &format!("hooks: {} states none of the kind", config.file.display()));
    }
    let events = if options.follow { Events::Monitor(follow::begin("hooks")?) } else { Events::Stdin(io::stdin()) };
    let hooks = Hooks {
        config,
        events,
        queue: Queue::default(),
        running: Vec::new(),
        input: Input::default(),
        outdated: false,
        quiet: common.quiet,
    };
    if options.follow && !common.quiet {
        tell("the monitor is followed");
    }
    hooks.run(&signals, || configuration(common, options, &mut seen))
}

/// The configuration, with those hooks alone that are to be run.
fn configuration(common: &Common, options: HookOptions, seen: &mut Seen) -> Result<Config, Failure> {
    // Who follows the monitor goes by what that goes by, which is not the file where nobody has confirmed it.
    let mut config = if options.follow {
        let now = clock::since_boot();
        let start = trial::start(&common.source.file()?, now)?;
        let nothing = Config { hooks: Vec::new(), ..start.config.clone() };
        seen.followed(start, now).unwrap_or_else(|| {
            let file = nothing.file.display();
            tell(&format!("{file}: {REFUSED}: none are run until `ftr-monitor reload` takes it or another one"));
            nothing
        })
    } else {
        common.source.load()?
    };
    config.hooks.retain(|hook| hook.privileged == options.privileged);
    Ok(config)
}

struct Hooks {
    config: Config,
    events: Events,
    queue: Queue,
    running: Vec<(u64, Process)>,
    input: Input,
    /// The monitor goes by another configuration by now. Events wait until what goes on by this one is over.
    outdated: bool,
    quiet: bool,
}

impl Hooks {
    fn run(mut self, signals: &Signals, mut anew: impl FnMut() -> Result<Config, Failure>) -> Result<Exit, Failure> {
        loop {
            let now = clock::since_boot();
            self.start(now);
            if self.outdated && self.running.is_empty() {
                self.outdated = false;
                match anew() {
                    Ok(config) => self.config = config,
                    Err(failure) => {
                        failure.lines().iter().for_each(|line| tell(line));
                        tell("the hooks of the configuration before are run");
                    }
                }
            }
            if self.input.has_ended() && self.running.is_empty() {
                let told = self.input.malformed.told_at_last();
                self.remark(told.as_deref());
                return Ok(Exit::Yes);
            }
            let is_heard =
                self.wait(signals, now).map_err(|error| Failure::new(Exit::Io, format!("hooks: {error}")))?;
            if is_heard {
                self.take_in()?;
            }
            while let Some(signal) = signals.next() {
                if signal != Signal::SIGCHLD {
                    match self.queue.waiting() {
                        0 => {}
                        waiting => tell(&format!("{waiting} that wait are not run: we are told to end")),
                    }
                    self.end_all(signals);
                    return Ok(Exit::Yes);
                }
            }
            self.listen();
            self.reap();
            self.end_late(clock::since_boot());
        }
    }

    /// Waits for input, signals, output of programs, and the time when one has run for long enough. Whether there is input.
    fn wait(&self, signals: &Signals, now: Duration) -> io::Result<bool> {
        let input = (!self.input.has_ended() && !self.outdated).then(|| self.events.as_fd());
        let outputs = self.running.iter().filter_map(|(_, process)| process.output());
        let all: Vec<BorrowedFd<'_>> = std::iter::once(signals.as_fd()).chain(input).chain(outputs).collect();
        let mut fds: Vec<PollFd<'_>> = all.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let told = self.input.malformed.due(now);
        let due = self.queue.due().into_iter().chain(told).min();
        ready::wait(&mut fds, due.map(|due| due.saturating_sub(now)))?;
        Ok(input.is_some() && fds.get(1).is_some_and(|fd| fd.any() == Some(true)))
    }

    fn take_in(&mut self) -> Result<(), Failure> {
        let mut events = Vec::new();
        let read = self.input.read(&self.events, |_, record| {
            if let Record::Event(event) = record {
                events.push(event);
            }
        });
        read.map_err(|error| Failure::new(Exit::Io, format!("hooks: events: {error}")))?;
        for event in events {
            self.outdated |= event.kind == EventKind::Config && matches!(self.events, Events::Monitor(_));
            self.put(event);
        }
        let told = self.input.malformed.told(clock::since_boot());
        self.remark(told.as_deref());
        Ok(())
    }

    fn put(&mut self, event: Event) {
        let occasions = occasion::of(&event, &self.config);
        let event = Arc::new(event);
        let wanted = self.config.hooks.iter().enumerate().flat_map(|(hook, stated)| {
            let of = occasions.iter().filter(|occasion| stated.on.contains(occasion));
            of.map(move |occasion| (hook, *occasion))
        });
        let lost = self.queue.put(&event, wanted);
        if lost > 0 {
            tell(&format!("{lost} of those that waited are not run: too many wait"));
        }
    }

    fn start(&mut self, now: Duration) {
        while let Some((id, job)) = self.queue.take(now, |hook| self.config.hooks.get(hook).map(|hook| hook.timeout)) {
            let Some(hook) = self.config.hooks.get(job.hook) else { continue };
            match Process::start(hook, &job, id) {
                Ok(process) => self.running.push((id, process)),
                Err(error) => {
                    self.queue.ended(id);
                    tell(&format!("{}: cannot be run: {error}", job.name(hook)));
                }
            }
        }
    }

    fn listen(&mut self) {
        self.running.iter_mut().for_each(|(_, process)| process.listen());
    }

    /// Takes leave of those that have ended.
    fn reap(&mut self) {
        let mut ended = Vec::new();
        self.running.retain_mut(|(id, process)| {
            let report = process.ended();
            let goes_on = report.is_none();
            ended.extend(report.map(|report| (*id, report)));
            goes_on
        });
        for (id, report) in ended {
            self.queue.ended(id);
            for line in report {
                tell(&line);
            }
        }
    }

    fn end_late(&mut self, now: Duration) {
        let late = self.queue.late(now);
        for (_, process) in self.running.iter_mut().filter(|(id, _)| late.contains(id)) {
            process.end_as_late();
        }
    }

    /// Ends all that runs, with what it has started, and waits for that.
    fn end_all(&mut self, signals: &Signals) {
        self.running.iter_mut().for_each(|(_, process)| process.end());
        let until = clock::since_boot() + GRACE;
        while !self.running.is_empty() && clock::since_boot() < until {
            let left = until.saturating_sub(clock::since_boot());
            let _ = ready::wait(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], Some(left));
            while signals.next().is_some() {}
            self.running.retain_mut(|(_, process)| process.ended().is_none());
        }
    }

    fn remark(&self, told: Option<&str>) {
        if let Some(told) = told.filter(|_| !self.quiet) {
            tell(&format!("events: {told}"));
        }
    }
}

fn tell(what: &str) {
    say(tool::NAME, &format!("hooks: {what}"));
}
