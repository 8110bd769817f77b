//! What rules are for: the families, the back end and the habits that they have to fit, and words that all tables share.

use ftr_core::config::{Protocol, Uplink};
use ftr_core::numbering::Numbering;
use ftr_core::{Config, Family, InterfaceName};

use crate::model::When;

/// What the rules are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// One family, or both in the same tables.
    pub(crate) families: Vec<Family>,
    /// As Fault Tolerant Router had it, flaws included: only connections of the networks that are listed take their mark
    /// over, `IPsec` is not spared from translation, and its filter drops new connections from inside to the router.
    pub(crate) original: bool,
    /// The rules can ask routing for the device that leads to a source, as nft's can.
    pub(crate) looks_up: bool,
    /// Packets of the other family come by these tables as well, and shall pass.
    pub(crate) passes_other: bool,
}

impl Scope {
    /// The only family; none where there are both.
    pub(super) fn only(&self) -> Option<Family> {
        match self.families.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The family whose addresses stand in examples.
    pub(super) fn example(&self) -> Family {
        self.families.first().copied().unwrap_or(Family::V4)
    }

    /// The uplinks that lead anywhere in one of the families, by index.
    pub(super) fn uplinks<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = (usize, &'a Uplink)> {
        let leads = |uplink: &Uplink| self.families.iter().any(|family| uplink.has(*family));
        config.uplinks.iter().enumerate().filter(move |(_, uplink)| leads(uplink))
    }

    /// Packets of our families.
    pub(super) fn when(&self) -> When {
        When { family: self.only(), ..When::default() }
    }

    /// The same once for each family whose addresses fit, where it takes addresses or protocols of one family.
    pub(super) fn split(&self, when: &When) -> Vec<When> {
        let special = !when.sources.is_empty()
            || !when.destinations.is_empty()
            || when.set.is_some()
            || when.protocol == Some(Protocol::Icmp);
        if !special {
            return vec![When { family: self.only(), ..when.clone() }];
        }
        self.families.iter().filter_map(|family| of_family(when, *family)).collect()
    }
}

/// None where addresses are stated, but none of this family.
fn of_family(when: &When, family: Family) -> Option<When> {
    let mut own = When { family: Some(family), ..when.clone() };
    own.sources.retain(|prefix| prefix.family() == family);
    own.destinations.retain(|prefix| prefix.family() == family);
    let lost = own.sources.is_empty() != when.sources.is_empty()
        || own.destinations.is_empty() != when.destinations.is_empty();
    (!lost).then_some(own)
}

/// The devices towards the people who are served, and the servers.
pub(super) fn inside(config: &Config) -> Vec<InterfaceName> {
    config.downlinks.lan.iter().chain(&config.downlinks.dmz).cloned().collect()
}

pub(super) fn names<'a>(uplinks: impl Iterator<Item = (usize, &'a Uplink)>) -> Vec<InterfaceName> {
    uplinks.map(|(_, uplink)| uplink.name.clone()).collect()
}

/// A mark as people know it from the configuration.
pub(super) fn mark(numbering: &Numbering, value: u32) -> String {
    match numbering.mask() {
        None => value.to_string(),
        Some(mask) => format!("{value:#x}/{mask:#x}"),
    }
}
