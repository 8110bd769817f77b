//! Change under load: while the balanced route changes hands, every look-up finds a way.

use crate::Test;
use crate::host::{FAMILIES, Host, far, hop, write};
use ftr_netlink::{Error, Family, Lookup, Route, RouteKind, Rtnetlink, Rule, Write};
use libtest_mimic::Failed;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The tests of this file.
pub(crate) const TESTS: [(&str, Test); 1] =
    [("no_lookup_fails_while_a_better_route_takes_over", no_lookup_fails_while_a_better_route_takes_over)];

const TABLE: u32 = 1001;
/// The metric of the first balanced route; each that follows has one less.
const FIRST: u32 = 1_000_000;
const READERS: usize = 2;
const DURING: Duration = Duration::from_secs(1);
/// Between two looks whether those look-ups are over that may hold on to a route: IPv6 answers `ENETUNREACH` to one that has
/// found a route and sees it deleted before it could take it.
const GRACE: Duration = Duration::from_millis(1);
/// More than a machine ever stands still.
const PATIENCE: Duration = Duration::from_secs(10);

fn default(family: Family, metric: u32, devices: impl Iterator<Item = u32>) -> Route {
    let nexthops = devices.map(|device| hop(family, device)).collect();
    Route { protocol: 117, metric, nexthops, ..Route::default(family, TABLE, RouteKind::Unicast) }
}

/// The balanced route after so many changes.
fn balanced(family: Family, changes: u32) -> Route {
    default(family, FIRST - changes, 1 + changes % 2..=4)
}

/// Looks up until told to stop, and counts. Tells what was refused.
fn read(netlink: &mut Rtnetlink, family: Family, stop: &AtomicBool, asked: &AtomicU64) -> Vec<Error> {
    let mut refused = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        refused.extend(netlink.lookup(&Lookup::to(far(family))).err());
        asked.fetch_add(1, Ordering::Release);
    }
    refused
}

fn counted(asked: &[AtomicU64]) -> Vec<u64> {
    asked.iter().map(|count| count.load(Ordering::Acquire)).collect()
}

/// Waits until each look-up that is under way has its answer: what begins from now on finds the better route.
fn answered(asked: &[AtomicU64]) -> Result<(), Failed> {
    let (before, began) = (counted(asked), Instant::now());
    while counted(asked).iter().zip(&before).any(|(now, before)| now == before) {
        if began.elapsed() > PATIENCE {
            return Err("a look-up has no answer".into());
        }
        thread::sleep(GRACE);
    }
    Ok(())
}

/// Adds a better route, then deletes the one before, again and again. Tells how often.
fn change(netlink: &mut Rtnetlink, family: Family, asked: &[AtomicU64]) -> Result<u32, Failed> {
    let began = Instant::now();
    let mut changes = 0;
    while began.elapsed() < DURING {
        write(netlink, &[Write::AddRoute(balanced(family, changes + 1))])?;
        answered(asked)?;
        write(netlink, &[Write::DeleteRoute(balanced(family, changes))])?;
        changes += 1;
    }
    Ok(changes)
}

fn no_lookup_fails_while_a_better_route_takes_over() -> Result<(), Failed> {
    let mut host = Host::new()?;
    for family in FAMILIES {
        // Behind the main table: before it the kernel would look for the way to an IPv6 gateway in our own defaults, and
        // refuse them because a gateway must not need a gateway.
        let rule = Rule::lookup(family, 40_000, TABLE);
        write(&mut host.netlink, &[Write::AddRoute(balanced(family, 0)), Write::AddRule(rule)])?;
        let mut sockets = (0..READERS).map(|_| host.requests()).collect::<Result<Vec<_>, _>>()?;
        let stop = AtomicBool::new(false);
        let asked: [AtomicU64; READERS] = std::array::from_fn(|_| AtomicU64::new(0));
        let (changes, answers) = thread::scope(|scope| {
            let stop = &stop;
            let read = |(socket, asked)| scope.spawn(move || read(socket, family, stop, asked));
            let readers: Vec<_> = sockets.iter_mut().zip(&asked).map(read).collect();
            let changes = change(&mut host.netlink, family, &asked);
            stop.store(true, Ordering::Relaxed);
            let answers: Vec<_> = readers.into_iter().map(thread::ScopedJoinHandle::join).collect();
            (changes, answers)
        });
        let changes = changes?;
        for (answer, asked) in answers.into_iter().zip(counted(&asked)) {
            let refused = answer.map_err(|_| "a reader panicked")?;
            println!("{family:?}: {} of {asked} look-ups refused during {changes} changes", refused.len());
            assert_eq!(refused.first(), None);
        }
    }
    Ok(())
}
