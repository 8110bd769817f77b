//! What `iptables-save` prints (iptables-extensions(8): MARK, CONNMARK, TPROXY, SNAT).

use std::collections::BTreeSet;

use ftr_core::number::whole32;
use ftr_core::{Family, Prefix, shell};

use crate::effects::{Effects, Filter, Holder, MarkSet, Offload, Translation, Value};

/// A line that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// What follows is of this table.
    Table(&'a str),
    /// A chain, and its policy: none for a chain that people have made.
    Chain(&'a str, Option<&'a str>),
    /// A rule: its chain, and which packets it is for and what becomes of them.
    Rule(&'a str, &'a str),
}

/// The lines of a text that say something. Counters before a rule are left out.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().map(str::trim).filter_map(|line| {
        if let Some(name) = line.strip_prefix('*') {
            return Some(Line::Table(name));
        }
        if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (name, policy) = (words.next()?, words.next()?);
            return Some(Line::Chain(name, Some(policy).filter(|policy| *policy != "-")));
        }
        let rule = line.strip_prefix('[').and_then(|line| line.split_once("] ")).map_or(line, |(_, rule)| rule);
        let rule = rule.strip_prefix("-A ")?;
        let (chain, rest) = rule.split_once(' ').unwrap_or((rule, ""));
        Some(Line::Rule(chain, rest))
    })
}

/// Adds what the rules do; `program` is `iptables` or `ip6tables`.
pub fn read(text: &str, program: &str, family: Family, into: &mut Effects) {
    into.filters.extend(filters(text, program, family));
    let mut table = "";
    for line in lines(text) {
        let (chain, rest) = match line {
            Line::Table(name) => {
                table = name;
                continue;
            }
            Line::Chain(..) => continue,
            Line::Rule(chain, rest) => (chain, rest),
        };
        let words = words(rest);
        let option = |name: &str| after(&words, name);
        let target = option("-j").unwrap_or_default();
        if target == "FLOWOFFLOAD" {
            let command = [program, "-t", table, "-D", chain].into_iter().chain(words.iter().map(String::as_str));
            let place = format!("{program} {table} {chain}");
            into.offloads.push(Offload { place, remedy: shell::line(command) });
        }
        if matches!(target, "SNAT" | "MASQUERADE" | "NETMAP") && chain != "PREROUTING" {
            let source = only(&words, "-s").and_then(|source| source.parse::<Prefix>().ok());
            let output = only(&words, "-o").filter(|name| !name.ends_with('+')).map(str::to_owned);
            let to = option("--to-source").and_then(|to| to.parse().ok());
            let masquerades = target == "MASQUERADE";
            into.translations.push(Translation { family: Some(family), output, source, to, masquerades });
        }
        if let Some((on, bits, value)) = marking(target, &option) {
            let (program, table, chain) = (program.to_owned(), table.to_owned(), chain.to_owned());
            let input = only(&words, "-i").filter(|name| !name.ends_with('+')).map(str::to_owned);
            into.sets.push(MarkSet { program, table, chain, family: Some(family), input, on, bits, value });
        }
    }
}

/// The chains of the table filter that packets to this host, or through it, pass.
fn filters(text: &str, program: &str, family: Family) -> Vec<Filter> {
    let (mut filters, mut beside): (Vec<Filter>, BTreeSet<String>) = <_>::default();
    let mut table = "";
    for line in lines(text) {
        match line {
            Line::Table(name) => table = name,
            _ if table != "filter" => {}
            Line::Chain(chain @ ("INPUT" | "FORWARD"), Some(policy)) => filters.push(Filter {
                program: program.to_owned(),
                table: table.to_owned(),
                chain: chain.to_owned(),
                family: Some(family),
                drops: policy == "DROP",
                ..Filter::default()
            }),
            Line::Chain(chain, _) => _ = beside.insert(chain.to_owned()),
            Line::Rule(chain, rest) => {
                if let Some(filter) = filters.iter_mut().find(|filter| filter.chain == chain) {
                    filter.ends_in_drop = takes_all(rest);
                }
            }
        }
    }
    for filter in &mut filters {
        filter.beside.clone_from(&beside);
    }
    filters
}

/// Whether a rule drops or refuses whatever comes to it; only a comment may stand before.
fn takes_all(rule: &str) -> bool {
    let words = words(rule);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let rest = if let ["-m", "comment", "--comment", _, rest @ ..] = words.as_slice() { rest } else { &words };
    matches!(rest, ["-j", "DROP" | "REJECT", ..])
}

/// The word behind an option that is not negated.
fn only<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| word == name)?;
    let all_others = at.checked_sub(1).and_then(|at| words.get(at)).is_some_and(|word| word == "!");
    words.get(at + 1).filter(|_| !all_others).map(String::as_str)
}

/// What the target does to a mark.
fn marking<'a>(target: &str, option: &impl Fn(&str) -> Option<&'a str>) -> Option<(Holder, u32, Value)> {
    let on = match target {
        "MARK" | "TPROXY" => Holder::Packet,
        "CONNMARK" => Holder::Connection,
        _ => return None,
    };
    let stated = ["--set-xmark", "--set-mark", "--tproxy-mark"].iter().find_map(|name| option(name));
    if let Some((value, mask)) = stated.and_then(value_and_mask) {
        // The bits of the mask are cleared, those of the value then flipped.
        let known = if value & !mask == 0 { Value::Fixed(value) } else { Value::Computed };
        return Some((on, mask | value, known));
    }
    let mask = |name| option(name).map_or(Some(u32::MAX), whole32);
    let copied = mask("--nfmask")? | mask("--ctmask")?;
    if option("--restore-mark").is_some() {
        Some((Holder::Packet, copied, Value::Copied))
    } else if option("--save-mark").is_some() {
        Some((Holder::Connection, copied, Value::Copied))
    } else {
        None
    }
}

/// The word behind an option; empty where it is the last.
fn after<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| word == name)?;
    Some(words.get(at + 1).map_or("", String::as_str))
}

fn value_and_mask(text: &str) -> Option<(u32, u32)> {
    match text.split_once('/') {
        Some((value, mask)) => Some((whole32(value)?, whole32(mask)?)),
        None => Some((whole32(text)?, u32::MAX)),
    }
}

/// The words of a rule. A comment is one word in quotes, in which a backslash stands before a quote.
#[must_use]
pub fn words(rule: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut quoted, mut escaped) = (false, false);
    for character in rule.chars() {
        match character {
            _ if escaped => {
                word.get_or_insert_default().push(character);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::{Line, lines, words};
    use crate::effects::{Effects, Holder, Value};
    use ftr_core::Family;
    use proptest::prelude::*;

    fn read(text: &str) -> Effects {
        let mut effects = Effects::default();
        super::read(text, "iptables", Family::V4, &mut effects);
        effects
    }

    #[test]
    fn lines_are_tables_chains_and_rules() {
        let text =
            "# x\n*nat\n:INPUT DROP [7:900]\n:MINE - [0:0]\n[1:60] -A INPUT -i lo -j ACCEPT\n-A MINE\n:\nCOMMIT\n";
        let expected = [
            Line::Table("nat"),
            Line::Chain("INPUT", Some("DROP")),
            Line::Chain("MINE", None),
            Line::Rule("INPUT", "-i lo -j ACCEPT"),
            Line::Rule("MINE", ""),
        ];
        assert_eq!(lines(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn who_translates_what() {
        let effects = read(
            "*nat\n-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.2\n-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j \
             MASQUERADE\n-A OUT -j MASQUERADE\n-A PREROUTING -j NETMAP --to 192.0.2.0/24\nCOMMIT\n",
        );
        let seen: Vec<_> =
            effects.translations.iter().map(|it| (it.output.as_deref(), it.source, it.masquerades)).collect();
        assert_eq!(seen, [(Some("eth1"), None, false), (None, "172.17.0.0/16".parse().ok(), true), (None, None, true)]);
        let to = |rule: &str| read(&format!("*nat\n-A POSTROUTING {rule}\n")).translations[0].to;
        assert_eq!(to("-j SNAT --to-source 192.0.2.2 --random"), "192.0.2.2".parse().ok());
        for several in ["-j SNAT --to-source 192.0.2.2-192.0.2.9", "-j NETMAP --to 192.0.2.0/24", "-j MASQUERADE"] {
            assert_eq!(to(several), None, "{several}");
        }
    }

    #[test]
    fn every_way_to_mark_is_understood() {
        let effects = read(
            "\
*mangle
:PREROUTING ACCEPT [0:0]
-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff00 --ctmask 0xff00
-A PREROUTING -i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x1/0xffffffff
-A PREROUTING -m comment --comment \"a \\\" -j MARK --set-xmark 0x9/0x9\" -j CONNMARK --save-mark
-A PREROUTING -p tcp -j TPROXY --on-port 3 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1
COMMIT
*nat
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A POSTROUTING -j MASQUERADE
COMMIT
",
        );
        let seen: Vec<_> = effects.sets.iter().map(|set| (set.table.as_str(), set.on, set.bits, set.value)).collect();
        let expected = [
            ("mangle", Holder::Packet, 0xff00, Value::Copied),
            ("mangle", Holder::Connection, u32::MAX, Value::Fixed(1)),
            ("mangle", Holder::Connection, u32::MAX, Value::Copied),
            ("mangle", Holder::Packet, 1, Value::Fixed(1)),
            ("nat", Holder::Packet, 0x4000, Value::Fixed(0x4000)),
            ("nat", Holder::Packet, 0x4000, Value::Computed),
        ];
        assert_eq!(seen, expected);
        assert_eq!(effects.sets[4].chain, "KUBE-MARK-MASQ");
        let inputs: Vec<_> = effects.sets.iter().map(|set| set.input.as_deref()).collect();
        assert_eq!(inputs[..3], [None, Some("eth1"), None]);
    }

    #[test]
    fn chains_that_drop_what_they_do_not_admit() {
        let seen = |text: &str| -> Vec<(String, bool, bool)> {
            let filters = read(text).filters;
            filters.into_iter().map(|filter| (filter.chain, filter.drops, filter.ends_in_drop)).collect()
        };
        let of = |chain: &str, drops, ends| (chain.to_owned(), drops, ends);
        let policies =
            "*nat\n:INPUT DROP [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT DROP [0:0]\n";
        assert_eq!(seen(policies), [of("INPUT", true, false), of("FORWARD", false, false)]);
        let rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:own - [0:0]\n-A INPUT -i lo -j ACCEPT\n\
                     -A INPUT -m comment --comment \"the rest\" -j REJECT --reject-with icmp-port-unreachable\n\
                     -A FORWARD -j DROP\n-A FORWARD -i eth1 -j DROP\n-A own -j DROP\n";
        assert_eq!(seen(rules), [of("INPUT", false, true), of("FORWARD", false, false)]);
        assert!(read(rules).filters.iter().all(|filter| filter.beside.contains("own")));
    }

    #[test]
    fn the_fast_path_can_be_taken_out() {
        let effects = read("*filter\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j FLOWOFFLOAD --hw\nCOMMIT\n");
        let remedy = "iptables -t filter -D FORWARD -m conntrack --ctstate ESTABLISHED -j FLOWOFFLOAD --hw";
        assert_eq!(effects.offloads[0].remedy, remedy);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s)(-A |\\*|[ \"\\\\a-j/0x-]|\n){0,60}") {
            read(&text);
            prop_assert!(words(&text).iter().map(String::len).sum::<usize>() <= text.len());
        }
    }
}
