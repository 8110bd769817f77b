//! `ftr-monitor hooks`: runs the programs of the configuration's `hooks` for the events that come in.
//!
//! [`occasion`] tells what an event is, [`queue`] which program runs when; [`process`] is one that runs.

mod environment;
mod occasion;
mod process;
mod queue;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use ftr_core::record::{Event, Record};
use ftr_core::{Config, Exit};
use ftr_tool::cli::{Common, Failure, say};
use ftr_tool::{Input, Signals, clock, ready};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use crate::tool;
use process::Process;
use queue::Queue;

/// Which of them.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct HookOptions {
    /// Run those that are `privileged`, and no others; without it, the others
    #[arg(long)]
    privileged: bool,
}

/// Runs until the input has ended and so have all programs, or until it is told to end.
pub(crate) fn run(common: &Common, options: HookOptions) -> Result<Exit, Failure> {
    let mut config = common.source.load()?;
    config.hooks.retain(|hook| hook.privileged == options.privileged);
    let failed = |error: io::Error| Failure::new(Exit::Io, format!("signals: {error}"));
    let signals = Signals::watch(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT]).map_err(failed)?;
    if config.hooks.is_empty() && !common.quiet {
        say(tool::NAME, &format!("hooks: {} states none of the kind", config.file.display()));
    }
    let hooks =
        Hooks { config, queue: Queue::default(), running: Vec::new(), input: Input::default(), quiet: common.quiet };
    hooks.run(&signals)
}

struct Hooks {
    config: Config,
    queue: Queue,
    running: Vec<(u64, Process)>,
    input: Input,
    quiet: bool,
}

impl Hooks {
    fn run(mut self, signals: &Signals) -> Result<Exit, Failure> {
        loop {
            let now = clock::since_boot();
            self.start(now);
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
                    self.running.iter().for_each(|(_, process)| process.kill());
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
        let stdin = io::stdin();
        let input = (!self.input.has_ended()).then(|| stdin.as_fd());
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
        let read = self.input.read(io::stdin(), |_, record| {
            if let Record::Event(event) = record {
                events.push(event);
            }
        });
        read.map_err(|error| Failure::new(Exit::Io, format!("standard input: {error}")))?;
        for event in events {
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
            match Process::start(hook, &job) {
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

    fn remark(&self, told: Option<&str>) {
        if let Some(told) = told.filter(|_| !self.quiet) {
            tell(&format!("standard input: {told}"));
        }
    }
}

fn tell(what: &str) {
    say(tool::NAME, &format!("hooks: {what}"));
}
