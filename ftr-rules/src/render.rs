//! From a configuration to firewall rules.
//!
//! The rules are those of Fault Tolerant Router, so that a firewall that was built around them fits; the comments
//! between them tell an administrator what each does.

mod filter;
mod mangle;
mod nat;

use clap::ValueEnum;
use ftr_core::Config;

use crate::script::Script;

/// A table of the kernel's packet filter, as iptables(8) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// Marks: which uplink a connection belongs to.
    Mangle,
    /// Address translation.
    Nat,
    /// What may pass.
    Filter,
}

impl Table {
    /// All tables, in the order in which they are printed.
    pub const ALL: [Self; 3] = [Self::Mangle, Self::Nat, Self::Filter];
}

/// The rules of some tables, in the format of iptables-save(8); each table at most once, in the order of [`Table::ALL`].
#[must_use]
pub fn render(config: &Config, tables: &[Table]) -> String {
    let mut script = Script::default();
    script.comment(&format!("Made by ftr-rules from {}", config.file.display()));
    script.comment(
        "Loading a table with iptables-restore replaces all that it held before.\n\
         Lines that begin with \"# [\" are examples: adapt them, and take the \"# \" away.",
    );
    for table in Table::ALL.into_iter().filter(|table| tables.contains(table)) {
        script.gap();
        match table {
            Table::Mangle => mangle::write(config, &mut script),
            Table::Nat => nat::write(config, &mut script),
            Table::Filter => filter::write(config, &mut script),
        }
    }
    script.into_text()
}
