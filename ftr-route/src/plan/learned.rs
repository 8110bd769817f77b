//! Prefixes that a DHCP client has been delegated (`prefix6: auto`): which there are, whose they are, and which are gone
//! while hosts inside may still have addresses of them.
//!
//! The kernel tells of them in two ways. dhcpcd and systemd-networkd refuse each prefix as a whole, so that what was not given
//! out comes to an end (RFC 7084, WPD-5), and give the devices inside addresses of it, with a lifetime. Neither says by which
//! uplink a prefix came.

use std::borrow::Cow;

use ftr_core::config::Config;
use ftr_core::numbering::Numbering;
use ftr_core::{Family, InterfaceName, Prefix};
use ftr_netlink::{Action, Address, Link, Route, RouteKind, Rule};

use super::kept::Kept;
use super::uplink_state::UplinkState;
use crate::iproute::is_ours;

/// `proto dhcp` and `proto ra` (`rt_protos` of iproute2).
pub(crate) const DHCP: u8 = 16;
pub(crate) const RA: u8 = 9;
/// Prefixes that providers delegate are this long (RFC 6177, and RIPE 690), and of global addresses (RFC 4291).
const DELEGATED: std::ops::RangeInclusive<u8> = 32..=64;
/// Registries give providers prefixes of this length (RIPE 738), of which they delegate parts.
const ALLOCATION: u8 = 32;

/// What is known of delegated prefixes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Learned {
    /// Those that there are, each with the index of its uplink.
    pub(crate) prefixes: Vec<(usize, Prefix)>,
    /// Those that may be of any of several uplinks.
    pub(crate) unclaimed: Vec<Prefix>,
    /// The networks of devices inside that are of them. The table of the uplink keeps them, for the time when they are gone.
    pub(crate) networks: Vec<Network>,
    /// Networks of prefixes that are gone: hosts may have addresses of them for a while.
    pub(crate) former: Vec<Network>,
}

impl Learned {
    /// The configuration with what is known in it.
    pub(crate) fn within<'a>(&self, config: &'a Config) -> Cow<'a, Config> {
        let former: Vec<(usize, Prefix)> = self.former.iter().map(|network| (network.uplink, network.prefix)).collect();
        config.with_learned(&self.prefixes, &former)
    }
}

/// A network of a device inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Network {
    /// The uplink that its prefix is or was of.
    pub(crate) uplink: usize,
    pub(crate) prefix: Prefix,
    /// The device.
    pub(crate) index: u32,
}

/// What the kernel has that tells of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signs<'a> {
    pub(crate) links: &'a [Link],
    pub(crate) addresses: &'a [Address],
    /// The routes of the table main.
    pub(crate) main: &'a [Route],
    /// Our routes.
    pub(crate) ours: &'a [Route],
    /// The rules.
    pub(crate) rules: &'a [Rule],
    /// What was known before.
    pub(crate) kept: &'a [Kept],
}

/// The prefix that a route refuses as a whole because a DHCP client was delegated it.
pub(crate) fn refused(route: &Route) -> Option<Prefix> {
    let prefix = route.destination.filter(|prefix| route.family == Family::V6 && prefix.is_global())?;
    let refuses = matches!(route.kind, RouteKind::Unreachable | RouteKind::Blackhole);
    (refuses && DELEGATED.contains(&prefix.length()) && [DHCP, RA].contains(&route.protocol)).then_some(prefix)
}

/// Finds them.
pub(crate) fn learned(config: &Config, states: &[UplinkState], signs: Signs<'_>) -> Learned {
    if !config.learns_prefixes() {
        return Learned::default();
    }
    let inside = inside(config, signs);
    let mut found: Vec<Prefix> = signs.main.iter().filter_map(refused).collect();
    for (_, address) in inside.iter().filter(|(_, address)| !address.is_deprecated()) {
        found.extend(tells(address).filter(|network| !found.iter().any(|whole| holds(*whole, *network))));
    }
    let known = || config.delegated().map(|(_, prefix)| prefix).chain(config.downlinks.prefix6);
    let is_known = |prefix: Prefix| known().any(|other| holds(other, prefix) || holds(prefix, other));
    found.retain(|prefix| !is_known(*prefix));
    found.sort_unstable();
    found.dedup();
    let kept = remembered(config, signs);
    let owner = |prefix| owner(config, states, signs, &kept, prefix);
    let mut learned = Learned::default();
    for prefix in found {
        match owner(prefix) {
            Some(uplink) => learned.prefixes.push((uplink, prefix)),
            None => learned.unclaimed.push(prefix),
        }
    }
    let is_new = |network: &Prefix| {
        let mut found = learned.prefixes.iter().map(|(_, whole)| *whole).chain(learned.unclaimed.iter().copied());
        !is_known(*network) && !found.any(|whole| holds(whole, *network))
    };
    let deprecated = inside.iter().filter(|(_, address)| address.is_deprecated()).filter_map(|(index, address)| {
        let prefix = tells(address).filter(is_new)?;
        let network = Network { uplink: owner(prefix)?, prefix, index: *index };
        let goes_on = !was_former(config, signs, network) && !has_preferred(&learned, &inside, network);
        goes_on.then_some((network.uplink, prefix))
    });
    let deprecated: Vec<(usize, Prefix)> = deprecated.collect();
    learned.prefixes.extend(deprecated);
    learned.prefixes.sort_unstable_by_key(|(_, prefix)| *prefix);
    learned.prefixes.dedup();
    // systemd-networkd refuses a prefix that was replaced until it ends; but the device that had an address of it has one of
    // another.
    let is_used = |whole: Prefix| inside.iter().any(|(_, address)| whole.contains(address.local));
    let has_other = |device: u32, uplink: usize| {
        let mut own = inside.iter().filter(|(index, _)| *index == device).map(|(_, address)| address.local);
        own.any(|local| learned.prefixes.iter().any(|(whose, other)| *whose == uplink && other.contains(local)))
    };
    let is_replaced = |(uplink, whole): (usize, Prefix)| {
        let mut had_hosts = kept.iter().filter(|network| network.uplink == uplink && holds(whole, network.prefix));
        !is_used(whole) && had_hosts.any(|network| has_other(network.index, uplink))
    };
    learned.prefixes = learned.prefixes.iter().copied().filter(|prefix| !is_replaced(*prefix)).collect();
    let whose = |network: Prefix| learned.prefixes.iter().find(|(_, whole)| holds(*whole, network)).map(|(i, _)| *i);
    let now = inside.iter().filter_map(|(index, address)| {
        let prefix = address.network()?;
        Some(Network { uplink: whose(prefix)?, prefix, index: *index })
    });
    learned.networks = now.collect();
    for network in kept {
        match whose(network.prefix) {
            // Its address is away for a moment, as while a client exchanges one for another.
            Some(uplink) if uplink == network.uplink => learned.networks.push(network),
            Some(_) => {}
            None if known().any(|other| holds(other, network.prefix)) => {}
            None => learned.former.push(network),
        }
    }
    for networks in [&mut learned.networks, &mut learned.former] {
        networks.sort_unstable();
        networks.dedup();
    }
    learned
}

/// The prefix that an address tells of whose network is all of it: it has a lifetime.
fn tells(address: &Address) -> Option<Prefix> {
    let network = address.network().filter(|prefix| DELEGATED.contains(&prefix.length()) && prefix.is_global());
    network.filter(|_| !address.is_permanent())
}

/// Whether the device has an address of another prefix of the uplink that is not deprecated: that one has taken its place.
/// Where it has none, an address is deprecated because the client cannot renew it, or because hosts shall use other uplinks
/// (`ftr-route advertise`), and both is for as long as the uplink is down.
fn has_preferred(learned: &Learned, inside: &[(u32, &Address)], network: Network) -> bool {
    let mut own = inside.iter().filter(|(index, address)| *index == network.index && !address.is_deprecated());
    own.any(|(_, address)| {
        learned.prefixes.iter().any(|(i, whole)| *i == network.uplink && whole.contains(address.local))
    })
}

/// Whether the prefix of a network had been replaced before. What replaced it may be deprecated in its turn.
fn was_former(config: &Config, signs: Signs<'_>, network: Network) -> bool {
    let numbering = Numbering::of(config);
    let (priority, table) = (numbering.networks_priority(), numbering.table(network.uplink));
    let is_its = |rule: &Rule| {
        is_ours(rule.protocol)
            && (rule.priority, rule.to, rule.action) == (priority, Some(network.prefix), Action::Lookup(table))
    };
    let is_kept = |kept: &Kept| (kept.uplink, kept.prefix) == (network.uplink, network.prefix) && kept.former.is_some();
    signs.rules.iter().any(is_its) || signs.kept.iter().any(is_kept)
}

/// The uplink that a prefix was known to be of. What told so goes with the uplink: its address, its default route.
fn owned(config: &Config, kept: &[Network], prefix: Prefix) -> Option<usize> {
    let learns = |i: usize| config.uplinks.get(i).is_some_and(|uplink| uplink.prefixes6.auto && uplink.has(Family::V6));
    let mut known = kept.iter().filter(|network| holds(prefix, network.prefix) && learns(network.uplink));
    let first = known.next()?.uplink;
    known.all(|network| network.uplink == first).then_some(first)
}

/// The addresses of the devices inside, with the numbers of these.
fn inside<'a>(config: &Config, signs: Signs<'a>) -> Vec<(u32, &'a Address)> {
    let names: Vec<&str> =
        config.downlinks.lan.iter().chain(&config.downlinks.dmz).map(InterfaceName::as_str).collect();
    let devices: Vec<u32> =
        signs.links.iter().filter(|link| names.contains(&link.name.as_str())).map(|link| link.index).collect();
    let own = signs.addresses.iter().filter(|address| devices.contains(&address.index));
    own.filter(|address| address.family() == Family::V6 && address.is_global()).map(|own| (own.index, own)).collect()
}

/// The networks that the tables of uplinks have kept, and those that were known before.
fn remembered(config: &Config, signs: Signs<'_>) -> Vec<Network> {
    let numbering = Numbering::of(config);
    let learns = |(i, uplink): (usize, &ftr_core::config::Uplink)| uplink.prefixes6.auto.then_some(i);
    let uplinks: Vec<usize> = config.uplinks.iter().enumerate().filter_map(learns).collect();
    let network = |route: &Route| {
        let uplink = uplinks.iter().copied().find(|i| numbering.table(*i) == route.table)?;
        let is_its = is_ours(route.protocol) && route.kind == RouteKind::Unicast;
        let [nexthop] = route.nexthops.as_slice() else { return None };
        Some(Network { uplink, prefix: route.destination.filter(|_| is_its)?, index: nexthop.index })
    };
    let kept = signs
        .kept
        .iter()
        .filter_map(|kept| Some(Network { uplink: kept.uplink, prefix: kept.prefix, index: kept.index(signs.links)? }));
    signs.ours.iter().filter_map(network).chain(kept).collect()
}

/// The uplink that a prefix came by: the only one whose prefixes are learned, or the only one of them for which what others
/// have set up tells so, or else the one that it was of before, or else the only one with an address of the same provider.
fn owner(config: &Config, states: &[UplinkState], signs: Signs<'_>, kept: &[Network], prefix: Prefix) -> Option<usize> {
    let learns =
        |i: &usize| config.uplinks.get(*i).is_some_and(|uplink| uplink.prefixes6.auto && uplink.has(Family::V6));
    let all: Vec<usize> = (0..config.uplinks.len()).filter(learns).collect();
    if let [only] = all.as_slice() {
        return Some(*only);
    }
    let has_address = |i: usize, network: Prefix| {
        states.get(i).is_some_and(|state| state.addresses.iter().any(|address| network.contains(*address)))
    };
    let sends = |i: usize| {
        let index = states.get(i).and_then(|state| signs.links.iter().find(|link| link.name == state.name.as_str()));
        let leads = |route: &&Route| {
            let [nexthop] = route.nexthops.as_slice() else { return false };
            route.destination.is_none() && Some(nexthop.index) == index.map(|link| link.index)
        };
        let mut senders = signs.main.iter().filter(leads).filter_map(|route| route.from);
        senders.any(|from| holds(from, prefix) || holds(prefix, from))
    };
    // A provider that uses a part of the prefix for the line excludes it (RFC 6603); netifd and odhcp6c make default routes for
    // the senders of a prefix alone.
    let sure: Vec<usize> = all.iter().copied().filter(|i| has_address(*i, prefix) || sends(*i)).collect();
    let provider = Prefix::new(prefix.address(), ALLOCATION)?;
    let near: Vec<usize> = all.iter().copied().filter(|i| has_address(*i, provider)).collect();
    let known = owned(config, kept, prefix);
    match (sure.as_slice(), near.as_slice()) {
        ([only], _) => Some(*only),
        // Another one with an address of the provider may merely be the one that has not lost it.
        ([], [only]) => known.or(Some(*only)),
        _ => known,
    }
}

fn holds(whole: Prefix, part: Prefix) -> bool {
    whole.length() <= part.length() && whole.contains(part.address())
}

#[cfg(test)]
mod tests;
