//! `policies`: connections that take an uplink of their own list instead of a balanced one.

use std::time::Duration;

use serde_yaml::Value;

use super::failback::FailbackMode;
use super::form::{Apart, ByHand, HOURS, List, Maybe, Needed, SPAN, Scalar, Unless, Word};
use super::hours::{self, Hours};
use super::key::{Keys as _, keys};
use super::matching::{self, Match};
use super::scalar;
use super::section::Section;
use super::uplink::{self, Uplink};
use super::words::words;

keys! {
    /// Connections that take the first working uplink of a list.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Policy {
        /// What people call it.
        "name" => pub name: String = String::new(), Needed(NAME, "what people call it");
        /// Which new connections it is for; without it, those that rules of your own mark.
        "match" => pub matching: Option<Match> = None, Apart;
        /// Its uplinks, the preferred one first: the first that works takes the connections.
        "uplinks" => pub uplinks: Vec<usize> = Vec::new(), Needed(
            ByHand("the interface of an uplink, or a list of them"),
            "the uplinks that take its connections, the preferred one first",
        );
        /// What becomes of its connections when none of its uplinks works.
        "otherwise" => pub otherwise: Otherwise = Otherwise::Any, Word;
        /// What becomes of its established connections when an uplink works again that is earlier in its list: with `hard`
        /// all of them move together. That needs a `match` of addresses, protocol and ports alone.
        "failback" => pub failback: FailbackMode = FailbackMode::Soft, Unless(FailbackMode::Soft, Word);
        /// The hours in which it is in force, in local time; without them, always. Outside of them its connections are
        /// balanced like all others.
        "active" => pub active: Vec<Hours> = Vec::new(), List(HOURS);
        /// How long an uplink that was down has to work before it takes the connections again, where a later one of the
        /// list does meanwhile; without it, as `failback_delay` in `routing` says.
        "failback_delay" => pub failback_delay: Option<Duration> = None, Maybe(SPAN);
    }
}

impl Policy {
    /// The set of addresses that its connections go to, if any: the stated one, or that which a name server fills with the
    /// addresses of `domains`. That of IPv6 has a `6` more.
    #[must_use]
    pub fn set(&self) -> Option<String> {
        let matching = self.matching.as_ref()?;
        matching.set.clone().or_else(|| self.of_names().then(|| format!("{SET}{}", self.name)))
    }

    /// Whether it is for the addresses of names.
    #[must_use]
    pub fn of_names(&self) -> bool {
        self.matching.as_ref().is_some_and(|matching| !matching.domains.is_empty())
    }
}

words! {
    /// What becomes of a policy's connections when none of its uplinks works.
    pub enum Otherwise {
        /// They are balanced like all others.
        "any" => Any,
        /// They are refused.
        "none" => None,
    }
}

/// The most characters of a policy's name.
const LONGEST_NAME: usize = 32;
/// What the name of the set for its domains begins with, before its own, and the most characters that leaves for that
/// (`IPSET_MAXNAMELEN`, with a `6` and its closing zero).
const SET: &str = "ftr_";
const LONGEST_WITH_SET: usize = 26;

const NAME: Scalar<String> =
    Scalar { allowed: "1 to 32 letters, digits, _ and -", read: name, write: |name| name.as_str().into() };

fn name(value: &Value) -> Result<String, String> {
    let text = scalar::text(value)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if plain && (1..=LONGEST_NAME).contains(&text.len()) {
        Ok(text)
    } else {
        Err(format!("is no name, allowed: 1 to {LONGEST_NAME} letters, digits, _ and -"))
    }
}

/// Reads the list; an item that is wrong is left out, and noted.
pub(super) fn read(root: &mut Section<'_>, uplinks: &[Option<Uplink>]) -> Vec<Policy> {
    if !root.has("policies") {
        return Vec::new();
    }
    let mut names: Vec<String> = Vec::new();
    let policies = root.sections("policies", |mut section| {
        let policy = one(&mut section, uplinks);
        if let Some(policy) = &policy {
            if names.contains(&policy.name) {
                section.wrong("name", format!("{} is another policy already, allowed: each name once", policy.name));
            }
            names.push(policy.name.clone());
        }
        section.finish();
        policy
    });
    policies.into_iter().flatten().collect()
}

fn one(section: &mut Section<'_>, uplinks: &[Option<Uplink>]) -> Option<Policy> {
    let mut policy = Policy::usual();
    policy.read(section);
    hours::check(section);
    policy.uplinks = uplink::read_indices(section, "uplinks", uplinks);
    policy.matching = section.section("match").map(matching::read);
    if policy.of_names() && policy.name.len() > LONGEST_WITH_SET {
        let what = format!(
            "longer than the name of a set may be, allowed: up to {LONGEST_WITH_SET} characters beside domains"
        );
        section.wrong("name", what);
    }
    let can_be_told = policy.matching.as_ref().is_some_and(Match::is_of_flows);
    if policy.failback == FailbackMode::Hard && !can_be_told {
        let what = "hard, but which established connections are its own cannot be told, allowed: hard beside a match of \
                    source, destination, protocol and ports alone";
        section.wrong("failback", what);
    }
    (!section.faulty("name")).then_some(policy)
}
