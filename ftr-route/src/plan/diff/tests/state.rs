//! What the world may be like, and what ftr may be asked to make of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use ftr_core::numbering::Numbering;
use ftr_core::{Config, Family};
use ftr_netlink::{Address, Link, LinkFlags, Nexthop, Route, RouteKind};
use proptest::prelude::*;

use super::kernel::Look;
use crate::plan::balance::WeightedUplink;
use crate::plan::desired::{Desired, Goal, desired};
use crate::plan::uplink_state::tests::{address, config, link};
use crate::plan::uplink_state::{DeviceState, HostView, UplinkState, uplink_states};
use ftr_core::numbering::MAIN_TABLE;

/// The most uplinks of a configuration.
const MOST: usize = 6;

/// A configuration, but for its text.
#[derive(Clone, Debug)]
struct Draft {
    lines: Vec<Line>,
    /// Uplinks of each policy, and whether its connections are refused without them.
    policies: Vec<(Vec<usize>, bool)>,
    base_table: u32,
    base_priority: u32,
    masked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Static,
    Ppp,
    Dhcp,
}

/// An uplink of a configuration.
#[derive(Clone, Copy, Debug)]
struct Line {
    kind: Kind,
    /// None: no IPv6; true: by router advertisements.
    ipv6: Option<bool>,
    prefix6: bool,
    /// Whether it has name servers: one that all have, and one of its own.
    resolvers: bool,
}

/// How the device of an uplink is.
#[derive(Clone, Copy, Debug)]
struct Seat {
    device: DeviceState,
    /// Whether it has an address, and whether that is another than before (where it is not a fixed one).
    renewed: Option<bool>,
    second: bool,
    /// The table main has a default route through it.
    learned: bool,
}

/// Everything but the configuration.
#[derive(Clone, Debug)]
struct World {
    seats: Vec<Seat>,
    balanced: Option<BTreeMap<usize, u16>>,
    working: Vec<BTreeSet<usize>>,
    refused: BTreeSet<usize>,
    /// The uplinks whose name servers are reached by them.
    resolving: BTreeSet<usize>,
}

/// What is asked for, and whom it concerns.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) desired: Desired,
    /// Packets that its rules and routes tell apart.
    pub(super) looks: BTreeSet<Look>,
    /// The default routes that others have put into the table main.
    pub(super) main: Vec<Route>,
    /// How many uplinks and policies the configuration has.
    pub(super) counts: (u32, u32),
}

impl State {
    /// The same with its rules in the order of former versions: addresses, marks, devices, policies.
    pub(super) fn formerly(&self) -> Self {
        let (n, p) = self.counts;
        let mut former = self.clone();
        let local = former.desired.rules.iter().any(|rule| rule.suppress_prefixlength.is_some());
        let first = former.desired.priorities.0 + u32::from(local);
        for rule in &mut former.desired.rules {
            if rule.suppress_prefixlength.is_some() {
                rule.suppress_prefixlength = Some(0);
                continue;
            }
            rule.priority = first
                + match rule.priority - first {
                    other if other < 2 * n + p => n + other,
                    from if from < 3 * n + p => from - 2 * n - p,
                    last => last,
                };
        }
        former.desired.rules.sort_by_key(|rule| rule.priority);
        former
    }
}

/// Two states, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) family: Family,
    pub(super) from: State,
    pub(super) to: State,
}

impl Change {
    /// Every packet that either state tells apart.
    pub(super) fn looks(&self) -> Vec<Look> {
        self.from.looks.union(&self.to.looks).cloned().collect()
    }

    /// The packets that both states can have: of addresses and devices that are there before and after.
    pub(super) fn lasting_looks(&self) -> Vec<Look> {
        self.from.looks.intersection(&self.to.looks).cloned().collect()
    }
}

prop_compose! {
    fn line()(kind in prop_oneof![Just(Kind::Static), Just(Kind::Ppp), Just(Kind::Dhcp)], ipv6: Option<bool>, prefix6: bool, resolvers: bool) -> Line {
        Line { kind, ipv6, prefix6, resolvers }
    }
}

prop_compose! {
    /// A policy over some of so many uplinks.
    fn policy(uplinks: usize)(
        list in prop::sample::subsequence((0..uplinks).collect::<Vec<_>>(), 1..=uplinks).prop_shuffle(),
        refuses: bool,
    ) -> (Vec<usize>, bool) {
        (list, refuses)
    }
}

prop_compose! {
    fn draft()(lines in prop::collection::vec(line(), 1..=MOST))(
        policies in prop::collection::vec(policy(lines.len()), 0..3),
        base_table in prop_oneof![Just(1u32), Just(3), Just(100)],
        base_priority in prop_oneof![Just(20_000u32), Just(20_004), Just(40_000)],
        masked in any::<bool>(),
        lines in Just(lines),
    ) -> Draft {
        Draft { lines, policies, base_table, base_priority, masked }
    }
}

prop_compose! {
    fn seat()(
        device in prop_oneof![
            1 => Just(DeviceState::Absent), 1 => Just(DeviceState::Off),
            1 => Just(DeviceState::Dormant), 8 => Just(DeviceState::Running),
        ],
        renewed in proptest::option::weighted(0.9, any::<bool>()),
        second in prop::bool::weighted(0.2),
        learned in prop::bool::weighted(0.8),
    ) -> Seat {
        Seat { device, renewed, second, learned }
    }
}

prop_compose! {
    fn world()(
        seats in prop::collection::vec(seat(), MOST),
        balanced in proptest::option::weighted(0.8, prop::collection::btree_map(0..MOST, 1u16..=256, 0..=MOST)),
        working in prop::collection::vec(prop::collection::btree_set(0..MOST, 0..=MOST), 3),
        refused in prop_oneof![3 => Just(BTreeSet::new()), 1 => prop::collection::btree_set(0..MOST, 0..2)],
        resolving in prop::collection::btree_set(0..MOST, 0..=MOST),
    ) -> World {
        World { seats, balanced, working, refused, resolving }
    }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

prop_compose! {
    /// The world changes under the same configuration.
    pub(super) fn events()(family in family(), draft in draft(), from in world(), to in world()) -> Change {
        Change { family, from: draft.state(family, &from), to: draft.state(family, &to) }
    }
}

prop_compose! {
    /// The configuration changes too.
    pub(super) fn edit()(family in family(), old in draft(), new in draft(), from in world(), to in world()) -> Change {
        Change { family, from: old.state(family, &from), to: new.state(family, &to) }
    }
}

impl Line {
    fn name(self, i: usize) -> String {
        format!("{}{i}", if self.kind == Kind::Ppp { "ppp" } else { "eth" })
    }

    fn text(self, i: usize) -> String {
        let n = i + 1;
        let v4 = match self.kind {
            Kind::Static => format!("ip: {n}.0.0.2, gateway: {n}.0.0.1"),
            Kind::Ppp => "type: ppp".to_owned(),
            Kind::Dhcp => "type: dhcp".to_owned(),
        };
        let v6 = match self.ipv6 {
            None => String::new(),
            Some(true) => ", type6: ra".to_owned(),
            Some(false) => format!(", ip6: '2001:db8:{n}::2', gateway6: '2001:db8:{n}::1'"),
        };
        let prefix = if self.ipv6.is_some() && self.prefix6 {
            format!(", prefix6: '2001:db8:{n}00::/48'")
        } else {
            String::new()
        };
        let both = |family: Family| servers(family, i).map(|server| format!("'{server}'")).join(", ");
        let families = [Some(Family::V4), self.ipv6.map(|_| Family::V6)];
        let all: Vec<String> = families.into_iter().flatten().map(both).collect();
        let dns = if self.resolvers { format!(", dns: [{}]", all.join(", ")) } else { String::new() };
        format!("- {{interface: {}, {v4}{v6}{prefix}{dns}}}\n", self.name(i))
    }

    const fn is_fixed(self, family: Family) -> bool {
        match family {
            Family::V4 => matches!(self.kind, Kind::Static),
            Family::V6 => matches!(self.ipv6, Some(false)),
        }
    }
}

/// An address on the network of uplink i.
fn on(family: Family, i: usize, host: u16) -> String {
    let n = i + 1;
    match family {
        Family::V4 => format!("{n}.0.0.{host}"),
        Family::V6 => format!("2001:db8:{n}::{host}"),
    }
}

/// Name servers of uplink i: one that all uplinks have, and one of its own.
fn servers(family: Family, i: usize) -> [IpAddr; 2] {
    let own = on(family, i, 53);
    [if family == Family::V4 { "9.9.9.9" } else { "2620:fe::fe" }, own.as_str()].map(|text| text.parse().unwrap())
}

fn index(i: usize) -> u32 {
    u32::try_from(i).unwrap() + 10
}

impl Draft {
    fn config(&self) -> Config {
        let mut text = "uplinks:\n".to_owned();
        for (i, line) in self.lines.iter().enumerate() {
            text.push_str(&line.text(i));
        }
        let (fwmark, mask) = if self.masked { ("0x100", "fwmark_mask: 0xff00\n") } else { ("1", "") };
        let _ = write!(
            text,
            "downlinks: {{lan: lan0}}\ntests: {{ips: [8.8.8.8], required_successful: 1}}\nbase_table: {}\n\
             base_priority: {}\nbase_fwmark: {fwmark}\n{mask}",
            self.base_table, self.base_priority
        );
        for (k, (uplinks, refuses)) in self.policies.iter().enumerate() {
            let names: Vec<String> = uplinks.iter().map(|i| self.lines[*i].name(*i)).collect();
            let otherwise = if *refuses { "none" } else { "any" };
            let head = if k == 0 { "policies:\n" } else { "" };
            let _ = writeln!(text, "{head}- {{name: p{k}, uplinks: [{}], otherwise: {otherwise}}}", names.join(", "));
        }
        config(&text)
    }

    fn reached(&self, family: Family, world: &World, i: usize) -> Vec<IpAddr> {
        let line = self.lines[i];
        let has = line.resolvers && world.resolving.contains(&i) && (family == Family::V4 || line.ipv6.is_some());
        if has { servers(family, i).to_vec() } else { Vec::new() }
    }

    fn state(&self, family: Family, world: &World) -> State {
        let config = self.config();
        let mut found = Found::default();
        for (i, (line, seat)) in self.lines.iter().zip(&world.seats).enumerate() {
            found.raise(family, i, *line, *seat);
        }
        let Found { links, addresses, main } = found;
        let host = HostView { links: &links, addresses: &addresses, defaults: &main, ..HostView::default() };
        let states = uplink_states(&config, family, host);
        let member = |(uplink, weight): (&usize, &u16)| WeightedUplink { uplink: *uplink, weight: *weight };
        let members = |map: &BTreeMap<usize, u16>| {
            map.iter().filter(|(uplink, _)| **uplink < self.lines.len()).map(member).collect()
        };
        let goal = Goal {
            balanced: world.balanced.as_ref().map(members),
            policies: world.working.clone(),
            given_up: BTreeSet::new(),
            refused: world.refused.clone(),
            resolvers: (0..self.lines.len()).map(|i| self.reached(family, world, i)).collect(),
            ..Goal::default()
        };
        let mut looks = looks(&config, &states, &links);
        let those = self.lines.iter().enumerate().filter(|(_, line)| line.resolvers);
        looks.extend(those.flat_map(|(i, _)| servers(family, i)).flat_map(|server| {
            let bound = states.iter().flat_map(|state| state.addresses.iter().copied().map(Some)).chain([None]);
            bound.map(move |source| Look { to: Some(server), source, ..Look::default() }).collect::<Vec<_>>()
        }));
        let counts = (u32::try_from(self.lines.len()).unwrap(), u32::try_from(self.policies.len()).unwrap());
        State { desired: desired(&config, family, &states, &goal), looks, main, counts }
    }
}

/// The devices, addresses and default routes of main that there are.
#[derive(Default)]
struct Found {
    links: Vec<Link>,
    addresses: Vec<Address>,
    main: Vec<Route>,
}

impl Found {
    /// Puts the device of uplink i there, with what it has.
    fn raise(&mut self, family: Family, i: usize, line: Line, seat: Seat) {
        let up = link(index(i), &line.name(i));
        self.links.push(match seat.device {
            DeviceState::Absent => return,
            DeviceState::Off | DeviceState::NoCarrier => Link { flags: LinkFlags(0), ..up },
            DeviceState::Dormant => Link { operational: 5, ..up },
            DeviceState::Running => up,
        });
        let length = if family == Family::V4 { 24 } else { 64 };
        let peer = on(family, i, 1);
        let peer = (line.kind == Kind::Ppp && family == Family::V4).then_some(peer.as_str());
        if let Some(renewed) = seat.renewed {
            let host = if renewed && !line.is_fixed(family) { 3 } else { 2 };
            self.addresses.push(address(index(i), &on(family, i, host), peer, length));
        }
        if seat.second {
            self.addresses.push(address(index(i), &on(family, i, 77), None, length));
        }
        if seat.device == DeviceState::Running && seat.learned && !line.is_fixed(family) {
            let gateway: IpAddr = on(family, i, if seat.renewed == Some(true) { 4 } else { 1 }).parse().unwrap();
            let nexthops = vec![Nexthop::new(Some(gateway), index(i))];
            let route = Route::default(family, MAIN_TABLE, RouteKind::Unicast);
            self.main.push(Route { metric: index(i), protocol: 16, nexthops, ..route });
        }
    }
}

/// Packets without mark, with each mark, from each address, of connections that are both, and bound to each device.
fn looks(config: &Config, states: &[UplinkState], links: &[Link]) -> BTreeSet<Look> {
    let numbering = Numbering::of(config);
    let uplinks = (0..config.uplinks.len()).map(|i| numbering.mark(i));
    let marks: Vec<u32> =
        uplinks.chain((0..config.policies.len()).map(|k| numbering.policy_mark(k))).chain([0]).collect();
    let addresses = states.iter().flat_map(|state| state.addresses.iter().copied().map(Some));
    let sources: Vec<Option<IpAddr>> = addresses.chain([None]).collect();
    let mut looks = BTreeSet::new();
    for mark in marks {
        looks.extend(sources.iter().map(|source| Look { mark, source: *source, ..Look::default() }));
    }
    for link in links {
        looks.insert(Look { device: Some((link.name.clone(), link.index)), ..Look::default() });
    }
    looks
}
