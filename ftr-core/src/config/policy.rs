//! `policies`: connections that take an uplink of their own list instead of a balanced one.

use super::matching::{self, Match};
use super::scalar;
use super::section::Section;
use super::uplink::{self, Uplink};

/// Connections that take the first working uplink of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What people call it: letters, digits, `_` and `-`.
    pub name: String,
    /// Which new connections it is for; none where the administrator's own rules mark them.
    pub matching: Option<Match>,
    /// Their uplinks, by place in the configuration: the first that works takes them.
    pub uplinks: Vec<usize>,
    /// What becomes of them when none of the list works.
    pub otherwise: Otherwise,
}

/// What becomes of a policy's connections when none of its uplinks works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// They are balanced like all others.
    Any,
    /// They are refused.
    None,
}

/// The most characters of a policy's name.
const LONGEST_NAME: usize = 32;

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
    let name = section.required("name", "what people call it", |value| {
        let text = scalar::text(value)?;
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if plain && (1..=LONGEST_NAME).contains(&text.len()) {
            Ok(text)
        } else {
            Err(format!("{text:?} is no name, allowed: 1 to {LONGEST_NAME} letters, digits, _ and -"))
        }
    });
    if !section.has("uplinks") {
        section.missing("uplinks", "the uplinks that take its connections, the preferred one first");
    }
    let list = uplink::read_places(section, "uplinks", uplinks);
    let words = &[("any", Otherwise::Any), ("none", Otherwise::None)];
    let otherwise = section.optional("otherwise", scalar::one_of(words)).unwrap_or(Otherwise::Any);
    let matching = section.section("match").map(matching::read);
    Some(Policy { name: name?, matching, uplinks: list, otherwise })
}
