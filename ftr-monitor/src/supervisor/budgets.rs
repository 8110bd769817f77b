//! What each input of the daemon may cost: bytes are read, lines logged and people answered at a bounded rate. What is over
//! it stays where it is (in a pipe, in a socket's queue) or is counted and told now and then.

use std::time::Duration;

use ftr_core::rate_limiter::{Budget, RateLimiter};

use super::pipe::Pipe;
use crate::program::{Each, Program};

/// How much of a pipe is read at once, and how long a byte takes after that: eight million a second.
const BYTES: (u32, Duration) = (256 * 1024, Duration::from_nanos(125));
/// What a line costs beside its bytes: many small ones are more work.
const LINE: u32 = 16;
/// Lines on a child's stderr that are worth keeping.
const COMPLAINTS: (u32, Duration) = (50, Duration::from_millis(20));
/// Lines of the log on what was decided and done. A failure of everything at once is worth many.
const DECISIONS: (u32, Duration) = (1000, Duration::from_millis(20));
/// How many are told how things are: the others wait in the socket's queue, which holds half a second's.
const ASKERS: (u32, Duration) = (32, Duration::from_millis(5));
/// How often the log is told how things are; who asks more often is not heard.
const REPORTS: (u32, Duration) = (3, Duration::from_secs(1));
/// How often the log is opened anew.
const HANGUPS: (u32, Duration) = (3, Duration::from_secs(1));

const fn limiter((burst, interval): (u32, Duration)) -> RateLimiter {
    RateLimiter::new(burst, interval)
}

const fn budget((burst, interval): (u32, Duration)) -> Budget {
    Budget::new(burst, interval)
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Budgets {
    children: Each<OfChild>,
    pub(crate) askers: RateLimiter,
    pub(crate) hangups: RateLimiter,
    pub(crate) reports: RateLimiter,
    pub(crate) decisions: Budget,
}

/// Those of one child.
#[derive(Debug)]
pub(crate) struct OfChild {
    stdout: RateLimiter,
    stderr: RateLimiter,
    pub(crate) complaints: Budget,
}

impl Budgets {
    pub(crate) fn new() -> Self {
        let child = |_| OfChild { stdout: limiter(BYTES), stderr: limiter(BYTES), complaints: budget(COMPLAINTS) };
        Self {
            children: Each::new(child),
            askers: limiter(ASKERS),
            hangups: limiter(HANGUPS),
            reports: limiter(REPORTS),
            decisions: budget(DECISIONS),
        }
    }

    /// Those of a program.
    pub(crate) const fn child(&mut self, program: Program) -> &mut OfChild {
        self.children.of_mut(program)
    }

    /// How long a pipe of a child is not to be read.
    pub(crate) fn wait(&self, program: Program, pipe: Pipe, now: Duration) -> Duration {
        let child = self.children.of(program);
        match pipe {
            Pipe::Stdout => child.stdout.wait(now),
            Pipe::Stderr => child.stderr.wait(now),
        }
    }

    /// When there is a loss to tell.
    pub(crate) fn due(&self) -> Option<Duration> {
        let children = self.children.iter().map(|(_, child)| &child.complaints);
        children.chain([&self.decisions]).filter_map(Budget::due).min()
    }

    /// What was lost since it was last told, in words: by each input once in a period. Without a time, at the end, all.
    pub(crate) fn losses(&mut self, now: Option<Duration>) -> Vec<String> {
        let take = |budget: &mut Budget| match now {
            Some(now) => budget.take_lost(now),
            None => budget.take_all(),
        };
        let mut told = Vec::new();
        for program in Program::ALL {
            let lost = take(&mut self.children.of_mut(program).complaints);
            told.extend(lost.map(|count| format!("{}: complained too fast, {count} lines are lost", program.name())));
        }
        told.extend(take(&mut self.decisions).map(|count| format!("too much was decided, {count} lines are lost")));
        told
    }
}

impl OfChild {
    /// Counts what was read of a pipe.
    pub(crate) fn charge(&mut self, pipe: Pipe, (bytes, lines): (usize, usize), now: Duration) {
        let cost = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let all = cost(bytes).saturating_add(cost(lines).saturating_mul(LINE));
        match pipe {
            Pipe::Stdout => self.stdout.charge(all, now),
            Pipe::Stderr => self.stderr.charge(all, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(50);

    #[test]
    fn a_pipe_that_never_ends_is_read_at_a_bounded_rate_and_the_others_as_ever() {
        let mut budgets = Budgets::new();
        let mut read = 0;
        for milli in 0..10_000 {
            let now = NOW + Duration::from_millis(milli);
            while budgets.wait(Program::Probe, Pipe::Stdout, now).is_zero() {
                budgets.child(Program::Probe).charge(Pipe::Stdout, (4096, 100), now);
                read += 4096;
            }
        }
        assert!((50_000_000..65_000_000).contains(&read), "{read}");
        let free = [(Program::Route, Pipe::Stdout), (Program::Probe, Pipe::Stderr), (Program::Notify, Pipe::Stdout)];
        assert!(free.iter().all(|&(program, pipe)| budgets.wait(program, pipe, NOW).is_zero()));
    }

    #[test]
    fn each_loss_is_told_once_in_a_period_and_all_at_the_end() {
        let mut budgets = Budgets::new();
        for _ in 0..100 {
            budgets.child(Program::Route).complaints.admits(NOW);
            budgets.child(Program::Notify).complaints.admits(NOW);
        }
        assert_eq!(budgets.losses(Some(NOW)), [""; 0]);
        let due = budgets.due().unwrap();
        let told =
            ["ftr-route: complained too fast, 50 lines are lost", "ftr-notify: complained too fast, 50 lines are lost"];
        assert_eq!(budgets.losses(Some(due)), told);
        assert_eq!((budgets.due(), budgets.losses(None).len()), (None, 0));
    }
}
