//! What is loaded against what would be loaded.
//!
//! Both are texts of the same program, so a rule is the same where its text is.

pub(crate) mod beside;
pub(crate) mod iptables;
pub(crate) mod nft;
pub(crate) mod others;

use std::collections::BTreeSet;

/// A table as far as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// What is said of the table itself.
    pub(crate) settings: Vec<String>,
    pub(crate) chains: Vec<Chain>,
}

/// A chain: what it is, and its rules in order. A set is one without rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: String,
    /// Policy and hook, where packets enter it by themselves.
    pub(crate) declaration: String,
    /// Others have rules in it as well.
    pub(crate) shared: bool,
    pub(crate) rules: Vec<Rule>,
}

/// A rule as its program shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) text: String,
    /// Which packets; empty where it is for all.
    pub(crate) conditions: String,
    /// What kinds of conditions it has, and what it does, without devices, addresses, ports and marks.
    pub(crate) shape: BTreeSet<String>,
    /// It is printed as a comment: people may add rules of this shape, for packets of their choice.
    pub(crate) example: bool,
    /// A program that is known to put rules beside ours has made it.
    pub(crate) others: bool,
}

impl Table {
    /// Whether anything in it decides over packets.
    pub(crate) fn acts(&self) -> bool {
        self.chains.iter().any(Chain::acts)
    }
}

impl Chain {
    fn acts(&self) -> bool {
        self.drops() || !self.rules.is_empty()
    }

    /// Whether it drops what its rules do not decide over.
    fn drops(&self) -> bool {
        self.declaration.to_ascii_lowercase().contains("policy drop")
    }
}

/// Tells rules from examples: `shown` is how the program shows `all` rules, examples included, and `acting` those that
/// are no comments. None where they do not belong together.
pub(crate) fn with_examples(mut shown: Vec<Table>, all: &[Table], acting: &[Table]) -> Option<Vec<Table>> {
    for table in &mut shown {
        for chain in &mut table.chains {
            let (Some(all), acting) = (find(all, &table.name, &chain.name), find(acting, &table.name, &chain.name))
            else {
                // The programs show chains of the kernel's that nothing was said of.
                continue;
            };
            if all.rules.len() != chain.rules.len() {
                return None;
            }
            let mut acting = acting.map(|chain| chain.rules.as_slice()).unwrap_or_default();
            for (rule, printed) in chain.rules.iter_mut().zip(&all.rules) {
                match acting.split_first() {
                    Some((first, rest)) if first.text == printed.text => acting = rest,
                    _ => rule.example = true,
                }
            }
            if !acting.is_empty() {
                return None;
            }
        }
        let known = |chain: &Chain| find(all, &table.name, &chain.name).is_some();
        table.chains.retain(known);
    }
    Some(shown)
}

fn find<'a>(tables: &'a [Table], table: &str, chain: &str) -> Option<&'a Chain> {
    let table = tables.iter().find(|one| one.name == table)?;
    table.chains.iter().find(|one| one.name == chain)
}

/// What differs, a line each: `-` for what is not loaded, `+` for what is loaded and should not be. None where the
/// rules are loaded.
///
/// In a chain that packets enter by themselves the rules of programs that are known to put some there make no difference
/// (see [`others`]). Any other is told as a foreign one: who made it, and whether it does harm, nobody can say here.
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
    // Where chains are shared, so is the table: others have chains of their own in it. The kernel's that we leave alone
    // are as it made them.
    if wanted.chains.iter().any(|chain| chain.shared) {
        let known = |other: &&Chain| wanted.chains.iter().any(|chain| chain.name == other.name);
        for other in loaded.chains.iter().filter(|other| other.shared && !known(other)) {
            let untouched = Chain {
                name: other.name.clone(),
                declaration: "policy ACCEPT".to_owned(),
                shared: true,
                rules: Vec::new(),
            };
            chains(name, &untouched, other, lines);
        }
        return;
    }
    lines.extend(
        loaded.settings.iter().filter(|one| !wanted.settings.contains(one)).map(|one| format!("+ {name}: {one}")),
    );
    for other in &loaded.chains {
        let known = wanted.chains.iter().any(|chain| chain.name == other.name);
        // What flushing a table leaves behind does nothing, unless it drops what it is not told about.
        if !known && other.acts() {
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
    for rule in wanted.rules.iter().filter(|rule| !rule.example) {
        let mut all = loaded.rules.iter().enumerate();
        match all.find(|(at, other)| other.text == rule.text && !used.contains(at)) {
            Some((at, _)) => {
                used.insert(at);
                order.push(at);
            }
            None => lines.push(format!("- {place}: {}", rule.text)),
        }
    }
    for (at, other) in loaded.rules.iter().enumerate().filter(|(at, _)| !used.contains(at)) {
        let behind = used.iter().filter(|one| **one < at).count();
        if counts(wanted, other, behind) {
            let foreign = if wanted.shared && !resembles(wanted, other) { " (foreign)" } else { "" };
            lines.push(format!("+ {place}: {}{foreign}", other.text));
        }
    }
    if lines.len() == before && !order.is_sorted() {
        lines.push(format!("- {place}: the rules, in this order"));
    }
}

/// Whether a rule beside ours makes a difference; it stands behind so many of ours.
fn counts(wanted: &Chain, other: &Rule, behind: usize) -> bool {
    if wanted.rules.iter().any(|rule| !rule.example && rule.text == other.text) {
        return true;
    }
    let known = wanted.shared && other.others && !resembles(wanted, other);
    !known && !invited(wanted, other, behind)
}

/// Whether it is for the very packets of a rule of ours: what remains of an earlier configuration is.
fn resembles(wanted: &Chain, other: &Rule) -> bool {
    wanted.rules.iter().any(|rule| !rule.example && rule.conditions == other.conditions)
}

/// Whether a rule is one that an example invites to: of the same shape, perhaps for fewer packets. In a chain of our own
/// it stands no later than the example does; to one of the kernel's, whose policy decides at the end, people append.
fn invited(wanted: &Chain, other: &Rule, behind: usize) -> bool {
    let mut passed = 0;
    wanted.rules.iter().any(|rule| {
        passed += usize::from(!rule.example);
        rule.example && (wanted.shared || behind <= passed) && rule.shape.is_subset(&other.shape)
    })
}

#[cfg(test)]
mod tests {
    use super::{Chain, Rule, Table, compare, iptables, with_examples};

    fn table(shared: bool, rules: &[(&str, &str)]) -> Vec<Table> {
        let rule = |(conditions, target): &(&str, &str)| Rule {
            text: format!("{conditions} {target}"),
            conditions: (*conditions).to_owned(),
            others: *target == "theirs",
            ..Rule::default()
        };
        let rules = rules.iter().map(rule).collect();
        let chain = Chain { name: "C".to_owned(), declaration: "accept".to_owned(), shared, rules };
        vec![Table { name: "t".to_owned(), chains: vec![chain], ..Table::default() }]
    }

    #[test]
    fn the_same_is_the_same_and_known_others_may_stand_between() {
        let ours = table(true, &[("a", "1"), ("b", "2"), ("a", "1")]);
        assert_eq!(compare(&ours, &ours), [""; 0]);
        let more = |rule| table(true, &[("a", "1"), ("x", rule), ("b", "2"), ("a", "1")]);
        assert_eq!(compare(&ours, &more("9")), ["+ t C: x 9 (foreign)"]);
        assert_eq!(compare(&ours, &more("theirs")), [""; 0]);
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
        more[0].chains.push(Chain { name: "D".to_owned(), ..Chain::default() });
        assert_eq!(compare(&ours, &more), [""; 0]);
        more[0].chains[1].rules = more[0].chains[0].rules.clone();
        assert_eq!(compare(&ours, &more), ["+ t: chain D"]);
        let mut asleep = ours.clone();
        asleep[0].settings.push("flags dormant".to_owned());
        assert_eq!(compare(&ours, &asleep), ["+ t: flags dormant"]);
    }

    #[test]
    fn what_examples_invite_to_is_no_difference() {
        let text = |rules: &str| format!("*filter\n:W - [0:0]\n{rules}COMMIT\n");
        let admit = "-A W -d 192.168.0.10/32 -p tcp -m tcp --dport 443 -j ACCEPT\n";
        let refuse = "-A W -j REJECT --reject-with icmp-port-unreachable\n";
        let read = |rules: &str| iptables::parse(&text(rules));
        let all = read(&format!("{admit}{refuse}"));
        let wanted = with_examples(all.clone(), &all, &read(refuse)).unwrap();
        let told = |rules: &str| compare(&wanted, &read(rules)).len();
        let other = "-A W -s 198.51.100.0/24 -d 192.168.0.12/32 -p udp -m udp --dport 53 -j ACCEPT\n";
        assert_eq!(told(&format!("{admit}{other}{refuse}")), 0);
        assert_eq!(told(refuse), 0);
        assert_eq!(told(&format!("{refuse}{other}")), 1, "nothing gets there");
        for more in
            ["-A W -j ACCEPT\n", "-A W -d 192.168.0.10/32 -j ACCEPT\n", refuse, &other.replace("ACCEPT", "DROP")]
        {
            assert_eq!(told(&format!("{more}{refuse}")), 1, "{more}");
        }
        assert!(with_examples(all.clone(), &read(admit), &read(admit)).is_none());
        assert!(with_examples(all.clone(), &all, &read(other)).is_none());
    }
}
