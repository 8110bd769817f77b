//! How things are: told by the running monitor, shown to people and programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use ftr_core::config::Uplink;
use ftr_core::record::{Hazard, Held, Reason, Stamp};
use ftr_core::sanitize::sanitize;
use ftr_core::{Config, InterfaceName};
use ftr_tool::running::Running;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::Decider;
use crate::decide::health::Health;
use crate::decide::uplink;
use crate::format::short;

/// How wide a line for people is, in characters.
const COLUMNS: usize = 80;

/// What the monitor knows at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// When it was asked.
    #[serde(flatten)]
    pub(crate) at: Stamp,
    /// The monitor's process number; 0 where none runs, and this is what the latest cycle of `ftr-monitor once` knew.
    pub(crate) pid: u32,
    /// Each uplink and family.
    pub(crate) uplinks: Vec<UplinkStatus>,
    /// The programs that it keeps running.
    pub(crate) children: Vec<ChildStatus>,
    /// What works against several uplinks on this host.
    #[serde(default)]
    pub(crate) hazards: Vec<Hazard>,
    /// Events that the notifier has not taken charge of yet.
    pub(crate) events_waiting: usize,
    /// Events that were given up for want of room.
    pub(crate) events_dropped: u64,
    /// The configuration that the monitor has read; null where it is too old to tell.
    #[serde(default)]
    pub(crate) configuration: Option<Running>,
    /// Whether the file says something else now; null where whoever asks may not read it. The one who asks finds out.
    #[serde(default)]
    pub(crate) file_differs: Option<bool>,
    /// When the configuration before comes back, unless somebody confirms this one, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trial_ends_ms: Option<u64>,
    /// What a monitor of a later version tells beside it, which is shown as it is by -j.
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, Value>,
}

impl Status {
    /// Every uplink works, and what has to be running for it to stay so is running.
    fn is_well(&self) -> bool {
        let needed = |child: &&ChildStatus| child.program != "ftr-notify";
        !self.uplinks.is_empty()
            && self.uplinks.iter().all(UplinkStatus::is_well)
            && self.children.iter().filter(needed).all(|child| child.pid.is_some())
    }
}

/// One uplink, for one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the answer, and any of them may be so")]
pub(crate) struct UplinkStatus {
    /// Which uplink.
    pub(crate) uplink: InterfaceName,
    /// Over which family: 4 or 6.
    pub(crate) family: u8,
    /// Its description in the configuration.
    pub(crate) description: String,
    /// Its share of new connections beside the others of the active set: 1 to 256.
    pub(crate) weight: u16,
    /// Whether it works; null before the first check.
    pub(crate) up: Option<bool>,
    /// For how long that has been so, in milliseconds.
    pub(crate) for_ms: u64,
    /// Whether it carries new connections.
    pub(crate) routing: bool,
    /// Why it is down; null while it is up.
    pub(crate) reason: Option<Reason>,
    /// Mean round trip of the answers in the latest check, in milliseconds; null where there were none.
    pub(crate) rtt_ms: Option<f64>,
    /// The address that it leaves with; null while it has none.
    pub(crate) address: Option<IpAddr>,
    /// The gateway that it leaves by; null while it has none, or needs none.
    pub(crate) gateway: Option<IpAddr>,
    /// How long ago it was last checked, or the monitor started; in milliseconds.
    #[serde(default)]
    pub(crate) checked_ms: u64,
    /// Whether that is too long ago for the verdict to be believed.
    #[serde(default)]
    pub(crate) stale: bool,
    /// Why it stays on standby for a while although it works: it went down of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<Held>,
    /// People want no new connections on it.
    #[serde(default)]
    pub(crate) drained: bool,
    /// When that ends by itself, in milliseconds from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drain_ends_ms: Option<u64>,
    /// It is kept in reserve: this is not its time of the week, or its quota is used up.
    #[serde(default)]
    pub(crate) reserve: bool,
    /// How many bytes of its quota are used in this period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) used_bytes: Option<u64>,
    /// Its quota, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quota_bytes: Option<u64>,
    /// As [`Status::more`].
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, Value>,
}

impl UplinkStatus {
    /// What it does for new connections, in a word.
    fn role(&self) -> &'static str {
        match self {
            Self { routing: true, .. } => "routing",
            Self { drained: true, .. } => "drained",
            Self { reserve: true, .. } => "reserve",
            Self { held: Some(_), .. } => "held",
            _ => "standby",
        }
    }

    /// Why it is not used as its group and weight would have it; none where it is.
    fn note(&self) -> Option<String> {
        let name = &self.uplink;
        let family = if self.family == 6 { " IPv6" } else { "" };
        let ends = self.drain_ends_ms.map_or_else(String::new, |ends| format!(" for {} more", short(ends)));
        let what = match (self.drained, self.reserve, self.held) {
            (true, ..) => format!("drained{ends}"),
            (_, true, _) => "in reserve: not its hours, or no quota left".to_owned(),
            (.., Some(held)) => held.to_string(),
            _ => return None,
        };
        Some(format!("{name}{family}: {what}"))
    }

    /// It works, as far as anybody can know.
    fn is_well(&self) -> bool {
        self.up == Some(true) && !self.stale
    }
}

/// One program that the monitor keeps running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChildStatus {
    /// Which program.
    pub(crate) program: String,
    /// Its process number; null while it does not run.
    pub(crate) pid: Option<u32>,
    /// With which exit code it ended, where something has to be changed before it is started again (64, 77, 78).
    #[serde(default)]
    pub(crate) refused: Option<i32>,
    /// As [`Status::more`].
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, Value>,
}

impl ChildStatus {
    /// Its name, and what it waits for.
    fn text(&self) -> String {
        let refused = |exit| format!("{} (exit {exit}: waits for a SIGHUP)", self.program);
        self.refused.map_or_else(|| self.program.clone(), refused)
    }
}

/// What the decider knows, uplink by uplink, at `now`, of checks since `started` (milliseconds since boot).
pub(crate) fn uplinks(decider: &Decider, config: &Config, started: u64, now: u64) -> Vec<UplinkStatus> {
    let patience =
        |name: &InterfaceName| config.uplinks.iter().find(|uplink| uplink.name == *name).map(Uplink::patience);
    let one = |(family, uplink, health): (u8, &uplink::Uplink, &Health)| {
        let latest = health.latest.as_ref();
        let quota = decider.meter.used(&uplink.name);
        let checked_ms = now.saturating_sub(health.checked_at.unwrap_or(health.since).max(started));
        // What is not known yet is so since it is looked at.
        let since = if health.up().is_some() { health.since } else { health.since.max(started) };
        UplinkStatus {
            uplink: uplink.name.clone(),
            family,
            description: uplink.description.clone(),
            weight: uplink.weight,
            up: health.up(),
            for_ms: now.saturating_sub(since),
            routing: health.routing.unwrap_or(false),
            reason: health.reason(),
            rtt_ms: latest.and_then(|check| check.rtt_ms),
            address: health.address,
            gateway: health.gateway,
            checked_ms,
            held: decider.held(health, now),
            drained: health.is_drained(now),
            drain_ends_ms: health.drained.and_then(|drain| drain.until).map(|until| until.saturating_sub(now)),
            reserve: health.reserve,
            used_bytes: quota.map(|(used, _)| used),
            quota_bytes: quota.map(|(_, quota)| quota),
            stale: patience(&uplink.name).is_some_and(|patience| u128::from(checked_ms) > patience.as_millis()),
            more: BTreeMap::new(),
        }
    };
    decider.health().map(one).collect()
}

/// As one object.
fn json(status: &Status) -> serde_json::Result<String> {
    serde_json::to_string(status)
}

/// All that there is to say of it, for the log.
pub(crate) fn text(status: &Status) -> String {
    table(status, None, false) + &details(status)
}

/// What -v adds: by which address and gateway each uplink leaves, when it was checked, and the programs that run.
fn details(status: &Status) -> String {
    let mut text = String::new();
    for uplink in &status.uplinks {
        let [address, gateway] = [uplink.address, uplink.gateway]
            .map(|address| address.map_or_else(|| "none".to_owned(), |address| address.to_string()));
        let (name, family, ago) = (&uplink.uplink, uplink.family, short(uplink.checked_ms));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} IPv{family}: address {address}, gateway {gateway}, checked {ago} ago");
    }
    for child in &status.children {
        if let Some(pid) = child.pid {
            let _ = writeln!(text, "{}: process {pid}", sanitize(&child.program));
        }
    }
    text
}

/// The status as a table of at most 80 columns.
fn table(status: &Status, difference: Option<&str>, colour: bool) -> String {
    let mut text = format!(
        "{:<15} {:<4} {:>8}  {:<8} {:>6} {:>8}  {}\n",
        "UPLINK", "", "FOR", "ROLE", "WEIGHT", "RTT", "PROVIDER"
    );
    for uplink in &status.uplinks {
        let (word, code) = match uplink.up {
            Some(true) if uplink.stale => ("up?", "33"),
            Some(true) => ("up", "32"),
            Some(false) => ("down", "31"),
            None => ("?", "33"),
        };
        let state = if colour { format!("\x1b[{code}m{word:<4}\x1b[0m") } else { format!("{word:<4}") };
        let role = uplink.role();
        let rtt = uplink.rtt_ms.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.1}ms"));
        // Before the description, which may be cut off.
        let family = if uplink.family == 6 { "IPv6 " } else { "" };
        let reason = match (uplink.stale, uplink.reason) {
            (true, _) => format!("[untested {}] ", short(uplink.checked_ms)),
            (false, reason) => reason.map(|reason| format!("[{reason}] ")).unwrap_or_default(),
        };
        let provider: String = format!("{family}{reason}{}", sanitize(&uplink.description)).chars().take(23).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<15} {state} {:>8}  {role:<8} {:>6} {rtt:>8}  {}",
            uplink.uplink,
            short(uplink.for_ms),
            uplink.weight,
            provider.trim_end()
        );
    }
    let down: Vec<String> = status.children.iter().filter(|child| child.pid.is_none()).map(ChildStatus::text).collect();
    if status.uplinks.iter().any(|uplink| uplink.stale) {
        text.push_str("untested: nothing was heard of it for so long that what is shown may not hold\n");
    }
    for note in status.uplinks.iter().filter_map(UplinkStatus::note) {
        let _ = writeln!(text, "{note}");
    }
    if status.uplinks.iter().any(|uplink| uplink.held.is_some()) {
        text.push_str("held down: ftr-monitor trust UPLINK ends it\n");
    }
    if status.pid == 0 {
        text.push_str("no monitor runs: this is what the latest ftr-monitor once knew\n");
    }
    if status.uplinks.is_empty() {
        text.push_str("no check has come in yet\n");
    }
    if !down.is_empty() {
        let _ = writeln!(text, "not running at the moment: {}", sanitize(&down.join(", ")));
    }
    if status.events_dropped > 0 {
        let _ = writeln!(text, "events given up because nobody took them: {}", status.events_dropped);
    }
    for hazard in &status.hazards {
        let line = sanitize(&format!("hazard {}: {}: {}", hazard.kind, hazard.object, hazard.what)).into_owned();
        let is_long = line.chars().nth(COLUMNS).is_some();
        let _ = writeln!(
            text,
            "{}{}",
            line.chars().take(COLUMNS - usize::from(is_long)).collect::<String>(),
            if is_long { "…" } else { "" }
        );
    }
    if !status.hazards.is_empty() {
        text.push_str("hazards: ftr-route check tells what to do about them\n");
    }
    if let Some(left) = status.trial_ends_ms {
        let _ =
            writeln!(text, "the configuration is on trial for {} more: `ftr-monitor confirm` keeps it", short(left));
    }
    if let Some(difference) = difference {
        let _ = writeln!(text, "{}", sanitize(difference));
    }
    text
}

pub(crate) mod command;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod prometheus;
#[cfg(test)]
mod tests;
