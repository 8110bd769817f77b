//! How things are: told by the running monitor, shown to people and programs.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;

use ftr_core::clean::clean;
use ftr_core::cli::{Common, Failure, colour};
use ftr_core::config::Uplink;
use ftr_core::record::{Reason, Stamp};
use ftr_core::running::Running;
use ftr_core::{Config, Exit, InterfaceName};
use serde::{Deserialize, Serialize};

use crate::decide::Decider;
use crate::instance;

/// What the monitor knows at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// When it was asked.
    #[serde(flatten)]
    pub(crate) at: Stamp,
    /// Its process number.
    pub(crate) pid: u32,
    /// Each uplink and family.
    pub(crate) uplinks: Vec<UplinkStatus>,
    /// The programs that it keeps running.
    pub(crate) children: Vec<ChildStatus>,
    /// Events that the notifier has not taken charge of yet.
    pub(crate) events_waiting: usize,
    /// Events that were given up for want of room.
    pub(crate) events_dropped: u64,
    /// What it goes by. One that does not tell is older than this program.
    #[serde(default)]
    pub(crate) configuration: Option<Running>,
    /// Whether the file says something else now; none where whoever asks may not read it. The one who asks finds out.
    #[serde(default)]
    pub(crate) file_differs: Option<bool>,
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
pub(crate) struct UplinkStatus {
    pub(crate) uplink: InterfaceName,
    pub(crate) family: u8,
    pub(crate) description: String,
    pub(crate) weight: u16,
    /// None before the first check.
    pub(crate) up: Option<bool>,
    /// For how long, in milliseconds.
    pub(crate) for_ms: u64,
    /// Whether it carries new connections.
    pub(crate) routing: bool,
    pub(crate) reason: Option<Reason>,
    pub(crate) rtt_ms: Option<f64>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) gateway: Option<IpAddr>,
    /// How long ago it was last checked, or the monitor started; in milliseconds.
    #[serde(default)]
    pub(crate) checked_ms: u64,
    /// That is too long ago for the verdict to be believed.
    #[serde(default)]
    pub(crate) stale: bool,
}

impl UplinkStatus {
    /// It works, as far as anybody can know.
    fn is_well(&self) -> bool {
        self.up == Some(true) && !self.stale
    }
}

/// One program that the monitor keeps running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChildStatus {
    pub(crate) program: String,
    /// None while it is down.
    pub(crate) pid: Option<u32>,
}

/// What the decider knows, uplink by uplink, at `now`, of checks since `started` (milliseconds since boot).
pub(crate) fn uplinks(decider: &Decider, config: &Config, started: u64, now: u64) -> Vec<UplinkStatus> {
    let patience =
        |name: &InterfaceName| config.uplinks.iter().find(|uplink| uplink.name == *name).map(Uplink::patience);
    let one = |(family, name, description, weight, judged): (u8, &InterfaceName, &str, u16, &crate::judge::Judged)| {
        let latest = judged.latest.as_ref();
        let checked_ms = now.saturating_sub(latest.map_or(started, |check| check.at.mono));
        UplinkStatus {
            uplink: name.clone(),
            family,
            description: description.to_owned(),
            weight,
            up: judged.up(),
            for_ms: now.saturating_sub(judged.since),
            routing: judged.routing.unwrap_or(false),
            reason: judged.reason(),
            rtt_ms: latest.and_then(|check| check.rtt_ms),
            address: judged.address,
            gateway: judged.gateway,
            checked_ms,
            stale: patience(name).is_some_and(|patience| u128::from(checked_ms) > patience.as_millis()),
        }
    };
    decider.judged().map(one).collect()
}

/// `ftr-monitor status`: 0 all up, 1 degraded, 69 not running.
pub(crate) fn show(common: &Common) -> Result<Exit, Failure> {
    let answer = instance::ask().map_err(|error| Failure::new(Exit::Unavailable, format!("status: {error}")))?;
    let answer = answer.ok_or_else(|| Failure::new(Exit::Unavailable, "status: ftr-monitor is not running"))?;
    let mut status: Status = serde_json::from_str(&answer)
        .map_err(|error| Failure::new(Exit::Io, format!("status: the monitor's answer is not understood: {error}")))?;
    let difference = difference(&status, common);
    status.file_differs = difference.as_ref().ok().map(Option::is_some);
    let text = match (common.quiet, common.json) {
        (true, _) => String::new(),
        (false, true) => format!("{}\n", clean(&json(&status)?)),
        (false, false) => table(&status, difference.ok().flatten().as_deref(), colour(&std::io::stdout())),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::stdout(&error))?;
    Ok(if status.is_well() { Exit::Yes } else { Exit::No })
}

fn json(status: &Status) -> Result<String, Failure> {
    serde_json::to_string(status).map_err(|error| Failure::new(Exit::Bug, format!("status: {error}")))
}

/// What there is to say of the file that the monitor has read, or of another that the command line names, beside what
/// runs.
///
/// # Errors
/// That cannot be known.
fn difference(status: &Status, common: &Common) -> io::Result<Option<String>> {
    let running = status.configuration.as_ref().ok_or(io::ErrorKind::NotFound)?;
    let file = common.config.as_deref().unwrap_or_else(|| running.file());
    running.difference_of_file(file)
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
        let role = if uplink.routing { "routing" } else { "standby" };
        let rtt = uplink.rtt_ms.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.1}ms"));
        // Before the description, which may be cut off.
        let family = if uplink.family == 6 { "IPv6 " } else { "" };
        let reason = match (uplink.stale, uplink.reason) {
            (true, _) => format!("[untested {}] ", short(uplink.checked_ms)),
            (false, reason) => reason.map(|reason| format!("[{reason}] ")).unwrap_or_default(),
        };
        let provider: String = format!("{family}{reason}{}", clean(&uplink.description)).chars().take(23).collect();
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
    let down: Vec<&str> =
        status.children.iter().filter(|child| child.pid.is_none()).map(|child| child.program.as_str()).collect();
    if status.uplinks.iter().any(|uplink| uplink.stale) {
        text.push_str("untested: nothing was heard of it for so long that what is shown may not hold\n");
    }
    if status.uplinks.is_empty() {
        text.push_str("no check has come in yet\n");
    }
    if !down.is_empty() {
        let _ = writeln!(text, "not running at the moment: {}", clean(&down.join(", ")));
    }
    if status.events_dropped > 0 {
        let _ = writeln!(text, "events given up because nobody took them: {}", status.events_dropped);
    }
    if let Some(difference) = difference {
        let _ = writeln!(text, "{}", clean(difference));
    }
    text
}

/// A time span in its two largest units: `3d4h`, `5m12s`, `8s`.
fn short(millis: u64) -> String {
    let seconds = millis / 1000;
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(unit, _)| seconds >= *unit) else { return "0s".to_owned() };
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, letter) in units.iter().skip(first).take(2) {
        if rest / unit > 0 {
            let _ = write!(text, "{}{letter}", rest / unit);
        }
        rest %= unit;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::{check, config};
    use ftr_core::Family;
    use ftr_core::record::{Check, Record};

    #[test]
    fn spans_are_short() {
        for (seconds, text) in [(0, "0s"), (8, "8s"), (60, "1m"), (312, "5m12s"), (3600, "1h"), (273_600, "3d4h")] {
            assert_eq!(short(seconds * 1000), text);
        }
    }

    fn status(config: &Config, decider: &Decider, now: u64) -> Status {
        Status {
            at: check("eth1", true, now).at,
            pid: 1,
            uplinks: uplinks(decider, config, 0, now),
            children: Vec::new(),
            events_waiting: 0,
            events_dropped: 0,
            configuration: None,
            file_differs: None,
        }
    }

    #[test]
    fn what_is_not_tested_any_more_is_not_said_to_be_well() {
        let config = config([""; 3], "");
        let mut decider = Decider::new(&config, None);
        for uplink in ["eth1", "eth2", "eth3"] {
            decider.hear(&Record::Check(check(uplink, true, 1000)));
        }
        let patience = u64::try_from(config.uplinks[0].patience().as_millis()).unwrap();
        assert!(status(&config, &decider, 1000 + patience).is_well());
        decider.hear(&Record::Check(check("eth1", true, 2000)));
        let stale = status(&config, &decider, 1001 + patience);
        assert!(!stale.is_well());
        let text = table(&stale, None, false);
        assert!(text.contains("eth1            up ") && text.contains("eth2            up?"), "{text}");
        assert!(text.contains("[untested 3m"), "{text}");
        // The program that tests is away, and nothing is stale yet.
        let mut away = status(&config, &decider, 2000);
        away.children.push(ChildStatus { program: "ftr-probe".to_owned(), pid: None });
        assert!(!away.is_well());
    }

    #[test]
    fn a_line_fits_into_80_columns_and_says_what_is_wrong() {
        let ipv6 = "ip6: '2001:db8::2', gateway6: '2001:db8::1'";
        let config = config([&format!(", description: A provider with quite a long name, {ipv6}"), "", ""], "");
        let mut decider = Decider::new(&config, None);
        for at in [1000, 90_060_000] {
            for (uplink, up) in [("eth1", false), ("eth2", true), ("eth3", true)] {
                decider.hear(&Record::Check(check(uplink, up, at)));
            }
            decider.hear(&Record::Check(Check { family: Family::V6, ..check("eth1", false, at) }));
        }
        let status = Status {
            children: vec![ChildStatus { program: "ftr-notify".to_owned(), pid: None }],
            ..status(&config, &decider, 90_061_000)
        };
        let text = table(&status, None, false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.contains("eth1            down     1d1h  standby       1        -  [no-answer] A provider\n"),
            "{text}"
        );
        assert!(text.contains("  IPv6 [no-answer] A prov\n"), "{text}");
        assert!(text.contains("not running at the moment: ftr-notify"), "{text}");
    }
}
