//! One rule in the words of nft(8), written as `nft list` shows it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ftr_core::config::{Ports, Protocol};
use ftr_core::{Family, InterfaceName, Prefix};

use crate::iptables::{endpoint, network};
use crate::model::{Action, Claim, Local, Mark, Rule, Ruleset, SetKind, State, When};

/// The chain that gives a packet this mark.
pub(super) fn mark_chain(mark: u32) -> String {
    format!("mark_{mark:#x}")
}

pub(super) fn rule(rule: &Rule, ruleset: &Ruleset) -> String {
    let mut words = conditions(rule, ruleset.mask);
    words.extend(prolonged(&rule.when));
    words.push(action(rule.action, ruleset));
    words.join(" ")
}

fn conditions(rule: &Rule, mask: Option<u32>) -> Vec<String> {
    let when = &rule.when;
    let mut words = Vec::new();
    if let Some(family) = when.family.filter(|_| !tells_family(rule)) {
        words.push(format!("meta nfproto ipv{}", family.number()));
    }
    let mut list = |head: &str, items: &[String]| words.extend(one_of(head, items));
    let ip = if when.family == Some(Family::V6) { "ip6" } else { "ip" };
    list("iifname", &quoted(&when.inputs));
    list("oifname", &quoted(&when.outputs));
    list(&format!("{ip} saddr"), &networks(&when.sources));
    list(&format!("{ip} daddr"), &networks(&when.destinations));
    if let (Some(set), Some(family)) = (&when.set, when.family) {
        words.push(format!("{ip} daddr @{}", set.nft(family)));
    }
    words.extend(transport(when));
    words.extend(when.local.map(|local| match local {
        Local::Any => "fib daddr type local".to_owned(),
        Local::Elsewhere => "fib daddr type local fib daddr . iif type != local".to_owned(),
    }));
    words.extend(when.claim.as_ref().and_then(|claim| match claim {
        // With the mark, or a default route of the table main could be what is found.
        Claim::Behind(devices) => one_of("fib saddr . mark oifname", &quoted(devices)),
        Claim::Ours => Some("fib saddr type local".to_owned()),
    }));
    words.extend(when.unencrypted.then(|| "rt ipsec missing".to_owned()));
    words.extend(when.state.map(|state| match state {
        State::New => "ct state new".to_owned(),
        State::Known => "ct state established,related".to_owned(),
        State::Stray => "ct state invalid".to_owned(),
        State::Forwarded => "ct status dnat".to_owned(),
    }));
    let bits = mask.map(|mask| format!(" & {mask:#x}")).unwrap_or_default();
    // What restores a mark looks whether there is one.
    let asked = when.mark.filter(|_| rule.action != Action::RestoreMark);
    words.extend(asked.map(|mark| match mark {
        Mark::PacketNone => format!("meta mark{bits} == 0"),
        Mark::ConnectionNone => format!("ct mark{bits} == 0"),
        Mark::ConnectionSome => format!("ct mark{bits} != 0"),
    }));
    words
}

/// An address of a name that is used stays: to the kernel a name server adds nothing that is there already.
fn prolonged(when: &When) -> Option<String> {
    let (set, family) = (when.set.as_ref().filter(|set| set.kind == SetKind::Names)?, when.family?);
    Some(format!("update @{} {{ {} daddr }}", set.nft(family), word(family)))
}

/// Whether the rule can only be of one family anyway.
fn tells_family(rule: &Rule) -> bool {
    let when = &rule.when;
    !when.sources.is_empty()
        || !when.destinations.is_empty()
        || when.set.is_some()
        || when.protocol == Some(Protocol::Icmp)
        || matches!(
            rule.action,
            Action::Snat(_) | Action::Dnat(..) | Action::SourcePrefix(_) | Action::DestinationPrefix(_)
        )
}

/// Each device once.
fn quoted(names: &[InterfaceName]) -> Vec<String> {
    let all: BTreeSet<&InterfaceName> = names.iter().collect();
    all.into_iter().map(|name| format!("\"{name}\"")).collect()
}

/// Those that none of the others holds: a set may not have overlapping items.
fn networks(prefixes: &[Prefix]) -> Vec<String> {
    let all: BTreeSet<Prefix> = prefixes.iter().copied().collect();
    let within = |one: Prefix| {
        all.iter().any(|other| *other != one && other.length() < one.length() && other.contains(one.address()))
    };
    all.iter().filter(|prefix| !within(**prefix)).map(|prefix| network(*prefix)).collect()
}

/// The same ports in ranges that do not touch.
fn apart(ports: &[Ports]) -> Vec<Ports> {
    let mut sorted = ports.to_vec();
    sorted.sort_by_key(|ports| ports.first);
    let mut apart: Vec<Ports> = Vec::new();
    for ports in sorted {
        match apart.last_mut() {
            Some(before) if ports.first <= before.last.saturating_add(1) => before.last = before.last.max(ports.last),
            _ => apart.push(ports),
        }
    }
    apart
}

/// One item, or a set of several.
fn one_of(head: &str, items: &[String]) -> Option<String> {
    match items {
        [] => None,
        [one] => Some(format!("{head} {one}")),
        several => Some(format!("{head} {{ {} }}", several.join(", "))),
    }
}

/// Protocol and ports; a port tells its protocol.
fn transport(when: &When) -> Vec<String> {
    let Some(protocol) = when.protocol else { return Vec::new() };
    if when.opens {
        return vec!["tcp flags syn / syn,rst".to_owned()];
    }
    let ports = |head: &str, ports: &[Ports]| {
        let apart: Vec<String> = apart(ports).iter().map(ToString::to_string).collect();
        one_of(&format!("{} {head}", protocol.as_str()), &apart)
    };
    let both: Vec<String> = ports("sport", &when.sports).into_iter().chain(ports("dport", &when.dports)).collect();
    if !both.is_empty() {
        return both;
    }
    let word = match (protocol, when.family) {
        // A word of nft's own: ipv6-icmp would have to be found in /etc/protocols, which a small system has not.
        (Protocol::Icmp, Some(Family::V6)) => "icmpv6",
        (other, _) => other.as_str(),
    };
    vec![format!("meta l4proto {word}")]
}

fn action(action: Action, ruleset: &Ruleset) -> String {
    match action {
        Action::RestoreMark => restore(ruleset),
        Action::MarkConnection(value) => set_mark("ct mark", value, ruleset.mask),
        Action::MarkPacket(value) => set_mark("meta mark", value, ruleset.mask),
        Action::Accept => "accept".to_owned(),
        Action::Drop => "drop".to_owned(),
        Action::Reject => "reject".to_owned(),
        Action::RejectSource => "reject with icmpv6 type policy-fail".to_owned(),
        Action::Reset => "reject with tcp reset".to_owned(),
        Action::Return => "return".to_owned(),
        Action::Jump(chain) => format!("jump {}", chain.to_lowercase()),
        Action::Snat(to) => format!("snat {} to {to}", word(Family::of(to))),
        Action::Masquerade => "masquerade".to_owned(),
        Action::Dnat(to, port) => format!("dnat {} to {}", word(Family::of(to)), endpoint(to, port)),
        Action::SourcePrefix(to) => format!("snat {} prefix to {to}", word(to.family())),
        Action::DestinationPrefix(to) => format!("dnat {} prefix to {to}", word(to.family())),
        Action::ClampMss(None) => "tcp option maxseg size set rt mtu".to_owned(),
        Action::ClampMss(Some(bytes)) => format!("tcp option maxseg size set {bytes}"),
    }
}

const fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// A connection without a mark leaves that of its packet alone.
fn restore(ruleset: &Ruleset) -> String {
    let Some(mask) = ruleset.mask else { return "ct mark != 0 meta mark set ct mark".to_owned() };
    let mut map = String::new();
    for mark in &ruleset.marks {
        let comma = if map.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(map, "{comma}{mark:#x} : jump {}", mark_chain(*mark));
    }
    format!("ct mark & {mask:#x} vmap {{ {map} }}")
}

/// Sets our bits of `what` and leaves the others.
pub(super) fn set_mark(what: &str, value: u32, mask: Option<u32>) -> String {
    match mask {
        None => format!("{what} set {value:#x}"),
        Some(mask) => format!("{what} set {what} & {:#010x} | {value:#x}", !mask),
    }
}
