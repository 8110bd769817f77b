//! How soon a break of an uplink is in a record of the probe.

use super::console::Console;
use super::routed::Routed;
use super::watch::{self, Check, Watch};
use crate::figure::Figure;
use crate::table::with_mean;
use ftr_lab::error::Result;
use ftr_lab::plan::TARGETS;
use std::time::{Duration, Instant};

/// The uplink that is broken.
pub(super) const VICTIM: &str = "eth1";

/// What breaks at the provider, in words for `ip` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// The cable is out.
    Carrier,
    /// The gateway is well; nothing is forwarded, and nobody says so.
    Silent,
    /// The gateway answers in the stead of everybody behind it.
    Captive,
}

impl Break {
    fn make(self) -> String {
        match self {
            Self::Carrier => "link set access down".to_owned(),
            Self::Silent => {
                "rule add iif access blackhole priority 10\nrule add iif wan blackhole priority 10".to_owned()
            }
            // Addresses of its own, as far as the gateway's kernel knows from then on.
            Self::Captive => TARGETS.map(|target| format!("route add local {target} dev lo")).join("\n"),
        }
    }

    fn mend(self) -> String {
        match self {
            Self::Carrier => self.make().replace("down", "up"),
            Self::Silent | Self::Captive => self.make().replace("add", "del"),
        }
    }
}

/// How a break is tried again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trials<'a> {
    /// What breaks.
    pub(super) by: Break,
    /// The probe's interval.
    pub(super) interval: &'a str,
    /// How often.
    pub(super) count: usize,
    /// How long the uplink is well before each break.
    pub(super) well: Duration,
    /// A random part of this comes on top, so that breaks come anywhere in the interval.
    pub(super) spread: Duration,
    /// A break that is in no record by then was missed.
    pub(super) within: Duration,
    /// Whether a new probe is started for each break, where a mended uplink would wait for its next check.
    pub(super) afresh: bool,
}

/// When the breaks were known.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    delays: Vec<Duration>,
    checks: Vec<Check>,
    missed: usize,
}

impl Outcome {
    /// The delays in a unit of so many seconds, with their mean, the reasons that were given and the number of those
    /// missed.
    pub(super) fn shown(&self, unit: &'static str, seconds: f64) -> String {
        let figure = Figure::new(self.delays.iter().map(|delay| delay.as_secs_f64() / seconds), unit);
        let missed = if self.missed > 0 { format!("; missed {}", self.missed) } else { String::new() };
        format!("{}{}{missed}", with_mean(&figure), watch::reasons(&self.checks))
    }
}

/// Breaks and mends the victim while a probe watches it.
pub(super) fn measure(routed: &Routed, trials: Trials<'_>, seed: u64) -> Result<Outcome> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut console = Console::open(&routed.lab.provider(VICTIM)?.space)?;
    let arguments = [VICTIM, "--interval", trials.interval];
    let began = Instant::now();
    let mut watch = Watch::start(routed, &arguments)?;
    watch.up(VICTIM, began)?;
    let mut outcome = Outcome::default();
    for _ in 0..trials.count {
        watch.during(trials.well + trials.spread.mul_f64(random.f64()))?;
        let broken = console.say(&trials.by.make())?;
        match watch.first(broken, broken + trials.within, |check| !check.up && check.uplink == VICTIM)? {
            Some(found) => {
                outcome.delays.push(found.at.saturating_duration_since(broken));
                outcome.checks.push(found.check);
            }
            None => outcome.missed += 1,
        }
        let mended = console.say(&trials.by.mend())?;
        if trials.afresh {
            watch = Watch::start(routed, &arguments)?;
        }
        watch.up(VICTIM, mended)?;
    }
    Ok(outcome)
}
