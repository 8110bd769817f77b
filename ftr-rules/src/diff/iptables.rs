//! Reads what iptables-save(8) prints, and what is printed for iptables-restore.

use std::collections::BTreeSet;

use ftr_firewall::iptables::{Line, lines, words};

use super::{Chain, Rule, Table};

/// The tables of a text; lines that are none of a table are skipped.
pub(crate) fn parse(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in lines(text) {
        match (line, tables.last_mut()) {
            (Line::Table(name), _) => tables.push(Table { name: name.to_owned(), ..Table::default() }),
            // Our own chains have no policy.
            (Line::Chain(name, policy), Some(table)) => {
                let declaration = policy.map(|policy| format!("policy {policy}")).unwrap_or_default();
                let (name, shared) = (name.to_owned(), policy.is_some());
                table.chains.push(Chain { name, declaration, shared, rules: Vec::new() });
            }
            (Line::Rule(chain, rest), Some(table)) if !rest.is_empty() => {
                if let Some(chain) = table.chains.iter_mut().find(|known| known.name == chain) {
                    chain.rules.push(read(rest));
                }
            }
            _ => {}
        }
    }
    tables
}

fn read(text: &str) -> Rule {
    let words = words(text);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let at = words.iter().position(|word| matches!(*word, "-j" | "-g")).unwrap_or(words.len());
    let (conditions, action) = words.split_at(at);
    let target = action.get(1).copied().unwrap_or_default();
    Rule { text: text.to_owned(), conditions: conditions.join(" "), shape: shape(&words, target), ..Rule::default() }
}

/// The options and the target. One port is as good as several, and to refuse as to drop.
fn shape(words: &[&str], target: &str) -> BTreeSet<String> {
    let options = words.iter().filter(|word| word.starts_with('-') && !matches!(**word, "-m" | "--reject-with"));
    let target = if target == "DROP" { "REJECT" } else { target };
    let words = options.chain([&target]).map(|word| match *word {
        "--dports" => "--dport",
        "--sports" => "--sport",
        other => other,
    });
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::parse;
    use crate::diff::{Table, compare, others};
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<Table> {
        let mut tables = parse(text);
        others::mark(&mut tables, &BTreeSet::new());
        tables
    }

    #[test]
    fn chains_of_others_and_counters_do_not_matter() {
        let ours = parse("# x\n*filter\n:INPUT DROP [0:0]\n:LAN_WAN - [0:0]\n[0:0] -A INPUT -i lo -j ACCEPT\nCOMMIT\n");
        let saved = "*nat\nCOMMIT\n*filter\n:INPUT DROP [7:900]\n:LAN_WAN - [0:0]\n:DOCKER - [0:0]\n-A INPUT -i lo -j ACCEPT\n-A DOCKER -j RETURN\nCOMMIT\n";
        assert_eq!(compare(&ours, &parse(saved)), [""; 0]);
        let open = parse(&saved.replace("INPUT DROP", "INPUT ACCEPT"));
        assert_eq!(compare(&ours, &open), ["- filter INPUT: policy DROP", "+ filter INPUT: policy ACCEPT"]);
        let untouched = |more: &str| {
            let with = saved.replace(":LAN_WAN", ":FORWARD ACCEPT [0:0]\n:LAN_WAN");
            compare(&ours, &shown(&with.replace("-A DOCKER", &format!("{more}-A DOCKER"))))
        };
        assert_eq!(untouched("-A FORWARD -j DOCKER-USER\n"), [""; 0]);
        assert_eq!(
            untouched("-A FORWARD -s 192.0.2.1/32 -j DROP\n"),
            ["+ filter FORWARD: -s 192.0.2.1/32 -j DROP (foreign)"]
        );
    }

    #[test]
    fn what_is_left_of_an_earlier_configuration_or_bars_the_way_is_told() {
        let with = |rules: &str| {
            shown(&format!(
                "*nat\n:POSTROUTING ACCEPT [0:0]\n{rules}-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.2\nCOMMIT\n"
            ))
        };
        for (rule, differences) in [
            ("-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.9\n", 1),
            ("-A POSTROUTING -o eth1 -j MASQUERADE\n", 1),
            ("-A POSTROUTING -j ACCEPT\n", 1),
            ("-A POSTROUTING -s 192.0.2.77/32 -j ACCEPT\n", 1),
            ("-A POSTROUTING -j DOCKER\n", 0),
            ("-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE\n", 0),
        ] {
            assert_eq!(compare(&with(""), &with(rule)).len(), differences, "{rule}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(-A C |:C |\\*t|[ !a-j/0x-]|\n){0,60}") {
            parse(&text);
        }
    }
}
