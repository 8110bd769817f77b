//! Prefixes that are learned (`prefix6: auto`): whether their uplink is known, and whether the firewall has heard of them.

use std::collections::BTreeSet;

use ftr_core::config::Config;
use ftr_core::{Family, Prefix};
use serde_json::Value;

use super::firewall::Firewall;
use super::hazard::{Hazard, Kind};
use crate::plan::learned::Learned;

/// The networks of IPv6 that rules name, as ip6tables-save prints them.
pub(super) fn in_iptables(text: &str) -> impl Iterator<Item = Prefix> {
    let words = text.lines().filter(|line| line.starts_with("-A ")).flat_map(str::split_whitespace);
    words.filter(|word| word.contains(':') && word.contains('/')).filter_map(|word| word.parse().ok())
}

/// The same as `nft -j` prints them: `{"prefix": {"addr": "2001:db8::", "len": 56}}`, wherever it stands.
pub(super) fn in_nft(text: &str) -> Vec<Prefix> {
    let Ok(whole) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let (mut found, mut left) = (Vec::new(), vec![&whole]);
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(map) => {
                let prefix = map.get("prefix").and_then(|prefix| {
                    let length = u8::try_from(prefix.get("len")?.as_u64()?).ok()?;
                    Prefix::new(prefix.get("addr")?.as_str()?.parse().ok()?, length)
                });
                found.extend(prefix);
                left.extend(map.values());
            }
            _ => {}
        }
    }
    found
}

/// What works against them.
pub(super) fn evaluate(config: &Config, learned: &Learned, firewall: &Firewall) -> Vec<Hazard> {
    let mut hazards: Vec<Hazard> = learned.unclaimed.iter().map(|prefix| unclaimed(config, *prefix)).collect();
    let rescues = (0..config.uplinks.len()).any(|i| config.rescues(i));
    let is_seen = firewall.unseen.is_empty() && !firewall.blind && !firewall.effects.translations.is_empty();
    let missing: BTreeSet<&Prefix> = learned
        .prefixes
        .iter()
        .map(|(_, prefix)| prefix)
        .filter(|prefix| !firewall.networks.contains(prefix))
        .collect();
    if rescues && is_seen && !missing.is_empty() {
        let list: Vec<String> = missing.into_iter().map(ToString::to_string).collect();
        let what = format!(
            "the rules that are loaded do not know {}, so what comes from there is not translated when its uplink is down",
            list.join(", ")
        );
        let load = firewall.service.unwrap_or("ftr-rules -6 --table nat | ip6tables-restore");
        let advice = format!("{load}; the hook reload-rules (on: prefix) does it at each change");
        hazards.push(Hazard::new(Kind::NotTranslated, "firewall of IPv6", what, advice).with_loss(false));
    }
    hazards
}

fn unclaimed(config: &Config, prefix: Prefix) -> Hazard {
    let learns = config.uplinks.iter().filter(|uplink| uplink.prefixes6.auto && uplink.has(Family::V6));
    let names: Vec<&str> = learns.map(|uplink| uplink.name.as_str()).collect();
    let names = names.join(" or ");
    let what = format!("a DHCPv6 client was delegated it, and it may be of {names}: what comes from it leaves by any");
    let advice =
        format!("write prefix6: '{prefix}' for the uplink that it is of, and leave auto to one whose prefix changes");
    Hazard::new(Kind::UnclaimedPrefix, prefix.to_string(), what, advice)
}

#[cfg(test)]
mod tests {
    use super::{evaluate, in_iptables, in_nft};
    use crate::diagnose::firewall::Firewall;
    use crate::plan::learned::Learned;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_firewall::Translation;

    #[test]
    fn networks_are_found_wherever_rules_name_them() {
        let save = "*nat\n:RESCUE - [0:0]\n-A POSTROUTING -s 2001:db8:1::/56 -o eth1 -j ACCEPT\n-A RESCUE -o eth1 -j MASQUERADE\n";
        let expected = ["2001:db8:1::/56".parse().unwrap()];
        assert_eq!(in_iptables(save).collect::<Vec<_>>(), expected);
        let json = r#"{"nftables":[{"rule":{"expr":[{"match":{"right":{"set":[{"prefix":{"addr":"2001:db8:1::","len":56}}]}}}]}}]}"#;
        assert_eq!((in_nft(json), in_nft("no")), (expected.to_vec(), Vec::new()));
    }

    #[test]
    fn a_prefix_whose_uplink_is_not_known_and_rules_that_are_older_than_a_prefix_are_told() {
        let six = |i: u8| format!("gateway: {i}.0.0.1, type6: ra, prefix6: auto");
        let text = CONFIG.replace("gateway: 1.0.0.1", &six(1)).replace("gateway: 2.0.0.1", &six(2));
        let translation = Translation::default();
        let mut firewall = Firewall::default();
        firewall.effects.translations = vec![translation];
        let prefix = |text: &str| text.parse().unwrap();
        let learned = Learned {
            prefixes: vec![(1, prefix("2001:db8:2::/56"))],
            unclaimed: vec![prefix("2001:db8:3::/56")],
            ..Learned::default()
        };
        let told = |text: &str, firewall: &Firewall| -> Vec<String> {
            evaluate(&config(text), &learned, firewall).iter().map(ToString::to_string).collect()
        };
        let lines = told(&text, &firewall);
        assert!(
            lines[0].starts_with(
                "warning: 2001:db8:3::/56: a DHCPv6 client was delegated it, and it may be of eth1 or eth2"
            ),
            "{lines:?}"
        );
        assert!(lines[0].contains("write prefix6: '2001:db8:3::/56' for the uplink that it is of"), "{lines:?}");
        assert!(lines[1].contains("do not know 2001:db8:2::/56") && lines.len() == 2, "{lines:?}");
        assert_eq!(told(&(text.clone() + "routing: {ipv6_rescue: none}\n"), &firewall).len(), 1);
        firewall.networks = [prefix("2001:db8:2::/56")].into();
        assert_eq!(told(&text, &firewall).len(), 1);
    }
}
