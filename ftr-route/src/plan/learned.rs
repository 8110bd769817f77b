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
use ftr_netlink::{Address, Link, Route, RouteKind};

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
    for (_, address) in &inside {
        let network = address.network().filter(|prefix| DELEGATED.contains(&prefix.length()) && prefix.is_global());
        let lasts = address.is_permanent() || address.is_deprecated();
        found.extend(network.filter(|network| !lasts && !found.iter().any(|whole| holds(*whole, *network))));
    }
    let known = || config.delegated().map(|(_, prefix)| prefix).chain(config.downlinks.prefix6);
    found.retain(|prefix| !known().any(|other| holds(other, *prefix) || holds(*prefix, other)));
    found.sort_unstable();
    found.dedup();
    let mut learned = Learned::default();
    for prefix in found {
        match owner(config, states, signs, prefix) {
            Some(uplink) => learned.prefixes.push((uplink, prefix)),
            None => learned.unclaimed.push(prefix),
        }
    }
    let kept = remembered(config, signs);
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
/// have set up tells so, or else the only one with an address of the same provider.
fn owner(config: &Config, states: &[UplinkState], signs: Signs<'_>, prefix: Prefix) -> Option<usize> {
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
    let near = || all.iter().copied().filter(|i| has_address(*i, provider)).collect();
    match (if sure.is_empty() { near() } else { sure }).as_slice() {
        [only] => Some(*only),
        _ => None,
    }
}

fn holds(whole: Prefix, part: Prefix) -> bool {
    whole.length() <= part.length() && whole.contains(part.address())
}

#[cfg(test)]
mod tests {
    use super::{DHCP, Learned, Signs, learned, owner};
    use crate::plan::kept::Kept;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;
    use ftr_netlink::{Address, Nexthop, Route, RouteKind};
    use nix::libc;
    use std::time::Duration;

    const OWN: [&str; 2] = ["2001:db8::2", "2001:db9::2"];

    /// What is learned where these prefixes are refused, eth0 has these addresses, and the tables 1 and 2 these networks.
    fn told(autos: [bool; 2], refused: &[&str], inside: &[(&str, u32)], tables: &[(u32, &str)]) -> Learned {
        told_with(autos, refused, inside, tables, &[])
    }

    /// The same where eth2 had these networks before.
    fn told_with(
        autos: [bool; 2],
        refused: &[&str],
        inside: &[(&str, u32)],
        tables: &[(u32, &str)],
        kept_of: &[(&str, &str)],
    ) -> Learned {
        let six =
            |auto: bool| if auto { ", type6: ra, prefix6: auto" } else { ", type6: ra, prefix6: '2001:dbf::/56'" };
        let text = CONFIG
            .replace("gateway: 1.0.0.1", &format!("gateway: 1.0.0.1{}", six(autos[0])))
            .replace("gateway: 2.0.0.1", &format!("gateway: 2.0.0.1{}", six(autos[1])));
        let config = config(&text);
        let links = [link(2, "eth0"), link(3, "eth1"), link(4, "eth2"), link(9, "docker0")];
        let mut addresses: Vec<Address> =
            inside.iter().map(|(text, flags)| Address { flags: *flags, ..address(2, text, None, 64) }).collect();
        addresses.extend([address(3, OWN[0], None, 64), address(4, OWN[1], None, 64)]);
        addresses.push(address(9, "2001:db8:0:900::1", None, 64));
        let route = |table, prefix: &str, kind, protocol, nexthops| Route {
            destination: Some(prefix.parse().unwrap()),
            protocol,
            nexthops,
            ..Route::default(Family::V6, table, kind)
        };
        let main: Vec<Route> = refused
            .iter()
            .map(|prefix| route(254, prefix, RouteKind::Unreachable, DHCP, vec![]))
            .chain([route(254, "2001:db8:0:700::/56", RouteKind::Unreachable, 3, vec![])])
            .collect();
        let hop = || vec![Nexthop::new(None, 2)];
        let ours: Vec<Route> =
            tables.iter().map(|(table, prefix)| route(*table, prefix, RouteKind::Unicast, 117, hop())).collect();
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let states = uplink_states(&config, Family::V6, host);
        let kept = |(prefix, device): &(&str, &str)| Kept {
            uplink: 1,
            prefix: prefix.parse().unwrap(),
            device: (*device).to_owned(),
            former: None,
            told: Duration::ZERO,
        };
        let kept: Vec<Kept> = kept_of.iter().map(kept).collect();
        learned(&config, &states, Signs { links: &links, addresses: &addresses, main: &main, ours: &ours, kept: &kept })
    }

    fn prefixes(learned: &Learned) -> Vec<String> {
        let each = learned.prefixes.iter().map(|(uplink, prefix)| format!("{uplink} {prefix}"));
        each.chain(learned.unclaimed.iter().map(|prefix| format!("? {prefix}"))).collect()
    }

    fn networks(learned: &Learned) -> [Vec<String>; 2] {
        [&learned.networks, &learned.former]
            .map(|all| all.iter().map(|one| format!("{} {}", one.uplink, one.prefix)).collect())
    }

    #[test]
    fn all_are_of_the_only_uplink_that_learns_them() {
        let one = told([false, true], &["2001:db8:0:100::/56"], &[("2001:db8:0:101::1", 0)], &[]);
        assert_eq!(prefixes(&one), ["1 2001:db8:0:100::/56"]);
        assert_eq!(networks(&one), [vec!["1 2001:db8:0:101::/64".to_owned()], vec![]]);
        // A prefix that is one network whole has no route that refuses it; what is permanent or old tells of nothing.
        let flags = [0, libc::IFA_F_PERMANENT, libc::IFA_F_DEPRECATED];
        let addresses = [("2001:db8:0:1::1", flags[0]), ("2001:db8:0:2::1", flags[1]), ("2001:db8:0:3::1", flags[2])];
        let one = told([false, true], &[], &addresses, &[]);
        assert_eq!(prefixes(&one), ["1 2001:db8:0:1::/64"]);
        // What is stated is known already, and a private network no provider has delegated.
        assert_eq!(prefixes(&told([false, true], &["2001:dbf::/56", "fd00::/48"], &[], &[])), [""; 0]);
        assert_eq!(told([false, false], &["2001:db8:0:100::/56"], &[], &[]), Learned::default());
    }

    #[test]
    fn of_several_that_learn_the_address_tells_and_else_nobody() {
        let refused = ["2001:db8:0:100::/56", "2001:db9:0:100::/56", "2001:dba:0:100::/56"];
        let expected = ["0 2001:db8:0:100::/56", "1 2001:db9:0:100::/56", "? 2001:dba:0:100::/56"];
        assert_eq!(prefixes(&told([true, true], &refused, &[], &[])), expected);
    }

    #[test]
    fn a_network_is_former_when_its_prefix_is_gone_and_not_while_its_address_is_away() {
        let (old, new) = ("2001:db8:0:100::/56", "2001:db8:0:200::/56");
        let (network, after) = ("2001:db8:0:101::/64", "2001:db8:0:201::/64");
        let kept = |text: &str| vec![format!("1 {text}")];
        let learns = [false, true];
        assert_eq!(networks(&told(learns, &[old], &[], &[(2, network)])), [kept(network), vec![]]);
        let changed = told(learns, &[new], &[("2001:db8:0:201::1", 0)], &[(2, network)]);
        assert_eq!(networks(&changed), [kept(after), kept(network)]);
        // A client may go on refusing it: who has been given an address of another one is not coming back to this.
        let stays = told(learns, &[old, new], &[("2001:db8:0:201::1", 0)], &[(2, network)]);
        assert_eq!(prefixes(&stays), [format!("1 {new}")]);
        assert_eq!(networks(&stays), [kept(after), kept(network)]);
        let away = told(learns, &[old, new], &[], &[(2, network)]);
        assert_eq!((prefixes(&away).len(), networks(&away)), (2, [kept(network), vec![]]));
        let unused = told(learns, &[old, new], &[("2001:db8:0:201::1", 0)], &[]);
        assert_eq!(prefixes(&unused).len(), 2, "no host can have an address of it");
        // Delegated again it is like any other.
        assert_eq!(networks(&told(learns, &[old], &[], &[(2, network), (2, after)])), [kept(network), kept(after)]);
        // What an uplink's table holds whose prefixes are stated is none of these.
        assert_eq!(networks(&told(learns, &[new], &[], &[(1, network)])), [vec![], vec![]] as [Vec<String>; 2]);
    }
    #[test]
    fn what_was_replaced_while_the_router_was_off_is_former() {
        let (new, address) = ("2001:db8:0:200::/56", [("2001:db8:0:201::1", 0)]);
        let (network, after) = ("2001:db8:0:101::/64", "1 2001:db8:0:201::/64".to_owned());
        let told = |kept: &[(&str, &str)]| networks(&told_with([false, true], &[new], &address, &[], kept));
        assert_eq!(told(&[(network, "eth0")]), [vec![after.clone()], vec![format!("1 {network}")]]);
        assert_eq!(told(&[(network, "eth7")]), [vec![after.clone()], vec![]], "not while its device is away");
        assert_eq!(told(&[("2001:db8:0:201::/64", "eth0")]), [vec![after], vec![]], "the same came back");
    }
    #[test]
    fn of_one_provider_a_default_route_for_its_senders_or_an_address_in_it_tells() {
        let six = |i: u8| format!("gateway: {i}.0.0.1, type6: ra, prefix6: auto");
        let text = CONFIG.replace("gateway: 1.0.0.1", &six(1)).replace("gateway: 2.0.0.1", &six(2));
        let config = config(&text);
        let links = [link(3, "eth1"), link(4, "eth2")];
        let told = |in_it: &[u32], routes: &[(&str, u32)]| {
            let mut addresses = vec![address(3, "2001:db8::2", None, 64), address(4, "2001:db8:ff::2", None, 64)];
            addresses.extend(in_it.iter().map(|index| address(*index, "2001:db8:0:1ff::2", None, 64)));
            let default = |(from, index): &(&str, u32)| Route {
                from: Some(from.parse().unwrap()),
                nexthops: vec![Nexthop::new(None, *index)],
                ..Route::default(Family::V6, 254, RouteKind::Unicast)
            };
            let main: Vec<Route> = routes.iter().map(default).collect();
            let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
            let states = uplink_states(&config, Family::V6, host);
            let signs = Signs { links: &links, addresses: &addresses, main: &main, ..Signs::default() };
            owner(&config, &states, signs, "2001:db8:0:100::/56".parse().unwrap())
        };
        assert_eq!(told(&[], &[]), None, "both are of one provider");
        assert_eq!((told(&[4], &[]), told(&[3, 4], &[])), (Some(1), None));
        assert_eq!(told(&[], &[("2001:db8:0:100::/56", 3), ("2001:db8:0:200::/56", 4)]), Some(0));
        assert_eq!(told(&[], &[("2001:db8:0:100::/64", 4), ("2001:db8:0:100::/56", 9)]), Some(1));
        assert_eq!(told(&[3], &[("2001:db8:0:100::/56", 4)]), None, "they contradict each other");
    }
}
