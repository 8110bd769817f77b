//! From the record or the event that says that an uplink is down, or up again, to the new balanced route.

use super::applied;
use super::ear::Ear;
use super::entry;
use super::follower::Follower;
use super::host::{Host, Shape, device};
use crate::probe::Console;
use ftr_lab::config;
use ftr_lab::error::{LabError, Result};
use ftr_lab::family;
use ftr_lab::lab::Lab;
use ftr_lab::plan;
use ftr_lab::router::{self, Router};
use ftr_netlink::{Event, Family, Group, Route};
use std::thread;
use std::time::{Duration, Instant};

/// A route that is not there by then never comes.
const WITHIN: Duration = Duration::from_secs(3);

/// The two programs as a shell joins them.
const PIPE: &str = "ftr-monitor decide | ftr-route apply -";

/// The route of an event, where it is a new one that carries the connections of this table.
pub(super) fn balanced(event: &Event, table: u32) -> Option<&Route> {
    match event {
        Event::Route(route) if route.table == table && entry::FIRST.contains(&route.metric) => Some(route),
        _ => None,
    }
}

/// Writes `count` check records, one uplink down and up again in turn, to a pipe of the two programs; how long each took
/// until the kernel told of the new route.
///
/// # Errors
/// When no new route comes, or the host fails.
pub fn through_pipe(count: usize, seed: u64) -> Result<Vec<Duration>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let host = Host::new(Shape { uplinks: 3, ipv6: false, more: "" })?;
    let mut ear = Ear::open(&host.space, &[Group::Route(Family::V4)])?;
    let mut shell = std::process::Command::new("bash");
    ftr_lab::program::environment(&mut shell, host.directory())?;
    shell.args(["-c", PIPE]).env("FTR_CONFIG", host.directory().join("ftr.yaml"));
    let mut pipe = Follower::spawn(&host, &mut shell)?;
    pipe.answer(Family::V4)?;
    let mut mono = 1_000_000;
    pipe.tell(&(1..=3).map(|number| applied::check(&device(number), true, mono)).collect::<String>())?;
    let mut route = |begin: Instant, hops: usize| {
        let found = ear.first(begin + WITHIN, |_, event| {
            balanced(event, 4).filter(|route| route.nexthops.len() == hops).map(drop)
        })?;
        found.map(|(at, ())| at - begin).ok_or_else(|| LabError::Unexpected(format!("no route of {hops} in {PIPE}")))
    };
    route(Instant::now(), 3)?;
    let mut times = Vec::new();
    for trial in 0..count {
        thread::sleep(Duration::from_millis(random.u64(5..40)));
        mono += 1000;
        let up = trial % 2 == 1;
        let begin = pipe.tell(&applied::check("eth1", up, mono))?;
        times.push(route(begin, if up { 3 } else { 2 })?);
    }
    pipe.finish()?;
    Ok(times)
}

/// Pulls and plugs in a cable under the whole daemon; how long each took from the kernel's word of the device to its
/// word of the route without it.
///
/// # Errors
/// When no new route comes, or the lab fails.
pub fn through_daemon(count: usize, seed: u64) -> Result<Vec<Duration>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let lab = Lab::build(&plan::three())?;
    let mut router = Router::prepare(&lab, &config::parse("{}")?)?;
    let mut ear = Ear::open(&lab.router, &[Group::Link, Group::Route(Family::V4)])?;
    router.start(&lab)?;
    let all: Vec<String> = lab.uplinks.iter().map(plan::Uplink::device).collect();
    let mut console = Console::open(&lab.provider("eth1")?.space)?;
    let mut times = Vec::new();
    for _ in 0..count {
        router::carries(&lab, &all, family::Family::V4, Duration::from_secs(8))?;
        thread::sleep(Duration::from_millis(random.u64(100..600)));
        ear.forget()?;
        let (found, lost) = thread::scope(|scope| {
            // What happens is heard while it happens, and not after the command has been answered.
            let pulled = scope.spawn(|| console.say("link set access down"));
            let mut lost = None;
            let found = ear.first(Instant::now() + WITHIN, |now, event| match event {
                Event::Link(link) if link.name == "eth1" && !link.flags.has_carrier() => {
                    lost.get_or_insert(now);
                    None
                }
                event => balanced(event, 4).filter(|route| route.nexthops.len() == 2).map(drop),
            });
            match pulled.join() {
                Ok(pulled) => pulled.and(found).map(|found| (found, lost)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
        match (found, lost) {
            (Some((at, ())), Some(lost)) => times.push(at.saturating_duration_since(lost)),
            (found, lost) => {
                return Err(LabError::Unexpected(format!(
                    "carrier lost {lost:?}, new route {found:?}; {}",
                    router.log()
                )));
            }
        }
        console.say("link set access up")?;
    }
    Ok(times)
}
