//! From a configuration to firewall rules.
//!
//! Without keys of our own they are those of Fault Tolerant Router, so that a firewall that was built around them fits.

mod filter;
mod forward;
mod mangle;
mod nat;
mod policy;

use ftr_core::config::{Protocol, Uplink};
use ftr_core::layout::Layout;
use ftr_core::{Config, Family, InterfaceName};

use crate::model::{Rules, Ruleset, Table, When};

/// What the rules are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// One family, or both in the same tables.
    pub(crate) families: Vec<Family>,
    /// As Fault Tolerant Router had it, flaws included: only connections of the networks that are listed take their mark
    /// over, `IPsec` is not spared from translation, and its filter drops new connections from inside to the router.
    pub(crate) original: bool,
    /// Packets of the other family come by these tables as well, and shall pass.
    pub(crate) passes_other: bool,
}

impl Scope {
    /// The only family; none where there are both.
    fn only(&self) -> Option<Family> {
        match self.families.as_slice() {
            [only] => Some(*only),
            _ => None,
        }
    }

    /// The family whose addresses stand in examples.
    fn example(&self) -> Family {
        self.families.first().copied().unwrap_or(Family::V4)
    }

    /// The uplinks that lead anywhere in one of the families, by place.
    fn uplinks<'a>(&'a self, config: &'a Config) -> impl Iterator<Item = (usize, &'a Uplink)> {
        let leads = |uplink: &Uplink| self.families.iter().any(|family| uplink.has(*family));
        config.uplinks.iter().enumerate().filter(move |(_, uplink)| leads(uplink))
    }

    /// Packets of our families.
    fn when(&self) -> When {
        When { family: self.only(), ..When::default() }
    }

    /// The same once for each family whose addresses fit, where it takes addresses or protocols of one family.
    fn split(&self, when: &When) -> Vec<When> {
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

/// The rules of some tables, each at most once, in the order of [`Table::ALL`].
#[must_use]
pub(crate) fn compose(config: &Config, tables: &[Table], scope: &Scope) -> Ruleset {
    let layout = Layout::of(config);
    let rules = |table: Table| -> Rules {
        match table {
            Table::Mangle => mangle::compose(config, &layout, scope),
            Table::Nat => nat::compose(config, scope),
            Table::Filter => filter::compose(config, scope),
        }
    };
    Ruleset {
        tables: Table::ALL.into_iter().filter(|table| tables.contains(table)).map(rules).collect(),
        mask: layout.mask(),
        marks: scope.uplinks(config).map(|(i, _)| layout.mark(i)).collect(),
        families: scope.families.clone(),
    }
}

/// The devices towards the people who are served, and the servers.
fn inside(config: &Config) -> Vec<InterfaceName> {
    config.downlinks.lan.iter().chain(&config.downlinks.dmz).cloned().collect()
}

fn names<'a>(uplinks: impl Iterator<Item = (usize, &'a Uplink)>) -> Vec<InterfaceName> {
    uplinks.map(|(_, uplink)| uplink.name.clone()).collect()
}
