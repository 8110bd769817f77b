//! What the kernel should have: configuration, uplink states and active set in, rules and routes out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::{Config, Otherwise};
use ftr_core::numbering::{Numbering, PROTOCOL};
use ftr_netlink::egress::Egress;
use ftr_netlink::{Action, Prefix, Rule};

use crate::plan::balance::WeightedUplink;
use crate::plan::foundation::Foundation;
use crate::plan::given_up;
use crate::plan::learned::Learned;
use crate::plan::rescue;
use crate::plan::resolvers;
use crate::plan::routes::{Table, balanced_routes, inside_routes, policy_routes, uplink_routes};
use crate::plan::uplink_state::{UplinkState, configured, sources};

/// What the kernel should have for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Desired {
    pub(crate) rules: Vec<Rule>,
    /// In the order in which the rules ask them.
    pub(crate) tables: Vec<Table>,
    /// The first and the last of our priorities.
    pub(crate) priorities: (u32, u32),
}

/// What to bring about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Goal {
    /// The active set; none leaves the balanced table as it is.
    pub(crate) balanced: Option<Vec<WeightedUplink>>,
    /// The working uplinks of each policy, in any order. What the policies do not name has no effect.
    pub(crate) policies: Vec<BTreeSet<usize>>,
    /// Policies that are not in force: their connections are balanced like all others.
    pub(crate) resting: BTreeSet<usize>,
    /// Uplinks whose connections were given up, and that are not to be used again yet.
    pub(crate) given_up: BTreeSet<usize>,
    /// Uplinks whose IPv6 is down while another one works: what comes from their prefixes does not leave by them.
    pub(crate) rescued: BTreeSet<usize>,
    /// Uplinks whose routes the kernel has refused: they are treated as if they had no egress.
    pub(crate) refused: BTreeSet<usize>,
    /// The name servers that are reached by each uplink.
    pub(crate) resolvers: Vec<Vec<IpAddr>>,
    /// What others have of the rules that have to stand before ours.
    pub(crate) foundation: Foundation,
    /// Of prefixes that are not stated.
    pub(crate) learned: Learned,
    /// Uplinks that carry new connections. Of several that have the same address one of these has the rule for it.
    pub(crate) carrying: BTreeSet<usize>,
}

/// What the kernel should have.
pub(crate) fn desired(config: &Config, family: Family, states: &[UplinkState], goal: &Goal) -> Desired {
    let numbering = Numbering::of(config);
    let egress = |uplink: usize| {
        states.get(uplink).and_then(|state| state.egress.as_ref()).filter(|_| !goal.refused.contains(&uplink))
    };
    let priorities = (numbering.first_priority(), numbering.balanced_priority());
    if configured(states).next().is_none() {
        return Desired { rules: Vec::new(), tables: Vec::new(), priorities };
    }
    let mut tables = Vec::new();
    for (k, policy) in config.policies.iter().enumerate() {
        let number = numbering.policy_table(k);
        let works = |uplink: &usize| goal.policies.get(k).is_some_and(|works| works.contains(uplink));
        let egresses = policy.uplinks.iter().enumerate().filter(|(_, uplink)| works(uplink));
        let egresses = egresses.filter_map(|(nth, uplink)| Some((nth, *uplink, egress(*uplink)?)));
        let otherwise = if goal.resting.contains(&k) { Otherwise::Any } else { policy.otherwise };
        tables.push(Table { number, routes: Some(policy_routes(family, number, egresses, otherwise)) });
    }
    tables.extend(configured(states).map(|(i, _)| {
        let number = numbering.table(i);
        let mut routes = uplink_routes(family, number, i, egress(i));
        let Learned { networks, former, .. } = &goal.learned;
        let own = networks.iter().chain(former).filter(|network| network.uplink == i);
        routes.extend(inside_routes(family, number, own));
        Table { number, routes: Some(routes) }
    }));
    let balanced = numbering.balanced_table();
    let routes = goal.balanced.as_ref().map(|members| {
        let egresses: Vec<(WeightedUplink, &Egress)> =
            members.iter().filter_map(|member| Some((*member, egress(member.uplink)?))).collect();
        balanced_routes(family, balanced, &egresses)
    });
    tables.push(Table { number: balanced, routes });
    let mut rules = one_for_each_address(&rules(config, &numbering, family, states, goal), &numbering, &goal.carrying);
    rules.extend(goal.foundation.rules(&numbering, family));
    rules.extend(given_up::rules(config, family, states, &goal.given_up));
    rules.extend(rescue::rules(config, family, &goal.rescued));
    rules.extend(rescue::own(config, family, &goal.rescued));
    rules.extend(rescue::former(config, family, &goal.learned.former));
    rules.sort_by_key(|rule| rule.priority);
    Desired { rules, tables, priorities }
}

fn rules(config: &Config, numbering: &Numbering, family: Family, states: &[UplinkState], goal: &Goal) -> Vec<Rule> {
    let lookup = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(family, priority, table) };
    let mut rules = Vec::new();
    let mask = numbering.mask().unwrap_or(u32::MAX);
    for (i, state) in configured(states) {
        let table = numbering.table(i);
        rules.push(Rule { mark: numbering.mark(i), mask, ..lookup(numbering.mark_priority(i), table) });
        for from in sources(config, family, i, state) {
            rules.push(Rule { from: Some(from), ..lookup(numbering.from_priority(i), table) });
        }
        let oif = Some(state.name.to_string());
        rules.push(Rule { oif, ..lookup(numbering.device_priority(i), table) });
        if state.egress.is_some() && !goal.refused.contains(&i) {
            let addresses = goal.resolvers.get(i).map_or(&[][..], Vec::as_slice);
            rules.extend(resolvers::rules(numbering, family, i, addresses));
        }
    }
    for k in 0..config.policies.len() {
        let lookup = lookup(numbering.policy_priority(k), numbering.policy_table(k));
        rules.push(Rule { mark: numbering.policy_mark(k), mask, ..lookup });
    }
    rules.push(lookup(numbering.balanced_priority(), numbering.balanced_table()));
    rules
}

/// Leaves one rule for each source, and for each name server. Only the first of several would ever be met, though its uplink may be dead: what the
/// router itself sends from an address that two modems have goes by the one that works.
fn one_for_each_address(rules: &[Rule], numbering: &Numbering, carrying: &BTreeSet<usize>) -> Vec<Rule> {
    let carries = |rule: &Rule| carrying.iter().any(|i| rule.action == Action::Lookup(numbering.table(*i)));
    let address = |rule: &Rule| rule.from.or(rule.to).map(|address| (address, rule.to.is_some()));
    let mut best: BTreeMap<(Prefix, bool), &Rule> = BTreeMap::new();
    for rule in rules {
        let Some(address) = address(rule) else { continue };
        let known = best.entry(address).or_insert(rule);
        if carries(rule) && !carries(known) {
            *known = rule;
        }
    }
    let is_best = |rule: &Rule| address(rule).is_none_or(|address| best.get(&address) == Some(&rule));
    rules.iter().filter(|rule| is_best(rule)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::{Goal, desired};
    use crate::iproute::{route, rule};
    use crate::plan::balance;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
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
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let states = uplink_states(&config, Family::V4, host);
        let balanced = balanced.map(|uplinks| balance::of(&config, uplinks.iter().copied()));
        let desired = desired(&config, Family::V4, &states, &Goal { balanced, ..Goal::default() });
        let name = |index| links.iter().find(|link| link.index == index).map(|link| link.name.as_str());
        let routes = desired.tables.iter().flat_map(|table| table.routes.iter().flatten());
        desired.rules.iter().map(rule).chain(routes.map(|wanted| route(&wanted.route, &name))).collect()
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
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let states = uplink_states(&config, Family::V4, host);
        let goal = Goal { given_up: [0].into(), ..Goal::default() };
        let rules = desired(&config, Family::V4, &states, &goal).rules;
        let line = "from 1.0.0.2 fwmark 0x0/0xffffffff iif lo ipproto udp lookup 4 protocol 117";
        let at = rules.iter().position(|each| rule(each).ends_with(line)).unwrap();
        let from = rules.iter().position(|each| rule(each).ends_with(" from 1.0.0.2 lookup 1 protocol 117")).unwrap();
        assert!(at < from && rules.len() == desired(&config, Family::V4, &states, &Goal::default()).rules.len() + 1);
    }

    #[test]
    fn of_uplinks_with_the_same_address_one_that_carries_has_the_rule_for_it() {
        let config = config(CONFIG);
        let links = [link(3, "eth1"), link(4, "eth2"), link(5, "ppp0")];
        let addresses = [(3, 24), (4, 32), (5, 24)].map(|(index, length)| address(index, "9.9.9.9", None, length));
        let states = uplink_states(
            &config,
            Family::V4,
            HostView { links: &links, addresses: &addresses, ..HostView::default() },
        );
        let from = |carrying: &[usize]| {
            let goal = Goal { carrying: carrying.iter().copied().collect(), ..Goal::default() };
            let rules = desired(&config, Family::V4, &states, &goal).rules;
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
