//! From a configuration to firewall rules.
//!
//! Without keys of our own they are those of Fault Tolerant Router, so that a firewall that was built around them fits.

mod examples;
mod filter;
mod forward;
mod leaving;
mod mangle;
mod nat;
mod policy;
mod rescue;
pub(crate) mod scope;
mod sources;
mod spoofed;

use ftr_core::Config;
use ftr_core::numbering::Numbering;

use crate::model::{Rules, Ruleset, Table};
use scope::Scope;

/// The rules of some tables, each at most once, in the order of [`Table::ALL`].
#[must_use]
pub(crate) fn compose(config: &Config, tables: &[Table], scope: &Scope) -> Ruleset {
    let numbering = Numbering::of(config);
    let rules = |table: Table| -> Rules {
        match table {
            Table::Mangle => mangle::compose(config, &numbering, scope),
            Table::Nat => nat::compose(config, scope),
            Table::Filter => filter::compose(config, scope),
        }
    };
    Ruleset {
        tables: Table::ALL.into_iter().filter(|table| tables.contains(table)).map(rules).collect(),
        mask: numbering.mask(),
        marks: scope.uplinks(config).map(|(i, _)| numbering.mark(i)).collect(),
        families: scope.families.clone(),
    }
}
