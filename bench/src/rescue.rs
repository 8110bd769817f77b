//! Hosts with addresses of two providers' prefixes while one of the two breaks and returns, again and again.

use crate::figure::Figure;
use crate::standby::{found, since_boot};
use ftr_lab::client::{Client, Habit};
use ftr_lab::config;
use ftr_lab::error::{LabError, Result};
use ftr_lab::family::Family;
use ftr_lab::fault::Fault;
use ftr_lab::firewall::Firewall;
use ftr_lab::ipv6::owns;
use ftr_lab::lab::Lab;
use ftr_lab::plan::Wish;
use ftr_lab::report::Report;
use ftr_lab::router::{Router, carries};
use ftr_lab::server::Server;
use std::fmt;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

/// The uplink that breaks.
const VICTIM: &str = "eth2";
/// New connections a second, half of them from its prefix.
const RATE: f64 = 100.0;
/// How long it stays broken, and mended.
const STAYS: Duration = Duration::from_secs(4);
/// How long after the decision a new connection may fail.
const ALLOWED: Duration = Duration::from_millis(200);
/// How soon all uplinks have to carry connections.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What was measured over all trials.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// From the break to the check that found it.
    found: Figure,
    /// From then to the last new connection that failed; negative where the last one that failed began earlier.
    last_failed: Figure,
    /// Those that began later than is allowed, while it was broken: all, and those that failed.
    later: (usize, usize),
    /// Held connections of the uplink at the first break: all, and those that ended within two seconds of the decision.
    held: (usize, usize),
    /// From the mend to the first native connection.
    back: Figure,
    /// Packets with another provider's source.
    foreign: u64,
    /// Connections that were translated after the last return, and rules that are others than at the start.
    stale: (usize, usize),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, last_failed, later, held, back, foreign, stale } = self;
        write!(
            f,
            "found after {found}; last failed {last_failed} after that; later {} of {}; {} of {} held reset; native again \
             {back} after the mend; foreign {foreign}; stale: {} connections, {} rules",
            later.1, later.0, held.1, held.0, stale.0, stale.1
        )
    }
}

/// One break and its mend.
struct Trial {
    broken: Instant,
    found: Duration,
    /// What began later may be under way at the mend, on a line that changes.
    settled: Instant,
    mended: Instant,
}

/// Breaks and mends an uplink `runs` times, at instants that `seed` draws.
///
/// # Errors
/// When the lab or ftr fails.
pub(crate) fn measure(firewall: Firewall, fault: Fault, runs: usize, seed: u64) -> Result<Outcome> {
    let wish = || Wish { delegated: true, native: true, weight: Some(1), ..Wish::default() };
    let mut lab = Lab::dual(&[wish(), wish()])?;
    let _server = Server::start(&lab.internet)?;
    let mut router = Router::guarded(&lab, &config::parse("{firewall: safe}")?, firewall)?;
    router.start_with(&lab, &["--json", "--debug"])?;
    let all = [VICTIM.to_owned(), "eth1".to_owned()];
    let ready = |lab: &Lab| carries(lab, &all, Family::V6, READY_WITHIN);
    ready(&lab)?;
    let rules = lab.router.sh("ip -6 rule")?;
    let habit =
        Habit { families: vec![Family::V6], rate: RATE, held: 24, delegated: vec![1, 2], seed, ..Habit::default() };
    let client = Client::start(&lab.lan, &habit)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut trials = Vec::new();
    for _ in 0..runs {
        thread::sleep(STAYS + Duration::from_millis(random.u64(0..1000)));
        let (clock, broken) = (since_boot()?, Instant::now());
        lab.fail(VICTIM, fault)?;
        thread::sleep(STAYS.saturating_sub(broken.elapsed()));
        let found = found(&router, (VICTIM, Family::V6), clock)?;
        let settled = Instant::now();
        thread::sleep(ALLOWED);
        let mended = Instant::now();
        lab.mend(VICTIM)?;
        trials.push(Trial { broken, found, settled, mended });
        ready(&lab)?;
    }
    thread::sleep(STAYS);
    let report = client.finish()?;
    lab.router.sh("conntrack -F 2>/dev/null")?;
    let client = Client::start(&lab.lan, &Habit { held: 0, ..habit })?;
    thread::sleep(STAYS);
    client.finish()?;
    let tracked = lab.router.sh("conntrack -L -f ipv6 -p tcp --src 2001:db8:2:100::/56 2>/dev/null")?;
    let foreign = |device: &str| lab.provider(device)?.foreign_packets();
    let foreign = foreign("eth1")? + foreign(VICTIM)?;
    let after = lab.router.sh("ip -6 rule")?;
    let others = rules
        .lines()
        .filter(|rule| !after.contains(*rule))
        .count()
        .max(after.lines().filter(|rule| !rules.contains(*rule)).count());
    judge(&report, &trials, &lab, foreign, (translated(&tracked), others))
}

fn judge(report: &Report, trials: &[Trial], lab: &Lab, foreign: u64, stale: (usize, usize)) -> Result<Outcome> {
    let victim = lab.uplink(VICTIM)?;
    let native = |source: IpAddr| matches!(source, IpAddr::V6(source) if owns(victim, source));
    let first = trials.first().ok_or_else(|| LabError::Unexpected("not one run".to_owned()))?;
    let last_failed = trials.iter().filter_map(|trial| {
        let last = report.failed(trial.broken, trial.mended).map(|attempt| attempt.began - trial.broken).max()?;
        Some(last.as_secs_f64() - trial.found.as_secs_f64())
    });
    let (mut later, mut back) = ((0, 0), Vec::new());
    for trial in trials {
        let (from, until) = (trial.broken + trial.found + ALLOWED, trial.settled);
        later = (later.0 + report.began(from, until).count(), later.1 + report.failed(from, until).count());
        back.extend(report.first_seen_after(trial.mended, native));
    }
    let held: Vec<_> = report.held.iter().filter(|held| held.seen_as.is_some_and(native)).collect();
    let end = first.broken + first.found + Duration::from_secs(2);
    let reset = held.iter().filter(|held| held.broke.as_ref().is_some_and(|(at, _)| *at < end)).count();
    Ok(Outcome {
        found: Figure::seconds(trials.iter().map(|trial| trial.found)),
        last_failed: Figure::new(last_failed, "s"),
        later,
        held: (held.len(), reset),
        back: Figure::seconds(back),
        foreign,
        stale,
    })
}

/// How many of the tracked connections answer to another address than they came from.
fn translated(tracked: &str) -> usize {
    let is_translated = |line: &&str| {
        let words = |key: &str| line.split_whitespace().filter_map(|word| word.strip_prefix(key)).collect::<Vec<_>>();
        words("src=").first() != words("dst=").get(1)
    };
    tracked.lines().filter(|line| line.contains("src=")).filter(is_translated).count()
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn a_translated_connection_answers_to_another_address() {
        let line = |to: &str| {
            format!("tcp 6 9 TIME_WAIT src=a dst=s sport=1 dport=2 src=s dst={to} sport=2 dport=1 [ASSURED]\n")
        };
        assert_eq!(translated(&(line("a") + &line("b"))), 1);
    }
}
