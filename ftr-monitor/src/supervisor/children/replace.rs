//! Programs are replaced by processes that know another configuration: the one ends as at the end of the daemon, and the
//! next one starts as soon as it has.

use std::time::Duration;

use ftr_core::Family;

use super::{Children, Order, Wanted};
use crate::program::{Each, Program};

impl Children {
    /// Has the programs that are concerned replaced. The probe goes on as it is until the tables of the new configuration
    /// are there, so that nobody is without its verdicts meanwhile.
    pub(crate) fn reconfigure(
        &mut self,
        (wanted, families): (Wanted, Vec<Family>),
        concerned: &Each<bool>,
        probe_patience: Duration,
        now: Duration,
    ) {
        (self.wanted, self.probe_patience) = (wanted, probe_patience);
        self.orders.keep_only(&families);
        let waits = wanted.route && *concerned.of(Program::Route);
        if waits {
            self.unprepared = families;
            self.answer_due = None;
            self.replace(Program::Route, now);
        }
        // What the change before has left to do, because the route program did not get to it, is still to be done.
        let probe = self.probe_follows || *concerned.of(Program::Probe);
        self.probe_follows = probe && self.is_unprepared();
        if probe && !self.probe_follows {
            self.replace(Program::Probe, now);
        }
        self.occasions.want(wanted.hooks);
        for program in [Program::Notify, Program::Hooks] {
            let (is_wanted, later) = (wanted.has(program), self.each.of_mut(program));
            if is_wanted && later.run.is_none() {
                later.due.get_or_insert(now);
            } else if !is_wanted && later.run.is_none() {
                later.due = None;
            } else if !is_wanted || *concerned.of(program) {
                self.replace(program, now);
            }
        }
        self.try_again(now);
    }

    /// One that runs is ended, one that waits for its start is started now: what kept it may be over.
    pub(super) fn replace(&mut self, program: Program, now: Duration) {
        let child = self.each.of_mut(program);
        match &mut child.run {
            Some(run) => _ = run.replaced.get_or_insert(now),
            None => child.due = child.due.map(|_| now),
        }
    }

    /// The next step to the end of one that is replaced.
    pub(super) fn next_of_replaced(&mut self, now: Duration) -> Option<Order> {
        let since = |program| self.each.of(program).run.as_ref().and_then(|run| run.replaced);
        let all = Program::ALL.map(|program| (program, since(program)));
        all.into_iter().find_map(|(program, since)| self.next_step(program, now.saturating_sub(since?)))
    }

    /// When that is due.
    pub(super) fn due_of_replaced(&self) -> Option<Duration> {
        let runs = self.each.iter().filter_map(|(program, child)| Some((program, child.run.as_ref()?)));
        runs.filter_map(|(program, run)| Some(run.replaced? + run.next_step(program, false)?.0)).min()
    }

    /// Whether a program is still to be replaced, or has not begun its work since. Hooks are none of it: those that run may
    /// take as long as they do at any other time.
    pub(crate) fn is_replacing(&self) -> bool {
        let is_replaced = |program: Program| self.runs(program) && !self.serves(program);
        let all = Program::ALL.into_iter().filter(|program| *program != Program::Hooks);
        self.probe_follows || self.is_unprepared() || all.into_iter().any(is_replaced)
    }

    fn is_unprepared(&self) -> bool {
        self.wanted.route && !self.is_prepared()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::Signal;

    const NOW: Duration = Duration::from_secs(100);

    /// Route and probe run, and have prepared and said something.
    fn children() -> Children {
        let wanted = Wanted { route: true, notify: false, hooks: false };
        let mut children = Children::new(wanted, vec![Family::V4], Duration::from_secs(9), NOW);
        assert_eq!(all(&mut children, NOW), [Order::Start(Program::Route)]);
        children.applied(Family::V4, NOW);
        assert_eq!(all(&mut children, NOW), [Order::Start(Program::Probe)]);
        children
    }

    fn all(children: &mut Children, now: Duration) -> Vec<Order> {
        std::iter::from_fn(|| children.next(now)).collect()
    }

    fn end(program: Program) -> [Order; 3] {
        let send = |signal| Order::Signal(program, signal);
        [Order::CloseInput(program), send(Signal::SIGTERM), send(Signal::SIGCONT)]
    }

    fn reconfigure(children: &mut Children, notify: bool, concerned: &[Program]) {
        let wanted = (Wanted { route: true, notify, hooks: false }, vec![Family::V4]);
        let concerned = Each::new(|program| concerned.contains(&program));
        children.reconfigure(wanted, &concerned, Duration::from_secs(9), NOW);
    }

    #[test]
    fn the_probe_tests_on_until_the_tables_are_there() {
        let mut children = children();
        reconfigure(&mut children, false, &[Program::Route, Program::Probe]);
        assert_eq!(all(&mut children, NOW), end(Program::Route));
        children.applied(Family::V4, NOW);
        assert!(children.is_replacing() && all(&mut children, NOW).is_empty(), "its last words are about other tables");
        assert_eq!(children.ended(Program::Route, Some(0), "exit", NOW), None);
        assert_eq!(all(&mut children, NOW), [Order::Start(Program::Route)]);
        children.applied(Family::V4, NOW);
        assert_eq!(all(&mut children, NOW), end(Program::Probe));
        children.ended(Program::Probe, None, "signal", NOW);
        assert_eq!(all(&mut children, NOW), [Order::Start(Program::Probe)]);
        assert!(!children.is_replacing());
    }

    #[test]
    fn a_later_change_takes_nothing_from_what_the_probe_has_to_learn() {
        let mut children = children();
        reconfigure(&mut children, false, &[Program::Route, Program::Probe]);
        all(&mut children, NOW);
        children.ended(Program::Route, Some(0), "exit", NOW);
        all(&mut children, NOW);
        // It has not prepared anything when the next change comes, which concerns neither.
        reconfigure(&mut children, false, &[]);
        assert!(children.is_replacing() && all(&mut children, NOW).is_empty());
        children.applied(Family::V4, NOW);
        assert_eq!(all(&mut children, NOW), end(Program::Probe));
    }

    #[test]
    fn hooks_that_are_replaced_have_their_time_unless_all_is_to_end() {
        let hooks = Wanted { route: false, notify: false, hooks: true };
        let mut children = Children::new(hooks, vec![Family::V4], Duration::from_secs(9), NOW);
        all(&mut children, NOW);
        let concerned = Each::new(|program| program == Program::Hooks);
        children.reconfigure((hooks, vec![Family::V4]), &concerned, Duration::from_secs(9), NOW);
        let send = |signal| Order::Signal(Program::Hooks, signal);
        let closed = [Order::CloseInput(Program::Hooks), send(Signal::SIGCONT)];
        assert_eq!(all(&mut children, NOW), closed);
        assert!(!children.is_replacing());
        let later = NOW + Duration::from_secs(5);
        children.heard(Program::Probe, later);
        assert_eq!(all(&mut children, later), []);
        children.stop(later);
        let all = all(&mut children, later + Duration::from_secs(1));
        let [.., term, kill] = [Signal::SIGTERM, Signal::SIGKILL].map(send);
        assert!(all.ends_with(&[term, kill]), "{all:?}");
    }

    #[test]
    fn one_that_does_not_end_is_killed() {
        let mut children = children();
        reconfigure(&mut children, false, &[Program::Route]);
        all(&mut children, NOW);
        let due = children.due().unwrap();
        assert_eq!(all(&mut children, due), [Order::Signal(Program::Route, Signal::SIGKILL)]);
        assert!(due < NOW + Duration::from_secs(1));
    }

    #[test]
    fn whom_nothing_concerns_runs_on_and_the_notifier_comes_and_goes() {
        let mut children = children();
        reconfigure(&mut children, true, &[]);
        assert_eq!(all(&mut children, NOW), [Order::Start(Program::Notify)]);
        reconfigure(&mut children, false, &[]);
        assert_eq!(
            all(&mut children, NOW),
            [Order::CloseInput(Program::Notify), Order::Signal(Program::Notify, Signal::SIGCONT)]
        );
        children.ended(Program::Notify, Some(0), "exit", NOW);
        assert_eq!((all(&mut children, NOW), children.is_wanted(Program::Notify)), (Vec::new(), false));
        reconfigure(&mut children, false, &[Program::Probe]);
        assert_eq!(
            all(&mut children, NOW),
            end(Program::Probe),
            "without the route program there is nothing to wait for"
        );
    }
}
