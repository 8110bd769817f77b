//! What the kernel should have: configuration, standing and active uplinks in, rules and routes out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use ftr_core::Family;
use ftr_core::config::{Config, Otherwise};
use ftr_core::layout::{Layout, PROTOCOL};
use ftr_netlink::egress::Egress;
use ftr_netlink::{Action, Nexthop, Prefix, Route, RouteKind, Rule};

use crate::balance::Part;
use crate::foundation::Foundation;
use crate::given_up;
use crate::standing::{Standing, configured, sources};

/// The metrics of the route that packets take. Each new one goes below the one before.
///
/// An IPv6 look-up that has found a route just when it is deleted fails, though another stands behind it. So what
/// replaces a route has to be found before it, and nobody be on the way to the old one any more when that goes. 0 is left
/// out, for it would mean "any" in a deletion.
const FIRST: Metrics = Metrics::Falling { highest: 1_000_000 };
/// The metrics of the refusing route at the end of a table.
const LAST: Metrics = Metrics::Either([u32::MAX, u32::MAX - 1]);
/// Metrics from here on are those of the single routes behind the one that packets take: two for each.
const SINGLES: u32 = 2_000_000;

/// Routes of main whose prefix is as long as this or shorter are passed over: the default, and the two halves of one that
/// some VPNs add.
///
/// The default alone would do, but wg-quick's rule is the one that suppresses just that, and its `down` deletes every rule
/// of main that does. The kernel compares for a deletion what the request names, and nothing but this length, the table
/// and the action would keep it from ours.
pub(crate) const SUPPRESSED: u32 = 1;

/// A gateway for IPv6 next hops of point-to-point devices in a multipath route, where the kernel wants one. Such a
/// device has no neighbours to ask for it: any link-local address will do.
const STAND_IN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// `RT_SCOPE_LINK`: what an IPv4 route without a gateway reaches.
const LINK: u8 = 253;

/// What the kernel should have for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Desired {
    pub(crate) rules: Vec<Rule>,
    /// In the order in which the rules ask them.
    pub(crate) tables: Vec<Table>,
    /// The first and the last of our priorities.
    pub(crate) priorities: (u32, u32),
}

/// What a table should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) number: u32,
    /// None: it is left as it is.
    pub(crate) routes: Option<Vec<Wish>>,
}

/// Under which metrics a route may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metrics {
    /// Any from 1 up to this; a new one is below those in use.
    Falling { highest: u32 },
    /// One of two: the old one goes when the new one is in the other.
    Either([u32; 2]),
}

impl Metrics {
    /// The one that is taken first.
    const fn first(self) -> u32 {
        match self {
            Self::Falling { highest } => highest,
            Self::Either([first, _]) => first,
        }
    }

    pub(crate) fn contains(self, metric: u32) -> bool {
        match self {
            Self::Falling { highest } => (1..=highest).contains(&metric),
            Self::Either(both) => both.contains(&metric),
        }
    }
}

/// A route that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The route, with the first of its metrics.
    pub(crate) route: Route,
    pub(crate) metrics: Metrics,
    /// The uplink that it depends on, where that is one alone.
    pub(crate) uplink: Option<usize>,
}

/// What to bring about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Goal {
    /// Who carries new connections; none leaves the balanced table as it is.
    pub(crate) balanced: Option<Vec<Part>>,
    /// The working uplinks of each policy, in any order. What the policies do not name has no effect.
    pub(crate) policies: Vec<BTreeSet<usize>>,
    /// Uplinks whose connections were given up, and that are not to be used again yet.
    pub(crate) given_up: BTreeSet<usize>,
    /// Uplinks whose routes the kernel has refused: they are treated as if they had no way out.
    pub(crate) refused: BTreeSet<usize>,
    /// What others have of the rules that have to stand before ours.
    pub(crate) foundation: Foundation,
    /// Uplinks that carry new connections. Of several that have the same address one of these has the rule for it.
    pub(crate) carrying: BTreeSet<usize>,
}

/// What the kernel should have.
pub(crate) fn desired(config: &Config, family: Family, standings: &[Standing], goal: &Goal) -> Desired {
    let layout = Layout::of(config);
    let way = |uplink: usize| {
        standings.get(uplink).and_then(|standing| standing.way.as_ref()).filter(|_| !goal.refused.contains(&uplink))
    };
    let priorities = (layout.first_priority(), layout.balanced_priority());
    if configured(standings).next().is_none() {
        return Desired { rules: Vec::new(), tables: Vec::new(), priorities };
    }
    let mut tables = Vec::new();
    for (k, policy) in config.policies.iter().enumerate() {
        let number = layout.policy_table(k);
        let works = |uplink: &usize| goal.policies.get(k).is_some_and(|works| works.contains(uplink));
        let ways = policy.uplinks.iter().enumerate().filter(|(_, uplink)| works(uplink));
        let ways = ways.filter_map(|(nth, uplink)| Some((nth, *uplink, way(*uplink)?)));
        tables.push(Table { number, routes: Some(policy_routes(family, number, ways, policy.otherwise)) });
    }
    tables.extend(configured(standings).map(|(i, _)| {
        let number = layout.table(i);
        Table { number, routes: Some(uplink_routes(family, number, i, way(i))) }
    }));
    let balanced = layout.balanced_table();
    let routes = goal.balanced.as_ref().map(|parts| {
        let ways: Vec<(Part, &Egress)> = parts.iter().filter_map(|part| Some((*part, way(part.uplink)?))).collect();
        balanced_routes(family, balanced, &ways)
    });
    tables.push(Table { number: balanced, routes });
    let mut rules = one_for_each_address(&rules(config, &layout, family, standings), &layout, &goal.carrying);
    rules.extend(goal.foundation.rules(&layout, family));
    rules.extend(given_up::rules(config, family, standings, &goal.given_up));
    rules.sort_by_key(|rule| rule.priority);
    Desired { rules, tables, priorities }
}

fn rules(config: &Config, layout: &Layout, family: Family, standings: &[Standing]) -> Vec<Rule> {
    let lookup = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(family, priority, table) };
    let mut rules = Vec::new();
    let mask = layout.mask().unwrap_or(u32::MAX);
    for (i, standing) in configured(standings) {
        let table = layout.table(i);
        rules.push(Rule { mark: layout.mark(i), mask, ..lookup(layout.mark_priority(i), table) });
        for from in sources(config, family, i, standing) {
            rules.push(Rule { from: Some(from), ..lookup(layout.from_priority(i), table) });
        }
        let oif = Some(standing.name.to_string());
        rules.push(Rule { oif, ..lookup(layout.device_priority(i), table) });
    }
    for k in 0..config.policies.len() {
        let lookup = lookup(layout.policy_priority(k), layout.policy_table(k));
        rules.push(Rule { mark: layout.policy_mark(k), mask, ..lookup });
    }
    rules.push(lookup(layout.balanced_priority(), layout.balanced_table()));
    rules
}

/// Leaves one rule for each source. Only the first of several would ever be met, though its uplink may be dead: what the
/// router itself sends from an address that two modems have goes by the one that works.
fn one_for_each_address(rules: &[Rule], layout: &Layout, carrying: &BTreeSet<usize>) -> Vec<Rule> {
    let carries = |rule: &Rule| carrying.iter().any(|i| rule.action == Action::Lookup(layout.table(*i)));
    let mut best: BTreeMap<Prefix, &Rule> = BTreeMap::new();
    for rule in rules {
        let Some(from) = rule.from else { continue };
        let known = best.entry(from).or_insert(rule);
        if carries(rule) && !carries(known) {
            *known = rule;
        }
    }
    let is_best = |rule: &Rule| rule.from.is_none_or(|from| best.get(&from) == Some(&rule));
    rules.iter().filter(|rule| is_best(rule)).cloned().collect()
}

fn uplink_routes(family: Family, table: u32, uplink: usize, way: Option<&Egress>) -> Vec<Wish> {
    let mut wishes = Vec::new();
    if let Some(way) = way {
        let route = Route { source: way.source, ..single(family, table, way) };
        wishes.push(Wish::new(route, FIRST, Some(uplink)));
    }
    wishes.push(end(family, table, Some(uplink)));
    wishes
}

/// The route at the end of a table, which refuses what would fall through to another uplink.
fn end(family: Family, table: u32, uplink: Option<usize>) -> Wish {
    let route = Route { protocol: PROTOCOL, ..Route::default(family, table, RouteKind::Unreachable) };
    Wish::new(route, LAST, uplink)
}

/// The preferred one of the policy's working uplinks, and behind it a single route for each, in their order: what takes
/// over when a device goes is in the kernel already.
fn policy_routes<'a>(
    family: Family,
    table: u32,
    ways: impl Iterator<Item = (usize, usize, &'a Egress)>,
    otherwise: Otherwise,
) -> Vec<Wish> {
    let mut wishes = Vec::new();
    for (nth, uplink, way) in ways {
        if wishes.is_empty() {
            wishes.push(Wish::new(single(family, table, way), FIRST, Some(uplink)));
        }
        wishes.push(Wish::new(single(family, table, way), singles(nth), Some(uplink)));
    }
    if otherwise == Otherwise::None {
        wishes.push(end(family, table, None));
    }
    wishes
}

/// The two metrics of the single route that is the nth.
fn singles(nth: usize) -> Metrics {
    let metric = SINGLES.saturating_add(u32::try_from(nth).unwrap_or(u32::MAX).saturating_mul(2));
    Metrics::Either([metric, metric.saturating_add(1)])
}

/// The balanced route, and behind it a single one for each uplink: the kernel deletes a whole IPv4 multipath route when
/// one of its devices goes. They name no source, because the kernel would delete them with that address.
fn balanced_routes(family: Family, table: u32, ways: &[(Part, &Egress)]) -> Vec<Wish> {
    let mut wishes: Vec<Wish> = ways
        .iter()
        .map(|(part, way)| Wish::new(single(family, table, way), singles(part.uplink), Some(part.uplink)))
        .collect();
    match ways {
        [] => {}
        [(part, way)] => wishes.push(Wish::new(single(family, table, way), FIRST, Some(part.uplink))),
        several => {
            let nexthops =
                several.iter().map(|(part, way)| Nexthop { weight: part.weight, ..leg(family, way) }).collect();
            let route = Route { protocol: PROTOCOL, nexthops, ..Route::default(family, table, RouteKind::Unicast) };
            wishes.push(Wish::new(route, FIRST, None));
        }
    }
    wishes
}

/// A next hop among others.
fn leg(family: Family, way: &Egress) -> Nexthop {
    let nexthop = nexthop(way);
    let stand_in = (family == Family::V6).then_some(STAND_IN.into());
    Nexthop { gateway: nexthop.gateway.or(stand_in), ..nexthop }
}

fn nexthop(way: &Egress) -> Nexthop {
    Nexthop { onlink: way.onlink, ..Nexthop::new(way.gateway, way.index) }
}

fn single(family: Family, table: u32, way: &Egress) -> Route {
    let mut route = Route::default(family, table, RouteKind::Unicast);
    route.protocol = PROTOCOL;
    route.nexthops.push(nexthop(way));
    if way.gateway.is_none() && family == Family::V4 {
        route.scope = LINK;
    }
    route
}

impl Wish {
    fn new(route: Route, metrics: Metrics, uplink: Option<usize>) -> Self {
        Self { route: Route { metric: metrics.first(), ..route }, metrics, uplink }
    }

    /// Whether the route leads nowhere.
    pub(crate) fn refuses(&self) -> bool {
        self.route.kind != RouteKind::Unicast
    }

    /// Whether a route is this one but for its metric, its tag, and what the kernel has found out about its devices.
    pub(crate) fn is_met_by(&self, route: &Route) -> bool {
        let mut route = Route { metric: self.route.metric, protocol: self.route.protocol, ..route.clone() };
        for nexthop in &mut route.nexthops {
            (nexthop.dead, nexthop.linkdown) = (false, false);
        }
        route == self.route
    }
}

#[cfg(test)]
mod tests {
    use super::{Goal, desired};
    use crate::balance;
    use crate::iproute::{route, rule};
    use crate::standing::tests::{CONFIG, address, config, link};
    use crate::standing::{Host, standings};
    use ftr_core::Family;

    fn lines(text: &str, balanced: Option<&[usize]>) -> Vec<String> {
        let config = config(text);
        let links = [link(3, "eth1"), link(4, "eth2"), link(5, "ppp0")];
        let addresses = [
            address(3, "1.0.0.2", None, 24),
            address(3, "1.0.0.3", None, 24),
            address(4, "2.0.0.2", None, 32),
            address(5, "9.0.0.2", Some("9.0.0.1"), 32),
        ];
        let host = Host { links: &links, addresses: &addresses, ..Host::default() };
        let standings = standings(&config, Family::V4, host);
        let balanced = balanced.map(|uplinks| balance::of(&config, uplinks.iter().copied()));
        let desired = desired(&config, Family::V4, &standings, &Goal { balanced, ..Goal::default() });
        let name = |index| links.iter().find(|link| link.index == index).map(|link| link.name.as_str());
        let routes = desired.tables.iter().flat_map(|table| table.routes.iter().flatten());
        desired.rules.iter().map(rule).chain(routes.map(|wish| route(&wish.route, &name))).collect()
    }

    #[test]
    fn everything_for_three_uplinks() {
        let expected = "\
priority 40000 fwmark 0x1 lookup 1 protocol 117
priority 40001 fwmark 0x2 lookup 2 protocol 117
priority 40002 fwmark 0x3 lookup 3 protocol 117
priority 40003 oif eth1 lookup 1 protocol 117
priority 40004 oif eth2 lookup 2 protocol 117
priority 40005 oif ppp0 lookup 3 protocol 117
priority 40006 from 1.0.0.2 lookup 1 protocol 117
priority 40006 from 1.0.0.3 lookup 1 protocol 117
priority 40007 from 2.0.0.2 lookup 2 protocol 117
priority 40008 from 9.0.0.2 lookup 3 protocol 117
priority 40009 lookup 4 protocol 117
default via 1.0.0.1 dev eth1 table 1 proto 117 src 1.0.0.2 metric 1000000
unreachable default table 1 proto 117 metric 4294967295
default via 2.0.0.1 dev eth2 onlink table 2 proto 117 src 2.0.0.2 metric 1000000
unreachable default table 2 proto 117 metric 4294967295
default dev ppp0 table 3 proto 117 src 9.0.0.2 metric 1000000
unreachable default table 3 proto 117 metric 4294967295
default via 1.0.0.1 dev eth1 table 4 proto 117 metric 2000000
default via 2.0.0.1 dev eth2 onlink table 4 proto 117 metric 2000002
default dev ppp0 table 4 proto 117 metric 2000004
default table 4 proto 117 metric 1000000 nexthop via 1.0.0.1 dev eth1 weight 1 nexthop via 2.0.0.1 dev eth2 weight 2 onlink nexthop dev ppp0 weight 1";
        assert_eq!(lines(CONFIG, Some(&[0, 1, 2])).join("\n"), expected);
    }

    #[test]
    fn datagrams_from_an_uplink_that_is_given_up_go_by_those_in_use() {
        let config = config(CONFIG);
        let links = [link(3, "eth1"), link(4, "eth2")];
        let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
        let host = Host { links: &links, addresses: &addresses, ..Host::default() };
        let standings = standings(&config, Family::V4, host);
        let goal = Goal { given_up: [0].into(), ..Goal::default() };
        let rules = desired(&config, Family::V4, &standings, &goal).rules;
        let line = "from 1.0.0.2 fwmark 0x0/0xffffffff iif lo ipproto udp lookup 4 protocol 117";
        let at = rules.iter().position(|each| rule(each).ends_with(line)).unwrap();
        let from = rules.iter().position(|each| rule(each).ends_with(" from 1.0.0.2 lookup 1 protocol 117")).unwrap();
        assert!(at < from && rules.len() == desired(&config, Family::V4, &standings, &Goal::default()).rules.len() + 1);
    }

    #[test]
    fn of_uplinks_with_the_same_address_one_that_carries_has_the_rule_for_it() {
        let config = config(CONFIG);
        let links = [link(3, "eth1"), link(4, "eth2"), link(5, "ppp0")];
        let addresses = [(3, 24), (4, 32), (5, 24)].map(|(index, length)| address(index, "9.9.9.9", None, length));
        let standings =
            standings(&config, Family::V4, Host { links: &links, addresses: &addresses, ..Host::default() });
        let from = |carrying: &[usize]| {
            let goal = Goal { carrying: carrying.iter().copied().collect(), ..Goal::default() };
            let rules = desired(&config, Family::V4, &standings, &goal).rules;
            rules.iter().filter(|rule| rule.from.is_some()).map(rule).collect::<Vec<String>>()
        };
        for (carrying, expected) in [
            (&[][..], "priority 40006 from 9.9.9.9 lookup 1 protocol 117"),
            (&[0, 1, 2], "priority 40006 from 9.9.9.9 lookup 1 protocol 117"),
            (&[2, 1], "priority 40007 from 9.9.9.9 lookup 2 protocol 117"),
        ] {
            assert_eq!(from(carrying), [expected]);
        }
    }

    #[test]
    fn one_uplink_alone_needs_no_multipath() {
        let lines = lines(CONFIG, Some(&[1]));
        let balanced: Vec<_> = lines.iter().filter(|line| line.contains("table 4 ")).collect();
        assert_eq!(
            balanced,
            [
                "default via 2.0.0.1 dev eth2 onlink table 4 proto 117 metric 2000002",
                "default via 2.0.0.1 dev eth2 onlink table 4 proto 117 metric 1000000"
            ]
        );
    }

    #[test]
    fn before_main_the_local_networks_come_first_and_marks_have_their_mask() {
        let text = CONFIG.replace("40000", "20000").replace("base_fwmark: 1", "base_fwmark: 256\nfwmark_mask: 0xff00");
        let lines = lines(&text, None);
        assert_eq!(lines[0], "priority 20000 lookup 254 suppress_prefixlength 1 protocol 117");
        assert!(lines.contains(&"priority 20002 fwmark 0x200/0xff00 lookup 2 protocol 117".to_owned()), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("table 4 ")));
    }
}
