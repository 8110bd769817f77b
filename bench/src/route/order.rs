//! A host whose rules are in the order of former versions moves to that of today, while many threads look up their ways.
//!
//! Formerly the rules for addresses came first, then those for marks of uplinks, for devices, and for marks of policies;
//! and the rule for main passed over defaults alone.

use super::applied;
use super::entry::FAMILIES;
use super::host::{Host, LAN, Shape, device, netlink};
use super::killed::index;
use super::ways;
use ftr_lab::error::{LabError, Result};
use ftr_netlink::{Error, Family, Lookup, Rtnetlink, Rule, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The tag of what is ftr's.
const PROTOCOL: u8 = 117;

/// The policies of a host of the shape `WHOLE`.
const POLICIES: u32 = 1;

/// How many look at the same time.
const THREADS: usize = 4;

/// What came of the moves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How often the host moved.
    pub moves: u64,
    /// How many changes that took.
    pub writes: u64,
    /// How many ways were looked up meanwhile.
    pub asked: u64,
    /// Those that found none although they have one before and after.
    pub failed: u64,
    /// Those that found another than they have before or after.
    pub astray: u64,
    /// How often something was left to do, or a rule that was not today's.
    pub incomplete: u64,
}

/// Where a packet goes: by the device of this number; none where it is refused.
type Way = Option<u32>;

/// Moves a host until so many look-ups of both families fell into the moves.
///
/// # Errors
/// When the host or `ftr-route` fails, or the kernel does not answer.
pub fn measure(count: u64) -> Result<Outcome> {
    let host = Host::new(Shape::WHOLE)?;
    host.route(&["apply"])?;
    let travellers = travellers(&host)?;
    let mut requests = host.requests()?;
    let now = found(&mut requests, &travellers)?;
    let mut outcome = Outcome::default();
    while outcome.asked < count {
        restore(&host)?;
        let before = found(&mut requests, &travellers)?;
        if before == now {
            return Err(LabError::Unexpected("the two orders make no difference to anybody".to_owned()));
        }
        let done = AtomicBool::new(false);
        let mut sockets = (0..THREADS).map(|_| host.requests()).collect::<Result<Vec<_>>>()?;
        thread::scope(|scope| {
            let (travellers, done) = (&travellers, &done);
            let lookers: Vec<_> =
                sockets.iter_mut().map(|requests| scope.spawn(|| look(requests, travellers, done))).collect();
            let told = host.route(&["apply", "-j"]);
            done.store(true, Ordering::Relaxed);
            for looker in lookers {
                let seen = looker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                for (at, way) in seen {
                    let (before, now) = (before.get(at).copied().flatten(), now.get(at).copied().flatten());
                    outcome.asked += 1;
                    outcome.failed += u64::from(way.is_none() && before.is_some() && now.is_some());
                    outcome.astray += u64::from(way.is_some() && way != before && way != now);
                }
            }
            outcome.writes += applied::all(&told?)?.iter().map(|one| u64::from(one.writes)).sum::<u64>();
            Ok::<(), LabError>(())
        })?;
        outcome.moves += 1;
        let again = applied::all(&host.route(&["apply", "-j"])?)?.iter().any(|one| one.writes > 0);
        outcome.incomplete += u64::from(again || found(&mut requests, &travellers)? != now);
    }
    Ok(outcome)
}

/// Takes a host that is in the former order, or half way from there, apart; returns how many rules of ours are left.
///
/// # Errors
/// When the host or `ftr-route` fails.
pub fn cleared(steps: usize) -> Result<usize> {
    let host = Host::new(Shape::WHOLE)?;
    host.route(&["apply"])?;
    restore(&host)?;
    let plan = host.route(&["apply", "-n"])?;
    for step in plan.lines().take(steps) {
        host.space.sh(step)?;
    }
    host.route(&["clear"])?;
    let mut requests = host.requests()?;
    let mut left = 0;
    for family in FAMILIES {
        left += ours(&mut requests, family)?.len();
    }
    Ok(left)
}

/// Puts the rules of ours back into the former order.
pub(super) fn restore(host: &Host) -> Result<()> {
    let mut requests = host.requests()?;
    for family in FAMILIES {
        let rules = ours(&mut requests, family)?;
        let first = rules.iter().map(|rule| rule.priority).min().unwrap_or_default() + 1;
        let then: Vec<Rule> = rules.iter().map(|rule| former(rule, first, host.shape.uplinks.into())).collect();
        // The last one is where it was.
        let added = then.iter().filter(|rule| !rules.contains(rule)).cloned().map(Write::AddRule);
        let gone = rules.iter().filter(|rule| !then.contains(rule)).cloned().map(Write::DeleteRule);
        let writes: Vec<Write> = added.chain(gone).collect();
        for answer in requests.write(&writes).map_err(|error| netlink(&error))? {
            answer.map_err(|error| LabError::Unexpected(error.to_string()))?;
        }
    }
    Ok(())
}

/// The rule as former versions had it.
fn former(rule: &Rule, first: u32, n: u32) -> Rule {
    let mut former = rule.clone();
    if rule.suppress_prefixlength.is_some() {
        former.suppress_prefixlength = Some(0);
        return former;
    }
    former.priority = first
        + match rule.priority - first {
            other if other < 2 * n + POLICIES => n + other,
            from if from < 3 * n + POLICIES => from - 2 * n - POLICIES,
            last => last,
        };
    former
}

fn ours(requests: &mut Rtnetlink, family: Family) -> Result<Vec<Rule>> {
    let mut rules = requests.rules(family).map_err(|error| netlink(&error))?;
    rules.retain(|rule| rule.protocol == PROTOCOL);
    Ok(rules)
}

/// New connections, bound ones, and those from each uplink's address with each mark and without one.
fn travellers(host: &Host) -> Result<Vec<Lookup>> {
    let devices = (1..=host.shape.uplinks).map(|number| index(host, &device(number))).collect::<Result<Vec<_>>>()?;
    let mut all = ways::travellers(host, POLICIES, &devices);
    // Without a source IPv6 looks once more where it finds nothing, and then from an address of an uplink.
    for traveller in &mut all {
        traveller.source = traveller.destination.is_ipv6().then_some(IpAddr::from(LAN));
    }
    for number in 1..=host.shape.uplinks {
        for mark in 0..=u32::from(host.shape.uplinks) + POLICIES {
            for destination in FAMILIES.iter().flat_map(|family| ways::destinations(*family == Family::V6)) {
                let source = match destination {
                    IpAddr::V4(_) => IpAddr::from([10, number, 0, 2]),
                    IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, number.into(), 0, 0, 0, 0, 2).into(),
                };
                all.push(Lookup { mark, source: Some(source), ..Lookup::to(destination) });
            }
        }
    }
    Ok(all)
}

fn found(requests: &mut Rtnetlink, travellers: &[Lookup]) -> Result<Vec<Way>> {
    travellers.iter().map(|traveller| way(requests, traveller)).collect()
}

fn way(requests: &mut Rtnetlink, traveller: &Lookup) -> Result<Way> {
    match requests.lookup(traveller) {
        Ok(route) => Ok(route.nexthops.first().map(|nexthop| nexthop.index)),
        Err(Error::Rejected { .. }) => Ok(None),
        Err(error) => Err(netlink(&error)),
    }
}

/// Looks up one way after the other until it is done.
fn look(requests: &mut Rtnetlink, travellers: &[Lookup], done: &AtomicBool) -> Result<Vec<(usize, Way)>> {
    let mut seen = Vec::new();
    for (at, traveller) in travellers.iter().enumerate().cycle() {
        if done.load(Ordering::Relaxed) {
            break;
        }
        seen.push((at, way(requests, traveller)?));
    }
    Ok(seen)
}
