//! From a configuration to text that loads.

use clap::ValueEnum;
use ftr_core::config::Firewall;
use ftr_core::{Config, Family};

use crate::compose::compose;
use crate::compose::scope::Scope;
use crate::model::{Ruleset, Table};
use crate::{iptables, nft};

/// The program that loads the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// iptables-restore or ip6tables-restore: one family.
    Iptables,
    /// nft -f: both families at once.
    Nft,
}

/// Which rules are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The program that loads them.
    pub backend: Backend,
    /// The families; for iptables one.
    pub families: Vec<Family>,
    /// The tables, in any order.
    pub tables: Vec<Table>,
}

impl Request {
    /// The tables that are printed: the filter table is not where the configuration wants none.
    #[must_use]
    pub fn printed(&self, config: &Config) -> Vec<Table> {
        let kept = |table: &Table| *table != Table::Filter || config.firewall != Some(Firewall::None);
        self.asked().filter(kept).collect()
    }

    /// The tables that are asked for and not printed.
    #[must_use]
    pub fn absent(&self, config: &Config) -> Vec<Table> {
        let printed = self.printed(config);
        self.asked().filter(|table| !printed.contains(table)).collect()
    }

    fn asked(&self) -> impl Iterator<Item = Table> {
        Table::ALL.into_iter().filter(|table| self.tables.contains(table))
    }

    /// Whether the rules are those of Fault Tolerant Router, which has no configuration without a local network.
    #[must_use]
    pub fn original(&self, config: &Config) -> bool {
        self.backend == Backend::Iptables
            && self.families == [Family::V4]
            && config.firewall.is_none()
            && !config.downlinks.lan.is_empty()
    }

    /// The rules before they have the words of one program.
    #[must_use]
    pub fn ruleset(&self, config: &Config) -> Ruleset {
        let scope = Scope {
            families: self.families.clone(),
            original: self.original(config),
            looks_up: self.backend == Backend::Nft,
            passes_other: self.backend == Backend::Nft && self.families.len() == 1,
        };
        compose(config, &self.printed(config), &scope)
    }
}

/// The text that loads the rules: the same for the same configuration and request, to the byte.
#[must_use]
pub fn render(config: &Config, request: &Request) -> String {
    print(&request.ruleset(config), request, config)
}

/// The text of a ruleset that was made for this request.
pub(crate) fn print(ruleset: &Ruleset, request: &Request, config: &Config) -> String {
    let file = config.file.display().to_string();
    match request.backend {
        Backend::Iptables => iptables::print(ruleset, &file),
        Backend::Nft => nft::print(ruleset, &request.absent(config), &file),
    }
}
