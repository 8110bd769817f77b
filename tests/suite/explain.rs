//! `ftr-route explain` decides as the kernel does: random rules, routes and packets, and both of their answers.

use fastrand::Rng;
use ftr_lab::error::{Context, LabError, Result, malformed};
use ftr_lab::namespace::{Namespace, feed};
use ftr_lab::{deadline, program, suite};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Rounds, each with rules and routes of its own, and packets of a round.
const ROUNDS: usize = 12;
const PACKETS: usize = 40;

/// Uplinks are u1 to u4; those from the third on have no carrier, and the kernel heeds that on the third alone.
const UPLINKS: u8 = 4;

fn main() -> ExitCode {
    let families = [("explain_decides_as_the_kernel_ipv4", false), ("explain_decides_as_the_kernel_ipv6", true)];
    let trial = |(name, ipv6)| Trial::test(name, move || decides_as_the_kernel(ipv6).map_err(Failed::from));
    suite::run(families.map(trial).into())
}

fn decides_as_the_kernel(ipv6: bool) -> Result<()> {
    let seed = Rng::new().get_seed();
    println!("seed {seed:#x}");
    let mut chance = Chance { rng: Rng::with_seed(seed), ipv6, bare: false };
    let mut counted = BTreeMap::new();
    for round in 0..ROUNDS {
        chance.bare = round % 2 == 1;
        let space = host(round)?;
        let family = if ipv6 { "-6" } else { "-4" };
        for lines in [chance.routes(), chance.rules()] {
            feed(space.command("ip").args([family, "-batch", "-"]), &lines)?;
        }
        without_carrier(&space)?;
        for _ in 0..PACKETS {
            let packet = chance.packet();
            let told = explain(&space, &packet)?;
            let outcome = told.get("outcome").and_then(Value::as_str).unwrap_or_default();
            assert_eq!(told.get("kernel"), Some(&Value::Null), "seed {seed:#x}: {packet:?}: {told:#}");
            *counted.entry(outcome.to_owned()).or_insert(0) += 1;
        }
    }
    // The world is a mixed one, or nothing would be shown.
    for outcome in ["uplink", "here", "refused", "nowhere"] {
        assert!(counted.get(outcome).is_some_and(|count| *count >= ROUNDS / 2), "seed {seed:#x}: {counted:?}");
    }
    Ok(())
}

/// A router without anything of ours, but for the file that names its uplinks.
fn host(round: usize) -> Result<Namespace> {
    let space = Namespace::create(&format!("ftr{}x{round}-explain", std::process::id()))?;
    let mut lines = String::new();
    for (i, name) in devices() {
        // The far ends have other numbers than the near ones would get: see "linkwatch" in the kernel.
        let _ = writeln!(lines, "link add {name} index {} type veth peer name far{i} index {}", 10 + i, 100 + i);
        let _ = writeln!(lines, "addr add {i}.0.0.2/24 dev {name}");
        let _ = writeln!(lines, "addr add 2001:db8:{i}::2/64 dev {name} nodad");
        let _ = writeln!(lines, "link set {name} up");
        let _ = writeln!(lines, "link set far{i} up");
    }
    space.ip(&lines)?;
    for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/u3/ignore_routes_with_linkdown"] {
        space.sysctl(&format!("net/{key}"), "1")?;
    }
    space.sysctl("net/ipv6/conf/u3/ignore_routes_with_linkdown", "1")?;
    for (_, name) in devices().chain([(0, "all".to_owned())]) {
        space.sysctl(&format!("net/ipv4/conf/{name}/rp_filter"), "0")?;
    }
    // The kernel puts links into use in the background, and addresses of IPv6 after them.
    let carriers = "ip -br link show up | grep -c ' UP '";
    let addresses = "ip -6 route show table local type local | grep -c 2001:db8:";
    let used = || space.sh(&format!("{carriers}; {addresses}; true"));
    let all = format!("{}\n{}\n", 2 * devices().count(), devices().count());
    deadline::wait_for("all links to be in use", Duration::from_secs(5), used, |used| *used == all)?;
    Ok(space)
}

/// The uplinks, and behind them the device of the LAN.
fn devices() -> impl Iterator<Item = (u8, String)> {
    (1..=UPLINKS).map(|i| (i, format!("u{i}"))).chain([(9, "lan".to_owned())])
}

/// Takes the carrier away from the last two uplinks, with their routes in place.
fn without_carrier(space: &Namespace) -> Result<()> {
    space.ip("link set far3 down\nlink set far4 down")?;
    let off = || space.sh("ip -br link show up | grep -c 'u[34].*NO-CARRIER'; true");
    deadline::wait_for("two uplinks to lose their carrier", Duration::from_secs(3), off, |off| off.trim() == "2")?;
    Ok(())
}

fn explain(space: &Namespace, packet: &[String]) -> Result<Value> {
    let (program, file) = (program::find("ftr-route")?, configuration()?);
    let output = space.enter(|| {
        let mut command = Command::new(program);
        command.arg("-c").arg(file).args(["-j", "explain"]).args(packet);
        command.output().context(|| "start ftr-route".to_owned())
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        LabError::Unexpected(format!("{packet:?}: {}: {text}{said}", malformed("answer of explain", &error)))
    })
}

fn configuration() -> Result<PathBuf> {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("explain-{}.yaml", std::process::id()));
    let mut text = "uplinks:\n".to_owned();
    for i in 1..=UPLINKS {
        let v6 = format!("ip6: '2001:db8:{i}::2', gateway6: '2001:db8:{i}::1'");
        let _ = writeln!(text, "- {{interface: u{i}, ip: {i}.0.0.2, gateway: {i}.0.0.1, {v6}}}");
    }
    text.push_str("downlinks: {lan: lan}\ntests: {ips: [8.8.8.8], required_successful: 1}\nbase_priority: 20000\n");
    fs::write(&file, text).context(|| format!("write {}", file.display()))?;
    Ok(file)
}

/// What a random world is made of.
struct Chance {
    rng: Rng,
    ipv6: bool,
    /// There are no default routes, and main is not asked.
    bare: bool,
}

impl Chance {
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.rng.choice(of).copied().unwrap_or_default()
    }

    fn happens(&mut self, percent: u8) -> bool {
        self.rng.u8(..100) < percent
    }

    fn destination(&mut self) -> &'static str {
        let v4 = &["203.0.113.9", "203.0.113.77", "203.0.50.1", "198.51.100.1", "2.0.0.2", "192.0.2.1"];
        let v6 =
            &["2001:db8:f::9", "2001:db8:f::7:7", "2001:db8:f:2::1", "2001:db8:e::1", "2001:db8:2::2", "2001:db8:d::1"];
        self.one(if self.ipv6 { v6 } else { v4 })
    }

    fn prefix(&mut self) -> &'static str {
        let v4 = &["203.0.0.0/16", "203.0.113.0/24", "203.0.113.0/28", "203.0.113.9/32", "198.51.100.0/24"];
        let v6 = &["2001:db8:f::/48", "2001:db8:f::/64", "2001:db8:f::/112", "2001:db8:f::9/128", "2001:db8:e::/48"];
        self.one(if self.ipv6 { v6 } else { v4 })
    }

    fn host_of(&self, i: u8, host: u8) -> String {
        if self.ipv6 { format!("2001:db8:{i}::{host}") } else { format!("{i}.0.0.{host}") }
    }

    /// An address of the host itself.
    fn own(&mut self) -> String {
        let i = self.rng.u8(1..=UPLINKS);
        self.host_of(i, 2)
    }

    fn hop(&self, i: u8) -> String {
        format!("via {} dev u{i}", self.host_of(i, 1))
    }

    fn routes(&mut self) -> String {
        let mut lines = String::new();
        // Each has a metric of its own, so that the kernel refuses none.
        for metric in 1..=self.rng.u32(1..=24) {
            let table = self.one(&["201", "202", "203", "204", "main"]);
            let destination = if !self.bare && self.happens(25) { "default" } else { self.prefix() };
            let (kind, hops) = match self.rng.u8(..10) {
                0 | 1 => (self.one(&["unreachable", "blackhole", "prohibit", "throw"]), String::new()),
                2..=4 => {
                    let count = self.rng.usize(2..=3);
                    let devices = self.rng.choose_multiple(1..=UPLINKS, count);
                    let hop = |i| format!(" nexthop {} weight {}", self.hop(i), self.rng.u8(1..9));
                    ("", devices.into_iter().map(hop).collect())
                }
                _ => {
                    let i = self.rng.u8(1..=UPLINKS);
                    ("", format!(" {}", self.hop(i)))
                }
            };
            let _ = writeln!(lines, "route add {kind} {destination} table {table} metric {metric}{hops}");
        }
        lines
    }

    fn rules(&mut self) -> String {
        let mut lines = String::new();
        for priority in self.rng.choose_multiple(100u32..140, 12) {
            let (inverted, selectors) = self.selectors();
            let action = match self.rng.u8(..20) {
                0 => format!("goto {}", priority + self.rng.u32(1..20)),
                1 => "nop".to_owned(),
                2 => self.one(&["unreachable", "blackhole", "prohibit"]).to_owned(),
                3..=6 => format!("lookup {} suppress_prefixlength {}", self.table(), self.one(&["0", "16", "48"])),
                _ => format!("lookup {}", self.table()),
            };
            let _ = writeln!(lines, "rule add {inverted}{selectors} priority {priority} {action}");
        }
        // Some table is asked for sure.
        let _ = writeln!(lines, "rule add priority 150 lookup {}", self.table());
        if self.bare {
            let _ = writeln!(lines, "rule del priority 32766");
        }
        lines
    }

    fn table(&mut self) -> &'static str {
        self.one(&["201", "202", "203", "204", "main"])
    }

    fn selectors(&mut self) -> (&'static str, String) {
        let any = if self.ipv6 { "::/0" } else { "0.0.0.0/0" };
        let lan = if self.ipv6 { "2001:db8:9::/64" } else { "9.0.0.0/24" };
        let own = self.own();
        let from = match self.rng.u8(..6) {
            0 => lan.to_owned(),
            1 => own,
            _ => any.to_owned(),
        };
        let mut text = format!("from {from}");
        for (percent, choices) in [
            (25, &["fwmark 1", "fwmark 2", "fwmark 0x100/0xff00", "fwmark 0/0xff"][..]),
            (15, &["iif lan", "iif lo", "iif nosuch"]),
            (10, &["oif u1", "oif u2"]),
            (15, &["ipproto tcp", "ipproto udp"]),
            (10, &["sport 40000", "sport 1-1000"]),
            (10, &["dport 443", "dport 5060-5070"]),
            (5, &["uidrange 0-0", "uidrange 1-999"]),
        ] {
            if self.happens(percent) {
                let choice = self.one(choices);
                let _ = write!(text, " {choice}");
            }
        }
        if self.happens(30) {
            let to = self.prefix();
            let _ = write!(text, " to {to}");
        }
        (if self.happens(15) { "not " } else { "" }, text)
    }

    /// The arguments that describe a packet.
    fn packet(&mut self) -> Vec<String> {
        let mut words = vec!["--to".to_owned(), self.destination().to_owned()];
        let mut push = |key: &str, value: String| words.extend([key.to_owned(), value]);
        push("--mark", self.one(&["0", "0", "1", "2", "0x101", "0x102"]).to_owned());
        match self.rng.u8(..4) {
            0 => push("--from", self.own()),
            1 => {}
            _ => {
                push("--from", self.host_of(9, 5));
                push("--iif", "lan".to_owned());
            }
        }
        match self.rng.u8(..4) {
            0 => {}
            1 => push("--proto", "icmp".to_owned()),
            _ => {
                push("--proto", self.one(&["tcp", "udp"]).to_owned());
                push("--sport", self.one(&["40000", "500"]).to_owned());
                push("--dport", self.one(&["443", "5060", "80"]).to_owned());
            }
        }
        words
    }
}
