//! Changes stopped between any two of their steps: whoever has a way at both ends has one there, and the next run
//! completes what was begun.

use super::applied;
use super::host::{Host, Shape, configuration};
use super::killed::index;
use super::order;
use super::ways;
use ftr_lab::error::{LabError, Result};
use ftr_lab::namespace::feed;

/// A change of the world, the configuration or the active set.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// What it is called.
    pub name: &'static str,
    /// What the configuration had before, in the place of what it has then.
    was: &'static [(&'static str, &'static str)],
    /// What `ftr-route` did before; nothing where it never ran.
    before: Option<&'static [&'static str]>,
    /// What happens to the host then, where anything does.
    then: Option<fn(&Host) -> Result<()>>,
    /// What `ftr-route` does now.
    now: &'static [&'static str],
}

const EVERYTHING: &[&str] = &["apply"];

/// The changes, each of both families.
pub const CHANGES: [Change; 9] = [
    Change { name: "first", was: &[], before: None, then: None, now: EVERYTHING },
    Change { name: "failover", was: &[], before: Some(EVERYTHING), then: None, now: &["apply", "--failed", "eth3"] },
    Change { name: "failback", was: &[], before: Some(&["apply", "--failed", "eth3"]), then: None, now: EVERYTHING },
    Change {
        name: "exchange",
        was: &[],
        before: Some(&["apply", "eth1"]),
        then: None,
        now: &["apply", "eth2", "eth3"],
    },
    Change {
        name: "address",
        was: &[("ip: 10.1.0.9", "ip: 10.1.0.2"), ("2001:db8:1::9", "2001:db8:1::2")],
        before: Some(EVERYTHING),
        then: None,
        now: EVERYTHING,
    },
    // With the address the kernel deletes the routes that name it, and tells nobody.
    Change { name: "renewal", was: &[], before: Some(EVERYTHING), then: Some(renew), now: EVERYTHING },
    // The rules are in the order of former versions.
    Change { name: "order", was: &[], before: Some(EVERYTHING), then: Some(order::restore), now: EVERYTHING },
    Change {
        name: "policy",
        was: &[("[eth3, eth1], otherwise: none", "[eth2], otherwise: any")],
        before: Some(EVERYTHING),
        then: None,
        now: EVERYTHING,
    },
    Change {
        name: "growth",
        was: &[(
            "- {interface: eth2, ip: 10.2.0.2, gateway: 10.2.0.1, ip6: '2001:db8:2::2', gateway6: '2001:db8:2::1'}\n",
            "",
        )],
        before: Some(EVERYTHING),
        then: None,
        now: EVERYTHING,
    },
];

fn renew(host: &Host) -> Result<()> {
    let lines = "addr del 10.1.0.9/24 dev eth1\naddr add 10.1.0.9/24 dev eth1\n\
                 addr del 2001:db8:1::9/64 dev eth1\naddr add 2001:db8:1::9/64 dev eth1 nodad\n";
    host.space.ip(lines).map(drop)
}

/// What stopping a change showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many steps it has.
    pub steps: usize,
    /// After which ones somebody lost a way.
    pub holes: Vec<String>,
    /// After which ones the next run did not complete it, or the one after that still had something to do.
    pub incomplete: Vec<String>,
}

/// Who finds a way after some steps, and after the run that completes them.
struct Stop {
    steps: Vec<String>,
    stopped: Vec<bool>,
    completed: Vec<bool>,
    /// What the next run but one wrote.
    writes: u32,
}

/// Stops a change before its first step, after its last one and everywhere between, each time on a new host.
///
/// # Errors
/// When the host fails, or `ftr-route` does.
pub fn measure(change: Change) -> Result<Outcome> {
    let start = stop(change, 0)?;
    let mut outcome = Outcome { steps: start.steps.len(), ..Outcome::default() };
    for taken in 1..=start.steps.len() {
        let stop = stop(change, taken)?;
        if stop.steps != start.steps {
            return Err(LabError::Unexpected(format!("other steps than before: {:?}", stop.steps)));
        }
        let last = || stop.steps.get(taken - 1).cloned().unwrap_or_default();
        let both = start.stopped.iter().zip(&start.completed);
        if both.zip(&stop.stopped).any(|((before, after), now)| *before && *after && !*now) {
            outcome.holes.push(last());
        }
        if stop.writes > 0 || stop.completed != start.completed {
            outcome.incomplete.push(last());
        }
    }
    Ok(outcome)
}

fn stop(change: Change, taken: usize) -> Result<Stop> {
    let host = Host::new(Shape::WHOLE)?;
    host.space.ip("addr add 10.1.0.9/24 dev eth1\naddr add 2001:db8:1::9/64 dev eth1 nodad")?;
    let whole = configuration(Shape::WHOLE).replace("ip: 10.1.0.2", "ip: 10.1.0.9");
    let whole = whole.replace("ip6: '2001:db8:1::2'", "ip6: '2001:db8:1::9'");
    if let Some(before) = change.before {
        let was = change.was.iter().fold(whole.clone(), |text, (now, was)| text.replace(now, was));
        host.configure(&was)?;
        host.route(before)?;
    }
    host.configure(&whole)?;
    if let Some(then) = change.then {
        then(&host)?;
    }
    let mut dry = change.now.to_vec();
    dry.push("-n");
    let steps: Vec<String> = host.route(&dry)?.lines().map(str::to_owned).collect();
    let first: Vec<&str> = steps.iter().take(taken).map(String::as_str).collect();
    feed(host.space.command("bash").arg("-e"), &first.join("\n"))?;
    let devices = [index(&host, "eth1")?, index(&host, "eth2")?, index(&host, "eth3")?];
    let travellers = ways::travellers(&host, 1, &devices);
    let mut requests = host.requests()?;
    let stopped = ways::found(&mut requests, &travellers)?;
    host.route(change.now)?;
    let completed = ways::found(&mut requests, &travellers)?;
    let mut again = vec!["-j"];
    again.extend(change.now);
    let writes = applied::all(&host.route(&again)?)?.iter().map(|one| one.writes).sum();
    Ok(Stop { steps, stopped, completed, writes })
}
