//! When each program is started, fed and ended. The route program prepares the tables before the probe asks anything.

mod replace;

use std::time::Duration;

use ftr_core::Family;
use ftr_core::record::{Event, Record};
use nix::sys::signal::Signal;

use super::backoff::{Backoff, wants_change};
use super::events::Unacknowledged;
use super::occasions::Occasions;
use super::order::Order;
use super::orders::Orders;
use crate::entry::Entry;
use crate::program::{Each, Program};

/// How long children get to end by themselves, so that the whole daemon stops within a second.
const GRACE: Duration = Duration::from_millis(700);
/// When the notifier, which may still be sending what was gathered, and hooks are told to end at once.
const LATER_GRACE: Duration = Duration::from_millis(500);
/// How long the route program may take to prepare the tables before it counts as hung.
const PREPARE_PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to carry out an order, which is a matter of milliseconds.
const ORDER_PATIENCE: Duration = Duration::from_secs(1);
/// How often it is given its order again while nothing happens: it looks at the kernel then, and shows that it lives.
const REMINDER: Duration = Duration::from_secs(10);

/// A step on the way to the end of a program.
#[derive(Clone, Copy)]
enum Step {
    Close,
    Send(Signal),
}

/// How a program is ended: each step with its time since the daemon was told to stop. One that is stopped takes a signal
/// only when it goes on.
const STEPS: [(Duration, Step); 4] = [
    (Duration::ZERO, Step::Close),
    (Duration::ZERO, Step::Send(Signal::SIGTERM)),
    (Duration::ZERO, Step::Send(Signal::SIGCONT)),
    (GRACE, Step::Send(Signal::SIGKILL)),
];
/// The same for the notifier, which sends what it has gathered first, and for hooks, which go on for as long as there is time.
const STEPS_OF_LATER: [(Duration, Step); 4] = [
    (Duration::ZERO, Step::Close),
    (Duration::ZERO, Step::Send(Signal::SIGCONT)),
    (LATER_GRACE, Step::Send(Signal::SIGTERM)),
    (GRACE, Step::Send(Signal::SIGKILL)),
];
/// Those that are replaced have their time, and what waits for their successors waits.
const STEPS_OF_REPLACED_HOOKS: &[(Duration, Step)] =
    &[(Duration::ZERO, Step::Close), (Duration::ZERO, Step::Send(Signal::SIGCONT))];

/// Which programs are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Else the probe runs alone, and at once.
    pub(crate) route: bool,
    pub(crate) notify: bool,
    pub(crate) hooks: bool,
}

/// What is known of the programs, and what waits for them.
#[derive(Debug)]
pub(crate) struct Children {
    each: Each<Child>,
    wanted: Wanted,
    pub(super) orders: Orders,
    pub(super) events: Unacknowledged,
    occasions: Occasions,
    /// The families whose uplink tables are not in the kernel yet: until then probes make no sense.
    unprepared: Vec<Family>,
    /// By when the route program has to answer; none while it owes no answer.
    answer_due: Option<Duration>,
    /// When it is reminded.
    reminder: Duration,
    /// The probe is replaced once these are prepared.
    probe_follows: bool,
    /// How long the probe may be silent before it counts as hung.
    probe_patience: Duration,
    /// Since when all are being ended.
    stopping: Option<Duration>,
}

#[derive(Debug, Default)]
struct Child {
    /// When it is to be started; none while it runs or is not wanted.
    due: Option<Duration>,
    backoff: Backoff,
    /// Its last exit code, where it wants something changed before it is started again.
    refused: Option<i32>,
    run: Option<Run>,
}

/// A process of a program.
#[derive(Debug)]
struct Run {
    started: Duration,
    /// When it last said anything, or was started.
    heard: Duration,
    /// It has said something, as one that works does.
    spoke: bool,
    /// It can be given another record. Not before the last one is gone: until then a newer one may take its turn.
    has_room: bool,
    /// Since when it is being replaced by a process that knows another configuration.
    replaced: Option<Duration>,
    /// How many of the steps to its end were taken.
    steps: usize,
}

impl Children {
    pub(crate) fn new(wanted: Wanted, families: Vec<Family>, probe_patience: Duration, now: Duration) -> Self {
        let due = |program| match program {
            Program::Route => wanted.route,
            // Where there is a route program, the probe is due once that has said that the uplink tables are in place.
            Program::Probe => !wanted.route,
            Program::Notify => wanted.notify,
            Program::Hooks => wanted.hooks,
        };
        Self {
            each: Each::new(|program| Child { due: due(program).then_some(now), ..Child::default() }),
            wanted,
            orders: Orders::default(),
            events: Unacknowledged::default(),
            occasions: Occasions::new(wanted.hooks),
            unprepared: families,
            answer_due: None,
            reminder: now + REMINDER,
            probe_follows: false,
            probe_patience,
            stopping: None,
        }
    }

    /// The next thing to do, which counts as done. None: nothing before [`Children::due`].
    pub(crate) fn next(&mut self, now: Duration) -> Option<Order> {
        if let Some(stop) = self.stopping {
            return Program::ALL.into_iter().find_map(|program| self.next_step(program, now.saturating_sub(stop)));
        }
        if let Some(order) = self.next_of_replaced(now) {
            return Some(order);
        }
        let due = |program: &Program| self.each.of(*program).due.is_some_and(|due| now >= due);
        if let Some(program) = Program::ALL.into_iter().find(due) {
            self.begin(program, now);
            return Some(Order::Start(program));
        }
        if let Some((program, why)) = self.hangs(now) {
            return Some(Order::Kill(program, why));
        }
        if now >= self.reminder {
            self.reminder = now + REMINDER;
            if !self.orders.is_owed() {
                self.orders.start_over();
            }
            return Some(Order::Renew);
        }
        self.feed(now)
    }

    /// When there is something to do next, unless something is heard before.
    pub(crate) fn due(&self) -> Option<Duration> {
        if let Some(stop) = self.stopping {
            let step =
                |(program, child): (Program, &Child)| Some(stop + child.run.as_ref()?.next_step(program, true)?.0);
            return self.each.iter().filter_map(step).min();
        }
        let starts = self.each.iter().filter_map(|(_, child)| child.due);
        let replaced = self.due_of_replaced();
        starts.chain(replaced).chain([self.reminder]).chain(self.answer_is_due()).chain(self.silence_ends()).min()
    }

    fn begin(&mut self, program: Program, now: Duration) {
        match program {
            Program::Route => {
                self.orders.start_over();
                // It owes a first answer once it has prepared the tables.
                self.answer_due = Some(now + PREPARE_PATIENCE);
            }
            Program::Probe | Program::Hooks => {}
            Program::Notify => self.events.start_over(),
        }
        let child = self.each.of_mut(program);
        (child.due, child.refused) = (None, None);
        child.run = Some(Run { started: now, heard: now, spoke: false, has_room: true, replaced: None, steps: 0 });
    }

    /// One that was silent for too long, and what it has not done.
    fn hangs(&mut self, now: Duration) -> Option<(Program, &'static str)> {
        if let Some(due) = self.answer_is_due().filter(|due| now >= *due) {
            let more = more_for(ORDER_PATIENCE, due, now);
            self.answer_due = more.map(|more| now + more);
            if more.is_none() {
                return Some((Program::Route, "has not answered an order for too long"));
            }
        }
        let end = self.silence_ends().filter(|end| now >= *end)?;
        let more = more_for(self.probe_patience, end, now);
        // Else its silence begins anew.
        self.each.of_mut(Program::Probe).run.as_mut()?.heard = now.saturating_sub(more.unwrap_or_default());
        more.is_none().then_some((Program::Probe, "has said nothing for too long"))
    }

    fn answer_is_due(&self) -> Option<Duration> {
        self.answer_due.filter(|_| self.serves(Program::Route))
    }

    fn silence_ends(&self) -> Option<Duration> {
        let run = self.each.of(Program::Probe).run.as_ref().filter(|run| run.replaced.is_none());
        run.map(|run| run.heard + self.probe_patience)
    }

    fn feed(&mut self, now: Duration) -> Option<Order> {
        let has_room =
            |program| self.each.of(program).run.as_ref().is_some_and(|run| run.has_room && run.replaced.is_none());
        let [route, notify, hooks] = [Program::Route, Program::Notify, Program::Hooks].map(has_room);
        let (program, record) = if let Some(active) = route.then(|| self.orders.take()).flatten() {
            self.answer_due.get_or_insert(now + ORDER_PATIENCE);
            self.reminder = now + REMINDER;
            (Program::Route, Record::Active(active))
        } else if let Some(event) = notify.then(|| self.events.take()).flatten() {
            (Program::Notify, Record::Event(event))
        } else {
            (Program::Hooks, Record::Event(hooks.then(|| self.occasions.take()).flatten()?))
        };
        self.each.of_mut(program).run.as_mut()?.has_room = false;
        Some(Order::Feed(program, Box::new(record)))
    }

    fn next_step(&mut self, program: Program, since: Duration) -> Option<Order> {
        let is_stopping = self.is_stopping();
        let run = self.each.of_mut(program).run.as_mut()?;
        let (_, step) = run.next_step(program, is_stopping).filter(|(due, _)| since >= *due)?;
        run.steps += 1;
        Some(match step {
            Step::Close => Order::CloseInput(program),
            Step::Send(signal) => Order::Signal(program, signal),
        })
    }

    /// An event that hooks may be waiting for.
    pub(super) fn happened(&mut self, event: &Event) {
        self.occasions.put(event);
    }

    /// It could not be started, and is due again later.
    pub(crate) fn not_started(&mut self, program: Program, now: Duration) {
        let child = self.each.of_mut(program);
        child.run = None;
        child.due = Some(now + child.backoff.after(Duration::ZERO, false, None));
    }

    /// It has said something on its standard output.
    pub(crate) fn heard(&mut self, program: Program, now: Duration) {
        if let Some(run) = &mut self.each.of_mut(program).run {
            (run.heard, run.spoke) = (now, true);
        }
    }

    /// It has taken all that it was given.
    pub(crate) fn has_room(&mut self, program: Program) {
        if let Some(run) = &mut self.each.of_mut(program).run {
            run.has_room = true;
        }
    }

    /// It has ended, with this exit code or by a signal, and is due again after its backoff. What to tell people of it,
    /// `how` being how it ended.
    pub(crate) fn ended(&mut self, program: Program, exit: Option<i32>, how: &str, now: Duration) -> Option<Entry> {
        let child = self.each.of_mut(program);
        let run = child.run.take()?;
        if run.replaced.is_some() {
            child.due = self.wanted.has(program).then_some(now);
            return None;
        }
        let wait = child.backoff.after(now.saturating_sub(run.started), run.spoke, exit);
        child.refused = exit.filter(|exit| wants_change(*exit));
        child.due = Some(now + wait);
        if program == Program::Route {
            self.answer_due = None;
        }
        if self.stopping.is_some() {
            return None;
        }
        let when =
            if wait.is_zero() { "at once".to_owned() } else { format!("in {}", humantime::format_duration(wait)) };
        let or = self.refused(program).map_or("", |_| ", or at a SIGHUP, because something has to be changed first");
        let text = format!("{} ended ({how}); started again {when}{or}", program.name());
        Some(if or.is_empty() { Entry::warning(text) } else { Entry::error(text) })
    }

    /// What the kernel has of the family was told. Whether that answers the newest order, so that what it flushes is done.
    pub(crate) fn applied(&mut self, family: Family, now: Duration) -> bool {
        let answered = self.orders.applied(family);
        if !self.orders.is_owed() {
            self.answer_due = None;
        }
        // One that is being replaced speaks of the tables of before.
        if self.serves(Program::Route) && !self.unprepared.is_empty() {
            self.unprepared.retain(|one| *one != family);
            if self.unprepared.is_empty() {
                self.prepared(now);
            }
        }
        answered
    }

    /// The uplink tables are there: what asks through them may.
    fn prepared(&mut self, now: Duration) {
        if !self.runs(Program::Probe) {
            self.each.of_mut(Program::Probe).due = Some(now);
        } else if std::mem::take(&mut self.probe_follows) {
            self.replace(Program::Probe, now);
        }
    }

    /// Whether the uplink tables of all families are in the kernel.
    pub(crate) fn is_prepared(&self) -> bool {
        self.unprepared.is_empty()
    }

    /// The same, and nothing waits to be carried out.
    pub(crate) fn is_settled(&self) -> bool {
        self.is_prepared() && self.orders.is_empty()
    }

    /// Something may have changed: those that have waited for it are due now.
    pub(crate) fn try_again(&mut self, now: Duration) {
        for program in Program::ALL {
            let child = self.each.of_mut(program);
            if child.refused.take().is_some() && child.run.is_none() {
                child.due = Some(now);
            }
        }
    }

    /// All are to end. What waits for them waits for their successors.
    pub(crate) fn stop(&mut self, now: Duration) {
        self.stopping.get_or_insert(now);
    }

    pub(crate) const fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// All were to end, and have.
    pub(crate) fn are_over(&self) -> bool {
        self.is_stopping() && Program::ALL.into_iter().all(|program| !self.runs(program))
    }

    /// Whether it runs, and is not being replaced.
    fn serves(&self, program: Program) -> bool {
        self.each.of(program).run.as_ref().is_some_and(|run| run.replaced.is_none())
    }

    pub(crate) const fn runs(&self, program: Program) -> bool {
        self.each.of(program).run.is_some()
    }

    /// Whether it has begun its work, and takes signals.
    pub(crate) fn listens(&self, program: Program) -> bool {
        self.each.of(program).run.as_ref().is_some_and(|run| run.spoke)
    }

    /// Whether it is there for something, in this daemon. The probe may not be due yet, where the tables are not in place.
    /// Nothing is tested then.
    pub(crate) fn is_wanted(&self, program: Program) -> bool {
        program == Program::Probe || self.runs(program) || self.each.of(program).due.is_some()
    }

    /// Its last exit code, where it waits for a change.
    pub(crate) const fn refused(&self, program: Program) -> Option<i32> {
        self.each.of(program).refused
    }
}

/// How much longer one has that was due: whoever looks late by half of the patience stood still, as in suspend, and so did it.
fn more_for(patience: Duration, due: Duration, now: Duration) -> Option<Duration> {
    Some(patience / 2).filter(|more| now.saturating_sub(due) >= *more)
}

impl Wanted {
    pub(super) const fn has(self, program: Program) -> bool {
        match program {
            Program::Route => self.route,
            Program::Probe => true,
            Program::Notify => self.notify,
            Program::Hooks => self.hooks,
        }
    }
}

impl Run {
    fn next_step(&self, program: Program, is_stopping: bool) -> Option<(Duration, Step)> {
        let steps: &[(Duration, Step)] = match program {
            // It ends once all that run or wait have had their time, and those for later events come after them.
            Program::Hooks if !is_stopping => STEPS_OF_REPLACED_HOOKS,
            Program::Notify | Program::Hooks => &STEPS_OF_LATER,
            Program::Route | Program::Probe => &STEPS,
        };
        steps.get(self.steps).copied()
    }
}

#[cfg(test)]
mod tests;
