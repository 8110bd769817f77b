//! Rules and routes of others, by the thousand, none of which may ever change.

use super::applied;
use super::host::Host;
use super::host::Shape;
use fastrand::Rng;
use ftr_lab::error::{LabError, Result};
use ftr_lab::namespace::{feed, run};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::process::Command;

/// The tag of what is ftr's.
const PROTOCOL: u16 = 117;

/// ftr's tables: three uplinks, the balanced one, a policy.
const OUR_TABLES: RangeInclusive<u32> = 1..=5;

/// ftr's priorities: three for each uplink, and those of the local networks, the policy and the balanced table.
const OUR_PRIORITIES: RangeInclusive<u32> = 20_000..=20_011;

/// Tables that are no administrator's: default and main, which has what the kernel needs, and local.
const SYSTEM_TABLES: RangeInclusive<u32> = 253..=299;

/// What became of the entries of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many there were.
    pub entries: usize,
    /// How many were otherwise at any time.
    pub changed: usize,
    /// What the second of two equal runs wrote.
    pub writes: u32,
    /// What was left of ftr in the end.
    pub left: usize,
}

/// Plants so many entries of others, applies twice and clears again; in rounds, each on a new host.
///
/// # Errors
/// When the host fails, or `ftr-route` does.
pub fn measure(rounds: usize, entries: usize, seed: u64) -> Result<Outcome> {
    let mut random = Rng::with_seed(seed);
    let mut sum = Outcome::default();
    for _ in 0..rounds {
        let host = Host::new(Shape::WHOLE)?;
        let bare = lines(&host)?.len();
        plant(&host, entries, &mut random)?;
        let before = lines(&host)?;
        host.route(&["apply"])?;
        let during = others(&host)?;
        let again = applied::all(&host.route(&["-j", "apply"])?)?;
        host.route(&["clear"])?;
        let after = lines(&host)?;
        // What the kernel makes of forwarding by itself (anycast addresses) comes and goes with ftr's sysctls.
        let planted: BTreeSet<&String> = before.iter().filter(|line| !line.contains(" proto 2 ")).collect();
        let away = planted.iter().filter(|line| !during.contains(**line)).count();
        sum.entries += before.len() - bare;
        sum.changed += away + before.symmetric_difference(&after).count();
        sum.writes += again.iter().map(|one| one.writes).sum::<u32>();
        sum.left += after.iter().filter(|line| is_ours(line)).count();
    }
    Ok(sum)
}

/// Plants so many: half of them rules, half of them routes, half of each IPv6.
pub(super) fn plant(host: &Host, entries: usize, random: &mut Rng) -> Result<()> {
    let mut taken = BTreeSet::new();
    let mut batches = [("-4", String::new()), ("-6", String::new())];
    for number in 0..entries {
        let ipv6 = number % 2 == 0;
        let line = if number % 4 < 2 { rule(ipv6, random, &mut taken) } else { route(ipv6, random, &mut taken) };
        let [(_, v4), (_, v6)] = &mut batches;
        // Writing to a String cannot fail.
        let _ = writeln!(if ipv6 { v6 } else { v4 }, "{line}");
    }
    for (family, batch) in batches {
        feed(Command::new("ip").args(["-n", host.space.name(), family, "-batch", "-"]), &batch)?;
    }
    Ok(())
}

/// The rules and routes that are not ftr's, as `ip` shows them.
pub(super) fn others(host: &Host) -> Result<BTreeSet<String>> {
    let mut lines = lines(host)?;
    lines.retain(|line| !is_ours(line));
    Ok(lines)
}

fn is_ours(line: &str) -> bool {
    line.ends_with(" proto 117") || line.contains(" proto 117 ")
}

/// All rules and routes of the host, as `ip` shows them; its order of rules shows in their numbers.
fn lines(host: &Host) -> Result<BTreeSet<String>> {
    let mut lines = BTreeSet::new();
    for family in ["-4", "-6"] {
        for what in [&["rule", "show"][..], &["route", "show", "table", "all"]] {
            let mut command = Command::new("ip");
            command.args(["-n", host.space.name(), "-N", "-details", family]).args(what);
            let text = run(&mut command)?;
            // Next hops stand in lines of their own.
            let text = text.replace("\n\t", " ");
            let named = text.lines().map(|line| format!("{family} {}", line.trim_end()));
            lines.extend(named);
        }
    }
    if lines.is_empty() { Err(LabError::Unexpected("`ip` shows nothing".to_owned())) } else { Ok(lines) }
}

/// A number of the range that none of these ranges has.
fn outside(random: &mut Rng, range: RangeInclusive<u32>, not: &[RangeInclusive<u32>]) -> u32 {
    loop {
        let number = random.u32(range.clone());
        if !not.iter().any(|range| range.contains(&number)) {
            return number;
        }
    }
}

/// A small number is as likely as a large one: programs use both.
fn table(random: &mut Rng) -> u32 {
    let range = if random.bool() { 1..=252 } else { 300..=60_000 };
    outside(random, range, &[OUR_TABLES, SYSTEM_TABLES])
}

fn protocol(random: &mut Rng) -> u16 {
    // 2 is the kernel, 9 a router advertisement, which the kernel takes away by itself.
    match random.u16(3..=254) {
        9 | PROTOCOL => 4,
        other => other,
    }
}

/// A network that nothing else here uses.
fn network(ipv6: bool, random: &mut Rng) -> String {
    if ipv6 {
        format!("fd{:02x}:{:x}:{:x}::/48", random.u8(..), random.u16(..), random.u16(..))
    } else {
        format!("172.{}.{}.0/24", random.u8(16..32), random.u8(..))
    }
}

fn rule(ipv6: bool, random: &mut Rng, taken: &mut BTreeSet<(bool, u32, u32, String)>) -> String {
    loop {
        let priority = outside(random, 1..=65_000, &[OUR_PRIORITIES]);
        if !taken.insert((ipv6, 0, priority, String::new())) {
            continue;
        }
        let side = if random.bool() { "from" } else { "to" };
        let mut words = vec![format!("rule add {side} {} priority {priority}", network(ipv6, random))];
        if random.bool() {
            words.push(format!("fwmark {:#x}/{:#x}", random.u32(..), random.u32(1..)));
        }
        match random.u8(0..8) {
            0 => words.push("iif eth2".to_owned()),
            1 => words.push("oif eth3".to_owned()),
            2 => words.push("tos 0x10".to_owned()),
            3 => words.push("ipproto udp dport 53".to_owned()),
            _ => {}
        }
        words.push(format!("protocol {}", protocol(random)));
        words.push(match random.u8(0..8) {
            0 => "prohibit".to_owned(),
            1 => "blackhole".to_owned(),
            2 => format!("lookup {} suppress_prefixlength 0", table(random)),
            _ => format!("lookup {}", table(random)),
        });
        return words.join(" ");
    }
}

fn route(ipv6: bool, random: &mut Rng, taken: &mut BTreeSet<(bool, u32, u32, String)>) -> String {
    loop {
        let everything = if ipv6 { "::/0" } else { "0.0.0.0/0" };
        let is_default = random.u8(0..4) == 0;
        let destination = if is_default { everything.to_owned() } else { network(ipv6, random) };
        // A default in main is a hazard that ftr tells of; networks in it are the host's own business.
        let table = if is_default || random.u8(0..8) > 0 { table(random) } else { 254 };
        let metric = if random.bool() { random.u32(1..=20) } else { random.u32(1..=u32::MAX) };
        if !taken.insert((ipv6, table, metric, destination.clone())) {
            continue;
        }
        let number = random.u8(1..=3);
        let gateway = |number: u8| if ipv6 { format!("2001:db8:{number}::1") } else { format!("10.{number}.0.1") };
        let hop = |number: u8| format!("via {} dev eth{number}", gateway(number));
        let (kind, way) = match random.u8(0..10) {
            0 => ("blackhole ", String::new()),
            1 => ("unreachable ", String::new()),
            2 => ("prohibit ", String::new()),
            3 => ("throw ", String::new()),
            4 => ("", format!("nexthop {} weight 3 nexthop {}", hop(1), hop(2))),
            5 => ("", format!("dev eth{number}")),
            _ => ("", hop(number)),
        };
        let protocol = protocol(random);
        return format!("route add {kind}{destination} table {table} metric {metric} proto {protocol} {way}");
    }
}
