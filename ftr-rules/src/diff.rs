//! What is loaded against what would be printed.
//!
//! Both are texts, and neither is written as the other: iptables-save(8) and nft(8) show numbers, addresses and lists
//! in their own way. So both are read into the same form, and then compared.

pub(crate) mod iptables;
pub(crate) mod nft;

use std::collections::BTreeSet;

/// A table as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) chains: Vec<Chain>,
}

/// A chain: what it is, and its rules in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: String,
    /// Policy and hook, where packets enter it by themselves.
    pub(crate) declaration: String,
    /// Others have rules in it as well.
    pub(crate) shared: bool,
    pub(crate) rules: Vec<Rule>,
}

/// A rule, in one form for every way to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Which packets.
    pub(crate) conditions: Vec<String>,
    /// What becomes of them.
    pub(crate) target: Vec<String>,
    /// As it was written, for people.
    pub(crate) text: String,
}

impl Rule {
    fn is(&self, other: &Self) -> bool {
        self.conditions == other.conditions && self.target == other.target
    }
}

/// What differs, a line each: `-` for what is not loaded, `+` for what is loaded and should not be. None where the
/// rules are loaded.
///
/// In a chain that is shared others may have any rule, but not twice one of ours, nor one that does something else with
/// the very packets of ours: that is what remains of an earlier configuration.
pub(crate) fn compare(wanted: &[Table], loaded: &[Table]) -> Vec<String> {
    let mut lines = Vec::new();
    for table in wanted {
        match loaded.iter().find(|other| other.name == table.name) {
            None => lines.push(format!("- table {}", table.name)),
            Some(other) => tables(table, other, &mut lines),
        }
    }
    lines
}

fn tables(wanted: &Table, loaded: &Table, lines: &mut Vec<String>) {
    let name = &wanted.name;
    for chain in &wanted.chains {
        match loaded.chains.iter().find(|other| other.name == chain.name) {
            None => lines.push(format!("- {name}: chain {}", chain.name)),
            Some(other) => chains(name, chain, other, lines),
        }
    }
    // Where chains are shared, so is the table.
    if wanted.chains.iter().any(|chain| chain.shared) {
        return;
    }
    for other in &loaded.chains {
        let known = wanted.chains.iter().any(|chain| chain.name == other.name);
        // What flushing a table leaves behind does nothing, unless it drops what it is not told about.
        let acts = other.declaration.contains("policy drop") || !other.rules.is_empty();
        if !known && acts {
            lines.push(format!("+ {name}: chain {}", other.name));
        }
    }
}

fn chains(table: &str, wanted: &Chain, loaded: &Chain, lines: &mut Vec<String>) {
    let place = format!("{table} {}", wanted.name);
    if wanted.declaration != loaded.declaration {
        lines.push(format!("- {place}: {}", wanted.declaration));
        lines.push(format!("+ {place}: {}", loaded.declaration));
    }
    let before = lines.len();
    // Each rule that is loaded stands for one that is wanted.
    let mut used = BTreeSet::new();
    let mut order = Vec::new();
    for rule in &wanted.rules {
        let mut all = loaded.rules.iter().enumerate();
        match all.find(|(at, other)| other.is(rule) && !used.contains(at)) {
            Some((at, _)) => {
                used.insert(at);
                order.push(at);
            }
            None => lines.push(format!("- {place}: {}", rule.text)),
        }
    }
    for (_, other) in loaded.rules.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
        let ours = |rule: &Rule| rule.conditions == other.conditions;
        if !wanted.shared || wanted.rules.iter().any(ours) {
            lines.push(format!("+ {place}: {}", other.text));
        }
    }
    if lines.len() == before && !order.is_sorted() {
        lines.push(format!("- {place}: the rules, in this order"));
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, Rule, Table, compare};

    fn table(shared: bool, rules: &[(&str, &str)]) -> Vec<Table> {
        let rule = |(conditions, target): &(&str, &str)| Rule {
            conditions: vec![(*conditions).to_owned()],
            target: vec![(*target).to_owned()],
            text: format!("{conditions} {target}"),
        };
        let chain = Chain {
            name: "C".to_owned(),
            declaration: "accept".to_owned(),
            shared,
            rules: rules.iter().map(rule).collect(),
        };
        vec![Table { name: "t".to_owned(), chains: vec![chain] }]
    }

    #[test]
    fn the_same_is_the_same_and_others_may_stand_between() {
        let ours = table(true, &[("a", "1"), ("b", "2"), ("a", "1")]);
        assert_eq!(compare(&ours, &ours), [""; 0]);
        let more = table(true, &[("a", "1"), ("x", "9"), ("b", "2"), ("a", "1")]);
        assert_eq!(compare(&ours, &more), [""; 0]);
        assert_eq!(compare(&table(false, &[("a", "1")]), &table(false, &[("a", "1"), ("x", "9")])), ["+ t C: x 9"]);
    }

    #[test]
    fn what_lacks_stands_twice_or_contradicts_is_told() {
        let ours = table(true, &[("a", "1"), ("b", "2")]);
        assert_eq!(compare(&ours, &table(true, &[("a", "1")])), ["- t C: b 2"]);
        assert_eq!(compare(&ours, &table(true, &[("a", "1"), ("b", "2"), ("b", "2")])), ["+ t C: b 2"]);
        assert_eq!(compare(&ours, &table(true, &[("a", "0"), ("a", "1"), ("b", "2")])), ["+ t C: a 0"]);
        assert_eq!(compare(&ours, &table(true, &[("b", "2"), ("a", "1")])), ["- t C: the rules, in this order"]);
        assert_eq!(compare(&ours, &[]), ["- table t"]);
    }

    #[test]
    fn another_policy_and_chains_of_ours_that_are_not_wanted() {
        let ours = table(false, &[("a", "1")]);
        let mut other = ours.clone();
        other[0].chains[0].declaration = "drop".to_owned();
        assert_eq!(compare(&ours, &other), ["- t C: accept", "+ t C: drop"]);
        let mut more = ours.clone();
        let empty = Chain { name: "D".to_owned(), declaration: String::new(), shared: false, rules: Vec::new() };
        more[0].chains.push(empty);
        assert_eq!(compare(&ours, &more), [""; 0]);
        more[0].chains[1].rules = more[0].chains[0].rules.clone();
        assert_eq!(compare(&ours, &more), ["+ t: chain D"]);
    }
}
