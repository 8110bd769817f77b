//! A scenario as its file has it: what is there, what happens, and what must be true then.

use crate::error::{Context, Result, malformed};
use crate::expectation::Expectation;
use crate::family::Family;
use crate::firewall::Firewall;
use crate::plan::{self, Wish};
use crate::step::Step;
use serde::Deserialize;
use serde_yaml::Mapping;
use serde_yaml::with::singleton_map_recursive;
use std::fs;
use std::path::Path;

/// A whole scenario file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
pub(crate) struct Scenario {
    /// What it shows, in one sentence.
    pub about: String,
    /// The uplinks; three with weights 1, 2, 1 when absent.
    #[serde(default = "plan::three")]
    pub uplinks: Vec<Wish>,
    /// Whether it wants root's own powers: in a user namespace it cannot be played.
    #[serde(default)]
    pub root: bool,
    /// Whether it has the machine to itself, because it measures milliseconds.
    #[serde(default)]
    pub alone: bool,
    /// Whether they have IPv6 too, with targets of its own.
    #[serde(default)]
    pub ipv6: bool,
    /// Whether the internet has name and web servers, and a captive gateway its portal.
    #[serde(default)]
    pub servers: bool,
    /// The firewalls that it is played under, once each.
    #[serde(default = "usual")]
    pub firewall: Vec<Firewall>,
    /// Whether there is a DMZ with a server.
    #[serde(default)]
    pub dmz: bool,
    /// What differs from the lab's configuration.
    #[serde(default)]
    pub config: Mapping,
    /// What the client in the LAN does.
    #[serde(default)]
    pub client: Traffic,
    /// The mail server on the router.
    #[serde(default)]
    pub mail: MailServer,
    /// Whether `ftr-monitor run` is started before the first step.
    #[serde(default = "yes")]
    pub monitor: bool,
    /// What happens, in order.
    #[serde(with = "singleton_map_recursive")]
    pub steps: Vec<Step>,
    /// What must be true of the client's connections afterwards.
    #[serde(default, with = "singleton_map_recursive")]
    pub expect: Vec<Expectation>,
}

/// The client's habits.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Traffic {
    /// The families that it speaks: 4, 6.
    pub families: Vec<Family>,
    /// New connections a second, of each family.
    pub rate: f64,
    /// Addresses that it uses.
    pub sources: u8,
    /// Connections that it holds, of each family.
    pub held: usize,
    /// Flows of datagrams that it has, of each family.
    pub datagrams: usize,
    /// Where it is.
    pub place: Place,
    /// The uplinks whose delegated prefixes its IPv6 addresses are of; absent: they are the LAN's own.
    pub delegated: Delegated,
    /// New connections a second that the router itself opens, of each family; none when absent.
    pub router: Option<f64>,
    /// Nothing is sent before the step `traffic`.
    pub waits: bool,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            families: vec![Family::V4],
            rate: 40.0,
            sources: 64,
            held: 18,
            datagrams: 0,
            place: Place::Lan,
            delegated: Delegated::default(),
            router: None,
            waits: false,
        }
    }
}

/// One uplink, or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Delegated {
    /// This one.
    One(String),
    /// These.
    Several(Vec<String>),
}

impl Default for Delegated {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Delegated {
    /// Their devices.
    pub(crate) fn uplinks(&self) -> &[String] {
        match self {
            Self::One(uplink) => std::slice::from_ref(uplink),
            Self::Several(uplinks) => uplinks,
        }
    }
}

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// Behind the router.
    #[default]
    Lan,
    /// On the router itself.
    Router,
}

/// What listens for mail on the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailServer {
    /// Nothing.
    #[default]
    None,
    /// A server that keeps what it gets.
    Real,
    /// The same, which wants STARTTLS and a password.
    StartTls,
    /// The same, which wants TLS from the start and a password.
    Tls,
    /// A server that accepts and says nothing.
    Mute,
}

impl Scenario {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// When it cannot be read or is not a scenario; the message has the line.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).context(|| format!("read {}", path.display()))?;
        serde_yaml::from_str(&text).map_err(|error| malformed(path.display().to_string(), &error))
    }
}

fn usual() -> Vec<Firewall> {
    vec![Firewall::default()]
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;
    use crate::span::Span;
    use std::time::Duration;

    #[test]
    fn steps_are_read_as_people_write_them() {
        let text = "{about: x, steps: [{break: {uplink: eth1, by: {loss: 50}}}, {mend: eth1}, {flow: 300ms}, restart,\
                    {run: {line: ftr-probe eth1, exit: 1}}], expect: [{failures: {at_most: 0}}, {foreign: 0}]}";
        let scenario: Scenario = serde_yaml::from_str(text).unwrap();
        assert!(matches!(&scenario.steps[0], Step::Break { by: Fault::Loss(50), .. }));
        assert!(matches!(&scenario.steps[2], Step::Flow(Span(time)) if *time == Duration::from_millis(300)));
        assert!(matches!(scenario.steps[3], Step::Restart));
        assert_eq!(scenario.uplinks.len(), 3);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        assert!(serde_yaml::from_str::<Scenario>("{about: x, stpes: []}").is_err());
        assert!(serde_yaml::from_str::<Scenario>("{about: x, steps: [{flwo: 1s}]}").is_err());
        assert!(serde_yaml::from_str::<Scenario>("{about: x, steps: [{carries: {uplinks: [], with: 1s}}]}").is_err());
    }
}
