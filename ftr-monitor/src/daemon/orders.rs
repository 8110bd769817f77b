//! Carries out what the supervisor orders.

use std::sync::Arc;
use std::time::Duration;

use ftr_core::Config;
use nix::sys::signal::Signal;

use super::Daemon;
use super::child::Child;
use super::memory::Known;
use crate::down_before;
use crate::entry::Entry;
use crate::program::Program;
use crate::supervisor::{Announcement, Order};

impl Daemon {
    pub(super) fn carry_out(&mut self, order: Order, now: Duration) {
        match order {
            Order::Start(program) => {
                let more = match program {
                    Program::Probe => down_before::arguments(self.supervisor.decider()),
                    Program::Route | Program::Notify | Program::Hooks => Vec::new(),
                };
                match Child::start(&self.starter, program, &more) {
                    Ok(child) => *self.children.of_mut(program) = Some(child),
                    Err(error) => self.supervisor.not_started(program, &error, now),
                }
            }
            Order::Feed(program, record) => {
                let Ok(line) = record.line() else { return };
                if self.child(program).is_some_and(|child| child.feed(&line)) {
                    self.supervisor.has_room(program);
                }
            }
            Order::CloseInput(program) => {
                self.child(program).into_iter().for_each(Child::close_input);
            }
            Order::Signal(program, signal) => {
                self.child(program).into_iter().for_each(|child| child.signal(signal));
            }
            Order::Kill(program, why) => {
                self.log.write(&Entry::warning(format!("{} {why}: killed", program.name())));
                self.child(program).into_iter().for_each(|child| child.signal(Signal::SIGKILL));
            }
            Order::Log(entry) => self.log.write(&entry),
            Order::ReopenLog => {
                self.log.reopen();
                self.signal_reload();
            }
            Order::Report => self.report(),
            Order::Announce(Announcement { ready, status }) => self.manager.announce(ready, &status, now),
            Order::Print(line) => {
                if let Some(records) = &mut self.records {
                    records.put(line.into_bytes());
                }
            }
            Order::Tell { line, public } => {
                let slow = self.followers.tell(&line, &public);
                if slow > 0 {
                    let entry = format!("{slow} of those who follow did not read, and are told no more");
                    self.log.write(&Entry::warning(entry));
                }
            }
            Order::Adopt => self.adopt(),
            Order::Remember => {
                let known = self.known();
                self.memory.put(known);
            }
            Order::Renew => self.renew(now),
        }
    }

    /// What is to be remembered. What is decided goes by a configuration from the moment that it is taken.
    pub(super) fn known(&mut self) -> Known {
        let config = Arc::clone(self.decided_by());
        let running = self.incoming.as_ref().map_or(&self.running, |taken| &taken.running);
        Known::of(&mut self.supervisor, &config, running)
    }

    /// The configuration that is decided by, which programs may not know yet.
    pub(super) fn decided_by(&self) -> &Arc<Config> {
        self.incoming.as_ref().map_or(&self.config, |taken| &taken.config)
    }

    pub(super) fn child(&mut self, program: Program) -> Option<&mut Child> {
        self.children.of_mut(program).as_mut()
    }
}
