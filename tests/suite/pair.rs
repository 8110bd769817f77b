//! Two routers with keepalived and conntrackd, set up as `dist/pair` says: whatever one of them loses, the other carries on.

use ftr_lab::client::{Client, Habit};
use ftr_lab::error::{LabError, Result};
use ftr_lab::family::Family;
use ftr_lab::fault::Fault;
use ftr_lab::pair::{Loss, Pair, Side};
use ftr_lab::report::Report;
use ftr_lab::server::Server;
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use std::net::IpAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// The families of both the hosts and the providers.
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Held connections of each family.
const HELD: usize = 18;

/// How soon the other one carries connections: three adverts of 100 ms and what it takes besides. Others use the machine too.
const CARRIES_WITHIN: Duration = Duration::from_millis(1500);

/// The same where the loss has to be found out by checks, a second apart.
const FOUND_WITHIN: Duration = Duration::from_secs(4);

/// How long traffic flows after a loss.
const AFTER: Duration = Duration::from_secs(4);

type Test = fn() -> Result<()>;

fn main() -> ExitCode {
    let all: [(&str, Test); 8] = [
        ("one_that_loses_its_uplinks_is_relieved", || relieved(Loss::Uplinks, CARRIES_WITHIN)),
        ("one_whose_uplinks_fall_silent_is_relieved", || relieved(Loss::SilentUplinks, FOUND_WITHIN)),
        ("one_whose_ipv6_falls_silent_is_relieved", || relieved(Loss::SilentIpv6, FOUND_WITHIN)),
        ("one_that_is_killed_is_relieved", || relieved(Loss::Router, CARRIES_WITHIN)),
        ("one_that_loses_its_lan_is_relieved", || relieved(Loss::Lan, CARRIES_WITHIN)),
        ("one_uplink_less_is_no_reason", one_uplink_less_is_no_reason),
        ("nothing_moves_without_need", nothing_moves_without_need),
        ("marks_are_the_same_on_both_after_the_same_reloads", marks_are_the_same_on_both_after_the_same_reloads),
    ];
    // keepalived becomes another user for its scripts, if only root once more.
    let impossible = !suite::has_every_user();
    let trial = |(name, test): (&'static str, Test)| {
        Trial::test(name, move || test().map_err(Failed::from)).with_ignored_flag(impossible)
    };
    suite::run(all.map(trial).into())
}

/// Both families, each with so many new connections a second.
fn habit(rate: f64) -> Habit {
    Habit { families: FAMILIES.to_vec(), held: HELD, rate, ..Habit::default() }
}

/// One router loses something, then, once it has it back, the other one does: held connections outlive both.
fn relieved(loss: Loss, within: Duration) -> Result<()> {
    let mut pair = Pair::start()?;
    let _server = Server::start(&pair.lab.internet)?;
    let client = Client::start(&pair.lab.lan, &habit(20.0))?;
    let copies = pair.connections(pair.settle()?.other())?;
    let of_ipv6 = copies.iter().filter(|copy| copy.contains("src=fd00::")).count();
    assert!(of_ipv6 >= HELD && copies.len() >= of_ipv6 + HELD, "{copies:?}");
    let mut events = Vec::new();
    for _ in 0..2 {
        let holder = pair.settle()?;
        let began = Instant::now();
        pair.lose(holder, loss)?;
        pair.takes_over(holder.other(), within)?;
        println!("{loss:?} at router {holder:?}: the other one has the addresses after {:?}", began.elapsed());
        thread::sleep(AFTER);
        events.push((began, Instant::now()));
        pair.mend(holder, loss)?;
        // It comes back, and takes nothing back.
        assert_eq!(pair.settle()?, holder.other());
    }
    let report = client.finish()?;
    for (began, end) in events {
        let last = report.failed(began, end).map(|attempt| attempt.began - began).max();
        println!("{loss:?}: the last new connection that failed began after {:?}", last.unwrap_or_default());
        assert!(last.is_none_or(|last| last <= within), "{last:?}");
    }
    nobody_broke(&report, &pair)
}

fn nobody_broke(report: &Report, pair: &Pair) -> Result<()> {
    let broke: Vec<_> = report.held.iter().filter_map(|held| held.broke.as_ref()).collect();
    let stall = report.held.iter().map(|held| held.longest_stall).max().unwrap_or_default();
    println!("{} of {} held connections broke; the longest stall was {stall:?}", broke.len(), report.held.len());
    if broke.is_empty() && report.held.len() == FAMILIES.len() * HELD {
        return Ok(());
    }
    Err(LabError::Unexpected(format!("held connections broke: {broke:?}\n{}", pair.told())))
}

/// A router that loses one of its uplinks carries on with the other one: what was established there is given up, as on a router
/// that is alone.
fn one_uplink_less_is_no_reason() -> Result<()> {
    let mut pair = Pair::start()?;
    let _server = Server::start(&pair.lab.internet)?;
    let client = Client::start(&pair.lab.lan, &habit(20.0))?;
    let holder = pair.settle()?;
    pair.lose(holder, Loss::OneUplink)?;
    // What was under way while the cable was pulled may be lost on it.
    let began = Instant::now();
    thread::sleep(Duration::from_secs(5));
    assert!(pair.holds(holder)?, "{}", pair.told());
    pair.mend(holder, Loss::OneUplink)?;
    assert_eq!(pair.settle()?, holder);
    let report = client.finish()?;
    let first = ["1.0.0.2", "2001:db8:1::2"];
    let of = |source: Option<IpAddr>| source.is_some_and(|source| first.contains(&source.to_string().as_str()));
    let (dead, others): (Vec<_>, Vec<_>) = report.held.iter().partition(|held| of(held.seen_as));
    for family in FAMILIES {
        assert!([&dead, &others].iter().all(|held| held.iter().any(|one| one.family == family)), "all use one uplink");
    }
    assert!(dead.iter().all(|held| held.broke.is_some()), "connections of eth1 have to end: {dead:?}");
    assert!(others.iter().all(|held| held.broke.is_none()), "connections of eth2 go on: {others:?}");
    assert_eq!(report.failed(began, Instant::now()).count(), 0);
    Ok(())
}

/// Whatever hits both alike, or comes back, moves nothing.
fn nothing_moves_without_need() -> Result<()> {
    let mut pair = Pair::start()?;
    let _server = Server::start(&pair.lab.internet)?;
    let client = Client::start(&pair.lab.lan, &habit(5.0))?;
    let holder = pair.settle()?;
    // The one in reserve loses what it likes.
    for loss in [Loss::Uplinks, Loss::Lan, Loss::Router] {
        pair.lose(holder.other(), loss)?;
        thread::sleep(Duration::from_secs(2));
        assert!(pair.holds(holder)?, "{loss:?} of the other one");
        pair.mend(holder.other(), loss)?;
        assert_eq!(pair.settle()?, holder, "{loss:?} of the other one");
    }
    // Later some may break: an uplink that comes back takes over from one that has been down for longer than `flush_delay`.
    nobody_broke(&client.finish()?, &pair)?;
    // Providers that fail both find nobody better: the addresses stay with a router, whichever of them found out first.
    for uplink in ["eth1", "eth2"] {
        pair.lab.fail(uplink, Fault::Silent)?;
    }
    pair.despairs()?;
    thread::sleep(Duration::from_secs(1));
    assert!(pair.holder()?.is_some(), "nobody has the addresses");
    for uplink in ["eth1", "eth2"] {
        pair.lab.mend(uplink)?;
    }
    // Each router checks one of its uplinks every half second. The one in reserve may find out as much earlier that they
    // are back, and is the better one until the other does; then nothing moves any more.
    let holder = pair.settle()?;
    thread::sleep(Duration::from_secs(2));
    assert!(pair.holds(holder)?, "{}", pair.told());
    Ok(())
}

/// Numbers go by names, in the order in which the names came; after a boot in the order of the file, which is the same where
/// uplinks were appended.
fn marks_are_the_same_on_both_after_the_same_reloads() -> Result<()> {
    let mut pair = Pair::start()?;
    let same = |pair: &Pair| -> Result<Vec<String>> {
        let [a, b] = [pair.marks(Side::A)?, pair.marks(Side::B)?];
        assert_eq!(a, b);
        Ok(a)
    };
    let before = same(&pair)?;
    assert_eq!(before.len(), 2);
    let third = "- {interface: eth9, ip: 203.0.113.2, gateway: 203.0.113.1}\n";
    let changes = [
        ("uplinks:\n", format!("uplinks:\n{third}")),
        (third, String::new()),
        ("\ndownlinks:", format!("{third}\ndownlinks:")),
    ];
    for (from, to) in changes {
        for side in Side::BOTH {
            pair.reload(side, from, &to)?;
        }
        let now = same(&pair)?;
        assert!(before.iter().all(|mark| now.contains(mark)), "{before:?}, {now:?}");
    }
    let reserve = pair.settle()?.other();
    pair.lose(reserve, Loss::Router)?;
    pair.mend(reserve, Loss::Router)?;
    assert_eq!(same(&pair)?.len(), 3);
    Ok(())
}
