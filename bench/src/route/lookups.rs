//! Many threads ask the kernel for a way while the set of active uplinks changes as fast as it can.
//!
//! A UDP socket that connects sends nothing and looks up one route. Each look-up has a socket of its own: one that is
//! used again is bound to the source of its first look-up, and asks another question. Unmarked IPv6 sockets are bound to
//! an address of the LAN, as packets from there would be: without a source the kernel looks a second time where it found
//! nothing, now with an address of some uplink, and the rule for that address leads it out.

use super::applied;
use super::entry::FAMILIES;
use super::follower::Follower;
use super::host::{Host, LAN, Shape, device};
use super::ways;
use ftr_lab::error::{Context, Result};
use ftr_netlink::Family;
use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many look at the same time.
const THREADS: u64 = 4;

/// Look-ups between two of which a thread asks whether there are enough.
const STRIDE: u64 = 500;

/// IPv6 refuses a look-up that has found a route and sees it deleted before it could take it. `ftr-route` deletes so much later
/// than the better one is there, so only a look-up that was held up for as long meets that, and no way was missing.
const HELD_UP: Duration = Duration::from_millis(2);

/// What came of the look-ups.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// How many there were.
    pub asked: u64,
    /// How many failed, by family and reason.
    pub failed: BTreeMap<String, u64>,
    /// How often the active set changed meanwhile, over both families.
    pub changes: u64,
    /// How many changes of routes and rules that took.
    pub writes: u64,
    /// How long it all took.
    pub took: Duration,
}

/// Looks up at least `count` routes, IPv4 and IPv6, unmarked and marked, while the active set changes at least so often.
///
/// # Errors
/// When the host or `ftr-route` fails, or a socket cannot be made.
pub fn measure(count: u64, least_changes: u64) -> Result<Outcome> {
    let host = Host::new(Shape::WHOLE)?;
    let mut follower = Follower::start(&host)?;
    let sets: Vec<Vec<String>> = [&[1, 2, 3][..], &[1], &[2, 3], &[3], &[1, 2], &[2]]
        .map(|set| set.iter().copied().map(device).collect())
        .into();
    for family in FAMILIES {
        follower.carry(family, sets.first().map_or(&[], Vec::as_slice))?;
    }
    let began = Instant::now();
    let (asked, changes, enough) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let is_enough = |asked| asked >= count && changes.load(Ordering::Relaxed) >= least_changes;
    let mut outcome = host.space.enter(|| {
        thread::scope(|scope| {
            let lookers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| look(&asked, is_enough, &enough))).collect();
            let fed = feed(&mut follower, &sets, (&changes, &enough));
            // Those who look have to end where there is nothing more to see.
            enough.store(true, Ordering::Relaxed);
            let mut outcome = Outcome::default();
            for looker in lookers {
                match looker.join() {
                    Ok(failed) => failed?.into_iter().for_each(|(why, n)| *outcome.failed.entry(why).or_default() += n),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            outcome.writes = fed?;
            Ok(outcome)
        })
    })?;
    (outcome.asked, outcome.changes, outcome.took) = (asked.into_inner(), changes.into_inner(), began.elapsed());
    follower.finish()?;
    Ok(outcome)
}

/// Changes the set of one family after the other until it is enough, and counts; returns with how many writes.
fn feed(follower: &mut Follower, sets: &[Vec<String>], (changes, enough): (&AtomicU64, &AtomicBool)) -> Result<u64> {
    let mut writes = 0;
    for set in sets.iter().cycle() {
        for family in FAMILIES {
            follower.tell(&applied::active(family, set))?;
        }
        for family in FAMILIES {
            writes += u64::from(follower.answer(family)?.writes);
            changes.fetch_add(1, Ordering::Relaxed);
        }
        if enough.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(writes)
}

/// Looks until the look-ups of all threads together are enough.
fn look(asked: &AtomicU64, is_enough: impl Fn(u64) -> bool, enough: &AtomicBool) -> Result<BTreeMap<String, u64>> {
    let mut failed = BTreeMap::new();
    let questions = questions();
    let mut next = questions.iter().cycle();
    while !enough.load(Ordering::Relaxed) {
        for (family, target, mark) in next.by_ref().take(usize::try_from(STRIDE).unwrap_or(usize::MAX)) {
            let began = Instant::now();
            match ask(target, *mark)? {
                Err(error) if *family == Family::V4 || began.elapsed() < HELD_UP => {
                    *failed.entry(format!("{family:?} mark {mark}: {error}")).or_default() += 1;
                }
                _ => {}
            }
        }
        if is_enough(asked.fetch_add(STRIDE, Ordering::Relaxed) + STRIDE) {
            enough.store(true, Ordering::Relaxed);
        }
    }
    Ok(failed)
}

/// Each family's destinations, unmarked and with the mark of each uplink; half of all unmarked.
fn questions() -> Vec<(Family, SockAddr, u32)> {
    let mut questions = Vec::new();
    for (family, ipv6) in FAMILIES.into_iter().zip([false, true]) {
        for destination in ways::destinations(ipv6) {
            for mark in [0, 1, 0, 2, 0, 3] {
                questions.push((family, SockAddr::from(SocketAddr::new(destination, 53)), mark));
            }
        }
    }
    questions
}

/// One look-up. The inner error is the kernel's answer.
fn ask(target: &SockAddr, mark: u32) -> Result<std::io::Result<()>> {
    let domain = if target.is_ipv6() { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, None).context(|| "make a socket".to_owned())?;
    if mark != 0 {
        socket.set_mark(mark).context(|| "mark a socket".to_owned())?;
    }
    if mark == 0 && target.is_ipv6() {
        socket.bind(&SockAddr::from(SocketAddr::new(LAN.into(), 0))).context(|| format!("bind {LAN}"))?;
    }
    Ok(socket.connect(target))
}
