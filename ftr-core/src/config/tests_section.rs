//! `tests`: how uplinks are tested.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use super::form::{FLAG, List, Scalar, Several, TIME, Within, parsed};
use super::key::{Keys as _, keys};
use super::limits::Limits;
use super::scalar;
use super::section::Section;
use super::target::Target;
use crate::duration;
use crate::family::Family;

keys! {
    /// How an uplink is tested.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Tests {
        /// The hosts to ask, each once: an address to ping, `tcp://192.0.2.1:443`, `dns://192.0.2.1` or
        /// `http://192.0.2.1/page`.
        "ips" => pub targets: Vec<Target> = Vec::new(), List(TARGET);
        /// The address that hosts are asked from, where the device of an uplink has several: one, or one of each family. It
        /// stands in `tests` of an uplink.
        "source" => pub sources: Vec<IpAddr> = Vec::new(), List(SOURCE);
        /// How many of them have to answer. Where it is not stated and there are fewer hosts, or a family has fewer, all of
        /// them.
        "required_successful" => pub required: usize = 4, COUNT;
        /// How often each host is asked before a check that goes badly is confirmed, which asks all hosts three times more.
        "ping_retries" => pub tries: u32 = 1, Within(1, 100, "");
        /// From the start of one check to that of the next.
        "interval" => pub interval: Duration = Duration::from_secs(60), TIME;
        /// How long an answer is waited for at most, each time that a host is asked; less for a host whose usual time is
        /// known.
        "timeout" => pub timeout: Duration = Duration::from_secs(2), TIME;
        /// How many checks in a row have to fail before an uplink counts as down.
        "fall" => pub fall: u32 = 1, Within(1, 1000, "");
        /// How many checks in a row have to succeed before it counts as up again.
        "rise" => pub rise: u32 = 1, Within(1, 1000, "");
        /// Whether an uplink that sends but suddenly receives little is checked at once.
        "watch_traffic" => pub watch_traffic: bool = true, FLAG;
        /// Whether the gateway is tested for answering in place of the internet.
        "detect_captive" => pub detect_captive: bool = true, FLAG;
        /// The interval of a metered uplink that carries nothing, or whose traffic shows that it works; never shorter than
        /// `interval`. Without it ten times `interval`, and two minutes at least.
        "max_interval" => pub max_interval: Duration = usual_max(Duration::from_secs(60)), TIME;
        /// How bad an uplink may be.
        "" => pub limits: Limits = Limits::default(), Several;
        /// Over how many of an uplink's latest probes loss, round trip and jitter are taken.
        "quality_window" => pub window: usize = 50, Within(10, 10_000, "probes");
    }
    beside {
        /// How it is stated, for messages.
        pub as_stated: AsStated = AsStated::default();
    }
}

/// How the tests are stated in the file. It is for messages alone, so configurations that differ in nothing else are the
/// same.
#[derive(Clone, Debug, Default)]
pub struct AsStated {
    /// Where each host stands in the list.
    first: Vec<usize>,
    /// Where hosts stand that were listed before.
    pub(super) again: Vec<usize>,
    /// Somebody has chosen how many have to answer.
    pub(super) required: bool,
    /// Somebody has chosen how seldom a metered uplink is checked.
    max_interval: bool,
    /// There are more than could be read.
    unread: bool,
}

impl PartialEq for AsStated {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for AsStated {}

impl AsStated {
    /// Where the host of this index stands.
    pub(super) fn index_in_file(&self, index: usize) -> usize {
        self.first.get(index).copied().unwrap_or(index)
    }
}

const TARGET: Scalar<Target> = parsed(
    "ADDRESS, tcp://ADDRESS:PORT, dns://ADDRESS[:PORT][/NAME] or http://[HOST@]ADDRESS[:PORT]/PATH[#STATUS[:BODY]]",
);

const SOURCE: Scalar<IpAddr> = Scalar {
    allowed: "an address",
    // What can be asked can ask.
    read: |value| match scalar::text(value)?.parse() {
        Ok(Target::Echo(address)) => Ok(address),
        _ => Err("is not the address of a host, allowed: such as 192.0.2.7 or 2001:db8::7".to_owned()),
    },
    write: |address| address.to_string().into(),
};

const COUNT: Scalar<usize> =
    Scalar { allowed: "1 to the number of hosts", read: scalar::number, write: |count| serde_json::json!(count) };

/// How much later than its deadline an answer may come over a line that is saturated.
pub const LATE: Duration = Duration::from_secs(5);
/// A metered uplink may be left alone for so many intervals where `max_interval` is not stated, or for so long if that
/// is longer: four hosts asked so seldom cost less than ten megabytes a month.
const STRETCH: u32 = 10;
const REST: Duration = Duration::from_secs(120);

impl Default for Tests {
    fn default() -> Self {
        Self::usual()
    }
}

impl Tests {
    /// The address that hosts of a family are asked from, where one is stated.
    #[must_use]
    pub fn source(&self, family: Family) -> Option<IpAddr> {
        self.sources.iter().copied().find(|source| Family::of(*source) == family)
    }

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

/// How long a metered uplink may be left alone where nothing is said: never longer than what may be stated.
fn usual_max(interval: Duration) -> Duration {
    interval.saturating_mul(STRETCH).max(REST).min(duration::LONGEST)
}

/// Reads the section that holds for all uplinks.
pub(super) fn read_common(root: &mut Section<'_>) -> Tests {
    if !root.has("tests") {
        root.missing("tests", "a section with the hosts to ask (ips) and how");
    }
    let mut tests = Tests::usual();
    let Some(mut section) = root.section("tests") else { return tests };
    if !section.has("ips") {
        section.missing("ips", "a list of the hosts to ask");
    }
    read(&mut section, &mut tests);
    if !std::mem::take(&mut tests.sources).is_empty() {
        section.wrong("source", "one address for all uplinks, allowed: in the tests of an uplink");
    }
    section.finish();
    tests
}

/// Reads an uplink's own section, which overrides the common one key by key.
pub(super) fn read_own(uplink: &mut Section<'_>, tests: &mut Tests) {
    let has_ipv6 = uplink.has("ip6") || uplink.has("type6");
    if let Some(mut section) = uplink.section("tests") {
        read(&mut section, tests);
        for family in [Family::V4, Family::V6] {
            let mut stated = tests.sources.iter().filter(|source| Family::of(**source) == family).skip(1);
            if let Some(second) = stated.next() {
                section.wrong("source", format!("{second} is a second one of {family}, allowed: one of each family"));
            }
        }
        if let Some(source) = tests.source(Family::V6).filter(|_| !has_ipv6) {
            section.wrong("source", format!("{source}, but the uplink has no IPv6"));
        }
        section.finish();
    }
}

fn read(section: &mut Section<'_>, tests: &mut Tests) {
    let before = tests.interval;
    tests.read(section);
    if section.has("ips") {
        tests.as_stated.unread = section.faulty("ips");
    }
    if section.sound("ips") && tests.targets.is_empty() {
        section.wrong("ips", "no usable target, allowed: one or more");
    }
    // Asking a host twice proves nothing more than asking it once.
    if section.has("ips") {
        let mut asked = HashSet::new();
        let listed = std::mem::take(&mut tests.targets).into_iter().enumerate();
        let (first, again): (Vec<_>, Vec<_>) = listed.partition(|(_, target)| asked.insert(target.clone()));
        tests.as_stated.again = again.into_iter().map(|(index, _)| index).collect();
        (tests.as_stated.first, tests.targets) = first.into_iter().unzip();
    }
    let (count, required) = (tests.targets.len(), tests.required);
    // How many hosts there are is not known where one of them is wrong, and that is told.
    let is_counted = count > 0 && !tests.as_stated.unread;
    if section.sound("required_successful") && is_counted && !(1..=count).contains(&required) {
        let what = format!("{required} is out of range, allowed: 1 to {count}, the number of different ips");
        section.wrong("required_successful", what);
    }
    tests.as_stated.required |= section.has("required_successful");
    tests.required = required.clamp(1, count.max(1));
    let interval = tests.interval;
    if section.sound("max_interval") && tests.max_interval < interval {
        let [max, interval] = [tests.max_interval, interval].map(humantime::format_duration);
        section.wrong("max_interval", format!("{max} is shorter than the interval, allowed: {interval} or more"));
    }
    // What nobody has stated goes with the interval.
    tests.as_stated.max_interval |= section.has("max_interval");
    if !tests.as_stated.max_interval && interval != before {
        tests.max_interval = usual_max(interval);
    }
    tests.max_interval = tests.max_interval.max(interval);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Config, Family};

    fn parse(own: &str, common: &str) -> Result<Config, String> {
        let uplinks =
            format!("{{interface: ppp0, type: ppp, type6: ra, tests: {{{own}}}}}, {{interface: ppp1, type: ppp}}");
        let text = format!("uplinks: [{uplinks}]\ntests: {{ips: [192.0.2.1, '2001:db8::1']{common}}}\n");
        Config::parse(Path::new("f"), &text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_uplink_states_an_address_of_each_family_to_be_asked_from() {
        let config = parse("source: [192.0.2.7, '2001:db8::7']", "").unwrap();
        let [ppp0, ppp1] = config.uplinks.as_slice() else { panic!("two uplinks") };
        assert_eq!(ppp0.tests.source(Family::V4), "192.0.2.7".parse().ok());
        assert_eq!(ppp0.tests.source(Family::V6), "2001:db8::7".parse().ok());
        assert_eq!(ppp1.tests.source(Family::V4), None);
        assert_eq!(Config::parse(Path::new("f"), &config.effective_yaml()).unwrap().uplinks, config.uplinks);
    }

    #[test]
    fn what_was_stated_for_all_holds_with_an_interval_of_its_own() {
        let max = |own: &str, common: &str| {
            let config = parse(own, common).unwrap();
            assert_eq!(Config::parse(Path::new("f"), &config.effective_yaml()).unwrap().uplinks, config.uplinks);
            config.uplinks[0].tests.max_interval.as_secs()
        };
        assert_eq!(max("interval: 10s", ", interval: 5s, max_interval: 1h"), 3600);
        assert_eq!(max("interval: 10s, max_interval: 20m", ", interval: 5s, max_interval: 1h"), 1200);
        assert_eq!(max("interval: 2h", ", max_interval: 1h"), 7200);
        assert_eq!(max("interval: 20s", ", interval: 5s"), 200, "nobody has stated it");
    }

    #[test]
    fn an_address_that_nobody_can_be_asked_from_is_told() {
        for (own, common, what) in [
            ("source: 127.0.0.1", "", "uplinks[0].tests.source: \"127.0.0.1\" is not the address of a host"),
            ("source: 'fe80::1'", "", "is not the address of a host"),
            ("source: [192.0.2.7, 192.0.2.8]", "", "192.0.2.8 is a second one of IPv4, allowed: one of each family"),
            (
                "",
                ", source: 192.0.2.7",
                "tests.source: one address for all uplinks, allowed: in the tests of an uplink",
            ),
        ] {
            assert!(parse(own, common).unwrap_err().contains(what), "{own} {common}");
        }
        let without = parse("source: '2001:db8::7'", "").unwrap().effective_yaml().replace("  type6: ra\n", "");
        let told = Config::parse(Path::new("f"), &without).unwrap_err().to_string();
        assert!(told.contains("2001:db8::7, but the uplink has no IPv6"), "{told}");
    }
}
