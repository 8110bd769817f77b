//! Looks for hazards beside everything else: to ask other programs for the firewall takes longer than a failover may.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ftr_core::record::{self, Stamp};
use ftr_core::{Config, Family};
use ftr_netlink::RulesetListener;
use ftr_tool::cli::say;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::hazards::Hazards;
use super::pace::Pace;
use crate::answer::TOOL;
use crate::diagnose::Watch;
use crate::diagnose::hazard::Hazard;
use crate::error::Error;

/// Its stack, in bytes: most of what is read is on the heap.
const STACK: usize = 256 * 1024;

/// Whoever looks for hazards: a thread of its own, and what it has found.
pub(super) struct Lookout {
    /// An order each: whether the firewall may have changed.
    orders: Sender<bool>,
    /// What each look has found.
    found: Receiver<Result<Vec<Hazard>, Error>>,
    /// Tells that something was found.
    ready: Arc<EventFd>,
    /// None where the kernel does not tell us of changes.
    ruleset: Option<RulesetListener>,
    has_ruleset_changed: bool,
    pace: Pace,
    hazards: Hazards,
}

impl Lookout {
    /// Starts the thread, which ends with this.
    pub(super) fn start(config: &Config, families: &[Family]) -> Result<Self, Error> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let ready = EventFd::from_flags(flags);
        let ready = ready.map_err(|errno| Error::Wait { operation: "make an eventfd", reason: errno.into() })?;
        let ready = Arc::new(ready);
        let (orders, received) = channel();
        let (report, found) = channel();
        let mut watch = Watch::new(config.clone(), families.to_vec());
        let wake = Arc::clone(&ready);
        let work = move || {
            for changed in received {
                // Either fails only where nobody waits for it any more.
                if report.send(watch.look(changed)).is_err() || wake.write(1).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("hazards".to_owned()).stack_size(STACK);
        // Without it nobody looks, and routing goes on.
        if let Err(error) = thread.spawn(work) {
            say(TOOL, &format!("warning: nobody looks for hazards of this host: start a thread: {error}"));
        }
        let (ruleset, hazards, pace) = (RulesetListener::open().ok(), Hazards::default(), Pace::new(Instant::now()));
        Ok(Self { orders, found, ready, ruleset, has_ruleset_changed: true, pace, hazards })
    }

    /// What is to be watched for being readable.
    pub(super) fn watched(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [self.ready.as_fd()].into_iter().chain(self.ruleset.as_ref().map(AsFd::as_fd))
    }

    /// How long until a look is to be ordered; none while one goes on.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.pace.wait(now)
    }

    /// Something has changed that may be a hazard.
    pub(super) fn suspect(&mut self, now: Instant) {
        self.pace.change(now);
    }

    /// Orders a look where it is time for one, and takes in what the last one has found: what there is to tell.
    pub(super) fn turn(&mut self, now: Instant, stamp: impl Fn() -> Stamp) -> Vec<record::Hazard> {
        self.listen(now);
        let records = self.take(now, stamp);
        if self.pace.wait(now).is_some_and(|wait| wait.is_zero()) {
            self.pace.begin(now);
            // A thread that has come to a bad end finds nothing more; routing goes on.
            if self.orders.send(self.has_ruleset_changed).is_ok() {
                self.has_ruleset_changed = self.ruleset.is_none();
            }
        }
        records
    }

    /// Takes in whether the firewall has changed.
    fn listen(&mut self, now: Instant) {
        let Some(listener) = &mut self.ruleset else { return };
        match listener.has_changed() {
            Ok(false) => {}
            Ok(true) => {
                self.has_ruleset_changed = true;
                self.pace.change(now);
            }
            Err(_) => (self.ruleset, self.has_ruleset_changed) = (None, true),
        }
    }

    /// Takes in what a look has found. Where it could not look, all is as it was.
    fn take(&mut self, now: Instant, stamp: impl Fn() -> Stamp) -> Vec<record::Hazard> {
        if let Err(Errno::EAGAIN) = self.ready.read() {
            return Vec::new();
        }
        let Ok(found) = self.found.try_recv() else { return Vec::new() };
        let records = found.map(|found| self.hazards.take(found, &stamp())).unwrap_or_default();
        self.pace.end(now, !records.is_empty());
        records
    }
}
