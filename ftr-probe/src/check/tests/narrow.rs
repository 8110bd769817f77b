//! Lines of a few kilobits a second, on which our own questions queue.

use super::*;

/// Answers come one after the other, each taking so long; what would wait too long is dropped.
struct Narrow {
    each: Duration,
    free: Duration,
}

impl Narrow {
    const LONGEST: Duration = Duration::from_secs(2);

    fn reply(&mut self, now: Duration) -> Reply {
        let at = self.free.max(now + MS * 15) + self.each;
        if at > now + Self::LONGEST {
            return Reply::Lost;
        }
        self.free = at;
        Reply::Answer(at.saturating_sub(now))
    }
}

/// What a minute of checks comes to, half a second from one beat to the next, of a line on which an answer takes so long.
/// What is asked in the `dead` time is lost. Gives when each check ended, from the start on, and whether it was up.
fn minute(each: Duration, dead: std::ops::Range<Duration>, seed: u64) -> Vec<(Duration, bool)> {
    let mut check = check(4, 6, 1, Duration::from_secs(2));
    let mut line = Narrow { each, free: Duration::ZERO };
    let (mut now, mut ends) = (START, Vec::new());
    for n in 0.. {
        if now > START + Duration::from_secs(60) {
            break;
        }
        let reply = |_, at: Duration| {
            if dead.contains(&at.saturating_sub(START)) { Reply::Lost } else { line.reply(at) }
        };
        let outcome = run_timed(&mut check, now, seed + n, reply);
        let end = now + outcome.took;
        ends.push((end.saturating_sub(START), outcome.verdict == Verdict::Up));
        now = end.max(now + MS * 500);
    }
    ends
}

#[test]
fn a_narrow_line_stays_up() {
    for each in [2, 5, 10, 17, 25, 40] {
        for seed in 0..20 {
            let ends = minute(MS * each, Duration::ZERO..Duration::ZERO, seed);
            assert!(ends.iter().all(|(_, up)| *up), "{each} ms an answer, seed {seed}: {ends:?}");
        }
    }
}

#[test]
fn a_narrow_line_that_was_dead_for_a_moment_is_believed_again() {
    for each in [2, 5, 10, 17, 25, 40] {
        for (from, to) in [(5000, 5120), (5000, 5600), (5300, 9000)] {
            for seed in 0..20 {
                let ends = minute(MS * each, MS * from..MS * to, seed);
                let late: Vec<_> = ends.iter().filter(|(end, up)| !up && *end > MS * to + MS * 3000).collect();
                assert!(late.is_empty(), "{each} ms an answer, dead from {from} to {to}, seed {seed}: {late:?}");
            }
        }
    }
}
