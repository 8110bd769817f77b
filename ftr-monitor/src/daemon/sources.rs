//! What the daemon waits for, and passes on to the supervisor: signals, what children say, people who ask.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use ftr_core::Exit;
use ftr_tool::cli::Failure;
use ftr_tool::signals::Sender;
use ftr_tool::{Signals, Watch, clock, ready};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use super::Daemon;
use super::child::Child;
use super::terminal::Hangup;
use crate::entry::Entry;
use crate::program::Program;
use crate::status::{self, ChildStatus, Status};
use crate::supervisor::Pipe;
use crate::trial::Trial;

/// How much is read from a pipe in one go, so that a child that talks without end does not hold up the others, in bytes.
const CHUNK: usize = 4096;
/// How many parts of what a pipe holds are read after its writer has ended: all that it can hold, pipe(7).
const LAST_WORDS: usize = 16;

/// Something that can become ready.
#[derive(Clone, Copy)]
pub(super) enum Source {
    Signals,
    /// Somebody comes to ask.
    Desk,
    /// Somebody who has come says something.
    Visitor(u64),
    RunDirectory,
    Memory,
    /// Whoever reads our standard output takes more.
    Reader,
    /// A program says something.
    Output(Program, Pipe),
    /// A program takes more of what it was given.
    Input(Program),
}

impl Daemon {
    /// Waits until something is ready or due, and says what is ready. What is over its budget is not looked at.
    pub(super) fn wait(&self, signals: &Signals, now: Duration) -> Result<Vec<Source>, Failure> {
        let mut sources: Vec<(Source, BorrowedFd<'_>, Duration)> = vec![
            (Source::Signals, signals.as_fd(), Duration::ZERO),
            (Source::Memory, self.memory.as_fd(), Duration::ZERO),
        ];
        let visitors = self.desk.waiting();
        if !visitors.is_full() {
            sources.push((Source::Desk, self.desk.as_fd(), self.supervisor.is_asked_too_much(now)));
        }
        sources.extend(visitors.each().map(|(number, fd)| (Source::Visitor(number), fd, Duration::ZERO)));
        sources.extend(self.watch.iter().map(|watch| (Source::RunDirectory, watch.as_fd(), Duration::ZERO)));
        let records = self.records.iter().filter(|records| records.is_waiting());
        sources.extend(records.map(|records| (Source::Reader, records.as_fd(), Duration::ZERO)));
        for (program, child) in self.children.iter().filter_map(|(program, child)| Some((program, child.as_ref()?))) {
            sources.extend(child.input().map(|fd| (Source::Input(program), fd, Duration::ZERO)));
            for pipe in [Pipe::Stdout, Pipe::Stderr] {
                let full = self.supervisor.is_full(program, pipe, now);
                sources.extend(child.output(pipe).map(|fd| (Source::Output(program, pipe), fd, full)));
            }
        }
        let put_off = sources.iter().map(|(.., wait)| *wait).filter(|wait| !wait.is_zero()).min();
        let waiting: Vec<_> = sources.into_iter().filter(|(.., wait)| wait.is_zero()).collect();
        let flags = |source: &Source| match source {
            Source::Input(_) | Source::Reader => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        };
        let mut fds: Vec<PollFd<'_>> = waiting.iter().map(|(source, fd, _)| PollFd::new(*fd, flags(source))).collect();
        let due = [
            put_off.map(|wait| now + wait),
            self.supervisor.due(now),
            self.manager.due(),
            visitors.due(),
            self.trial_due(now),
        ]
        .into_iter()
        .flatten()
        .min();
        let limit = due.map(|due| due.saturating_sub(now));
        ready::wait(&mut fds, limit).map_err(|error| Failure::new(Exit::Bug, format!("poll: {error}")))?;
        let ready = fds.iter().map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        Ok(waiting.iter().zip(ready).filter(|(_, ready)| *ready).map(|((source, ..), _)| *source).collect())
    }

    pub(super) fn attend(&mut self, source: Source, signals: &Signals, now: Duration) {
        match source {
            Source::Signals => self.signals(signals, now),
            Source::RunDirectory => {
                if self.watch.as_ref().is_some_and(Watch::is_removed) {
                    self.renew(now);
                }
            }
            Source::Desk => {
                let admitted = self.desk.admit(now);
                self.supervisor.asked(admitted, now);
            }
            Source::Visitor(number) => {
                if let Some(asker) = self.desk.visitors().hear(number) {
                    self.answer(asker, now);
                }
            }
            Source::Memory => {
                let said = self.memory.take_note();
                if !self.memory.is_writing() {
                    self.supervisor.remembered();
                }
                if let Some(said) = said {
                    self.log.write(&Entry::warning(said));
                }
            }
            Source::Reader => self.write_records(),
            Source::Output(program, pipe) => {
                self.read(program, pipe, now);
            }
            Source::Input(program) => {
                if self.child(program).is_some_and(Child::go_on) {
                    self.supervisor.has_room(program);
                }
            }
        }
    }

    /// Where nobody reads any more the daemon goes on without.
    fn write_records(&mut self) {
        let Some(records) = &mut self.records else { return };
        if records.write().is_err() {
            records.close();
        }
        if let Some(dropped) = records.dropped() {
            self.log.write(&Entry::warning(dropped));
        }
    }

    /// Reads a part of what a child says; false where there is nothing.
    fn read(&mut self, program: Program, pipe: Pipe, now: Duration) -> bool {
        let Some(child) = self.child(program) else { return false };
        let mut chunk = [0; CHUNK];
        let said = child.read(pipe, &mut chunk);
        self.supervisor.heard(program, pipe, said, now);
        !said.is_empty()
    }

    fn signals(&mut self, signals: &Signals, now: Duration) {
        while let Some((signal, sender)) = signals.next_from() {
            match signal {
                Signal::SIGCHLD => Program::ALL.into_iter().for_each(|program| self.reap(program, now)),
                Signal::SIGHUP => self.hang_up(sender, now),
                Signal::SIGUSR1 => self.supervisor.report_wanted(now),
                Signal::SIGUSR2 => self.supervisor.switch_debug(),
                _ => self.stop(now),
            }
        }
    }

    fn hang_up(&mut self, sender: Sender, now: Duration) {
        match self.terminal.meaning(sender) {
            Hangup::Asked => {
                self.manager.reloading(now);
                self.supervisor.hang_up();
            }
            Hangup::Closed => {
                self.log.write(&Entry::notice("the terminal has closed: ending"));
                self.stop(now);
            }
            Hangup::Outlived => self.log.write(&Entry::notice("the terminal has closed; going on, as nohup asks for")),
        }
    }

    pub(super) fn stop(&mut self, now: Duration) {
        self.manager.stopping(now);
        self.supervisor.stop(now);
    }

    /// Writes how things are into the log, as `status -v` shows it.
    pub(super) fn report(&mut self) {
        for line in status::text(&self.status()).lines() {
            self.log.write(&Entry::notice(line));
        }
    }

    fn reap(&mut self, program: Program, now: Duration) {
        if !self.child(program).is_some_and(|child| child.has_ended()) {
            return;
        }
        // Its last words first: they may say why it ended.
        for pipe in [Pipe::Stdout, Pipe::Stderr] {
            let _ = (0..LAST_WORDS).all(|_| self.read(program, pipe, now));
        }
        if let Some((exit, how)) = self.child(program).and_then(Child::reap) {
            *self.children.of_mut(program) = None;
            self.supervisor.ended(program, exit, &how, now);
        }
    }

    pub(super) fn status(&self) -> Status {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let at = clock::now();
        let told = |(program, refused): (Program, Option<i32>)| ChildStatus {
            program: program.name().to_owned(),
            pid: self.children.of(program).as_ref().map(Child::pid),
            refused,
            more: BTreeMap::new(),
        };
        let (events_waiting, events_dropped) = self.supervisor.events();
        let trial_ends = self.trial.as_ref().and_then(Trial::due);
        let trial_ends_ms = trial_ends.map(|due| millis(due).saturating_sub(at.mono));
        Status {
            uplinks: status::uplinks(
                self.supervisor.decider(),
                self.decided_by(),
                millis(self.supervisor.started()),
                at.mono,
            ),
            at,
            pid: std::process::id(),
            children: self.supervisor.programs().map(told).collect(),
            hazards: self.supervisor.hazards(),
            events_waiting,
            events_dropped,
            configuration: Some(self.running.clone()),
            file_differs: None,
            trial_ends_ms,
            more: BTreeMap::new(),
        }
    }
}
