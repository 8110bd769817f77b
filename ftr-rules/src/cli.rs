//! The command line.

use clap::{Parser, ValueEnum};
use ftr_core::cli::Common;

use crate::render::Table;

const EXAMPLES: &str = "\
Examples:
  ftr-rules | less                         read them: comments explain each rule
  ftr-rules | iptables-restore --test      let iptables check them, change nothing
  ftr-rules | iptables-restore             replace the tables mangle, nat and filter
  ftr-rules --table mangle --table nat | iptables-restore
                                           leave the filter table to your own firewall";

/// Print the firewall rules that several uplinks need, as text for iptables-restore
///
/// They mark each connection with its uplink, translate addresses, and protect router and LAN. Nothing is changed.
#[derive(Debug, Parser)]
#[command(name = "ftr-rules", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Print only this table (may be given several times)
    #[arg(long = "table", value_name = "TABLE", value_enum)]
    table: Vec<Table>,
    /// The program that shall load the rules
    #[arg(long, value_enum, default_value_t = Backend::Iptables)]
    backend: Backend,
    /// Rules for IPv4 (the default)
    #[arg(short = '4')]
    ipv4: bool,
}

impl Cli {
    /// The tables to print: those asked for, else all.
    pub(crate) fn tables(&self) -> Vec<Table> {
        if self.table.is_empty() { Table::ALL.to_vec() } else { self.table.clone() }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Backend {
    Iptables,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;
    use crate::render::Table;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn tables_may_be_chosen() {
        let tables = |args: &[&str]| Cli::try_parse_from(args).unwrap().tables();
        assert_eq!(tables(&["ftr-rules"]), Table::ALL);
        assert_eq!(tables(&["ftr-rules", "-4", "--table", "nat", "--table", "mangle"]), [Table::Nat, Table::Mangle]);
        for wrong in [&["ftr-rules", "--table", "raw"][..], &["ftr-rules", "--backend", "nft"], &["ftr-rules", "-6"]] {
            assert!(Cli::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }
}
