//! What no single key can tell: that tables, priorities and marks neither clash nor run out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::email;
use super::ipv4::UplinkKind;
use super::ipv6::Nat6;
use super::matching::Match;
use super::path::NodePath;
use super::policy::Policy;
use super::problem::Problem;
use super::units;
use super::uplink::{Nat, Uplink};
use super::warnings;
use super::whole::Config;
use crate::Family;
use crate::numbering::{DEFAULT_PRIORITY, KERNEL_TABLES, MAIN_PRIORITY, Numbering};

/// Notes what is wrong between the keys in `problems`, and what is odd in `odd`; `count` uplinks are stated.
pub(super) fn check(config: &Config, count: usize, problems: &mut Vec<Problem>, odd: &mut Vec<Problem>) {
    let top = NodePath::default();
    let count = count as u64;
    if count == 0 {
        return;
    }
    if count == 1 {
        odd.push(Problem::new(top.key("uplinks"), "only one, so nothing can take over from it"));
    }
    let mut note = |key: &str, found: Option<String>| {
        problems.extend(found.map(|what| Problem::new(top.key(key), what)));
    };
    note("base_table", tables(config, count));
    note("base_priority", priorities(config, count));
    note("fwmark_mask", config.fwmark_mask.and_then(mask));
    note("base_fwmark", marks(config, count));
    untested_ipv4(config, problems);
    if problems.is_empty() {
        devices_of_policies(config, problems);
        sets_of_policies(config, problems);
        translated_prefixes(config, problems);
    }
    same_address(config, odd);
    same_resolver(config, odd);
    email::warn(&config.email, odd);
    untranslated(config, odd);
    untested_ipv6(config, odd);
    defaults_of_clients(config, odd);
    warnings::check(config, odd);
    units::check(config, odd);
    if !config.uplinks.iter().any(|uplink| config.eligible(uplink)) {
        odd.push(Problem::new(top.key("uplinks"), "none may carry new connections (default_route, priority_group)"));
    }
}

/// What the numbers are for: `3 uplinks`, `3 uplinks and 2 policies`.
fn whose(config: &Config, count: u64) -> String {
    match config.policies.len() {
        0 => format!("{count} uplinks"),
        policies => format!("{count} uplinks and {policies} policies"),
    }
}

/// The tables of uplinks, balanced one and policies are neighbours, so they cannot overlap each other.
fn tables(config: &Config, count: u64) -> Option<String> {
    let base = u64::from(config.base_table);
    let last = base + count + config.policies.len() as u64;
    let whose = whose(config, count);
    if base == 0 {
        Some("table 0 means no table to the kernel, allowed: 1 and up".to_owned())
    } else if last > u64::from(u32::MAX) {
        Some(format!("{whose} need the tables {base} to {last}, allowed: up to {}", u32::MAX))
    } else if base <= u64::from(*KERNEL_TABLES.end()) && last >= u64::from(*KERNEL_TABLES.start()) {
        Some(format!("{whose} need the tables {base} to {last}, allowed: none of 253 to 255, the kernel's own"))
    } else {
        None
    }
}

fn priorities(config: &Config, count: u64) -> Option<String> {
    let first = u64::from(config.base_priority);
    let local = u64::from(config.base_priority < MAIN_PRIORITY);
    let last = first + local + 3 * count + config.policies.len() as u64 + u64::from(config.has_resolvers());
    let range = format!("{} need the rule priorities {first} to {last}", whose(config, count));
    if first == 0 {
        Some(format!("{range}, but 0 is the kernel's rule for local addresses, allowed: 1 and up"))
    } else if last > u64::from(u32::MAX) {
        Some(format!("{range}, allowed: up to {}", u32::MAX))
    } else if first <= u64::from(DEFAULT_PRIORITY) && last >= u64::from(MAIN_PRIORITY) {
        Some(format!(
            "{range}, allowed: not {MAIN_PRIORITY} and {DEFAULT_PRIORITY}, the kernel's rules for main and default"
        ))
    } else {
        None
    }
}

fn mask(mask: u32) -> Option<String> {
    (mask == 0).then(|| "0 leaves no bit for a mark, allowed: one bit or more, such as 0xff00".to_owned())
}

fn marks(config: &Config, count: u64) -> Option<String> {
    let numbering = Numbering::of(config);
    let step = u64::from(numbering.mark_step());
    let base = u64::from(config.base_fwmark);
    let count = count + config.policies.len() as u64;
    let last = base + step * (count - 1);
    let bits = u64::from(config.fwmark_mask.unwrap_or(u32::MAX));
    if base == 0 {
        return Some("mark 0 means unmarked, allowed: 1 and up".to_owned());
    }
    (0..count).map(|i| base + step * i).find(|mark| mark & !bits != 0).map(|mark| match config.fwmark_mask {
        Some(mask) => format!(
            "the marks {base:#x} to {last:#x} in steps of {step:#x} overflow the mask {mask:#x} ({mark:#x} does)"
        ),
        None => format!("the marks {base} to {last} overflow 32 bits"),
    })
}

/// An uplink that no host can be asked through: every uplink has IPv4.
fn untested_ipv4(config: &Config, problems: &mut Vec<Problem>) {
    let top = NodePath::default();
    let mut told = false;
    for (index, uplink) in config.uplinks.iter().enumerate() {
        let targets = &uplink.tests.targets;
        if targets.is_empty() || targets.iter().any(|target| target.family() == Family::V4) {
            continue;
        }
        let common = *targets == config.tests.targets;
        let path = if common { top.key("tests") } else { top.key("uplinks").index(index).key("tests") };
        if !(common && told) {
            problems
                .push(Problem::new(path.key("ips"), "no IPv4 host to ask, allowed: one or more, beside those of IPv6"));
        }
        told |= common;
    }
}

/// What comes in by an uplink is answered by it, whatever policies say.
fn devices_of_policies(config: &Config, problems: &mut Vec<Problem>) {
    for (index, policy) in config.policies.iter().enumerate() {
        let stated = policy.matching.iter().flat_map(|matching| &matching.interfaces);
        for name in stated.filter(|name| config.uplinks.iter().any(|uplink| uplink.name == **name)) {
            let path = NodePath::default().key("policies").index(index).key("match").key("interface");
            let what = format!("{name} is an uplink, allowed: other devices, or self for the router's own connections");
            problems.push(Problem::new(path, what));
        }
    }
}

/// What a policy calls the set of its domains, no other one may have.
fn sets_of_policies(config: &Config, problems: &mut Vec<Problem>) {
    let of_names: Vec<String> = config.policies.iter().filter(|one| one.of_names()).filter_map(Policy::set).collect();
    for (index, policy) in config.policies.iter().enumerate().filter(|(_, policy)| !policy.of_names()) {
        if let Some(set) = policy.set().filter(|set| of_names.contains(set)) {
            let path = NodePath::default().key("policies").index(index).key("match").key("set");
            problems.push(Problem::new(
                path,
                format!("{set} is filled for the domains of a policy, allowed: another name"),
            ));
        }
    }
}

/// A prefix becomes another of the same length, so the one inside has to fit into that of the provider.
fn translated_prefixes(config: &Config, problems: &mut Vec<Problem>) {
    for (index, uplink) in config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.nat6 == Nat6::Prefix) {
        let path = NodePath::default().key("uplinks").index(index).key("nat6");
        let Some(inner) = config.downlinks.prefix6 else {
            problems.push(Problem::new(path, "npt needs the prefix that is used inside, as prefix6 in downlinks"));
            continue;
        };
        if let Some(outer) = uplink.prefixes6.first().filter(|outer| outer.length() > inner.length()) {
            let what = format!("{inner} is larger than {outer}, allowed: in downlinks a prefix6 that fits into it");
            problems.push(Problem::new(path, what));
        }
    }
}

/// The source of the router's own packets is chosen before a policy sends them to another uplink, which then has to
/// translate it.
fn untranslated(config: &Config, warnings: &mut Vec<Problem>) {
    for (index, policy) in config.policies.iter().enumerate() {
        let Some(matching) = policy.matching.as_ref().filter(|matching| matching.own) else { continue };
        let path = NodePath::default().key("policies").index(index).key("match").key("interface");
        let uplinks = || policy.uplinks.iter().filter_map(|index| config.uplinks.get(*index));
        let mut warn = |key: &str, keeps: fn(&Uplink) -> bool| {
            let names: Vec<&str> = uplinks().filter(|one| keeps(one)).map(|one| one.name.as_str()).collect();
            if !names.is_empty() {
                let names = names.join(", ");
                warnings.push(Problem::new(
                    path.clone(),
                    format!(
                        "self, but {names} does not translate sources ({key}): what the router sends there leaves with \
                         the address of another uplink, unless the program binds to the right one"
                    ),
                ));
            }
        };
        if speaks(matching, Family::V4) {
            warn("nat: none", |uplink| uplink.nat == Nat::None);
        }
        if speaks(matching, Family::V6) {
            warn("nat6 is not masquerade", |uplink| uplink.ipv6.is_some() && uplink.nat6 != Nat6::Masquerade);
        }
    }
}

/// Whether a policy is for connections of a family: those of the addresses that it states, if any.
fn speaks(matching: &Match, family: Family) -> bool {
    [&matching.sources, &matching.destinations]
        .iter()
        .all(|prefixes| prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.family() == family))
}

/// IPv6 that nothing tests.
fn untested_ipv6(config: &Config, warnings: &mut Vec<Problem>) {
    for (index, uplink) in config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.ipv6.is_some()) {
        let path = NodePath::default().key("uplinks").index(index);
        if !uplink.tests.targets.iter().any(|target| target.family() == Family::V6) {
            warnings.push(Problem::new(path, "its IPv6 is not tested: tests.ips has no IPv6 address"));
        }
    }
}

/// DHCP clients put a default route into main, which comes before rules behind it.
fn defaults_of_clients(config: &Config, warnings: &mut Vec<Problem>) {
    let learns = config.uplinks.iter().any(|uplink| uplink.kind == UplinkKind::Dhcp);
    if learns && config.base_priority > MAIN_PRIORITY {
        warnings.push(Problem::new(
            NodePath::default().key("base_priority"),
            format!(
                "{} comes after the table main, where a DHCP client puts its default route, which then carries all \
                 new connections: use one below {MAIN_PRIORITY}, such as 20000",
                config.base_priority
            ),
        ));
    }
}

/// Two lines of one provider may well have the same private address, but then answers of the router's own services
/// leave by the first of them.
fn same_address(config: &Config, warnings: &mut Vec<Problem>) {
    let addresses: Vec<_> = config
        .uplinks
        .iter()
        .map(|uplink| match uplink.kind {
            UplinkKind::Static { ip, .. } => Some(ip),
            UplinkKind::Ppp | UplinkKind::Dhcp => None,
        })
        .collect();
    for (index, address) in addresses.iter().enumerate() {
        let Some(ip) = address else { continue };
        if addresses.iter().take(index).any(|earlier| earlier == address) {
            let path = NodePath::default().key("uplinks").index(index).key("ip");
            warnings.push(Problem::new(
                path,
                format!(
                    "{ip} is another uplink's address too: what the router itself sends from it takes the first of them \
                     that carries connections"
                ),
            ));
        }
    }
}

/// A name server that answers everybody may well be stated for several uplinks.
fn same_resolver(config: &Config, warnings: &mut Vec<Problem>) {
    let mut known: BTreeMap<IpAddr, &Uplink> = BTreeMap::new();
    for (index, uplink) in config.uplinks.iter().enumerate() {
        for address in uplink.dns.iter().filter_map(|resolver| resolver.address()) {
            let first = *known.entry(address).or_insert(uplink);
            if first.name != uplink.name {
                let path = NodePath::default().key("uplinks").index(index).key("dns");
                let what = format!(
                    "{address} is a name server of {} too: it is reached by the first of them that works, one that carries \
                     connections before others",
                    first.name
                );
                warnings.push(Problem::new(path, what));
            }
        }
    }
}
