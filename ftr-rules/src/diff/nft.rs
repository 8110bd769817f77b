//! Reads what `nft list ruleset` prints, and what is printed for `nft -f`.

use std::collections::BTreeSet;

use ftr_core::Family;

use super::{Chain, Rule, Table};

/// The tables of a text, by family and name.
pub(crate) fn parse(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    // What stands around the line: a table, then a chain or a set.
    let mut inside: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "}" {
            inside.pop();
        } else if let Some(head) = line.strip_suffix('{') {
            let head = head.trim().to_owned();
            open(&head, inside.len(), &mut tables);
            inside.push(head);
        } else if let Some(table) = tables.last_mut() {
            match (inside.as_slice(), table.chains.last_mut()) {
                ([_], _) => table.settings.push(line.to_owned()),
                ([_, head], Some(chain)) => statement(line, head, chain),
                _ => {}
            }
        }
    }
    tables
}

/// How rules for one family alone name it.
const NAMES: [&[&str]; 2] = [&["ipv4", "ip", "icmp"], &["ipv6", "ip6", "icmpv6", "ipv6-icmp"]];

/// Whether a table is there and acts on packets of a family. One for the other family alone lets this one's pass.
pub(crate) fn acts(tables: &[Table], name: &str, family: Family) -> bool {
    let [own, other] = match family {
        Family::V4 => NAMES,
        Family::V6 => [NAMES[1], NAMES[0]],
    };
    let has = |rule: &Rule, names: &[&str]| rule.text.split_whitespace().any(|word| names.contains(&word));
    let passes = |rule: &Rule| own.iter().any(|name| rule.text == format!("meta nfproto {name} accept"));
    let table = tables.iter().find(|table| table.name == name);
    // What packets do not enter by themselves is for those that a rule sends there.
    let hooked = table.into_iter().flat_map(|table| &table.chains).filter(|chain| !chain.declaration.is_empty());
    let rules: Vec<&Rule> = hooked.flat_map(|chain| &chain.rules).collect();
    !rules.iter().any(|rule| passes(rule)) && rules.iter().any(|rule| has(rule, own) || !has(rule, other))
}

fn open(head: &str, depth: usize, tables: &mut Vec<Table>) {
    match (depth, tables.last_mut()) {
        (0, _) => {
            if let Some(name) = head.strip_prefix("table ") {
                tables.push(Table { name: name.to_owned(), ..Table::default() });
            }
        }
        (1, Some(table)) => {
            let name = head.trim_start_matches("chain ").to_owned();
            table.chains.push(Chain { name, ..Chain::default() });
        }
        _ => {}
    }
}

/// What a set holds is not ours to compare; what it is for is.
fn statement(line: &str, head: &str, chain: &mut Chain) {
    if line.starts_with("type ") || !head.starts_with("chain ") {
        chain.declaration.push_str(line);
    } else {
        chain.rules.push(Rule { text: line.to_owned(), shape: shape(line), ..Rule::default() });
    }
}

/// The words that are neither names, numbers nor protocols. To refuse is as good as to drop.
fn shape(line: &str) -> BTreeSet<String> {
    let bare: Vec<&str> = line.split('"').step_by(2).collect();
    let plain = |word: &&str| word.starts_with(|first: char| first.is_ascii_alphabetic());
    let value = |word: &&str| matches!(*word, "tcp" | "udp" | "th") || word.contains([':', '.']);
    let words = bare.iter().flat_map(|part| part.split([' ', ',', '{', '}'])).filter(plain).filter(|word| !value(word));
    words.map(|word| if word == "drop" { "reject" } else { word }.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{acts, parse};
    use crate::diff::{compare, with_examples};
    use ftr_core::Family;
    use proptest::prelude::*;

    const LISTED: &str = "\
table ip filter {
	chain INPUT {
	}
}
table inet ftr_mangle {
	set to_in {
		type ipv4_addr
		flags interval
	}

	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		iifname { \"br-guest\", \"eth0\" } ct mark & 0x0000ff00 vmap { 0x00000200 : jump mark_0x200, 0x00000100 : jump mark_0x100 }
		ct state established,related accept
	}
}
";

    #[test]
    fn a_table_for_one_family_does_not_act_on_the_other() {
        let table = |rules: &str| {
            parse(&format!(
                "table inet ftr_mangle {{\nchain c {{\ntype filter\n{rules}}}\nchain m {{\nmeta mark set 1\n}}\n}}\n"
            ))
        };
        let acting =
            |rules: &str| [Family::V4, Family::V6].map(|family| acts(&table(rules), "inet ftr_mangle", family));
        assert_eq!(acting(""), [false, false]);
        assert_eq!(acting("iifname \"eth1\" ct state new ct mark set 0x1\n"), [true, true]);
        assert_eq!(acting("meta nfproto ipv6 ct state new ct mark set 0x1\n"), [false, true]);
        assert_eq!(acting("oifname \"eth1\" snat ip to 192.0.2.2\n"), [true, false]);
        assert_eq!(acting("meta nfproto ipv4 accept\nmeta nfproto ipv6 iifname \"lo\" accept\ndrop\n"), [false, true]);
        assert!(!acts(&table("accept\n"), "inet ftr_nat", Family::V4));
    }

    #[test]
    fn a_chain_that_does_nothing_makes_no_difference() {
        let beside = |rest: &str| {
            let chain = format!("\tchain forward {{\n\t\ttype filter hook forward priority mangle; {rest}\n\t}}\n}}\n");
            let end = LISTED.rfind("}\n").unwrap_or_default();
            compare(&parse(LISTED), &parse(&format!("{}{chain}", &LISTED[..end])))
        };
        assert_eq!(beside("policy accept;"), [""; 0]);
        assert_eq!(beside("policy drop;").len(), 1);
        assert_eq!(beside("policy accept;\n\t\tdrop").len(), 1);
    }

    #[test]
    fn each_difference_is_seen() {
        let ours: Vec<_> = parse(LISTED).into_iter().filter(|table| table.name.contains("ftr")).collect();
        assert_eq!(compare(&ours, &parse(LISTED)), [""; 0]);
        for (from, to) in [
            ("policy accept", "policy drop"),
            ("\"br-guest\", ", ""),
            ("0x0000ff00", "0x0000ff0f"),
            ("0x00000200 : jump mark_0x200", "0x00000200 : jump mark_0x100"),
            ("established,related", "established"),
            ("related accept", "related drop"),
            ("chain prerouting", "chain other"),
            ("flags interval", "flags dynamic"),
            ("\tset to_in", "\tflags dormant\n\tset to_in"),
            ("table inet ftr_mangle", "table inet ftr_nat"),
        ] {
            assert!(LISTED.contains(from), "{from}");
            assert!(!compare(&ours, &parse(&LISTED.replacen(from, to, 1))).is_empty(), "{to}");
        }
    }

    #[test]
    fn what_examples_invite_to_is_no_difference() {
        let read = |rules: &str| parse(&format!("table inet ftr_filter {{\nchain wan_lan {{\n{rules}reject\n}}\n}}\n"));
        let all = read("ip daddr 192.168.0.10 tcp dport 443 accept\n");
        let wanted = with_examples(all.clone(), &all, &read("")).unwrap();
        for (rule, differences) in [
            ("", 0),
            ("ip daddr 192.168.0.10 tcp dport 443 accept\n", 0),
            ("iifname \"eth1\" ip daddr 192.168.0.0/24 udp dport { 53, 5060-5070 } counter accept\n", 0),
            ("tcp dport 443 accept\n", 1),
            ("ip daddr 192.168.0.10 tcp dport 443 drop\n", 1),
            ("accept\n", 1),
        ] {
            assert_eq!(compare(&wanted, &read(rule)).len(), differences, "{rule}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(table t |chain c |set s |[{}]\n|[ ,:&|\"a-c0-9x/.-]|\n){0,60}") {
            parse(&text);
        }
    }
}
