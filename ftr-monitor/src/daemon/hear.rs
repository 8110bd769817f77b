//! What the daemon hears, and what it does then: signals, records and complaints of children, people who ask.

use std::time::Duration;

use ftr_core::record::Record;
use nix::sys::signal::Signal;
use nix::sys::signalfd::SignalFd;

use super::{Daemon, NOTIFY, PROBE, ROUTE, Source};
use crate::child::{Child, Pipe};
use crate::clock;
use crate::memory::remember;
use crate::status::{self, ChildStatus, Status};
use crate::words;

impl Daemon {
    pub(super) fn attend(&mut self, source: Source, signals: &SignalFd, now: Duration) {
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
                    self.line(place, pipe, line.as_deref(), now);
                }
            }
        }
    }

    /// A line from a child, none where it was too long to keep.
    fn line(&mut self, place: usize, pipe: Pipe, line: Option<&[u8]>, now: Duration) {
        let program = self.program(place);
        let text = match (pipe, line) {
            (Pipe::Stdout, Some(line)) => return self.answer(place, line, now),
            (_, Some(line)) => String::from_utf8_lossy(line).into_owned(),
            (_, None) => format!("{program}: a line was too long and is lost"),
        };
        let Some(throttle) = self.throttles.get_mut(place) else { return };
        if let Some(count) = throttle.take_dropped(now) {
            self.log.line(&format!("{program}: complained too fast, {count} lines are lost"));
        }
        if throttle.admits(now) {
            self.log.line(&text);
        }
    }

    fn program(&self, place: usize) -> &'static str {
        self.children.get(place).map_or("child", Child::program)
    }

    /// A record from a child.
    fn answer(&mut self, place: usize, line: &[u8], now: Duration) {
        match (place, Record::parse(line)) {
            (PROBE, Ok(record @ Record::Check(_))) => self.decide(&record),
            (ROUTE, Ok(Record::Active(active))) => self.newest.read(&active),
            (ROUTE, Ok(Record::Applied(applied))) => {
                if self.newest.applied(applied.family) && self.decider.confirm(applied.family) {
                    self.remember();
                }
                if !self.newest.is_owed() {
                    self.answer_due = None;
                }
                let waited = !self.unprepared.is_empty();
                self.unprepared.retain(|family| *family != applied.family);
                if waited && self.unprepared.is_empty() {
                    self.children.iter_mut().skip(PROBE).take(1).for_each(|probe| probe.due = Some(now));
                }
                if applied.writes > 0 {
                    let (writes, took) = (applied.writes, applied.took_us);
                    self.log.line(&format!("{} routing: {writes} changes in {took} us", applied.family));
                }
                let applied = Record::Applied(applied);
                self.show(&applied);
                self.decide(&applied);
            }
            (NOTIFY, Ok(Record::Spooled(spooled))) => {
                self.events.acknowledge(spooled.seq);
                self.remember();
            }
            (_, Ok(_)) => {}
            (_, Err(error)) => self.log.line(&format!("{}: a record is malformed: {error}", self.program(place))),
        }
    }

    fn decide(&mut self, record: &Record) {
        if let (true, Record::Check(check)) = (self.options.debug, record) {
            self.log.line(&words::check(check));
            self.show(record);
        }
        let decided = self.decider.hear(record);
        if decided.is_empty() {
            return;
        }
        let mut said = Vec::new();
        for record in decided {
            self.show(&record);
            match record {
                Record::Active(active) => {
                    said.push(words::active(&active));
                    self.newest.put(active);
                }
                Record::Event(event) => {
                    said.push(words::event(&event));
                    if self.config.email.send {
                        self.events.put(event);
                    }
                }
                _ => {}
            }
        }
        // Routing first: the disk may be slow.
        self.feed(clock::since_boot());
        for line in &said {
            self.log.line(line);
        }
        self.remember();
    }

    /// Prints a record for those who read along.
    fn show(&mut self, record: &Record) {
        if let Some(lost) = self.records.as_mut().and_then(|records| records.put(record)) {
            self.log.line(&format!("standard output: its reader was too slow, {lost} records are lost"));
        }
    }

    pub(super) fn remember(&mut self) {
        let said = self.keeper.keep(|| {
            remember(&self.config, self.decider.memory(), self.events.all())?;
            if self.running.is_told() { Ok(()) } else { self.running.tell() }
        });
        if let Some(said) = said {
            self.log.line(&said);
        }
    }

    fn signals(&mut self, signals: &SignalFd, now: Duration) {
        while let Ok(Some(info)) = signals.read_signal() {
            match i32::try_from(info.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGCHLD)) => self.reap(now),
                Ok(Ok(Signal::SIGHUP)) => {
                    self.log.reopen();
                    self.log.line("SIGHUP: the log is opened anew; the configuration is read at a restart only");
                }
                _ if self.stopping.is_none() => {
                    self.stopping = Some(now);
                    for (place, child) in self.children.iter_mut().enumerate() {
                        child.close_input();
                        // The notifier sends what it has gathered first, for as long as there is time.
                        if place != NOTIFY {
                            child.signal(Signal::SIGTERM);
                        }
                        // One that is stopped takes a signal only when it goes on.
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
            let mut last: Vec<(Pipe, Option<Vec<u8>>)> = Vec::new();
            for pipe in [Pipe::Stdout, Pipe::Stderr] {
                child.read(pipe, now, |line| last.push((pipe, line.map(<[u8]>::to_vec))));
            }
            let ended = child.reap(now);
            for (pipe, line) in last {
                self.line(place, pipe, line.as_deref(), now);
            }
            if place == ROUTE && ended.is_some() {
                self.answer_due = None;
            }
            if let Some(how) = ended.filter(|_| self.stopping.is_none()) {
                self.log.line(&how);
            }
        }
    }

    fn status(&self) -> Status {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let at = clock::now();
        // The probe may not be due yet, where the tables are not in place. Nothing is tested then.
        let is_wanted = |&(place, child): &(usize, &Child)| place == PROBE || child.runs() || child.due.is_some();
        let wanted = self.children.iter().enumerate().filter(is_wanted);
        let told = |(_, child): (usize, &Child)| ChildStatus { program: child.program().to_owned(), pid: child.pid() };
        let children = wanted.map(told).collect();
        Status {
            uplinks: status::uplinks(&self.decider, &self.config, millis(self.started), at.mono),
            at,
            pid: std::process::id(),
            children,
            events_waiting: self.events.len(),
            events_dropped: self.events.dropped(),
            configuration: Some(self.running.clone()),
            file_differs: None,
        }
    }
}
