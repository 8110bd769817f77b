//! `tests`: how uplinks are tested.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use super::USUAL_TIMEOUT;
use super::scalar;
use super::section::Section;

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
}

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
        }
    }
}

impl Tests {
    /// How long a check may take: every try's timeout.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.timeout.saturating_mul(self.tries)
    }
}

/// A host that is asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// ICMP echo.
    Echo(IpAddr),
}

impl Target {
    /// The address that the question goes to.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Echo(address) => address,
        }
    }
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no target; allowed: the IPv4 address of a host")]
pub struct BadTarget {
    text: String,
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        text.parse::<Ipv4Addr>()
            .ok()
            .filter(|&address| is_host(address))
            .map(|address| Self::Echo(IpAddr::V4(address)))
            .ok_or_else(|| BadTarget { text: text.chars().take(60).collect() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo(address) => address.fmt(f),
        }
    }
}

/// Whether an address can belong to one host on a network.
pub(super) const fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified() || address.is_loopback() || address.is_multicast() || address.is_broadcast())
        && address.octets()[0] != 0
        && address.octets()[0] < 240
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
        section.wrong("ips", "no usable target, allowed: one IPv4 address or more");
    }
    // Asking a host twice proves nothing more than asking it once.
    let mut asked = HashSet::new();
    targets.retain(|target| asked.insert(*target));
    let count = targets.len();
    let required = section.optional("required_successful", scalar::number::<usize>);
    if let Some(required) = required.filter(|required| count > 0 && !(1..=count).contains(required)) {
        let what = format!("{required} is out of range, allowed: 1 to {count}, the number of different ips");
        section.wrong("required_successful", what);
    }
    Tests {
        required: required.unwrap_or(usual.required).clamp(1, count.max(1)),
        targets,
        tries: section.optional("ping_retries", scalar::within(1, 100)).unwrap_or(usual.tries),
        interval: section.optional("interval", scalar::duration).unwrap_or(usual.interval),
        timeout: section.optional("timeout", scalar::duration).unwrap_or(usual.timeout),
        fall: section.optional("fall", scalar::within(1, 1000)).unwrap_or(usual.fall),
        rise: section.optional("rise", scalar::within(1, 1000)).unwrap_or(usual.rise),
    }
}
