//! Supervises the pipeline probe → decide → route → notify: what its programs say goes in, what is to be done comes out.
//!
//! Pure: no process, no pipe, no file and no clock. The daemon carries out what is ordered, and reports what comes of it.

mod announce;
mod backoff;
mod budgets;
mod children;
mod ears;
mod events;
mod hazards;
mod heard;
mod incoming;
mod intake;
mod occasions;
mod operate;
mod order;
mod orders;
mod pace;
mod pipe;
mod reconfigure;
mod records;
mod summary;

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ftr_core::config::Uplink;
use ftr_core::record::{Event, Hazard, Stamp};
use ftr_core::{Config, Family};
use ftr_tool::Malformed;
use ftr_tool::delegated::Networks;
use nix::sys::signal::Signal;

use crate::decide::{Decider, Memory, Usage};
use crate::entry::Entry;
use crate::program::{Each, Program};
pub(crate) use announce::Announcement;
use announce::Announcer;
use budgets::Budgets;
use children::{Children, Wanted};
use ears::Ears;
use hazards::Hazards;
pub(crate) use hazards::event as hazard_event;
pub(crate) use incoming::Change;
use incoming::Incoming;
use intake::Intake;
pub(crate) use operate::Operation;
pub(crate) use order::Order;
use pace::Pace;
pub(crate) use pipe::Pipe;

/// How the daemon runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// Nothing is written to the kernel and nobody is mailed.
    pub(crate) dry_run: bool,
    /// Every check is logged.
    pub(crate) debug: bool,
    /// Records are printed.
    pub(crate) print: bool,
}

impl Mode {
    /// The programs that run.
    fn wanted(self, config: &Config) -> Wanted {
        Wanted {
            route: !self.dry_run,
            notify: config.email.send && !self.dry_run,
            hooks: config.hooks.iter().any(|hook| !hook.privileged) && !self.dry_run,
        }
    }
}

/// What is known, decided and still to be done.
#[derive(Debug)]
pub(crate) struct Supervisor {
    mode: Mode,
    mail: bool,
    children: Children,
    decider: Decider,
    intake: Intake,
    hazards: Hazards,
    ears: Each<Ears>,
    budgets: Budgets,
    pace: Pace,
    /// What is known is being written.
    is_writing: bool,
    /// A SIGHUP has come: the log is to be opened anew, and children that something kept from working are tried again.
    hung_up: bool,
    /// Where there is a service manager to be told how things are.
    announcer: Option<Announcer>,
    families: Vec<Family>,
    /// A configuration that programs do not know yet.
    incoming: Option<Incoming>,
    /// By when the last change of it is over.
    changing: Option<Duration>,
    /// What is to be said, printed and the like: after what concerns the programs, for the disk may be slow.
    waiting: VecDeque<Order>,
    /// Since when verdicts come in.
    started: Duration,
}

impl Supervisor {
    /// One that goes on from what was remembered: what was known of the uplinks, and events that nobody has taken charge of.
    pub(crate) fn new(
        config: &Config,
        mode: Mode,
        (memory, events): (Option<Memory>, Vec<Event>),
        now: Duration,
    ) -> Self {
        let wanted = mode.wanted(config);
        // The uplink that is checked most often is heard of most often.
        let patience = config.uplinks.iter().map(Uplink::patience).min().unwrap_or_default();
        let mut children = Children::new(wanted, config.families(), patience, now);
        if config.email.send {
            for event in events {
                children.events.put(event);
            }
        }
        Self {
            mode,
            mail: config.email.send,
            children,
            decider: Decider::new(config, memory),
            intake: Intake::new(config),
            hazards: Hazards::default(),
            ears: Each::new(|_| Ears::default()),
            budgets: Budgets::new(),
            pace: Pace::default(),
            is_writing: false,
            hung_up: false,
            announcer: None,
            families: config.families(),
            incoming: None,
            changing: None,
            waiting: VecDeque::new(),
            started: now,
        }
    }

    /// The next thing to do, which counts as done. None: nothing before [`Supervisor::due`].
    pub(crate) fn next(&mut self, now: Duration) -> Option<Order> {
        if let Some(order) = self.adopt(now).filter(|_| !self.is_stopping()) {
            return Some(order);
        }
        // Routing first: the disk may be slow. What is lost if we are killed before it is written is decided anew.
        if let Some(order) = self.children.next(now).or_else(|| self.waiting.pop_front()) {
            if order == Order::Start(Program::Route) {
                self.hazards.doubt(now);
            }
            return Some(order);
        }
        if let Some(announcement) = self.announcement(now) {
            return Some(Order::Announce(announcement));
        }
        let remember = !self.is_writing && self.pace.take(now);
        self.is_writing |= remember;
        remember.then_some(Order::Remember)
    }

    /// When something is due, unless something is heard before; none where nothing is.
    pub(crate) fn due(&self, now: Duration) -> Option<Duration> {
        let memory = self.pace.due().filter(|_| !self.is_writing);
        let always = [self.children.due(), memory].into_iter().flatten();
        if self.children.is_stopping() {
            return always.min();
        }
        let announcement = self.announcer.as_ref().and_then(|announcer| announcer.due(now));
        let change = self.change_due(now);
        let hangup = self.hung_up.then(|| now + self.budgets.hangups.wait(now));
        let intake = self.intake.wait(now).map(|wait| now + wait);
        let malformed = self.ears.iter().filter_map(|(_, ears)| ears.answers.malformed.due(now)).min();
        always
            .chain(
                [self.budgets.due(), self.hazards.due(), malformed, hangup, announcement, change, intake, self.later()]
                    .into_iter()
                    .flatten(),
            )
            .min()
    }

    /// Does what was put off until now.
    pub(crate) fn catch_up(&mut self, now: Duration, wall: SystemTime) {
        for loss in self.budgets.losses(Some(now)).into_iter().chain(self.malformed(|lines| lines.told(now))) {
            self.log(Entry::warning(loss));
        }
        if self.hung_up && self.budgets.hangups.admits(now) {
            self.hung_up = false;
            self.waiting.push_back(Order::ReopenLog);
            self.children.try_again(now);
        }
        for record in self.intake.due(now) {
            self.decide(&record, now);
        }
        let news = self.hazards.catch_up(now, || Stamp::new(wall, now));
        self.report(news, now);
        if self.later().is_some_and(|later| now >= later) {
            let decided = self.decider.look_again(&Stamp::new(wall, now));
            self.pass_on(decided, now);
        }
    }

    /// When connections are given up that were not to be given up so soon again.
    fn later(&self) -> Option<Duration> {
        self.decider.due().map(Duration::from_millis)
    }

    /// How long nobody who asks is to be answered.
    pub(crate) fn is_asked_too_much(&self, now: Duration) -> Duration {
        self.budgets.askers.wait(now)
    }

    /// So many have asked how things are. Whoever could not be let in costs something too.
    pub(crate) fn asked(&mut self, count: u32, now: Duration) {
        self.budgets.askers.charge(count.max(1), now);
    }

    /// A program has taken all that it was given.
    pub(crate) fn has_room(&mut self, program: Program) {
        self.children.has_room(program);
    }

    /// A program could not be started.
    pub(crate) fn not_started(&mut self, program: Program, why: &dyn Display, now: Duration) {
        self.children.not_started(program, now);
        self.change();
        self.log(Entry::error(format!("{}: cannot be started: {why}", program.name())));
    }

    /// A program has ended, with this exit code or by a signal.
    pub(crate) fn ended(&mut self, program: Program, exit: Option<i32>, how: &str, now: Duration) {
        let Ears { mut answers, .. } = std::mem::take(self.ears.of_mut(program));
        answers.end();
        // Its successor is another process, but no better writer.
        self.ears.of_mut(program).answers.malformed = answers.malformed;
        let told = self.children.ended(program, exit, how, now);
        self.change();
        self.waiting.extend(told.map(Order::Log));
    }

    /// What is known has been written, or could not be.
    pub(crate) const fn remembered(&mut self) {
        self.is_writing = false;
    }

    /// What is known is to be written again at once: it is gone, and we may be killed.
    pub(crate) const fn forgotten(&mut self) {
        self.pace.change_urgently();
    }

    /// People want the log opened anew, and what waits for a change tried again.
    pub(crate) const fn hang_up(&mut self) {
        self.hung_up = true;
    }

    /// The same, with another decider in the place of the one that it has.
    pub(crate) fn with_decider(mut self, change: impl FnOnce(Decider) -> Decider) -> Self {
        self.decider = change(self.decider);
        self
    }

    /// Somebody wants every uplink checked now. Whether there is somebody to do it.
    pub(crate) fn check_now(&mut self, who: &str, now: Duration) -> bool {
        if !self.children.listens(Program::Probe) || self.is_stopping() {
            return false;
        }
        self.waiting.push_back(Order::Signal(Program::Probe, Signal::SIGUSR1));
        self.say(Entry::notice(format!("{who}: every uplink is checked now")), now);
        true
    }

    /// People want to see in the log how things are.
    pub(crate) fn report_wanted(&mut self, now: Duration) {
        if self.budgets.reports.admits(now) {
            self.waiting.push_back(Order::Report);
        }
    }

    /// People want every check logged, or no more.
    pub(crate) fn switch_debug(&mut self) {
        self.mode.debug = !self.mode.debug;
        let text =
            if self.mode.debug { "SIGUSR2: every check is logged" } else { "SIGUSR2: checks are not logged any more" };
        self.log(Entry::notice(text));
    }

    /// All are to end.
    pub(crate) fn stop(&mut self, now: Duration) {
        self.children.stop(now);
    }

    pub(crate) const fn is_stopping(&self) -> bool {
        self.children.is_stopping()
    }

    /// All were to end, and have.
    pub(crate) fn is_over(&self) -> bool {
        self.children.are_over()
    }

    /// The last words: what was lost, and whether what is known is still to be written.
    pub(crate) fn last_words(&mut self) -> (Vec<String>, bool) {
        self.decider.meter.end();
        let malformed = self.malformed(Malformed::told_at_last).into_iter();
        (malformed.chain(self.budgets.losses(None)).collect(), self.pace.due().is_some())
    }

    /// What is to be remembered: what is known of the uplinks, and events that nobody has taken charge of.
    pub(crate) fn known(&self) -> (Memory, Vec<Arc<Event>>) {
        (self.decider.memory().clone(), self.children.events.all())
    }

    /// What was used of quotas, where enough of it is new; it counts as remembered.
    pub(crate) fn usage(&mut self) -> Option<Usage> {
        self.decider.meter.is_unwritten().then(|| self.decider.meter.write()).flatten()
    }

    /// The networks inside that hosts may have addresses of, where they are others than the last time.
    pub(crate) fn networks(&mut self) -> Option<Networks> {
        self.decider.networks.write()
    }

    /// Whether there is anything of these kinds.
    pub(crate) fn has_lasting(&self) -> bool {
        self.decider.meter.is_unwritten() || self.decider.networks.is_unwritten()
    }

    pub(crate) const fn decider(&self) -> &Decider {
        &self.decider
    }

    /// Since when verdicts come in.
    pub(crate) const fn started(&self) -> Duration {
        self.started
    }

    /// How many events wait for the notifier to take charge of them, and how many were given up.
    pub(crate) fn events(&self) -> (usize, u64) {
        (self.children.events.len(), self.children.events.dropped())
    }

    /// What works against several uplinks on this host.
    pub(crate) fn hazards(&self) -> Vec<Hazard> {
        self.hazards.all()
    }

    /// The programs that are to run, and the exit code of each that waits for a change.
    pub(crate) fn programs(&self) -> impl Iterator<Item = (Program, Option<i32>)> {
        let wanted = Program::ALL.into_iter().filter(|program| self.children.is_wanted(*program));
        wanted.map(|program| (program, self.children.refused(program)))
    }

    fn log(&mut self, entry: Entry) {
        self.waiting.push_back(Order::Log(entry));
    }

    /// A line on what was decided or done.
    fn say(&mut self, entry: Entry, now: Duration) {
        if self.budgets.decisions.admits(now) {
            self.log(entry);
        }
    }
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
