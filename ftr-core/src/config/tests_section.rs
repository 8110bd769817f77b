//! `tests`: how uplinks are tested.

use std::collections::HashSet;
use std::time::Duration;

use super::USUAL_TIMEOUT;
use super::limits::{self, Limits};
use super::scalar;
use super::section::Section;
use super::target::Target;

/// How an uplink is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tests {
    /// The hosts to ask, each once.
    pub targets: Vec<Target>,
    /// How many of them have to answer.
    pub required: usize,
    /// How often each is asked in a check, at most; at least 1.
    pub tries: u32,
    /// From the start of one check to that of the next.
    pub interval: Duration,
    /// How long a try waits for its answer.
    pub timeout: Duration,
    /// How many checks in a row have to fail before an uplink counts as down.
    pub fall: u32,
    /// How many checks in a row have to succeed before it counts as up.
    pub rise: u32,
    /// Whether an uplink that sends but suddenly receives little is checked at once.
    pub watch_traffic: bool,
    /// Whether the gateway is tested for answering in the internet's stead.
    pub detect_captive: bool,
    /// The interval of a metered uplink that carries nothing, or whose traffic shows that it works; never shorter than
    /// `interval`.
    pub max_interval: Duration,
    /// How bad an uplink may be.
    pub limits: Limits,
    /// Over how many of its latest probes that is judged.
    pub window: usize,
}

/// How much later than its deadline an answer may come over a line that is saturated.
pub const LATE: Duration = Duration::from_secs(5);
/// A metered uplink may be left alone for so many intervals where `max_interval` is not stated, or for so long if that
/// is longer: four hosts asked so seldom cost less than ten megabytes a month.
const STRETCH: u32 = 10;
const REST: Duration = Duration::from_secs(120);

impl Default for Tests {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            required: 1,
            tries: 1,
            interval: Duration::from_secs(60),
            timeout: USUAL_TIMEOUT,
            fall: 1,
            rise: 1,
            watch_traffic: true,
            detect_captive: true,
            max_interval: usual_max(Duration::from_secs(60)),
            limits: Limits::default(),
            window: 50,
        }
    }
}

impl Tests {
    /// How long a check of a line that does not answer may take: every try's timeout.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.timeout.saturating_mul(self.tries)
    }

    /// How long a check may take at all. A line that carries replies but no answers is saturated: what was asked is
    /// waited for beyond the deadline.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.deadline().saturating_add(LATE)
    }
}

/// How long a metered uplink may be left alone where nothing is said.
fn usual_max(interval: Duration) -> Duration {
    interval.saturating_mul(STRETCH).max(REST)
}

/// Reads the section that holds for all uplinks.
pub(super) fn read_common(root: &mut Section<'_>) -> Tests {
    if !root.has("tests") {
        root.missing("tests", "a section with the hosts to ask (ips) and how");
    }
    let Some(mut section) = root.section("tests") else { return Tests::default() };
    if !section.has("ips") {
        section.missing("ips", "a list of the hosts to ask");
    }
    // Four of them, as in the original's example, or all where there are fewer.
    let tests = read(&mut section, &Tests { required: 4, ..Tests::default() });
    section.finish();
    tests
}

/// Reads an uplink's own section, which overrides `common` key by key.
pub(super) fn read_own(uplink: &mut Section<'_>, common: &Tests) -> Tests {
    let Some(mut section) = uplink.section("tests") else { return common.clone() };
    let tests = read(&mut section, common);
    section.finish();
    tests
}

fn read(section: &mut Section<'_>, usual: &Tests) -> Tests {
    let mut targets = section.list("ips", scalar::parsed::<Target>);
    if !section.has("ips") {
        targets.clone_from(&usual.targets);
    } else if targets.is_empty() {
        section.wrong("ips", "no usable target, allowed: one or more");
    }
    // Asking a host twice proves nothing more than asking it once.
    let mut asked = HashSet::new();
    targets.retain(|target| asked.insert(target.clone()));
    let count = targets.len();
    let required = section.optional("required_successful", scalar::number::<usize>);
    if let Some(required) = required.filter(|required| count > 0 && !(1..=count).contains(required)) {
        let what = format!("{required} is out of range, allowed: 1 to {count}, the number of different ips");
        section.wrong("required_successful", what);
    }
    let interval = section.optional("interval", scalar::duration).unwrap_or(usual.interval);
    let max_interval = section.optional("max_interval", scalar::duration);
    if let Some(max) = max_interval.filter(|max| *max < interval) {
        let [max, interval] = [max, interval].map(humantime::format_duration);
        section.wrong("max_interval", format!("{max} is shorter than the interval, allowed: {interval} or more"));
    }
    // What is inherited was chosen for another interval, perhaps.
    let usual_max = if interval == usual.interval { usual.max_interval } else { usual_max(interval) };
    Tests {
        required: required.unwrap_or(usual.required).clamp(1, count.max(1)),
        targets,
        interval,
        max_interval: max_interval.unwrap_or(usual_max).max(interval),
        watch_traffic: section.optional("watch_traffic", scalar::boolean).unwrap_or(usual.watch_traffic),
        detect_captive: section.optional("detect_captive", scalar::boolean).unwrap_or(usual.detect_captive),
        limits: limits::read(section, &usual.limits),
        window: section.optional("quality_window", scalar::within(10, 10_000)).unwrap_or(usual.window),
        tries: section.optional("ping_retries", scalar::within(1, 100)).unwrap_or(usual.tries),
        timeout: section.optional("timeout", scalar::duration).unwrap_or(usual.timeout),
        fall: section.optional("fall", scalar::within(1, 1000)).unwrap_or(usual.fall),
        rise: section.optional("rise", scalar::within(1, 1000)).unwrap_or(usual.rise),
    }
}
