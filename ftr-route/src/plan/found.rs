//! Who uses what, as rules and routes of ours tell that an earlier run has left.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ftr_core::config::Config;
use ftr_core::numbering::{Numbering, PROTOCOL};
use ftr_netlink::{Action, Prefix, Route, RouteKind, Rule};

use super::balance::{self, WeightedUplink};
use super::foundation::is_of_foundation;
use crate::iproute;
use crate::snapshot::Snapshot;

/// So many addresses are awaited at most, however often uplinks without an egress get others.
const AWAITED: usize = 64;

/// What rules of an earlier run had led somewhere, and those of now do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftBehind {
    /// Addresses that nobody has any more, each with the uplink that had it, by index.
    pub(crate) addresses: Vec<(usize, IpAddr)>,
    /// Uplinks that the configuration no longer has: the mark of each, and what it had sent from.
    pub(crate) uplinks: BTreeMap<u32, BTreeSet<Prefix>>,
}

impl Snapshot {
    /// What an earlier run has left behind that went by other addresses, or another configuration.
    pub(crate) fn left_behind(&self, config: &Config) -> LeftBehind {
        let numbering = Numbering::of(config);
        let had = |table: u32| {
            let is_its = move |rule: &&Rule| {
                iproute::is_ours(rule.protocol) && rule.action == Action::Lookup(table) && rule.mask == 0
            };
            self.rules.iter().filter(is_its).filter_map(|rule| rule.from)
        };
        let single = |prefix: Prefix| Some(prefix.address()).filter(|address| prefix == Prefix::host(*address));
        let is_there = |address: &IpAddr| self.states.iter().any(|state| state.addresses.contains(address));
        let gone = |i: usize| {
            let addresses = had(numbering.table(i)).filter_map(single);
            addresses.filter(|address| !is_there(address)).map(move |address| (i, address))
        };
        let stays = |mark: u32| {
            let mut uplinks = config.uplinks.iter().enumerate();
            uplinks.any(|(i, uplink)| uplink.has(self.family) && numbering.mark(i) == mark)
                || (0..config.policies.len()).any(|k| numbering.policy_mark(k) == mark)
        };
        // By its device, for an uplink that is still there may have got another mark. A policy has no rule for a device.
        let is_gone = |name: &str| {
            let uplink = config.position(name).and_then(|i| config.uplinks.get(i));
            uplink.is_none_or(|uplink| !uplink.has(self.family))
        };
        let is_of_gone = |table: u32| {
            let is_its = |rule: &Rule| iproute::is_ours(rule.protocol) && rule.action == Action::Lookup(table);
            self.rules.iter().any(|rule| is_its(rule) && rule.oif.as_deref().is_some_and(is_gone))
        };
        let departed = |rule: &Rule| match rule.action {
            Action::Lookup(table)
                if iproute::is_ours(rule.protocol)
                    && rule.mask == numbering.mask().unwrap_or(u32::MAX)
                    && rule.mark != 0
                    && !stays(rule.mark)
                    && is_of_gone(table) =>
            {
                Some((rule.mark, had(table).collect()))
            }
            _ => None,
        };
        LeftBehind {
            addresses: (0..config.uplinks.len()).flat_map(gone).collect(),
            uplinks: self.rules.iter().filter_map(departed).collect(),
        }
    }

    /// The rules for addresses that an uplink had, and may get back: it has no egress now. What goes by them is not known to be
    /// lost before it sends from another one, and nobody but the kernel remembers them between two cycles.
    pub(super) fn awaited(&self, config: &Config) -> Vec<Rule> {
        let numbering = Numbering::of(config);
        let awaits = |i: usize| self.states.get(i).is_some_and(|state| state.configured && state.egress.is_none());
        let rule = |(i, address): (usize, IpAddr)| Rule {
            protocol: PROTOCOL,
            from: Some(Prefix::host(address)),
            ..Rule::lookup(self.family, numbering.from_priority(i), numbering.table(i))
        };
        let mut former = self.left_behind(config).addresses;
        former.retain(|(i, address)| awaits(*i) && !self.local.contains(address));
        former.into_iter().take(AWAITED).map(rule).collect()
    }

    /// Whether new connections still leave by a device that is no uplink any more.
    pub(super) fn carries_departed(&self, config: &Config) -> bool {
        let own = self.numbers(|name| {
            let uplink = config.position(name).and_then(|i| config.uplinks.get(i));
            uplink.is_some_and(|uplink| uplink.has(self.family))
        });
        let table = Numbering::of(config).balanced_table();
        let leads = |route: &&Route| {
            route.table == table && iproute::is_ours(route.protocol) && route.kind == RouteKind::Unicast
        };
        self.routes.iter().filter(leads).flat_map(|route| &route.nexthops).any(|nexthop| !own.contains(&nexthop.index))
    }

    /// The active set by the kernel.
    pub(crate) fn carrying(&self, config: &Config) -> Vec<WeightedUplink> {
        self.carrying_by(config, self.moved_from(config).unwrap_or_else(|| Numbering::of(config).balanced_table()))
    }

    /// The uplinks that carry the connections which look into this table.
    pub(crate) fn carrying_by(&self, config: &Config, table: u32) -> Vec<WeightedUplink> {
        let ours = |route: &&Route| route.table == table && iproute::is_ours(route.protocol);
        let routes: Vec<Route> = self.routes.iter().filter(ours).cloned().collect();
        balance::seen(config, &self.states, &routes)
    }

    /// The balanced table of an earlier configuration, with another number, where it is still in use.
    pub(super) fn moved_from(&self, config: &Config) -> Option<u32> {
        let now = Numbering::of(config).balanced_table();
        let last = |rule: &&Rule| iproute::is_ours(rule.protocol) && !is_of_foundation(rule);
        let rule = self.rules.iter().filter(last).max_by_key(|rule| rule.priority)?;
        match rule.action {
            Action::Lookup(table) if table != now => {
                let plain = Rule { protocol: rule.protocol, ..Rule::lookup(rule.family, rule.priority, table) };
                (*rule == plain).then_some(table)
            }
            _ => None,
        }
    }

    /// The uplinks that an earlier run has given up, as the rules for it tell.
    pub(crate) fn given_up_as_found(&self, config: &Config) -> BTreeSet<usize> {
        let numbering = Numbering::of(config);
        let given_up = (numbering.given_up_priority(), Action::Lookup(numbering.balanced_table()));
        let is_for = |rule: &Rule| {
            iproute::is_ours(rule.protocol) && (rule.priority, rule.action) == given_up && rule.iif.is_some()
        };
        let found: BTreeSet<Prefix> =
            self.rules.iter().filter(|rule| is_for(rule)).filter_map(|rule| rule.from).collect();
        let own = self.addresses(config).into_iter();
        own.filter(|(_, prefixes)| !found.is_disjoint(prefixes)).map(|(uplink, _)| uplink).collect()
    }

    /// The uplinks whose prefixes an earlier run has kept from them, as the rules for it tell.
    pub(crate) fn rescued_as_found(&self, config: &Config) -> BTreeSet<usize> {
        let priority = Numbering::of(config).given_up_priority();
        let is_for = |rule: &&Rule| iproute::is_ours(rule.protocol) && rule.priority == priority && rule.iif.is_none();
        let found: BTreeSet<Prefix> = self.rules.iter().filter(is_for).filter_map(|rule| rule.from).collect();
        let config = &*self.learned.within(config);
        let of_family = config.delegated().filter(|(_, prefix)| prefix.family() == self.family);
        of_family.filter(|(_, prefix)| found.contains(prefix)).map(|(uplink, _)| uplink).collect()
    }

    /// The uplinks that a policy uses now; none while its rule is not in place, tables have other numbers now, or its table
    /// is that of another list of uplinks: what is missing there tells nothing of who works.
    pub(super) fn policy_as_found(&self, config: &Config, k: usize) -> Option<BTreeSet<usize>> {
        let table = self.table_of_policy(config, k)?;
        let found: BTreeSet<usize> = self.carrying_by(config, table).into_iter().map(|member| member.uplink).collect();
        let listed = &config.policies.get(k)?.uplinks;
        found.iter().all(|uplink| listed.contains(uplink)).then_some(found)
    }

    /// Whether a policy is outside of its hours, so that its connections are those of all: its table has nothing of ours, as
    /// none of one that is in force.
    pub(super) fn rests_as_found(&self, config: &Config, k: usize) -> bool {
        let has_hours = config.policies.get(k).is_some_and(|policy| !policy.active.is_empty());
        let is_in = |route: &Route, table| iproute::is_ours(route.protocol) && route.table == table;
        let is_empty = |table| !self.routes.iter().any(|route| is_in(route, table));
        has_hours && self.table_of_policy(config, k).is_some_and(is_empty)
    }

    /// The table of a policy, where its rule is in place and tables have the numbers that they had.
    fn table_of_policy(&self, config: &Config, k: usize) -> Option<u32> {
        let numbering = Numbering::of(config);
        let (mark, table) = (numbering.policy_mark(k), numbering.policy_table(k));
        // By its mark: another version gave it another priority.
        let is_its =
            |rule: &Rule| iproute::is_ours(rule.protocol) && (rule.mark, rule.action) == (mark, Action::Lookup(table));
        (self.moved_from(config).is_none() && self.rules.iter().any(is_its)).then_some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::{LeftBehind, Snapshot};
    use crate::plan::active_set::ActiveSet;
    use crate::plan::uplink_state::HostView;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::snapshot::tests::bare;
    use ftr_core::Family;
    use ftr_core::numbering::{Numbering, PROTOCOL};
    use ftr_netlink::{Nexthop, Prefix, Route, RouteKind, Rule};

    #[test]
    fn new_connections_leave_a_device_that_is_no_uplink_any_more() {
        let config = config(CONFIG);
        let links = [link(3, "eth1"), link(4, "eth2"), link(9, "eth9")];
        let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
        let mut snapshot = bare(HostView { links: &links, addresses: &addresses, ..HostView::default() });
        let mut members = |devices: &[u32]| {
            let mut route = Route::default(Family::V4, Numbering::of(&config).balanced_table(), RouteKind::Unicast);
            route.protocol = PROTOCOL;
            route.nexthops = devices.iter().map(|device| Nexthop::new(None, *device)).collect();
            snapshot.routes = vec![route];
            let members = ActiveSet::AsFound.members(&config, &snapshot);
            members.map(|members| members.iter().map(|member| member.uplink).collect::<Vec<_>>())
        };
        assert_eq!((members(&[3, 4]), members(&[3, 9]), members(&[9])), (None, Some(vec![0]), None));
    }

    #[test]
    fn a_policy_whose_table_is_empty_rests_where_it_has_hours() {
        let policies = "policies:
- {name: night, match: {protocol: tcp, dports: 873}, uplinks: eth1, otherwise: none, active: '22:00-06:00'}
- {name: always, match: {protocol: tcp, dports: 25}, uplinks: eth1, otherwise: none}\n";
        let config = config(&format!("{CONFIG}{policies}"));
        let numbering = Numbering::of(&config);
        let mut snapshot = bare(HostView::default());
        let rests = |snapshot: &crate::snapshot::Snapshot| ActiveSet::AsFound.resting(&config, snapshot);
        assert_eq!(rests(&snapshot), [].into(), "nothing of ours is there yet");
        let rule = |k| Rule {
            protocol: PROTOCOL,
            mark: numbering.policy_mark(k),
            mask: u32::MAX,
            ..Rule::lookup(Family::V4, 40000, numbering.policy_table(k))
        };
        snapshot.rules = vec![rule(0), rule(1)];
        assert_eq!(rests(&snapshot), [0].into());
        let refused = Route::default(Family::V4, numbering.policy_table(0), RouteKind::Unreachable);
        snapshot.routes = vec![Route { protocol: PROTOCOL, ..refused }];
        assert_eq!(rests(&snapshot), [].into());
    }

    #[test]
    fn an_address_is_awaited_as_long_as_its_uplink_has_no_egress_and_nobody_else_has_it() {
        let config = config(CONFIG);
        let numbering = Numbering::of(&config);
        let from = |i: usize, address: &str| Rule {
            protocol: PROTOCOL,
            from: Some(Prefix::host(address.parse().unwrap())),
            ..Rule::lookup(Family::V4, numbering.from_priority(i), numbering.table(i))
        };
        let links = [link(3, "eth1"), link(5, "ppp0"), link(9, "lan")];
        let rules = vec![from(0, "1.0.0.9"), from(2, "9.0.0.2"), from(2, "10.0.0.1")];
        let awaited = |own: &[(u32, &str)]| {
            let addresses: Vec<_> = own.iter().map(|(index, own)| address(*index, own, None, 24)).collect();
            let snapshot = bare(HostView { links: &links, addresses: &addresses, ..HostView::default() });
            Snapshot { rules: rules.clone(), ..snapshot }.awaited(&config)
        };
        let (eth1, lan) = ((3, "1.0.0.2"), (9, "10.0.0.1"));
        assert_eq!(awaited(&[eth1, lan]), [from(2, "9.0.0.2")]);
        assert_eq!(awaited(&[eth1, lan, (5, "9.0.0.77")]), []);
        assert_eq!(awaited(&[eth1, lan, (9, "9.0.0.2")]), []);
    }

    #[test]
    fn rules_tell_which_addresses_and_uplinks_are_gone() {
        let config = config(CONFIG);
        let numbering = Numbering::of(&config);
        let (links, addresses) = ([link(3, "eth1"), link(4, "eth2")], [address(3, "1.0.0.2", None, 24)]);
        let mut snapshot = bare(HostView { links: &links, addresses: &addresses, ..HostView::default() });
        let of = |text: &str| Some(text.parse::<Prefix>().unwrap());
        let rule = |table| Rule { protocol: PROTOCOL, ..Rule::lookup(Family::V4, 40000, table) };
        let from = |table, text| Rule { from: of(text), ..rule(table) };
        let marked = |table, mark| Rule { mark, mask: u32::MAX, ..rule(table) };
        let device = |table| Rule { oif: Some("eth9".to_owned()), ..rule(table) };
        let (eth1, eth2, foreign) =
            (numbering.table(0), numbering.table(1), Rule { protocol: 0, ..from(2, "2.0.0.9") });
        snapshot.rules = vec![from(eth1, "1.0.0.2"), from(eth1, "1.0.0.9"), from(eth2, "1.0.0.2"), foreign];
        snapshot.rules.extend([from(eth2, "192.0.2.0/24"), marked(eth1, 1), marked(eth2, 2), device(eth1)]);
        let left = snapshot.left_behind(&config);
        assert_eq!(left, LeftBehind { addresses: vec![(0, "1.0.0.9".parse().unwrap())], ..LeftBehind::default() });
        // One that is gone, a policy that is gone, and somebody else's.
        snapshot.rules = vec![marked(77, 9), device(77), from(77, "9.0.0.2"), marked(78, 10)];
        snapshot.rules.extend([marked(79, 11), device(79)].map(|rule| Rule { protocol: 0, ..rule }));
        let left = snapshot.left_behind(&config);
        assert_eq!(left.uplinks, [(9, [of("9.0.0.2").unwrap()].into())].into());
        assert!(left.addresses.is_empty());
        // An uplink that had another mark is still there.
        snapshot.rules = vec![marked(77, 9), Rule { oif: Some("eth1".to_owned()), ..rule(77) }];
        assert_eq!(snapshot.left_behind(&config), LeftBehind::default());
    }
}
