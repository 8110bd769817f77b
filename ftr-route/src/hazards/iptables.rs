//! What `iptables-save` prints (iptables-extensions(8): MARK, CONNMARK, TPROXY).

use ftr_core::Family;

use super::firewall::{Firewall, Holder, MarkSet, Offload, Value};

/// Adds the rules that matter here; `program` is `iptables` or `ip6tables`.
pub(super) fn parse(text: &str, program: &str, family: Family, into: &mut Firewall) {
    let mut table = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.trim_end();
        }
        let Some(rule) = line.strip_prefix("-A ") else { continue };
        let words = words(rule);
        let Some((chain, rest)) = words.split_first() else { continue };
        let option = |name: &str| after(rest, name);
        let target = option("-j").unwrap_or_default();
        if target == "FLOWOFFLOAD" {
            let remedy = format!("{program} -t {table} -D {rule}");
            into.offloads.push(Offload { place: format!("{program} {table} {chain}"), remedy });
        }
        if let Some((on, bits, value)) = marking(target, &option) {
            let (program, table, chain) = (program.to_owned(), table.to_owned(), chain.clone());
            let input = device(rest);
            into.sets.push(MarkSet { program, table, chain, family: Some(family), input, on, bits, value });
        }
    }
}

/// The device that a rule is for, where it is one.
fn device(words: &[String]) -> Option<String> {
    let at = words.iter().position(|word| word == "-i")?;
    let all_others = at.checked_sub(1).and_then(|at| words.get(at)).is_some_and(|word| word == "!");
    words.get(at + 1).filter(|name| !all_others && !name.ends_with('+')).cloned()
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
    let mask = |name| option(name).map_or(Some(u32::MAX), number);
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
        Some((value, mask)) => Some((number(value)?, number(mask)?)),
        None => Some((number(text)?, u32::MAX)),
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The words of a rule. A comment is one word in quotes, in which a backslash stands before a quote.
fn words(rule: &str) -> Vec<String> {
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
    use super::{parse, words};
    use crate::hazards::firewall::{Firewall, Holder, Value};
    use ftr_core::Family;
    use proptest::prelude::*;

    fn read(text: &str) -> Firewall {
        let mut firewall = Firewall::default();
        parse(text, "iptables", Family::V4, &mut firewall);
        firewall
    }

    #[test]
    fn every_way_to_mark_is_understood() {
        let firewall = read(
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
        let seen: Vec<_> = firewall.sets.iter().map(|set| (set.table.as_str(), set.on, set.bits, set.value)).collect();
        let expected = [
            ("mangle", Holder::Packet, 0xff00, Value::Copied),
            ("mangle", Holder::Connection, u32::MAX, Value::Fixed(1)),
            ("mangle", Holder::Connection, u32::MAX, Value::Copied),
            ("mangle", Holder::Packet, 1, Value::Fixed(1)),
            ("nat", Holder::Packet, 0x4000, Value::Fixed(0x4000)),
            ("nat", Holder::Packet, 0x4000, Value::Computed),
        ];
        assert_eq!(seen, expected);
        assert_eq!(firewall.sets[4].chain, "KUBE-MARK-MASQ");
        let inputs: Vec<_> = firewall.sets.iter().map(|set| set.input.as_deref()).collect();
        assert_eq!(inputs[..3], [None, Some("eth1"), None]);
    }

    #[test]
    fn the_fast_path_can_be_taken_out() {
        let firewall = read("*filter\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j FLOWOFFLOAD --hw\nCOMMIT\n");
        let remedy = "iptables -t filter -D FORWARD -m conntrack --ctstate ESTABLISHED -j FLOWOFFLOAD --hw";
        assert_eq!(firewall.offloads[0].remedy, remedy);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s)(-A |\\*|[ \"\\\\a-j/0x-]|\n){0,60}") {
            read(&text);
            words(&text);
        }
    }
}
