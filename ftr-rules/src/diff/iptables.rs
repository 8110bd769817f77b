//! Reads what iptables-save(8) prints, and what is printed for iptables-restore.

use std::str::FromStr;

use ftr_core::Prefix;

use super::{Chain, Rule, Table};

/// The tables of a text; lines that are none of a table are skipped.
pub(crate) fn parse(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            tables.push(Table { name: name.to_owned(), chains: Vec::new() });
            continue;
        }
        let Some(table) = tables.last_mut() else { continue };
        if let Some(chain) = line.strip_prefix(':') {
            table.chains.extend(declared(chain));
            continue;
        }
        let rule = line.strip_prefix("[0:0] ").unwrap_or(line);
        let Some((chain, rest)) = rule.strip_prefix("-A ").and_then(|rule| rule.split_once(' ')) else { continue };
        if let Some(chain) = table.chains.iter_mut().find(|known| known.name == chain) {
            chain.rules.push(canonical(rest));
        }
    }
    tables
}

fn declared(line: &str) -> Option<Chain> {
    let mut words = line.split_whitespace();
    let (name, policy) = (words.next()?, words.next()?);
    // Our own chains have no policy.
    let own = policy == "-";
    let declaration = if own { String::new() } else { format!("policy {policy}") };
    Some(Chain { name: name.to_owned(), declaration, shared: !own, rules: Vec::new() })
}

/// Options and their values, with what is left out filled in and what says nothing left out; in any order.
fn canonical(text: &str) -> Rule {
    let (mut conditions, mut target) = (Vec::new(), Vec::new());
    for option in options(text) {
        let Some((name, values)) = option.split_first() else { continue };
        let into = if name == "-j" || !target.is_empty() { &mut target } else { &mut conditions };
        into.extend(one(name, values));
    }
    let has = |target: &[String], start: &str| target.iter().any(|option| option.starts_with(start));
    if has(&target, "--restore-mark") {
        for bits in ["--nfmask", "--ctmask"] {
            if !has(&target, bits) {
                target.push(format!("{bits} {:#x}", u32::MAX));
            }
        }
    }
    conditions.sort();
    target.sort();
    Rule { conditions, target, text: text.to_owned() }
}

/// Each option with its values. An exclamation mark belongs to the option behind it.
fn options(text: &str) -> Vec<Vec<String>> {
    let mut options: Vec<Vec<String>> = Vec::new();
    let mut negated = false;
    for word in text.split_whitespace() {
        match options.last_mut() {
            _ if word == "!" => negated = true,
            Some(option) if !word.starts_with('-') => option.push(word.to_owned()),
            _ => {
                let not = if std::mem::take(&mut negated) { "! " } else { "" };
                options.push(vec![format!("{not}{word}")]);
            }
        }
    }
    options
}

/// An option in one form; none where it says nothing.
fn one(name: &str, values: &[String]) -> Option<String> {
    let value = values.first().map_or("", String::as_str);
    let whole = || format!("{name} {}", values.join(" "));
    match name.trim_start_matches("! ") {
        // Which extension an option is of, its name tells; and this is what a refusal says anyway.
        "-m" => None,
        "--reject-with" if matches!(value, "icmp-port-unreachable" | "icmp6-port-unreachable") => None,
        "-s" | "-d" => {
            Some(format!("{name} {}", Prefix::from_str(value).map_or_else(|_| value.to_owned(), |p| p.to_string())))
        }
        "-p" if value == "icmpv6" => Some(format!("{name} ipv6-icmp")),
        "--mark" => Some(format!("{name} {}", masked(value))),
        "--set-mark" | "--set-xmark" => Some(format!("--set-xmark {}", masked(value))),
        "--nfmask" | "--ctmask" => Some(format!("{name} {}", number(value))),
        "--ctstate" => {
            let mut states: Vec<&str> = value.split(',').collect();
            states.sort_unstable();
            Some(format!("{name} {}", states.join(",")))
        }
        _ => Some(whole()),
    }
}

/// A value and its mask, which is the whole mark where none is stated.
fn masked(text: &str) -> String {
    let whole = format!("{:#x}", u32::MAX);
    let (value, mask) = text.split_once('/').unwrap_or((text, &whole));
    format!("{}/{}", number(value), number(mask))
}

fn number(text: &str) -> String {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_or_else(|_| text.to_owned(), |number| format!("{number:#x}"))
}

#[cfg(test)]
mod tests {
    use super::{canonical, parse};
    use crate::diff::compare;
    use proptest::prelude::*;

    #[test]
    fn what_is_saved_is_what_was_printed() {
        for (ours, saved) in [
            (
                "-i eth0 -j CONNMARK --restore-mark",
                "-i eth0 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff",
            ),
            (
                "-i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-mark 1",
                "-i eth1 -m conntrack --ctstate NEW -j CONNMARK --set-xmark 0x1/0xffffffff",
            ),
            (
                "-i eth0 -s 192.168.1.9 -p udp --dport 53 -m mark --mark 0/0xff00 -j MARK --set-xmark 0x300/0xff00",
                "-s 192.168.1.9/32 -i eth0 -p udp -m udp --dport 53 -m mark --mark 0x0/0xff00 -j MARK --set-xmark 0x300/0xff00",
            ),
            ("-m connmark ! --mark 0 -j X", "-m connmark ! --mark 0x0 -j X"),
            ("-p icmpv6 -j REJECT", "-p ipv6-icmp -j REJECT --reject-with icmp6-port-unreachable"),
            ("-d fd00::10 -j ACCEPT", "-d fd00::10/128 -j ACCEPT"),
        ] {
            assert!(canonical(ours).is(&canonical(saved)), "{ours}: {:?} {:?}", canonical(ours), canonical(saved));
        }
        for (ours, other) in [
            ("-m connmark --mark 0 -j X", "-m connmark ! --mark 0 -j X"),
            ("-i eth1 -j X", "-o eth1 -j X"),
            ("-j CONNMARK --set-mark 1", "-j CONNMARK --set-mark 2"),
            ("-j CONNMARK --set-mark 1", "-j MARK --set-mark 1"),
            ("-j REJECT", "-j REJECT --reject-with tcp-reset"),
        ] {
            assert!(!canonical(ours).is(&canonical(other)), "{ours}");
        }
    }

    #[test]
    fn chains_of_others_and_counters_do_not_matter() {
        let ours = parse("# x\n*filter\n:INPUT DROP [0:0]\n:LAN_WAN - [0:0]\n[0:0] -A INPUT -i lo -j ACCEPT\nCOMMIT\n");
        let saved = "*nat\nCOMMIT\n*filter\n:INPUT DROP [7:900]\n:LAN_WAN - [0:0]\n:DOCKER - [0:0]\n-A INPUT -i lo -j ACCEPT\n-A DOCKER -j RETURN\nCOMMIT\n";
        assert_eq!(compare(&ours, &parse(saved)), [""; 0]);
        let open = parse(&saved.replace("INPUT DROP", "INPUT ACCEPT"));
        assert_eq!(compare(&ours, &open), ["- filter INPUT: policy DROP", "+ filter INPUT: policy ACCEPT"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(-A C |:C |\\*t|[ !a-j/0x-]|\n){0,60}") {
            parse(&text);
        }
    }
}
