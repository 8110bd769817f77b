//! `ftr-route` is killed at random moments while the set of active uplinks changes all the time.

use super::applied;
use super::entry::FAMILIES;
use super::follower::Follower;
use super::host::{Host, Shape, device};
use super::ways;
use fastrand::Rng;
use ftr_lab::error::{LabError, Result};
use std::thread;
use std::time::Duration;

/// It lives at most so long from one change of the set on.
const LIFE: Duration = Duration::from_millis(8);

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How often it was killed.
    pub kills: usize,
    /// How often the kernel was then not as the last set wants it, so that it was killed half way.
    pub half: usize,
    /// Look-ups of then that found no way.
    pub lost: usize,
    /// How often the next run did not complete it, or the one after that still had something to do.
    pub incomplete: usize,
}

/// Kills it so many times.
///
/// # Errors
/// When the host fails, or `ftr-route` does.
pub fn measure(kills: usize, seed: u64) -> Result<Outcome> {
    let mut random = Rng::with_seed(seed);
    let host = Host::new(Shape::WHOLE)?;
    let all: Vec<String> = (1..=host.shape.uplinks).map(device).collect();
    host.route(&["apply"])?;
    let devices = all.iter().map(|name| index(&host, name)).collect::<Result<Vec<u32>>>()?;
    let travellers = ways::travellers(&host, 1, &devices);
    let mut requests = host.requests()?;
    let mut outcome = Outcome { kills, ..Outcome::default() };
    for _ in 0..kills {
        let mut follower = Follower::start(&host)?;
        let mut wanted = all.clone();
        for _ in 0..random.usize(1..4) {
            wanted = some(&all, &mut random);
            for family in FAMILIES {
                follower.tell(&applied::active(family, &wanted))?;
            }
            thread::sleep(LIFE.mul_f64(random.f64().powi(2)));
        }
        follower.kill()?;
        outcome.lost += ways::found(&mut requests, &travellers)?.iter().filter(|found| !**found).count();
        let mut arguments = vec!["-j", "apply"];
        arguments.extend(wanted.iter().map(String::as_str));
        let writes = |text: &str| Ok::<u32, LabError>(applied::all(text)?.iter().map(|one| one.writes).sum());
        outcome.half += usize::from(writes(&host.route(&arguments)?)? > 0);
        outcome.incomplete += usize::from(writes(&host.route(&arguments)?)? > 0);
    }
    Ok(outcome)
}

/// Some of them, at least one.
fn some(all: &[String], random: &mut Rng) -> Vec<String> {
    let mut order = all.to_vec();
    random.shuffle(&mut order);
    order.truncate(random.usize(1..=all.len()));
    order.sort_unstable();
    order
}

/// The number of a device.
pub(super) fn index(host: &Host, name: &str) -> Result<u32> {
    let links = host.requests()?.links().map_err(|error| super::host::netlink(&error))?;
    let link = links.into_iter().find(|link| link.name == name);
    link.map(|link| link.index).ok_or_else(|| LabError::Unexpected(format!("{name}: no such device")))
}
