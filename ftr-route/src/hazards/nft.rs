//! What `nft -j list ruleset` prints (libnftables-json(5)).
//!
//! Rules that `iptables-nft` made are shown without what they do: `iptables-save` tells that.

use ftr_core::Family;
use serde_json::Value as Json;

use super::firewall::{Firewall, Holder, MarkSet, Offload, Value};

/// Adds the rules that matter here. Nothing is added where the text is no JSON of nft.
///
/// # Errors
/// The text is something else.
pub(super) fn parse(text: &str, into: &mut Firewall) -> Result<(), String> {
    let whole: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let objects = whole.get("nftables").and_then(Json::as_array).ok_or("no list of nftables")?;
    for rule in objects.iter().filter_map(|object| object.get("rule")) {
        let word = |key| rule.get(key).and_then(Json::as_str).unwrap_or_default();
        let (family, table, chain) = (word("family"), word("table"), word("chain"));
        let statements = rule.get("expr").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for statement in statements {
            if statement.pointer("/flow/op").and_then(Json::as_str) == Some("add") {
                let place = format!("{family} {table} {chain}");
                let handle = rule.get("handle").and_then(Json::as_u64).unwrap_or_default();
                let remedy = format!("nft delete rule {place} handle {handle}");
                into.offloads.push(Offload { place: format!("nft {place}"), remedy });
            }
            into.sets.extend(statement.get("mangle").into_iter().flat_map(marking).map(|(on, bits, value)| MarkSet {
                program: format!("nft {family}"),
                table: table.to_owned(),
                chain: chain.to_owned(),
                family: of(family),
                input: None,
                on,
                bits,
                value,
            }));
        }
    }
    Ok(())
}

fn of(family: &str) -> Option<Family> {
    match family {
        "ip" => Some(Family::V4),
        "ip6" => Some(Family::V6),
        _ => None,
    }
}

/// What a statement that changes something does to a mark; several possibilities where it looks the mark up in a map.
fn marking(mangle: &Json) -> Vec<(Holder, u32, Value)> {
    let Some(on) = mangle.get("key").and_then(holder) else { return Vec::new() };
    let Some(value) = mangle.get("value") else { return Vec::new() };
    let mapped = value.pointer("/map/data/set").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let marks: Vec<u32> = mapped.iter().filter_map(|pair| number(pair.get(1)?)).collect();
    if !marks.is_empty() {
        return marks.into_iter().map(|mark| (on, u32::MAX, Value::Fixed(mark))).collect();
    }
    let change = change(value, on);
    vec![(on, !change.kept, change.value)]
}

/// Whose mark an expression is.
fn holder(expression: &Json) -> Option<Holder> {
    let is_mark = |kind: &str| expression.get(kind)?.get("key")?.as_str().filter(|key| *key == "mark");
    if is_mark("meta").is_some() { Some(Holder::Packet) } else { is_mark("ct").map(|_| Holder::Connection) }
}

/// What an expression makes of a mark.
#[derive(Clone, Copy)]
struct Change {
    /// The bits that stay as they were.
    kept: u32,
    /// Where the others come from.
    value: Value,
}

/// Follows `and`, `or` and `xor` with numbers, from the mark itself, the other mark, or a number.
fn change(expression: &Json, on: Holder) -> Change {
    if let Some(number) = number(expression) {
        return Change { kept: 0, value: Value::Fixed(number) };
    }
    if let Some(other) = holder(expression) {
        // As long as nothing is added, what is there of its own is nothing that was set.
        return if other == on {
            Change { kept: u32::MAX, value: Value::Fixed(0) }
        } else {
            Change { kept: 0, value: Value::Copied }
        };
    }
    for operator in ["&", "|", "^"] {
        let Some([left, right]) = expression.get(operator).and_then(Json::as_array).map(Vec::as_slice) else {
            continue;
        };
        let (inner, constant) = match (number(left), number(right)) {
            (_, Some(constant)) => (left, constant),
            (Some(constant), _) => (right, constant),
            _ => break,
        };
        return combine(operator, change(inner, on), constant);
    }
    Change { kept: 0, value: Value::Computed }
}

fn combine(operator: &str, inner: Change, constant: u32) -> Change {
    match (operator, inner.value) {
        ("&", Value::Fixed(value)) => Change { kept: inner.kept & constant, value: Value::Fixed(value & constant) },
        // Of a mark that is taken over, a part: the rest becomes zero.
        ("&", other) => Change { kept: inner.kept & constant, value: other },
        ("|", Value::Fixed(value)) => Change { kept: inner.kept & !constant, value: Value::Fixed(value | constant) },
        // Flipping bits that are known to be clear sets them.
        ("^", Value::Fixed(value)) if inner.kept & constant == 0 => {
            Change { kept: inner.kept, value: Value::Fixed(value ^ constant) }
        }
        _ => Change { kept: inner.kept & !constant, value: Value::Computed },
    }
}

fn number(expression: &Json) -> Option<u32> {
    expression.as_u64().and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::hazards::firewall::{Firewall, Holder, Value};
    use proptest::prelude::*;

    /// A rule in which the statement of this key has this value.
    fn read(statements: &str) -> Firewall {
        let rule = format!(
            r#"{{"nftables": [{{"metainfo": {{}}}}, {{"rule": {{"family": "inet", "table": "t", "chain": "c", "handle": 7,
                "expr": [{statements}]}}}}]}}"#
        );
        let mut firewall = Firewall::default();
        parse(&rule, &mut firewall).unwrap();
        firewall
    }

    fn set(key: &str, value: &str) -> Vec<(Holder, u32, Value)> {
        let firewall = read(&format!(r#"{{"mangle": {{"key": {{"{key}": {{"key": "mark"}}}}, "value": {value}}}}}"#));
        firewall.sets.iter().map(|set| (set.on, set.bits, set.value)).collect()
    }

    const META: &str = r#"{"meta": {"key": "mark"}}"#;
    const CT: &str = r#"{"ct": {"key": "mark"}}"#;

    #[test]
    fn stated_marks() {
        assert_eq!(set("meta", "5"), [(Holder::Packet, u32::MAX, Value::Fixed(5))]);
        assert_eq!(set("ct", "5"), [(Holder::Connection, u32::MAX, Value::Fixed(5))]);
        let masked = format!(r#"{{"|": [{{"&": [{META}, 4294902271]}}, 256]}}"#);
        assert_eq!(set("meta", &masked), [(Holder::Packet, 0xff00, Value::Fixed(0x100))]);
        let flipped = format!(r#"{{"^": [{{"&": [{CT}, 4294902015]}}, 512]}}"#);
        assert_eq!(set("ct", &flipped), [(Holder::Connection, 0xff00, Value::Fixed(0x200))]);
    }

    #[test]
    fn marks_taken_over() {
        assert_eq!(set("meta", CT), [(Holder::Packet, u32::MAX, Value::Copied)]);
        assert_eq!(set("ct", META), [(Holder::Connection, u32::MAX, Value::Copied)]);
        let part = format!(r#"{{"&": [{CT}, 65280]}}"#);
        assert_eq!(set("meta", &part), [(Holder::Packet, u32::MAX, Value::Copied)]);
    }

    #[test]
    fn marks_looked_up_and_marks_calculated() {
        let map = format!(r#"{{"map": {{"key": {CT}, "data": {{"set": [[1, 256], [2, 512]]}}}}}}"#);
        let marks: Vec<_> = set("meta", &map).into_iter().map(|(.., value)| value).collect();
        assert_eq!(marks, [Value::Fixed(256), Value::Fixed(512)]);
        assert_eq!(set("ct", r#"{"numgen": {"mod": 3}}"#), [(Holder::Connection, u32::MAX, Value::Computed)]);
        assert_eq!(set("meta", &format!(r#"{{"|": [{META}, {CT}]}}"#))[0].2, Value::Computed);
    }

    #[test]
    fn other_statements_and_the_fast_path() {
        let firewall = read(r#"{"mangle": {"key": {"meta": {"key": "priority"}}, "value": 1}}, {"accept": null}"#);
        assert_eq!(firewall, Firewall::default());
        let firewall = read(r#"{"flow": {"op": "add", "flowtable": "@f"}}"#);
        assert_eq!(firewall.offloads[0].remedy, "nft delete rule inet t c handle 7");
    }

    #[test]
    fn what_is_not_of_nft_is_refused() {
        for text in ["", "{}", "[1]", "{\"nftables\": 3}"] {
            assert!(parse(text, &mut Firewall::default()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\[\\]{}\",:a-z0-9|&^]{0,80}") {
            let _ = parse(&text, &mut Firewall::default());
        }
    }
}
