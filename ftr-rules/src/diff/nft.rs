//! Reads what `nft list ruleset` prints, and what is printed for `nft -f`.

use super::{Chain, Rule, Table};
use items::canonical;

mod items;

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
        } else if let [_, chain] = inside.as_slice() {
            if let (true, Some(chain)) =
                (chain.starts_with("chain "), tables.last_mut().and_then(|t| t.chains.last_mut()))
            {
                statement(line, chain);
            }
        }
    }
    tables
}

fn open(head: &str, depth: usize, tables: &mut Vec<Table>) {
    match (depth, tables.last_mut()) {
        (0, _) => {
            if let Some(name) = head.strip_prefix("table ") {
                tables.push(Table { name: name.to_owned(), chains: Vec::new() });
            }
        }
        // What is in a set is not ours to compare; that it is there is.
        (1, Some(table)) if head.starts_with("chain ") || head.starts_with("set ") => {
            let name = head.trim_start_matches("chain ").to_owned();
            table.chains.push(Chain { name, declaration: String::new(), shared: false, rules: Vec::new() });
        }
        _ => {}
    }
}

fn statement(line: &str, chain: &mut Chain) {
    if line.starts_with("type ") {
        line.clone_into(&mut chain.declaration);
    } else {
        chain.rules.push(Rule { conditions: Vec::new(), target: canonical(line), text: line.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::diff::compare;
    use proptest::prelude::*;

    const OURS: &str = "\
add table inet ftr_mangle
delete table inet ftr_mangle
table inet ftr_mangle {
	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		# why
		iifname { \"eth0\", \"br-guest\" } ct mark & 0xff00 vmap { 0x100 : jump mark_0x100, 0x200 : jump mark_0x200 }
		ct state established,related accept
		#! accept
	}
}
";

    const LISTED: &str = "\
table ip filter {
	chain INPUT {
	}
}
table inet ftr_mangle {
	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		iifname { \"br-guest\", \"eth0\" } ct mark & 0x0000ff00 vmap { 0x00000200 : jump mark_0x200, 0x00000100 : jump mark_0x100 }
		ct state { related, established } accept
	}
}
";

    #[test]
    fn what_is_listed_is_what_was_printed() {
        assert_eq!(compare(&parse(OURS), &parse(LISTED)), [""; 0]);
    }

    #[test]
    fn a_chain_that_does_nothing_makes_no_difference() {
        let beside = |rest: &str| {
            let chain = format!("\tchain forward {{\n\t\ttype filter hook forward priority mangle; {rest}\n\t}}\n}}\n");
            let end = LISTED.rfind("}\n").unwrap_or_default();
            compare(&parse(OURS), &parse(&format!("{}{chain}", &LISTED[..end])))
        };
        assert_eq!(beside("policy accept;"), [""; 0]);
        assert_eq!(beside("policy drop;").len(), 1);
        assert_eq!(beside("policy accept;\n\t\tdrop").len(), 1);
    }

    #[test]
    fn each_difference_is_seen() {
        for (from, to) in [
            ("policy accept", "policy drop"),
            ("\"br-guest\", ", ""),
            ("0x0000ff00", "0x0000ff0f"),
            ("0x00000200 : jump mark_0x200", "0x00000200 : jump mark_0x100"),
            ("related, established", "established"),
            ("established } accept", "established } drop"),
            ("chain prerouting", "chain other"),
            ("table inet ftr_mangle", "table inet ftr_nat"),
        ] {
            assert!(LISTED.contains(from), "{from}");
            assert!(!compare(&parse(OURS), &parse(&LISTED.replacen(from, to, 1))).is_empty(), "{to}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(table t |chain c |set s |[{}]\n|[ ,:&|\"a-c0-9x/.-]|\n){0,60}") {
            parse(&text);
        }
    }
}
