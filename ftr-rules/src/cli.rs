//! The command line.

use clap::{Args, Parser, ValueEnum};
use ftr_core::{Config, Family};
use ftr_tool::cli::Source;

use crate::model::Table;
use crate::render::{Backend, Request};

const EXAMPLES: &str = "\
Examples:
  ftr-rules | less                         read them: comments explain each rule
  ftr-rules | iptables-restore --test      let iptables check them, change nothing
  ftr-rules | iptables-restore             replace the tables mangle, nat and filter
  ftr-rules -6 | ip6tables-restore         the same for IPv6
  ftr-rules --diff                         are they loaded? 0 yes, 1 no (run it as root)
  ftr-rules --backend nft | nft -f -       both families, in tables of their own
  ftr-rules --table mangle --table nat | iptables-restore --noflush
                                           beside a firewall that is there: its rules stay
  ftr-rules --sets | ipset restore         before rules for iptables, where a policy has domains
  ftr-rules --backend nft --dns dnsmasq > /etc/dnsmasq.d/ftr-domains.conf
                                           and a restart of dnsmasq, which then fills the sets";

/// Print the firewall rules that several uplinks need, as text for iptables-restore or nft
///
/// They mark each connection with its uplink, translate addresses, and protect router and LAN. Nothing is changed.
#[derive(Debug, Parser)]
#[command(name = "ftr-rules", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Print no warnings; with --diff, tell the answer by the exit code alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print only this table (may be given several times)
    #[arg(long = "table", value_name = "TABLE", value_enum)]
    table: Vec<Table>,
    /// The program that shall load the rules
    #[arg(long, value_enum, default_value_t = Backend::Iptables)]
    backend: Backend,
    /// Compare with the rules that are loaded, and print what differs
    #[arg(long)]
    pub(crate) diff: bool,
    /// Print the sets that iptables needs for policies with domains, for `ipset restore`, before the rules (nft makes its
    /// own with them)
    #[arg(long, conflicts_with = "diff")]
    pub(crate) sets: bool,
    /// Print the lines for a name server that put the addresses of policies' domains into the sets
    #[arg(long, value_name = "DAEMON", value_enum, conflicts_with_all = ["diff", "sets"])]
    pub(crate) dns: Option<NameServer>,
    #[command(flatten)]
    families: Families,
}

/// A name server that can fill sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NameServer {
    /// dnsmasq(8), built with ipset and nftset, as Debian's is
    Dnsmasq,
}

#[derive(Args, Clone, Copy, Debug)]
struct Families {
    /// Rules for IPv4 (iptables: the default)
    #[arg(short = '4', long = "ipv4")]
    ipv4: bool,
    /// Rules for IPv6 (nft: both, where neither is asked for alone)
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
}

impl Cli {
    /// The families that are asked for, of those that the configuration has.
    pub(crate) fn families(&self, config: &Config) -> Vec<Family> {
        let Families { ipv4, ipv6 } = self.families;
        let asked = |family: &Family| match family {
            Family::V4 => ipv4 || !ipv6,
            Family::V6 => ipv6 || !ipv4,
        };
        config.families().into_iter().filter(asked).collect()
    }

    /// What is asked for.
    ///
    /// # Errors
    /// Both families of a back end that loads one at a time.
    pub(crate) fn request(&self) -> Result<Request, &'static str> {
        let families = match (self.backend, self.families.ipv4, self.families.ipv6) {
            (Backend::Iptables, true, true) => {
                return Err(
                    "-4 -6: iptables-restore and ip6tables-restore each load one family, ask for one at a time",
                );
            }
            (Backend::Iptables, _, false) | (Backend::Nft, true, false) => vec![Family::V4],
            (_, false, true) => vec![Family::V6],
            (Backend::Nft, ..) => vec![Family::V4, Family::V6],
        };
        let tables = if self.table.is_empty() { Table::ALL.to_vec() } else { self.table.clone() };
        Ok(Request { backend: self.backend, families, tables })
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};
    use ftr_core::Family;

    use super::Cli;
    use crate::model::Table;
    use crate::render::{Backend, Request};

    fn request(args: &[&str]) -> Request {
        let words = std::iter::once("ftr-rules").chain(args.iter().copied());
        Cli::try_parse_from(words).unwrap().request().unwrap()
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn tables_may_be_chosen() {
        assert_eq!(request(&[]).tables, Table::ALL);
        assert_eq!(request(&["-4", "--table", "nat", "--table", "mangle"]).tables, [Table::Nat, Table::Mangle]);
        assert!(Cli::try_parse_from(["ftr-rules", "--table", "raw"]).is_err());
    }

    #[test]
    fn families_belong_to_the_back_end() {
        assert_eq!(request(&[]).families, [Family::V4]);
        assert_eq!(request(&["-6"]).families, [Family::V6]);
        let nft = ["--backend", "nft"];
        assert_eq!(request(&nft).backend, Backend::Nft);
        assert_eq!(request(&nft).families, [Family::V4, Family::V6]);
        assert_eq!(request(&["--backend", "nft", "-4", "-6"]).families, [Family::V4, Family::V6]);
        assert_eq!(request(&["--backend", "nft", "-6"]).families, [Family::V6]);
        assert!(Cli::try_parse_from(["ftr-rules", "-4", "-6"]).unwrap().request().is_err());
    }
}
