//! What becomes of established connections when their uplink fails silently.

use super::datagrams::{Calls, Heard};
use super::ear::Ear;
use super::pipeline::balanced;
use ftr_lab::client::{Client, Habit};
use ftr_lab::config;
use ftr_lab::error::{LabError, Result};
use ftr_lab::family;
use ftr_lab::fault::Fault;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::report::Held;
use ftr_lab::router::{self, Router};
use ftr_lab::server::Server;
use ftr_netlink::{Family, Group};
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

/// The uplink that fails: the one of half the weight.
const VICTIM: &str = "eth2";

/// How many calls there are.
const CALLS: u8 = 48;

/// A connection of a healthy uplink that was silent for longer has stalled: longer than a machine that others share often stands
/// still.
const STALL: Duration = Duration::from_secs(1);

/// How long the uplink stays dead after that was found out.
const DEAD: Duration = Duration::from_secs(3);

/// How long connections may take to talk again after the uplink is back.
const BACK: Duration = Duration::from_secs(3);

/// What was seen; times count from the kernel's word of the route without the dead uplink.
#[derive(Debug, Default)]
pub struct Outcome {
    /// From the break to that word.
    pub detection: Duration,
    /// When the first packet of each of the dead uplink's calls came back through another one.
    pub moved: Vec<Duration>,
    /// How many of its calls did not move.
    pub stuck: usize,
    /// When each of its TCP connections was reset.
    pub reset: Vec<Duration>,
    /// How many of those were not.
    pub hung: usize,
    /// Calls and TCP connections of other uplinks that broke, stalled or moved; and of how many.
    pub harmed: (usize, usize),
}

/// Breaks an uplink under calls and connections and mends it again.
///
/// # Errors
/// When the lab or ftr fails, or the failure is not noticed.
pub fn measure(overrides: &str, seed: u64) -> Result<Outcome> {
    let mut lab = Lab::build(&plan::three())?;
    let _server = Server::start(&lab.internet)?;
    let mut router = Router::prepare(&lab, &config::parse(overrides)?)?;
    let mut ear = Ear::open(&lab.router, &[Group::Route(Family::V4)])?;
    router.start(&lab)?;
    let all: Vec<String> = lab.uplinks.iter().map(plan::Uplink::device).collect();
    router::carries(&lab, &all, family::Family::V4, Duration::from_secs(8))?;
    let client = Client::start(&lab.lan, &Habit { rate: 1.0, held: 24, seed, ..Habit::default() })?;
    let calls = Calls::begin(&lab.lan, &lab.internet, CALLS)?;
    thread::sleep(Duration::from_millis(1000 + fastrand::Rng::with_seed(seed).u64(0..1000)));
    ear.forget()?;
    let broken = Instant::now();
    lab.fail(VICTIM, Fault::Silent)?;
    let found = ear.first(broken + DEAD * 2, |_, event| balanced(event, 4).map(drop))?;
    let (known, ()) = found.ok_or_else(|| LabError::Unexpected(format!("not noticed: {}", router.log())))?;
    thread::sleep(DEAD);
    let mended = Instant::now();
    lab.mend(VICTIM)?;
    thread::sleep(BACK);
    let (heard, held) = (calls.end(), client.finish()?.held);
    let source = lab.uplink(VICTIM)?.address();
    let mut outcome = Outcome { detection: known - broken, ..Outcome::default() };
    for heard in &heard {
        outcome.call(heard, source, (broken, known, mended));
    }
    for held in &held {
        outcome.connection(held, source, known);
    }
    Ok(outcome)
}

impl Outcome {
    fn call(&mut self, heard: &Heard, source: Ipv4Addr, (broken, known, mended): (Instant, Instant, Instant)) {
        let Some((_, carrier)) = heard.iter().rfind(|(at, _)| *at < broken) else {
            self.harmed.0 += 1;
            return;
        };
        let elsewhere = heard.iter().find(|(at, from)| *at >= broken && *at < mended && from != carrier);
        if *carrier == source {
            match elsewhere {
                Some((at, _)) => self.moved.push(at.saturating_duration_since(known)),
                None => self.stuck += 1,
            }
            return;
        }
        let times: Vec<Instant> = heard.iter().map(|(at, _)| *at).filter(|at| *at < mended).collect();
        let stall = times.iter().zip(times.iter().skip(1)).map(|(one, next)| *next - *one).max();
        let silent = times.last().is_none_or(|last| mended - *last > STALL);
        self.harmed.0 += usize::from(elsewhere.is_some() || silent || stall.is_some_and(|stall| stall > STALL));
        self.harmed.1 += 1;
    }

    fn connection(&mut self, held: &Held, source: Ipv4Addr, known: Instant) {
        match (held.seen_as == Some(source.into()), &held.broke) {
            (true, Some((at, _))) => self.reset.push(at.saturating_duration_since(known)),
            (true, None) => self.hung += 1,
            (false, broke) => {
                self.harmed.0 += usize::from(broke.is_some() || held.longest_stall > STALL);
                self.harmed.1 += 1;
            }
        }
    }
}
