//! Rules that stand beside ours: in the other variant of iptables, or in iptables where nft has ours. Packets pass them all.

use ftr_core::numbering::Numbering;
use ftr_core::{Config, Family};
use ftr_firewall::{Effects, Holder, Value, iptables};

use super::{Rule, Table, find, resembles};

/// Said of a rule that is not for the packets of one of ours.
const FOREIGN: &str = " (foreign)";

/// What the other variant of iptables has in the kernel's chains of our tables, where it should have nothing of ours. Rules
/// of programs that are known to put some there make no difference, and neither do chains that no packet enters by itself.
pub(crate) fn beside(variant: &str, wanted: &[Table], loaded: &[Table]) -> Vec<String> {
    let mut lines = Vec::new();
    for table in loaded.iter().filter(|table| wanted.iter().any(|ours| ours.name == table.name)) {
        for chain in table.chains.iter().filter(|chain| chain.shared) {
            let place = format!("{variant} {} {}", table.name, chain.name);
            lines.extend(chain.drops().then(|| format!("+ {place}: {}", chain.declaration)));
            let ours = find(wanted, &table.name, &chain.name);
            for rule in chain.rules.iter().filter(|rule| !rule.others) {
                let foreign = if ours.is_some_and(|ours| resembles(ours, rule)) { "" } else { FOREIGN };
                lines.push(format!("+ {place}: {}{foreign}", rule.text));
            }
        }
    }
    lines
}

/// What rules of ours are known by in iptables, where nft should have them.
pub(crate) struct Ours<'a> {
    pub(crate) family: Family,
    pub(crate) config: &'a Config,
    /// The rules as they would be printed for iptables.
    pub(crate) printed: Vec<Table>,
}

impl Ours<'_> {
    /// What is there in a variant of iptables, if a set of ours is: of this configuration, or of an earlier one. Rules of
    /// others alone are none of our business, as tables of others are in nft.
    pub(crate) fn left_in(&self, variant: &str, loaded: &[Table]) -> Vec<String> {
        if !loaded.iter().any(|table| self.has_signs(table)) {
            return Vec::new();
        }
        // Printed rules are in other words than those that are shown, so nobody can say which are foreign.
        let lines = beside(variant, &self.printed, loaded).into_iter();
        lines.map(|line| line.trim_end_matches(FOREIGN).to_owned()).collect()
    }

    /// A rule for connections of ours gives them a mark, or is the very one that translates their addresses or leads them to
    /// a chain of our own.
    fn has_signs(&self, table: &Table) -> bool {
        table.chains.iter().any(|chain| {
            let printed = find(&self.printed, &table.name, &chain.name);
            let same = |rule: &Rule| printed.is_some_and(|ours| ours.rules.iter().any(|one| one.text == rule.text));
            let alike = |rule: &Rule| printed.is_some_and(|ours| resembles(ours, rule));
            chain.rules.iter().any(|rule| match self.marked(&table.name, &chain.name, rule) {
                Some(mark) => self.is_ours(mark) || alike(rule),
                None => (table.name == "nat" || self.leads(&table.name, rule)) && same(rule),
            })
        })
    }

    fn leads(&self, table: &str, rule: &Rule) -> bool {
        let target = rule.text.split_whitespace().next_back().unwrap_or_default();
        find(&self.printed, table, target).is_some_and(|chain| !chain.shared)
    }

    /// The mark that a rule gives to connections.
    fn marked(&self, table: &str, chain: &str, rule: &Rule) -> Option<u32> {
        let mut effects = Effects::default();
        iptables::read(&format!("*{table}\n-A {chain} {}\n", rule.text), "", self.family, &mut effects);
        effects.sets.iter().find_map(|set| match set.value {
            Value::Fixed(value) if set.on == Holder::Connection => Some(value),
            _ => None,
        })
    }

    fn is_ours(&self, mark: u32) -> bool {
        let numbering = Numbering::of(self.config);
        let mark = mark & numbering.mask().unwrap_or(u32::MAX);
        (0..self.config.uplinks.len()).any(|i| numbering.mark(i) == mark)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ftr_core::Family;

    use super::{Ours, beside};
    use crate::diff::{Table, iptables, others};

    const PRINTED: &str = "\
*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-mark 1
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.2
COMMIT
*filter
:FORWARD DROP [0:0]
:LAN_WAN - [0:0]
-A FORWARD -i lo -j ACCEPT
-A FORWARD -i eth0 -o eth1 -j LAN_WAN
-A LAN_WAN -j ACCEPT
COMMIT
";

    fn loaded(text: &str) -> Vec<Table> {
        let mut tables = iptables::parse(text);
        others::mark(&mut tables, &BTreeSet::from(["eth1"]));
        tables
    }

    #[test]
    fn the_other_variant_has_nothing_of_ours() {
        let told = |text: &str| beside("iptables-legacy", &iptables::parse(PRINTED), &loaded(text));
        let theirs = "*nat\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n:MINE - [0:0]\n\
                      -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n-A DOCKER -i docker0 -j RETURN\n\
                      -A MINE -j ACCEPT\nCOMMIT\n*raw\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j NOTRACK\nCOMMIT\n";
        assert_eq!(told(theirs), [""; 0]);
        let (before, _) = PRINTED.split_once("*filter").unwrap();
        let lines = told(&before.replace("192.0.2.2", "192.0.2.9"));
        assert_eq!(
            lines,
            [
                "+ iptables-legacy mangle PREROUTING: -i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-mark 1",
                "+ iptables-legacy nat POSTROUTING: -o eth1 -j SNAT --to-source 192.0.2.9"
            ]
        );
        let foreign = "*nat\n:PREROUTING DROP [0:0]\n-A PREROUTING -i eth1 -j ACCEPT\nCOMMIT\n";
        assert_eq!(
            told(foreign),
            [
                "+ iptables-legacy nat PREROUTING: policy DROP",
                "+ iptables-legacy nat PREROUTING: -i eth1 -j ACCEPT (foreign)"
            ]
        );
    }

    #[test]
    fn beside_nft_only_a_set_of_ours_is_told() {
        let text = "uplinks:\n- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1}\ndownlinks: {lan: eth0}\n\
                    tests: {ips: [8.8.8.8], required_successful: 1}\n";
        let config = ftr_core::Config::parse(std::path::Path::new("t"), text).unwrap();
        let ours = Ours { family: Family::V4, config: &config, printed: iptables::parse(PRINTED) };
        let told = |text: &str| ours.left_in("iptables-nft", &loaded(text)).len();
        let mangle = |rule: &str| format!("*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {rule}\nCOMMIT\n");
        let new = "-i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-xmark";
        for (rule, lines) in [
            (format!("{new} 0x1/0xffffffff"), 1),
            (format!("{new} 0x700/0xff00"), 1),
            ("-i eth9 -j CONNMARK --set-xmark 0x1/0xffffffff".to_owned(), 1),
            ("-i eth1 -j CONNMARK --set-xmark 0x10000/0xff0000".to_owned(), 0),
            ("-i eth1 -j ACCEPT".to_owned(), 0),
            ("-p udp -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff".to_owned(), 0),
        ] {
            assert_eq!(told(&mangle(&rule)), lines, "{rule}");
        }
        let nat = |rule: &str| format!("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {rule}\nCOMMIT\n");
        assert_eq!(told(&nat("-o eth1 -j SNAT --to-source 192.0.2.2")), 1);
        assert_eq!(told(&nat("-o eth1 -j MASQUERADE")), 0);
        let filter =
            |rule: &str| format!("*filter\n:FORWARD DROP [0:0]\n:LAN_WAN - [0:0]\n-A FORWARD {rule}\nCOMMIT\n");
        assert_eq!(told(&filter("-i eth0 -o eth1 -j LAN_WAN")), 2, "the policy and the rule");
        assert_eq!(told(&filter("-i lo -j ACCEPT")), 0);
    }
}
