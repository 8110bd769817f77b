//! A metered uplink that nobody used carries connections once the other one has failed: how soon that was found out, and
//! how soon the standby was in use.

use crate::figure::Figure;
use ftr_lab::client::{Client, Habit};
use ftr_lab::config;
use ftr_lab::deadline::wait_for;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::family::Family;
use ftr_lab::fault::Fault;
use ftr_lab::kernel;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::router::Router;
use ftr_lab::server::Server;
use nix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

/// The uplink that fails, and the one in reserve.
const ACTIVE: &str = "eth1";
const STANDBY: &str = "eth2";

const CONFIG: &str = "{uplinks: [\
    {interface: eth1, type: static, ip: 1.0.0.2, gateway: 1.0.0.1, priority_group: 1}, \
    {interface: eth2, type: static, ip: 2.0.0.2, gateway: 2.0.0.1, priority_group: 2, metered: true}]}";

/// A standby that was asked no later than this is left alone: three intervals were skipped.
const IDLE: Duration = Duration::from_millis(3500);

/// How soon it has to be idle, and how soon the other one has to be in use again.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// New connections a second: one each five milliseconds, which is how exactly the use of the standby is seen.
const RATE: f64 = 200.0;

/// How long the uplink stays broken.
const BROKEN: Duration = Duration::from_secs(3);

/// What was measured over all trials, from the break.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// To the record of the check that found the uplink down.
    pub(crate) found: Figure,
    /// To the first new connection that the standby carried.
    pub(crate) used: Figure,
    /// From the one to the other.
    pub(crate) after: Figure,
}

/// What a record says, as far as it is measured.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Record {
    Check {
        /// Milliseconds since the host was started.
        mono: u64,
        uplink: String,
        family: u8,
        up: bool,
    },
    #[serde(other)]
    Other,
}

/// Breaks the uplink in use `runs` times, at instants that `seed` draws.
///
/// # Errors
/// When the lab or ftr fails, or the standby is not used at all.
pub(crate) fn measure(runs: usize, seed: u64) -> Result<Outcome> {
    let mut lab = Lab::build(&plan::alike(2))?;
    let _server = Server::start(&lab.internet)?;
    let mut router = Router::prepare(&lab, &config::parse(CONFIG)?)?;
    router.start_with(&lab, &["--json", "--debug"])?;
    let client = Client::start(&lab.lan, &Habit { held: 0, rate: RATE, seed, ..Habit::default() })?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut trials = Vec::new();
    for _ in 0..runs {
        settled(&lab, &router)?;
        thread::sleep(Duration::from_millis(random.u64(0..1000)));
        let (clock, broken) = (since_boot()?, Instant::now());
        lab.fail(ACTIVE, Fault::Silent)?;
        thread::sleep(BROKEN.saturating_sub(broken.elapsed()));
        trials.push((broken, found(&router, (ACTIVE, Family::V4), clock)?));
        lab.mend(ACTIVE)?;
    }
    let (report, standby) = (client.finish()?, lab.uplink(STANDBY)?.address());
    let used = |(broken, _): &(Instant, Duration)| {
        report.first_seen_after(*broken, |source| source == standby).filter(|used| *used < BROKEN)
    };
    let used: Vec<Duration> = trials.iter().filter_map(used).collect();
    if used.len() < trials.len() {
        return Err(LabError::Unexpected(format!("the standby was used in {} of {runs} trials", used.len())));
    }
    let after = trials.iter().zip(&used).map(|((_, found), used)| used.as_secs_f64() - found.as_secs_f64());
    Ok(Outcome {
        found: Figure::seconds(trials.iter().map(|(_, found)| *found)),
        after: Figure::new(after, "s"),
        used: Figure::seconds(used),
    })
}

/// Waits until the one is in use alone and the other is left alone.
fn settled(lab: &Lab, router: &Router) -> Result<()> {
    let alone = |seen: &BTreeMap<String, u32>| seen.keys().eq([ACTIVE]);
    wait_for("the uplink to be in use", SETTLES_WITHIN, || kernel::balanced(lab, Family::V4), alone)?;
    let age = || {
        let last = checks(router)?.into_iter().rfind(|check| check.uplink == STANDBY);
        last.map(|last| since_boot().map(|now| now.saturating_sub(last.at))).transpose()
    };
    wait_for("the standby to be left alone", SETTLES_WITHIN, age, |age| age.is_some_and(|age| age > IDLE)).map(drop)
}

/// How long after an instant a check found the uplink down in a family.
pub(crate) fn found(router: &Router, (uplink, family): (&str, Family), broken: Duration) -> Result<Duration> {
    let mut checks = checks(router)?.into_iter();
    let is_of =
        |check: &Seen| (check.uplink.as_str(), check.family) == (uplink, if family == Family::V4 { 4 } else { 6 });
    let found = checks.find(|check| is_of(check) && !check.up && check.at >= broken);
    let found = found.ok_or_else(|| LabError::Unexpected(format!("{uplink} was not found down\n{}", router.log())))?;
    Ok(found.at.saturating_sub(broken))
}

/// A check, with the time of its record since the host was started.
struct Seen {
    at: Duration,
    uplink: String,
    family: u8,
    up: bool,
}

fn checks(router: &Router) -> Result<Vec<Seen>> {
    let printed = router.monitor()?.output();
    // The last line may be half written.
    let whole = printed.rfind('\n').and_then(|end| printed.get(..end)).unwrap_or_default();
    Ok(read(whole))
}

/// The checks among lines that are not all records.
fn read(lines: &str) -> Vec<Seen> {
    let seen = |line: &str| match serde_json::from_str(line).ok()? {
        Record::Check { mono, uplink, family, up } => {
            Some(Seen { at: Duration::from_millis(mono), uplink, family, up })
        }
        Record::Other => None,
    };
    lines.lines().filter_map(seen).collect()
}

/// The clock of records.
pub(crate) fn since_boot() -> Result<Duration> {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).context(|| "read the clock".to_owned())
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn checks_are_found_among_what_is_printed() {
        let seen = read(
            "ftr-monitor: a remark\n\
             {\"type\":\"check\",\"mono\":1500,\"uplink\":\"eth1\",\"family\":4,\"up\":false,\"reason\":\"no-answer\"}\n\
             {\"type\":\"active\",\"mono\":1501,\"uplinks\":[]}\n",
        );
        let seen: Vec<_> = seen.iter().map(|check| (check.at.as_millis(), check.uplink.as_str(), check.up)).collect();
        assert_eq!(seen, [(1500, "eth1", false)]);
    }
}
