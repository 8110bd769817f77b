//! What `nft -j list ruleset` prints (libnftables-json(5)).
//!
//! Rules that `iptables-nft` made are shown without what they do: `iptables-save` tells that.

use ftr_core::{Family, Prefix};
use serde::Deserialize;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::effects::{Effects, Filter, Holder, MarkSet, Offload, Translation, Value};

/// The whole, whose objects are still text.
#[derive(Deserialize)]
struct Listing<'a> {
    #[serde(borrow)]
    nftables: Vec<&'a RawValue>,
}

/// Adds what the rules do. Nothing is added where the text is no JSON of nft.
///
/// # Errors
/// The text is something else.
pub fn read(text: &str, into: &mut Effects) -> Result<(), String> {
    let listing: Listing<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    for object in listing.nftables {
        // One after the other: as a tree, a rule takes ten times the room of its text.
        let object: Json = serde_json::from_str(object.get()).map_err(|error| error.to_string())?;
        into.filters.extend(object.get("chain").and_then(filter));
        let Some(rule) = object.get("rule") else { continue };
        let word = |key| rule.get(key).and_then(Json::as_str).unwrap_or_default();
        let (family, table, chain) = (word("family"), word("table"), word("chain"));
        let statements = rule.get("expr").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let meant = of(family).or_else(|| protocol(statements));
        let program = format!("nft {family}");
        let stands_in =
            |filter: &&mut Filter| (filter.program == program) && filter.table == table && filter.chain == chain;
        if let Some(filter) = into.filters.iter_mut().find(stands_in) {
            filter.ends_in_drop = takes_all(statements);
        }
        let does = |what: &str| statements.iter().any(|statement| statement.get(what).is_some());
        let masquerades = does("masquerade");
        if masquerades || does("snat") {
            let output =
                ["oifname", "oif"].into_iter().find_map(|key| only(statements, "meta", key)).and_then(Json::as_str);
            let source = only(statements, "payload", "saddr").and_then(prefix);
            let to = statements.iter().find_map(|statement| statement.pointer("/snat/addr")?.as_str()?.parse().ok());
            let output = output.map(str::to_owned);
            into.translations.push(Translation { family: meant, output, source, to, masquerades });
        }
        for statement in statements {
            if statement.pointer("/flow/op").and_then(Json::as_str) == Some("add") {
                let place = format!("{family} {table} {chain}");
                let handle = rule.get("handle").and_then(Json::as_u64).unwrap_or_default();
                // nft reads a name as its own language, whatever a shell makes of it.
                let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
                let remedy = if [family, table, chain].into_iter().all(plain) {
                    format!("nft delete rule {place} handle {handle}")
                } else {
                    format!("delete the rule with the handle {handle} there, which `nft -a list ruleset` shows")
                };
                into.offloads.push(Offload { place: format!("nft {place}"), remedy });
            }
            into.sets.extend(statement.get("mangle").into_iter().flat_map(marking).map(|(on, bits, value)| MarkSet {
                program: program.clone(),
                table: table.to_owned(),
                chain: chain.to_owned(),
                family: meant,
                input: None,
                on,
                bits,
                value,
            }));
        }
    }
    Ok(())
}

/// A chain that packets to this host, or through it, pass. Those of `iptables-nft` are known by their names.
fn filter(chain: &Json) -> Option<Filter> {
    let word = |key| chain.get(key).and_then(Json::as_str).unwrap_or_default();
    let (family, table, name) = (word("family"), word("table"), word("name"));
    let of_iptables = table == "filter" && ["INPUT", "FORWARD"].contains(&name);
    let passed = word("type") == "filter" && ["input", "forward"].contains(&word("hook"));
    (passed && !of_iptables && ["inet", "ip", "ip6"].contains(&family)).then(|| Filter {
        program: format!("nft {family}"),
        table: table.to_owned(),
        chain: name.to_owned(),
        family: of(family),
        drops: word("policy") == "drop",
        ..Filter::default()
    })
}

/// Whether a rule drops or refuses whatever comes to it.
fn takes_all(statements: &[Json]) -> bool {
    let is = |statement: &Json, keys: &[&str]| keys.iter().any(|key| statement.get(key).is_some());
    let Some((last, before)) = statements.split_last() else { return false };
    is(last, &["drop", "reject"]) && before.iter().all(|statement| is(statement, &["counter", "log"]))
}

/// What a packet has to have there (`kind` and its key or field) for the rule to be for it, where it is one thing.
fn only<'a>(statements: &'a [Json], kind: &str, name: &str) -> Option<&'a Json> {
    let is_of = |left: &Json| ["key", "field"].iter().any(|word| left.get(word).and_then(Json::as_str) == Some(name));
    let matches = statements.iter().filter_map(|statement| statement.get("match"));
    let mut equal = matches.filter(|one| one.get("op").and_then(Json::as_str) == Some("=="));
    equal.find(|one| one.pointer(&format!("/left/{kind}")).is_some_and(is_of))?.get("right")
}

/// A network, or one address.
fn prefix(value: &Json) -> Option<Prefix> {
    if let Some(address) = value.as_str() {
        return address.parse().ok().map(Prefix::host);
    }
    let network = value.get("prefix")?;
    let length = network.get("len").and_then(Json::as_u64)?.try_into().ok()?;
    Prefix::new(network.get("addr")?.as_str()?.parse().ok()?, length)
}

fn of(family: &str) -> Option<Family> {
    match family {
        "ip" => Some(Family::V4),
        "ip6" => Some(Family::V6),
        _ => None,
    }
}

/// The family that a rule of a table for both is for.
fn protocol(statements: &[Json]) -> Option<Family> {
    match only(statements, "meta", "nfproto")?.as_str()? {
        "ipv4" => Some(Family::V4),
        "ipv6" => Some(Family::V6),
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
    use crate::effects::{Effects, Holder, Value};
    use ftr_core::Family;
    use proptest::prelude::*;

    /// A rule in which the statement of this key has this value.
    fn read(statements: &str) -> Effects {
        let rule = format!(
            r#"{{"nftables": [{{"metainfo": {{}}}}, {{"rule": {{"family": "inet", "table": "t", "chain": "c", "handle": 7,
                "expr": [{statements}]}}}}]}}"#
        );
        let mut effects = Effects::default();
        super::read(&rule, &mut effects).unwrap();
        effects
    }

    fn set(key: &str, value: &str) -> Vec<(Holder, u32, Value)> {
        let effects = read(&format!(r#"{{"mangle": {{"key": {{"{key}": {{"key": "mark"}}}}, "value": {value}}}}}"#));
        effects.sets.iter().map(|set| (set.on, set.bits, set.value)).collect()
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
    fn a_rule_may_be_for_one_family_of_a_table_for_both() {
        let set = format!(r#"{{"mangle": {{"key": {META}, "value": 5}}}}"#);
        let only = |name: &str| {
            let protocol =
                format!(r#"{{"match": {{"op": "==", "left": {{"meta": {{"key": "nfproto"}}}}, "right": "{name}"}}}}"#);
            read(&format!("{protocol}, {set}")).sets[0].family
        };
        assert_eq!([only("ipv4"), only("ipv6")], [Some(Family::V4), Some(Family::V6)]);
        assert_eq!(read(&set).sets[0].family, None);
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
    fn who_translates_what() {
        let leaves = r#"{"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "eth1"}}"#;
        let network = r#"{"prefix": {"addr": "192.0.2.0", "len": 24}}"#;
        let comes = format!(
            r#"{{"match": {{"op": "==", "left": {{"payload": {{"protocol": "ip", "field": "saddr"}}}}, "right": {network}}}}}"#
        );
        let seen = |statements: &str| {
            let all = read(statements).translations;
            all.into_iter().map(|it| (it.output, it.source, it.masquerades)).collect::<Vec<_>>()
        };
        let [eth1, any] = [Some("eth1".to_owned()), None];
        let source = "192.0.2.0/24".parse().ok();
        assert_eq!(seen(&format!(r#"{leaves}, {{"masquerade": null}}"#)), [(eth1.clone(), None, true)]);
        assert_eq!(seen(&format!(r#"{leaves}, {comes}, {{"snat": {{"addr": "1.0.0.2"}}}}"#)), [(eth1, source, false)]);
        assert_eq!(seen(&leaves.replace("==", "!=").replace("}}}", "}}}, {\"masquerade\": null}")).len(), 0);
        assert_eq!(seen(r#"{"masquerade": null}"#), [(any, None, true)]);
        let to = |addr: &str| read(&format!(r#"{{"snat": {{"family": "ip", "addr": {addr}}}}}"#)).translations[0].to;
        assert_eq!(to(r#""1.0.0.2""#), "1.0.0.2".parse().ok());
        assert_eq!(to(r#"{"range": ["1.0.0.2", "1.0.0.9"]}"#), None);
    }

    #[test]
    fn chains_that_drop_what_they_do_not_admit() {
        let chain = |family: &str, table: &str, name: &str, hook: &str, policy: &str| {
            let place = format!(r#""family": "{family}", "table": "{table}", "name": "{name}""#);
            format!(r#"{{"chain": {{{place}, "type": "filter", "hook": "{hook}", "prio": 0, "policy": "{policy}"}}}}"#)
        };
        let rule = |chain: &str, statements: &str| {
            let place = format!(r#""family": "inet", "table": "f", "chain": "{chain}""#);
            format!(r#"{{"rule": {{{place}, "handle": 1, "expr": [{statements}]}}}}"#)
        };
        let objects = [
            chain("inet", "f", "in", "input", "drop"),
            chain("inet", "f", "through", "forward", "accept"),
            chain("inet", "f", "out", "output", "drop"),
            chain("ip", "filter", "INPUT", "input", "drop"),
            chain("bridge", "f", "in", "input", "drop"),
            r#"{"chain": {"family": "inet", "table": "f", "name": "own"}}"#.to_owned(),
            rule("through", r#"{"counter": {"packets": 1, "bytes": 60}}, {"reject": {"type": "icmpx"}}"#),
            rule("in", r#"{"match": {"op": "==", "left": {"meta": {"key": "iif"}}, "right": "lo"}}, {"drop": null}"#),
        ];
        let mut effects = Effects::default();
        super::read(&format!(r#"{{"nftables": [{}]}}"#, objects.join(",")), &mut effects).unwrap();
        let seen: Vec<_> = effects.filters.iter().map(|it| (it.chain.as_str(), it.drops, it.ends_in_drop)).collect();
        assert_eq!(seen, [("in", true, false), ("through", false, true)]);
    }

    #[test]
    fn other_statements_and_the_fast_path() {
        let effects = read(r#"{"mangle": {"key": {"meta": {"key": "priority"}}, "value": 1}}, {"accept": null}"#);
        assert_eq!(effects, Effects::default());
        let effects = read(r#"{"flow": {"op": "add", "flowtable": "@f"}}"#);
        assert_eq!(effects.offloads[0].remedy, "nft delete rule inet t c handle 7");
    }

    #[test]
    fn what_is_not_of_nft_is_refused() {
        for text in ["", "{}", "[1]", "{\"nftables\": 3}"] {
            assert!(super::read(text, &mut Effects::default()).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\[\\]{}\",:a-z0-9|&^]{0,80}") {
            let _ = super::read(&text, &mut Effects::default());
        }
    }
}
