//! Bits of the mark that others use as well.

use ftr_core::config::Config;
use ftr_core::numbering::Numbering;
use ftr_netlink::Rule;

use super::hazard::{Hazard, Kind};
use super::owner::{self, Owner};
use crate::iproute::{self, is_ours};
use ftr_firewall::{Holder, MarkSet, Value};

/// Bits that programs which people run beside us are known to use: mwan3, pbr and tailscale, kube-proxy.
const KNOWN: u32 = 0x3f00 | 0xff_0000 | 0xc000;

/// Somebody else's use of the mark.
struct Use {
    object: String,
    what: String,
    /// The bits that it needs.
    needs: u32,
    /// How to keep it from changing others than those.
    restrict: Option<String>,
}

/// Rules that ask for marks like ours, and firewall rules that set bits of ours to something else.
pub(super) fn evaluate(config: &Config, numbering: &Numbering, rules: &[&Rule], sets: &[MarkSet]) -> Vec<Hazard> {
    let mut uses: Vec<Use> = Vec::new();
    for new in rules.iter().filter_map(|rule| of_rule(config, numbering, rule)) {
        // The same rule stands in both families, as a rule.
        if uses.iter().all(|known| known.object != new.object) {
            uses.push(new);
        }
    }
    uses.extend(of_firewall(config, numbering, sets));
    let taken = uses.iter().fold(0, |bits, one| bits | one.needs);
    let move_away = move_away(config, numbering, taken);
    let masked = numbering.mask().unwrap_or(u32::MAX);
    let advice = |one: &Use| match &one.restrict {
        Some(restrict) if one.needs & masked == 0 => restrict.clone(),
        Some(restrict) => format!("{restrict}; and {move_away}"),
        None => move_away.clone(),
    };
    uses.iter().map(|one| Hazard::new(Kind::SharedMark, &one.object, &one.what, advice(one))).collect()
}

fn of_rule(config: &Config, numbering: &Numbering, rule: &Rule) -> Option<Use> {
    let ours = numbering.first_priority()..=numbering.balanced_priority();
    if is_ours(rule.protocol) || rule.mask == 0 || ours.contains(&rule.priority) {
        return None;
    }
    let masked = numbering.mask().unwrap_or(u32::MAX);
    let meets = |mark: u32| mark & rule.mask == rule.mark || rule.mark & masked == mark;
    // A whole mark is the number of one program for its own packets: it matters only where it is a number of ours.
    let whole = rule.mask == u32::MAX;
    if rule.mask & masked == 0 || (whole && !marks(config, numbering).any(meets)) {
        return None;
    }
    let who = owner::of_rule(rule).map_or(String::new(), |owner| format!(" ({})", owner.name));
    let object = format!("rule {}{who}", iproute::rule(rule));
    let bits = rule.mask & masked;
    let what = format!("asks for bits {bits:#x} of the mark, which ours use as well: packets take the wrong uplink");
    Some(Use { object, what, needs: if whole { rule.mark } else { rule.mask }, restrict: None })
}

/// One use for each owner, or table where none is known.
fn of_firewall(config: &Config, numbering: &Numbering, sets: &[MarkSet]) -> Vec<Use> {
    let masked = numbering.mask().unwrap_or(u32::MAX);
    let mut groups: Vec<(String, Vec<&MarkSet>)> = Vec::new();
    for set in sets {
        let owner = owner::of_chain(&set.table, &set.chain);
        if set.bits & masked == 0 || is_like_ours(config, numbering, set, owner) {
            continue;
        }
        let who = owner.map_or_else(String::new, |owner| format!(" ({})", owner.name));
        let object = format!("{} {}{who}", set.program, set.table);
        match groups.iter_mut().find(|(known, _)| *known == object) {
            Some((_, group)) => group.push(set),
            None => groups.push((object, vec![set])),
        }
    }
    groups.into_iter().map(|(object, group)| of_group(object, &group, masked)).collect()
}

fn of_group(object: String, group: &[&MarkSet], masked: u32) -> Use {
    let mut chains: Vec<&str> = group.iter().map(|set| set.chain.as_str()).collect();
    chains.dedup();
    let more = if chains.len() > 3 { ", …" } else { "" };
    chains.truncate(3);
    let set = group.iter().fold(0, |bits, set| bits | set.bits);
    let what = format!(
        "rules in {}{more} change bits {:#x} of the mark, which are ours: connections take the wrong uplink",
        chains.join(", "),
        set & masked
    );
    let needs = group.iter().fold(0, |bits, set| bits | needs(set));
    Use { object, what, needs, restrict: group.iter().find_map(|set| restrict(set)) }
}

/// The bits that a rule needs: one that overwrites the whole mark, those that it sets.
const fn needs(set: &MarkSet) -> u32 {
    match set.value {
        Value::Fixed(value) if set.bits == u32::MAX => value,
        Value::Computed if set.bits == u32::MAX => 0,
        _ => set.bits,
    }
}

/// How to write a rule that overwrites the whole mark so that it does not.
fn restrict(set: &MarkSet) -> Option<String> {
    if set.bits != u32::MAX {
        return None;
    }
    let (target, key) = match set.on {
        Holder::Packet => ("MARK", "meta mark"),
        Holder::Connection => ("CONNMARK", "ct mark"),
    };
    let rule = match (set.value, set.program.starts_with("nft")) {
        (Value::Fixed(value), true) => format!("{key} set {key} | {value:#x}"),
        (Value::Fixed(value), false) => format!("-j {target} --set-xmark {value:#x}/{value:#x}"),
        (_, true) => format!("{key} set {key} & MASK | VALUE"),
        (_, false) => format!("-j {target} --set-xmark VALUE/MASK"),
    };
    Some(format!("let it change no more bits than it needs, as in `{rule}`"))
}

/// Whether a rule does with marks what ours do, or what people add to them: gives a mark of ours, or takes one over.
fn is_like_ours(config: &Config, numbering: &Numbering, set: &MarkSet, owner: Option<Owner>) -> bool {
    let masked = numbering.mask().unwrap_or(u32::MAX);
    match set.value {
        Value::Fixed(value) => owner.is_none() && marks(config, numbering).any(|mark| mark == value & masked),
        Value::Copied => true,
        Value::Computed => false,
    }
}

/// Every mark of ours.
fn marks(config: &Config, numbering: &Numbering) -> impl Iterator<Item = u32> {
    let policies = (0..config.policies.len()).map(|k| numbering.policy_mark(k));
    (0..config.uplinks.len()).map(|i| numbering.mark(i)).chain(policies)
}

/// How to get out of the way of bits that are taken.
fn move_away(config: &Config, numbering: &Numbering, taken: u32) -> String {
    let file = config.file.display();
    let count = u32::try_from(marks(config, numbering).count()).unwrap_or(u32::MAX);
    match free_field(count, taken | KNOWN).or_else(|| free_field(count, taken)) {
        Some((masked, base)) => format!(
            "set fwmark_mask: {masked:#x} and base_fwmark: {base:#x} in {file}, bits that nobody uses here, load the \
             rules of ftr-rules again, and restart ftr-monitor"
        ),
        None => {
            format!("no bits are free for fwmark_mask in {file}: let others share theirs, or go without one of them")
        }
    }
}

/// The lowest field of bits that holds so many marks beside 0 and has none of the bits taken: its mask and lowest bit.
fn free_field(count: u32, taken: u32) -> Option<(u32, u32)> {
    let width = 32 - count.leading_zeros();
    let field = u32::MAX.checked_shr(32 - width)?;
    (0..=32 - width).map(|shift| (field << shift, 1 << shift)).find(|(masked, _)| masked & taken == 0)
}

#[cfg(test)]
mod tests {
    use super::{evaluate, free_field};
    use crate::diagnose::firewall::tests::set;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_core::numbering::Numbering;
    use ftr_firewall::{Holder, MarkSet, Value};
    use ftr_netlink::Rule;
    use proptest::prelude::*;

    fn told(extra: &str, rules: &[Rule], sets: &[MarkSet]) -> Vec<String> {
        let config = config(&format!("{CONFIG}{extra}"));
        let rules: Vec<&Rule> = rules.iter().collect();
        evaluate(&config, &Numbering::of(&config), &rules, sets).iter().map(ToString::to_string).collect()
    }

    fn rule(mark: u32, bits: u32) -> Rule {
        Rule { mark, mask: bits, ..Rule::lookup(Family::V4, 2001, 99) }
    }

    fn fixed(bits: u32, value: u32) -> MarkSet {
        set(Holder::Packet, bits, Value::Fixed(value))
    }

    #[test]
    fn a_field_of_others_under_the_whole_mark_is_seen_and_a_free_one_named() {
        let lines = told("", &[rule(0x100, 0x3f00)], &[]);
        assert!(lines[0].starts_with("warning: rule priority 2001 fwmark 0x100/0x3f00 lookup 99"), "{lines:?}");
        assert!(
            lines[0].contains("(mwan3)") && lines[0].contains("fwmark_mask: 0x3 and base_fwmark: 0x1"),
            "{lines:?}"
        );
        assert_eq!(told("fwmark_mask: 0xff\n", &[rule(0x100, 0x3f00)], &[]), [""; 0]);
        assert_eq!(told("fwmark_mask: 0x1ff\n", &[rule(0x100, 0x3f00)], &[]).len(), 1);
    }

    #[test]
    fn a_whole_mark_matters_only_where_it_is_one_of_ours() {
        assert_eq!(told("", &[rule(51820, u32::MAX)], &[]), [""; 0]);
        assert_eq!(told("", &[rule(2, u32::MAX)], &[]).len(), 1);
        assert_eq!(told("fwmark_mask: 0xff\n", &[rule(0x102, u32::MAX)], &[]).len(), 1);
        assert_eq!(told("fwmark_mask: 0xff\n", &[rule(51820, u32::MAX)], &[]), [""; 0]);
    }

    #[test]
    fn rules_of_ours_and_between_ours_are_not_for_us_to_name() {
        let ours = Rule { protocol: 117, ..rule(1, u32::MAX) };
        let between = Rule { priority: 40004, ..rule(1, u32::MAX) };
        assert_eq!(told("", &[ours, between], &[]), [""; 0]);
    }

    #[test]
    fn firewall_rules_that_give_our_marks_are_welcome_but_not_those_of_others() {
        let own = [fixed(u32::MAX, 2), set(Holder::Packet, u32::MAX, Value::Copied)];
        assert_eq!(told("", &[], &own), [""; 0]);
        let kube = MarkSet { table: "nat".into(), chain: "KUBE-MARK-MASQ".into(), ..fixed(0x4000, 0x4000) };
        let lines = told("", &[], &[kube.clone(), kube.clone()]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("warning: iptables nat (kube-proxy): rules in KUBE-MARK-MASQ change bits 0x4000"));
        assert_eq!(told("fwmark_mask: 0xff\n", &[], &[kube]), [""; 0]);
        assert_eq!(told("", &[], &[fixed(u32::MAX, 9)]).len(), 1);
    }

    #[test]
    fn who_overwrites_the_whole_mark_is_told_how_not_to() {
        let lines = told("", &[], &[fixed(u32::MAX, 0x77)]);
        assert!(lines[0].contains("`-j MARK --set-xmark 0x77/0x77`; and set fwmark_mask: 0x3000000"), "{lines:?}");
        let lines = told("fwmark_mask: 0xff\n", &[], &[fixed(u32::MAX, 0x700)]);
        assert!(lines[0].ends_with("`-j MARK --set-xmark 0x700/0x700`"), "{lines:?}");
        let computed = set(Holder::Connection, u32::MAX, Value::Computed);
        let nft = MarkSet { program: "nft inet".to_owned(), ..computed };
        let lines = told("fwmark_mask: 0xff\n", &[], &[nft]);
        assert!(lines[0].ends_with("`ct mark set ct mark & MASK | VALUE`"), "{lines:?}");
    }

    #[test]
    fn there_may_be_no_bits_left() {
        let lines = told("", &[rule(0, 0x5555_5555)], &[]);
        assert!(lines[0].contains("no bits are free"), "{lines:?}");
    }

    proptest! {
        #[test]
        fn a_free_field_is_free_and_large_enough(count in 1_u32..400, taken: u32) {
            if let Some((masked, base)) = free_field(count, taken) {
                prop_assert_eq!(masked & taken, 0);
                prop_assert_eq!(masked & base, base);
                prop_assert_eq!((count * base) & !masked, 0);
            }
        }
    }
}
