//! What an event of the kernel means for us.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use ftr_core::Family;
use ftr_core::config::{Config, Ipv6Kind, UplinkKind};
use ftr_core::numbering::{MAIN_TABLE, Numbering};
use ftr_netlink::egress::Terms;
use ftr_netlink::{Event, Group, NetconfOf, Route, Rule};

use crate::diagnose::rules::is_wide;
use crate::iproute::is_ours;
use crate::plan::foundation::is_of_foundation;
use crate::plan::learned::refused;
use crate::snapshot::Snapshot;

/// What an event calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A device, an address or a gateway has changed.
    Change,
    /// Something of ours may be gone, or something of others in its place.
    Reconciler,
    /// Events were lost.
    Everything,
}

/// What is ours, and what we depend on.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    config: &'a Config,
    tables: BTreeSet<u32>,
    priorities: RangeInclusive<u32>,
    /// Whether a default route in main means anything to us.
    learns: bool,
    /// Whether delegated prefixes do.
    learns_prefixes: bool,
    /// The numbers of the uplinks' devices.
    devices: BTreeSet<u32>,
    /// Those of the devices towards the people who are served.
    inside: BTreeSet<u32>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        let numbering = Numbering::of(config);
        Self {
            config,
            tables: numbering.tables().collect(),
            priorities: numbering.first_priority()..=numbering.balanced_priority(),
            learns: config
                .uplinks
                .iter()
                .any(|uplink| uplink.kind == UplinkKind::Dhcp || uplink.ipv6 == Some(Ipv6Kind::Advertised)),
            learns_prefixes: config.learns_prefixes(),
            devices: BTreeSet::new(),
            inside: BTreeSet::new(),
        }
    }

    /// Takes in which numbers the devices have now.
    pub(crate) fn learn(&mut self, snapshot: &Snapshot) {
        let downlinks = &self.config.downlinks;
        self.devices = snapshot.numbers(|name| self.config.position(name).is_some());
        self.inside = snapshot.numbers(|name| downlinks.lan.iter().chain(&downlinks.dmz).any(|it| it.as_str() == name));
    }

    /// The kinds of events to listen to, beside those of each family.
    pub(crate) fn groups(&self) -> Vec<Group> {
        [Group::Link].into_iter().chain(self.learns.then_some(Group::Neighbour)).collect()
    }

    /// What an event calls for; none where it does not concern us.
    pub(crate) fn evaluate(&self, event: &Event) -> Option<Call> {
        match event {
            Event::Link(link) | Event::LinkGone(link) => {
                let concerns = self.config.position(&link.name).is_some() || self.devices.contains(&link.index);
                concerns.then_some(Call::Change)
            }
            Event::Address(address) | Event::AddressGone(address)
                if self.learns_prefixes && self.inside.contains(&address.index) && address.family() == Family::V6 =>
            {
                address.is_global().then_some(Call::Change)
            }
            Event::Address(address) | Event::AddressGone(address) => {
                let source = |uplink| Terms::of(self.config, uplink, address.family()).may_use(address);
                let concerns = self.devices.contains(&address.index) || self.config.uplinks.iter().any(source);
                concerns.then_some(Call::Change)
            }
            Event::Route(route) | Event::RouteGone(route) => self.route(route),
            Event::Rule(rule) | Event::RuleGone(rule) => self.rule(rule),
            // Its gateway may be dead, and there be another.
            Event::Neighbour(neighbour) => {
                let concerns = self.learns && neighbour.is_failed() && self.devices.contains(&neighbour.index);
                concerns.then_some(Call::Change)
            }
            Event::Netconf(netconf) => {
                let concerns = match netconf.of {
                    NetconfOf::All => true,
                    NetconfOf::Default => false,
                    NetconfOf::Device(index) => self.devices.contains(&index) || self.inside.contains(&index),
                };
                concerns.then_some(Call::Reconciler)
            }
            Event::Lost => Some(Call::Everything),
            Event::NeighbourGone(_) => None,
        }
    }

    /// Whether an event may be a hazard that comes or goes. Our own changes are none.
    pub(crate) fn may_be_hazard(&self, event: &Event) -> bool {
        match event {
            Event::Route(route) | Event::RouteGone(route) => !is_ours(route.protocol) && is_wide(route.destination),
            Event::Rule(rule) | Event::RuleGone(rule) => !is_ours(rule.protocol),
            Event::Address(address) | Event::AddressGone(address) => address.is_global(),
            Event::Link(_) | Event::LinkGone(_) | Event::Netconf(_) => self.evaluate(event).is_some(),
            Event::Neighbour(_) | Event::NeighbourGone(_) => false,
            Event::Lost => true,
        }
    }

    fn route(&self, route: &Route) -> Option<Call> {
        if self.tables.contains(&route.table) || is_ours(route.protocol) {
            return Some(Call::Reconciler);
        }
        if self.learns_prefixes && route.table == MAIN_TABLE && refused(route).is_some() {
            return Some(Call::Change);
        }
        let learned = (self.learns || self.learns_prefixes) && route.table == MAIN_TABLE && route.destination.is_none();
        let through = || route.nexthops.iter().any(|nexthop| self.devices.contains(&nexthop.index));
        (learned && through()).then_some(Call::Change)
    }

    fn rule(&self, rule: &Rule) -> Option<Call> {
        let concerns = self.priorities.contains(&rule.priority) || is_ours(rule.protocol) || is_of_foundation(rule);
        concerns.then_some(Call::Reconciler)
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Watched};
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use ftr_core::Family;
    use ftr_netlink::{Event, Neighbour, Netconf, NetconfOf, Nexthop, Prefix, Route, RouteKind, Rule};

    fn default(table: u32, protocol: u8, index: u32) -> Route {
        let mut route = Route { protocol, ..Route::default(Family::V4, table, RouteKind::Unicast) };
        route.nexthops.push(Nexthop::new(None, index));
        route
    }

    #[test]
    fn only_what_concerns_us_calls() {
        let plain = config(CONFIG);
        let mut watched = Watched::new(&plain);
        (watched.devices, watched.inside) = ([3].into(), [2].into());
        let netconf = |of| Event::Netconf(Netconf { family: Family::V4, of });
        let other = address(9, "9.9.9.9", None, 24);
        let rule = |priority, protocol| Rule { protocol, ..Rule::lookup(Family::V4, priority, 7) };
        for (event, call) in [
            (Event::Link(link(9, "eth1")), Some(Call::Change)),
            (Event::Link(link(9, "eth9")), None),
            (Event::LinkGone(link(3, "renamed")), Some(Call::Change)),
            (Event::AddressGone(address(3, "1.0.0.2", None, 24)), Some(Call::Change)),
            (Event::Address(other), None),
            (Event::RouteGone(default(4, 117, 3)), Some(Call::Reconciler)),
            (Event::Route(default(4, 3, 9)), Some(Call::Reconciler)),
            (Event::Route(default(99, 3, 3)), None),
            (Event::Route(default(254, 16, 3)), None),
            (Event::RuleGone(rule(1, 117)), Some(Call::Reconciler)),
            (Event::Rule(rule(40005, 0)), Some(Call::Reconciler)),
            (Event::Rule(rule(1, 0)), None),
            (Event::RuleGone(Rule::lookup(Family::V4, 0, 255)), Some(Call::Reconciler)),
            (netconf(NetconfOf::All), Some(Call::Reconciler)),
            (netconf(NetconfOf::Default), None),
            (netconf(NetconfOf::Device(2)), Some(Call::Reconciler)),
            (netconf(NetconfOf::Device(3)), Some(Call::Reconciler)),
            (netconf(NetconfOf::Device(9)), None),
            (Event::Address(address(2, "192.168.1.1", None, 24)), None),
            (Event::Lost, Some(Call::Everything)),
        ] {
            assert_eq!(watched.evaluate(&event), call, "{event:?}");
        }
    }

    #[test]
    fn addresses_of_other_devices_call_where_an_uplink_may_send_from_them() {
        let config = config(&CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra"));
        let mut watched = Watched::new(&config);
        watched.devices = [3].into();
        for (local, call) in [("2001:db8::1", Some(Call::Change)), ("2.0.0.2", Some(Call::Change)), ("9.9.9.9", None)] {
            assert_eq!(watched.evaluate(&Event::Address(address(9, local, None, 24))), call, "{local}");
        }
        let local = Event::Address(ftr_netlink::Address { scope: 253, ..address(9, "fe80::1", None, 64) });
        assert_eq!(watched.evaluate(&local), None);
    }

    #[test]
    fn where_a_gateway_is_learned_defaults_in_main_call() {
        let config = config(&CONFIG.replace("type: ppp", "type: dhcp"));
        let mut watched = Watched::new(&config);
        watched.devices = [5].into();
        let route = default(254, 16, 5);
        assert_eq!(watched.evaluate(&Event::RouteGone(route.clone())), Some(Call::Change));
        let net = Route { destination: Prefix::new([10, 0, 0, 0].into(), 8), ..route };
        assert_eq!(watched.evaluate(&Event::Route(net)), None);
        assert_eq!(watched.evaluate(&Event::Route(default(254, 16, 6))), None);
        // NUD_FAILED and NUD_REACHABLE of neighbour.h.
        let neighbour = |state| {
            let address = [9, 0, 0, 1].into();
            Event::Neighbour(Neighbour { index: 5, address, link_address: None, state, confirmed: None })
        };
        assert_eq!(watched.evaluate(&neighbour(0x20)), Some(Call::Change));
        assert_eq!(watched.evaluate(&neighbour(0x02)), None);
    }
}
