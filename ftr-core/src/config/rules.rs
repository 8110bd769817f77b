//! What no single key can tell: that tables, priorities and marks neither clash nor run out.

use super::problem::{NodePath, Problem};
use super::{Config, UplinkKind};
use crate::Family;
use crate::layout::{DEFAULT_PRIORITY, Layout, MAIN_PRIORITY};

/// The kernel's own tables: default, main, local.
const KERNEL_TABLES: std::ops::RangeInclusive<u64> = 253..=255;

/// Notes what is wrong between the keys in `problems`, and what is odd in `warnings`; `count` uplinks are stated.
pub(super) fn check(config: &Config, count: usize, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let top = NodePath::default();
    let count = count as u64;
    if count == 0 {
        return;
    }
    if count == 1 {
        warnings.push(Problem::new(top.key("uplinks"), "only one, so nothing can take over from it"));
    }
    let mut note = |key: &str, found: Option<String>| {
        problems.extend(found.map(|what| Problem::new(top.key(key), what)));
    };
    note("base_table", tables(u64::from(config.base_table), count));
    note("base_priority", priorities(config, count));
    note("fwmark_mask", config.fwmark_mask.and_then(mask));
    note("base_fwmark", marks(config, count));
    untested_ipv4(config, problems);
    same_address(config, warnings);
    untested_ipv6(config, warnings);
    if !config.uplinks.iter().any(|uplink| config.eligible(uplink)) {
        warnings
            .push(Problem::new(top.key("uplinks"), "none may carry new connections (default_route, priority_group)"));
    }
}

/// The tables of the uplinks and the balanced one are neighbours, so they cannot overlap each other.
fn tables(base: u64, count: u64) -> Option<String> {
    let last = base + count;
    if base == 0 {
        Some("table 0 means no table to the kernel, allowed: 1 and up".to_owned())
    } else if last > u64::from(u32::MAX) {
        Some(format!("{count} uplinks need the tables {base} to {last}, allowed: up to {}", u32::MAX))
    } else if base <= *KERNEL_TABLES.end() && last >= *KERNEL_TABLES.start() {
        Some(format!("{count} uplinks need the tables {base} to {last}, allowed: none of 253 to 255, the kernel's own"))
    } else {
        None
    }
}

fn priorities(config: &Config, count: u64) -> Option<String> {
    let first = u64::from(config.base_priority);
    let local = u64::from(config.base_priority < MAIN_PRIORITY);
    let last = first + local + 3 * count;
    let range = format!("{count} uplinks need the rule priorities {first} to {last}");
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
    let layout = Layout::of(config);
    let step = u64::from(layout.mark_step());
    let base = u64::from(config.base_fwmark);
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

/// IPv6 that nothing tests, and IPv6 at all as long as it is not routed.
fn untested_ipv6(config: &Config, warnings: &mut Vec<Problem>) {
    for (index, uplink) in config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.ipv6.is_some()) {
        let path = NodePath::default().key("uplinks").index(index);
        let what = if uplink.tests.targets.iter().any(|target| Family::of(target.address()) == Family::V6) {
            "its IPv6 is tested by ftr-probe, but this version does not route it"
        } else {
            "its IPv6 is not tested: tests.ips has no IPv6 address"
        };
        warnings.push(Problem::new(path, what));
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
            UplinkKind::Ppp => None,
        })
        .collect();
    for (index, address) in addresses.iter().enumerate() {
        let Some(ip) = address else { continue };
        if addresses.iter().take(index).any(|earlier| earlier == address) {
            let path = NodePath::default().key("uplinks").index(index).key("ip");
            warnings.push(Problem::new(
                path,
                format!("{ip} is another uplink's address too: what the router itself sends from it takes the first"),
            ));
        }
    }
}
