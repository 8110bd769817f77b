//! What the kernel has, and how it compares with what it should have.

use std::collections::BTreeSet;

use ftr_core::Family;
use ftr_core::config::{Config, Ipv6Kind, Target, UplinkKind};
use ftr_core::layout::{Layout, MAIN_PRIORITY};
use ftr_core::record::NoWay;
use ftr_netlink::{Action, Label, Link, Prefix, Route, Rule};

use crate::balance::{self, Part};
use crate::desired::{Goal, desired};
use crate::diff::{Plan, diff};
use crate::error::Error;
use crate::foundation::{Foundation, is_of_foundation};
use crate::iproute;
use crate::kernel::Kernel;
use crate::labels;
use crate::operation::Operation;
use crate::sockets::Addresses;
use crate::standing::{Host, Standing, configured, sources, standings};
use crate::sysctl::{self, Values};

/// What the kernel has for one family.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) links: Vec<Link>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) rules: Vec<Rule>,
    /// Of the tables that are ours.
    pub(crate) routes: Vec<Route>,
    pub(crate) sysctls: Values,
    pub(crate) labels: Vec<Label>,
    /// What works against us although nothing of ours is wrong.
    pub(crate) warnings: Vec<String>,
}

/// Who carries new connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Carriers {
    /// As it is now.
    AsFound,
    /// These, and policies use what has not failed; where that is not known, what they use now.
    /// Those that are given up are known to whoever gives them up; else it is what is found.
    These { parts: Vec<Part>, failed: Option<Vec<usize>>, given_up: Option<BTreeSet<usize>> },
    /// Those that the configuration lets, but for these.
    Eligible { failed: Vec<usize> },
}

/// Where routes of ours are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// In our tables, and in those that rules of ours point to.
    Tables,
    /// In all tables: those that an earlier run, ended half way through a change of the numbers, has left behind without a
    /// rule. That takes a while where a table holds the whole internet.
    Everywhere,
}

impl Observed {
    /// Looks at the kernel.
    pub(crate) fn look(kernel: &mut Kernel, config: &Config, family: Family, search: Search) -> Result<Self, Error> {
        let layout = Layout::of(config);
        let links = kernel.links()?;
        let addresses = kernel.addresses(family)?;
        let rules = kernel.rules(family)?;
        let configured = config.uplinks.iter().any(|uplink| uplink.has(family));
        let tables: Vec<u32> = if configured { layout.tables().collect() } else { Vec::new() };
        let mut routes = kernel.routes(family, &tables, &rules)?;
        if search == Search::Everywhere {
            let known: BTreeSet<u32> = routes.iter().map(|route| route.table).collect();
            routes.extend(kernel.ours(family)?.into_iter().filter(|route| !known.contains(&route.table)));
        }
        let defaults = if learns(config, family) { kernel.defaults(family)? } else { Vec::new() };
        let silent = if has_choice(&defaults) { kernel.silent(family)? } else { Vec::new() };
        let host = Host { links: &links, addresses: &addresses, defaults: &defaults, silent: &silent, ours: &routes };
        let standings = standings(config, family, host);
        let sysctls = sysctl::read(sysctl::relevant(config, family, &standings));
        let labels = kernel.labels(family)?;
        let warnings = bypass(kernel, config, family)?.into_iter().collect();
        Ok(Self { links, standings, rules, routes, sysctls, labels, warnings })
    }

    /// The name of a device.
    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.links.iter().find(|link| link.index == index).map(|link| link.name.as_str())
    }

    /// The addresses that belong to each uplink that has the family.
    pub(crate) fn addresses(&self, config: &Config, family: Family) -> Addresses {
        let all = configured(&self.standings);
        all.map(|(i, standing)| (i, sources(config, family, i, standing).collect())).collect()
    }

    /// The numbers of the devices of certain names.
    pub(crate) fn numbers(&self, named: impl Fn(&str) -> bool) -> BTreeSet<u32> {
        self.links.iter().filter(|link| named(&link.name)).map(|link| link.index).collect()
    }

    /// Who carries new connections now.
    pub(crate) fn carrying(&self, config: &Config) -> Vec<Part> {
        self.carrying_by(config, self.moved_from(config).unwrap_or_else(|| Layout::of(config).balanced_table()))
    }

    /// Who carries the connections that look into this table.
    pub(crate) fn carrying_by(&self, config: &Config, table: u32) -> Vec<Part> {
        let ours = |route: &&Route| route.table == table && iproute::is_ours(route.protocol);
        let routes: Vec<Route> = self.routes.iter().filter(ours).cloned().collect();
        balance::seen(config, &self.standings, &routes)
    }

    /// The balanced table of an earlier configuration, with another number, where it is still in use.
    fn moved_from(&self, config: &Config) -> Option<u32> {
        let now = Layout::of(config).balanced_table();
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

    /// Who shall carry new connections; none where nothing about it shall change.
    pub(crate) fn parts(&self, config: &Config, carriers: &Carriers) -> Option<Vec<Part>> {
        match carriers {
            // What is in a table that is no longer the balanced one has to move with it.
            Carriers::AsFound => self.moved_from(config).map(|table| self.carrying_by(config, table)),
            Carriers::These { parts, .. } => Some(parts.clone()),
            Carriers::Eligible { failed } => Some(balance::eligible(config, &self.standings, failed)),
        }
    }

    /// Who is asked for, whether they can carry anything or not.
    pub(crate) fn asked(&self, config: &Config, carriers: &Carriers) -> Vec<usize> {
        match carriers {
            Carriers::AsFound => Vec::new(),
            Carriers::These { parts, .. } => parts.iter().map(|part| part.uplink).collect(),
            Carriers::Eligible { failed } => balance::hoped(config, &self.standings, failed),
        }
    }

    /// The uplinks that have no way out although nothing is wrong with their lines.
    pub(crate) fn stranded(&self) -> Vec<NoWay> {
        self.standings.iter().filter_map(Standing::unexplained).collect()
    }

    /// The uplinks that each policy may use.
    pub(crate) fn policies(&self, config: &Config, carriers: &Carriers) -> Vec<BTreeSet<usize>> {
        let failed = match carriers {
            Carriers::AsFound => None,
            Carriers::These { failed, .. } => failed.as_ref(),
            Carriers::Eligible { failed } => Some(failed),
        };
        let works = |k: usize, uplinks: &[usize]| match failed {
            Some(failed) => uplinks.iter().copied().filter(|uplink| !failed.contains(uplink)).collect(),
            None => self.policy_as_found(config, k).unwrap_or_else(|| uplinks.iter().copied().collect()),
        };
        config.policies.iter().enumerate().map(|(k, policy)| works(k, &policy.uplinks)).collect()
    }

    /// The uplinks that are given up.
    fn given_up(&self, config: &Config, family: Family, carriers: &Carriers) -> BTreeSet<usize> {
        let (known, failed) = match carriers {
            Carriers::AsFound => (None, None),
            Carriers::These { given_up, failed, .. } => (given_up.as_ref(), failed.as_ref()),
            Carriers::Eligible { failed } => (None, Some(failed)),
        };
        let found = || {
            let mut found = self.given_up_as_found(config, family);
            found.retain(|uplink| failed.is_none_or(|failed| failed.contains(uplink)));
            found
        };
        known.cloned().unwrap_or_else(found)
    }

    /// The addresses of uplinks that are given up, or were until now.
    pub(crate) fn unsettled(&self, config: &Config, family: Family, carriers: &Carriers) -> BTreeSet<Prefix> {
        let mut uplinks = self.given_up(config, family, carriers);
        uplinks.extend(self.given_up_as_found(config, family));
        let own = self.addresses(config, family).into_iter().filter(|(uplink, _)| uplinks.contains(uplink));
        own.flat_map(|(_, prefixes)| prefixes).collect()
    }

    /// The uplinks that an earlier run has given up, as the rules for it tell.
    pub(crate) fn given_up_as_found(&self, config: &Config, family: Family) -> BTreeSet<usize> {
        let layout = Layout::of(config);
        let place = (layout.given_up_priority(), Action::Lookup(layout.balanced_table()));
        let is_for = |rule: &Rule| iproute::is_ours(rule.protocol) && (rule.priority, rule.action) == place;
        let found: BTreeSet<Prefix> =
            self.rules.iter().filter(|rule| is_for(rule)).filter_map(|rule| rule.from).collect();
        let own = self.addresses(config, family).into_iter();
        own.filter(|(_, prefixes)| !found.is_disjoint(prefixes)).map(|(uplink, _)| uplink).collect()
    }

    /// The uplinks that a policy uses now; none while its rule is not in place, tables have other numbers now, or its table
    /// is that of another list of uplinks: what is missing there tells nothing of who works.
    fn policy_as_found(&self, config: &Config, k: usize) -> Option<BTreeSet<usize>> {
        let layout = Layout::of(config);
        let (mark, table) = (layout.policy_mark(k), layout.policy_table(k));
        // By its mark: another version gave it another priority.
        let is_its =
            |rule: &Rule| iproute::is_ours(rule.protocol) && (rule.mark, rule.action) == (mark, Action::Lookup(table));
        if self.moved_from(config).is_some() || !self.rules.iter().any(is_its) {
            return None;
        }
        let found: BTreeSet<usize> = self.carrying_by(config, table).into_iter().map(|part| part.uplink).collect();
        let listed = &config.policies.get(k)?.uplinks;
        found.iter().all(|uplink| listed.contains(uplink)).then_some(found)
    }

    /// The changes to make. Uplinks that the kernel refused are treated as if they had no way out.
    pub(crate) fn plan(&self, config: &Config, family: Family, carriers: &Carriers, refused: &BTreeSet<usize>) -> Plan {
        let balanced = self.parts(config, carriers);
        let carrying = balanced.clone().unwrap_or_else(|| self.carrying(config));
        let goal = Goal {
            balanced,
            carrying: carrying.into_iter().map(|part| part.uplink).collect(),
            policies: self.policies(config, carriers),
            given_up: self.given_up(config, family, carriers),
            refused: refused.clone(),
            foundation: Foundation::of(&Layout::of(config), &self.rules),
        };
        let desired = desired(config, family, &self.standings, &goal);
        let mut plan = diff(&desired, &self.rules, &self.routes);
        let settings = sysctl::wanted(config, family, &self.standings, &self.sysctls);
        let labels = labels::changes(family, &self.standings, &self.labels);
        if !labels.is_empty() {
            plan.stages.insert(0, labels);
        }
        if !settings.is_empty() {
            plan.stages.insert(0, settings.into_iter().map(Operation::Sysctl).collect());
        }
        plan
    }

    /// Whether the kernel has anything of ours.
    pub(crate) fn has_ours(&self) -> bool {
        let ours = iproute::is_ours;
        self.rules.iter().any(|rule| ours(rule.protocol)) || self.routes.iter().any(|route| ours(route.protocol))
    }

    /// What others have put where ours should be, in words.
    pub(crate) fn objections(&self, plan: &Plan) -> Vec<String> {
        let names = |index| self.name(index);
        let route = |route| {
            let route = iproute::route(route, &names);
            format!("route {route}: not ours, in a table of ours; left alone, see `ftr-route clear --legacy`")
        };
        conflicts(plan).chain(plan.foreign.iter().map(route)).collect()
    }
}

/// The rules of others between ours, in words.
pub(crate) fn conflicts(plan: &Plan) -> impl Iterator<Item = String> {
    plan.conflicts.iter().rev().map(|rule| {
        let rule = iproute::rule(rule);
        format!("rule {rule}: not ours, between our priorities; remove it, or see `ftr-route clear --legacy`")
    })
}

/// Whether two of these routes lead through the same device.
fn has_choice(defaults: &[Route]) -> bool {
    let mut devices = BTreeSet::new();
    !defaults.iter().flat_map(|route| &route.nexthops).all(|nexthop| devices.insert(nexthop.index))
}

/// Whether an uplink of the family takes its gateway from the table main.
fn learns(config: &Config, family: Family) -> bool {
    config.uplinks.iter().any(|uplink| match family {
        Family::V4 => uplink.kind == UplinkKind::Dhcp,
        Family::V6 => uplink.ipv6 == Some(Ipv6Kind::Advertised),
    })
}

/// Our rules come after the one for the table main, and main leads to the internet by itself.
fn bypass(kernel: &mut Kernel, config: &Config, family: Family) -> Result<Option<String>, Error> {
    let layout = Layout::of(config);
    let mut targets = config.tests.targets.iter().map(Target::address);
    let Some(target) = targets.find(|target| Family::of(*target) == family) else { return Ok(None) };
    if layout.local_priority().is_some() || !kernel.is_routed_by_main(target)? {
        return Ok(None);
    }
    Ok(Some(format!(
        "warning: table main has a route to {target}, and its rule ({MAIN_PRIORITY}) comes before ours: new \
         connections are not balanced; set base_priority below {MAIN_PRIORITY}, or delete the route"
    )))
}

#[cfg(test)]
mod tests {
    use super::{Carriers, Observed};
    use crate::balance;
    use crate::diff::Plan;
    use crate::standing::tests::{CONFIG, address, config, link};
    use crate::standing::{Host, standings};
    use crate::sysctl::Values;
    use ftr_core::Family;
    use ftr_core::layout::PROTOCOL;
    use ftr_netlink::{Nexthop, Route, RouteKind, Rule};

    /// A kernel whose last rule of ours looks into this table, with a default through eth2 in it.
    fn observed(table: u32) -> Observed {
        let links = vec![link(3, "eth1"), link(4, "eth2")];
        let addresses = [address(3, "1.0.0.2", None, 24), address(4, "2.0.0.2", None, 24)];
        let mut route = Route { protocol: PROTOCOL, ..Route::default(Family::V4, table, RouteKind::Unicast) };
        route.nexthops.push(Nexthop::new(None, 4));
        let rule = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(Family::V4, priority, table) };
        Observed {
            standings: standings(
                &config(CONFIG),
                Family::V4,
                Host { links: &links, addresses: &addresses, ..Host::default() },
            ),
            links,
            rules: vec![Rule { oif: Some("eth1".to_owned()), ..rule(40006, 1) }, rule(40009, table)],
            routes: vec![route],
            sysctls: Values::new(),
            labels: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn balanced_routes_are_left_as_found_unless_their_table_has_another_number_now() {
        let config = config(CONFIG);
        assert_eq!(observed(4).parts(&config, &Carriers::AsFound), None);
        assert_eq!(observed(7).parts(&config, &Carriers::AsFound), Some(balance::of(&config, [1])));
        for table in [4, 7] {
            assert_eq!(observed(table).carrying(&config), balance::of(&config, [1]));
        }
    }

    #[test]
    fn a_policy_table_of_another_list_tells_nothing_of_who_works() {
        // The policy's table is 5, its mark 4; eth2 is in it.
        let policies = |list: &str| {
            let config = config(&format!("{CONFIG}policies: [{{name: voip, uplinks: [{list}], otherwise: none}}]\n"));
            let mut observed = observed(5);
            let rule = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(Family::V4, priority, table) };
            observed.rules = vec![Rule { mark: 4, mask: u32::MAX, ..rule(40003, 5) }, rule(40010, 4)];
            observed.policies(&config, &Carriers::AsFound)
        };
        assert_eq!(policies("eth1, eth2"), [[1].into()]);
        assert_eq!(policies("eth1, ppp0"), [[0, 2].into()]);
    }

    #[test]
    fn a_kernel_with_a_rule_or_a_route_of_ours_has_been_served() {
        let mut observed = observed(4);
        assert!(observed.has_ours());
        observed.rules = vec![Rule::lookup(Family::V4, 40001, 99)];
        assert!(observed.has_ours());
        observed.routes.iter_mut().for_each(|route| route.protocol = 3);
        assert!(!observed.has_ours());
    }

    #[test]
    fn a_rule_of_others_is_told() {
        let plan = Plan { conflicts: vec![Rule::lookup(Family::V4, 40001, 99)], ..Plan::default() };
        let told = observed(4).objections(&plan);
        assert!(told[0].starts_with("rule priority 40001 lookup 99 protocol 0: not ours"), "{told:?}");
    }
}
