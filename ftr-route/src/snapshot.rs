//! What the kernel has, at one look.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::{Config, Ipv6Kind, UplinkKind};
use ftr_core::numbering::Numbering;
use ftr_core::record::NoWay;
use ftr_netlink::{Label, Link, Route, RouteKind, Rule};

use crate::error::Error;
use crate::iproute;
use crate::kernel::{self, Kernel};
use crate::leases;
use crate::plan::kept::Kept;
use crate::plan::learned::{Learned, Signs, learned};
use crate::plan::sysctl::{self, Values};
use crate::plan::uplink_state::{Addresses, HostView, UplinkState, configured, sources, uplink_states};

/// What the kernel has for one family.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) family: Family,
    pub(crate) links: Vec<Link>,
    /// The addresses of this host, those of other devices too.
    pub(crate) local: BTreeSet<IpAddr>,
    pub(crate) states: Vec<UplinkState>,
    pub(crate) rules: Vec<Rule>,
    /// Of the tables that are ours.
    pub(crate) routes: Vec<Route>,
    pub(crate) sysctls: Values,
    pub(crate) labels: Vec<Label>,
    /// Of prefixes that are not stated.
    pub(crate) learned: Learned,
    /// The name servers of each uplink, stated and learned.
    pub(crate) resolvers: Vec<Vec<IpAddr>>,
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

impl Snapshot {
    /// Looks at the kernel, knowing what was known of networks inside before it forgot them.
    pub(crate) fn look(
        kernel: &mut Kernel,
        config: &Config,
        family: Family,
        search: Search,
        kept: &[Kept],
    ) -> Result<Self, Error> {
        let numbering = Numbering::of(config);
        let links = kernel.links()?;
        let addresses = kernel.addresses(family)?;
        let rules = kernel.rules(family)?;
        let configured = config.uplinks.iter().any(|uplink| uplink.has(family));
        let tables: Vec<u32> = if configured { numbering.tables().collect() } else { Vec::new() };
        let mut routes = kernel.routes(family, &tables, &rules)?;
        if search == Search::Everywhere {
            let known: BTreeSet<u32> = routes.iter().map(|route| route.table).collect();
            routes.extend(kernel.ours(family)?.into_iter().filter(|route| !known.contains(&route.table)));
        }
        let delegates = family == Family::V6 && config.learns_prefixes();
        let main = if delegates || learns(config, family) { kernel.main(family)? } else { Vec::new() };
        let leads = |route: &&Route| route.destination.is_none() && route.kind == RouteKind::Unicast;
        let defaults: Vec<Route> =
            if learns(config, family) { main.iter().filter(leads).cloned().collect() } else { Vec::new() };
        let silent = if has_choice(&defaults) { kernel.silent(family)? } else { Vec::new() };
        let host =
            HostView { links: &links, addresses: &addresses, defaults: &defaults, silent: &silent, ours: &routes };
        let states = uplink_states(config, family, host);
        let sysctls = kernel::sysctl::read(sysctl::relevant(config, family, &states));
        let labels = kernel.labels(family)?;
        let signs = Signs { links: &links, addresses: &addresses, main: &main, ours: &routes, rules: &rules, kept };
        let learned = if delegates { learned(config, &states, signs) } else { Learned::default() };
        let resolvers = leases::resolvers(config, family, &links, &addresses);
        let local = addresses.iter().map(|address| address.local).collect();
        Ok(Self { family, links, local, states, rules, routes, sysctls, labels, learned, resolvers })
    }

    /// The name of a device.
    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.links.iter().find(|link| link.index == index).map(|link| link.name.as_str())
    }

    /// The addresses that belong to each uplink that has the family.
    pub(crate) fn addresses(&self, config: &Config) -> Addresses {
        let config = &*self.learned.within(config);
        let all = configured(&self.states);
        all.map(|(i, state)| (i, sources(config, self.family, i, state).collect())).collect()
    }

    /// The numbers of the devices of certain names.
    pub(crate) fn numbers(&self, named: impl Fn(&str) -> bool) -> BTreeSet<u32> {
        self.links.iter().filter(|link| named(&link.name)).map(|link| link.index).collect()
    }

    /// The uplinks that have no egress although nothing is wrong with their lines.
    pub(crate) fn stranded(&self) -> Vec<NoWay> {
        self.states.iter().filter_map(UplinkState::unexplained).collect()
    }

    /// Whether the kernel has anything of ours.
    pub(crate) fn has_ours(&self) -> bool {
        let ours = iproute::is_ours;
        self.rules.iter().any(|rule| ours(rule.protocol)) || self.routes.iter().any(|route| ours(route.protocol))
    }
}

/// The families that uplinks have, and IPv6 where they no longer have it but the kernel has something of ours.
pub(crate) fn families(config: &Config) -> Result<Vec<Family>, Error> {
    let mut families = config.families();
    if !families.contains(&Family::V6) {
        let mut kernel = Kernel::open()?;
        let left = kernel.has(Family::V6)?
            && (kernel.rules(Family::V6)?.iter().any(|rule| iproute::is_ours(rule.protocol))
                || !kernel.ours(Family::V6)?.is_empty());
        families.extend(left.then_some(Family::V6));
    }
    Ok(families)
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

#[cfg(test)]
pub(crate) mod tests {
    use super::{Learned, Snapshot};
    use crate::plan::sysctl::Values;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;
    use ftr_core::numbering::PROTOCOL;
    use ftr_netlink::{Route, RouteKind, Rule};

    /// A kernel that has nothing of ours yet.
    pub(crate) fn bare(host: HostView<'_>) -> Snapshot {
        Snapshot {
            family: Family::V4,
            links: host.links.to_vec(),
            local: host.addresses.iter().map(|address| address.local).collect(),
            states: uplink_states(&config(CONFIG), Family::V4, host),
            rules: Vec::new(),
            routes: Vec::new(),
            sysctls: Values::new(),
            labels: Vec::new(),
            learned: Learned::default(),
            resolvers: Vec::new(),
        }
    }

    #[test]
    fn a_kernel_with_a_rule_or_a_route_of_ours_has_been_served() {
        let (rule, route) = (Rule::lookup(Family::V4, 40001, 99), Route::default(Family::V4, 99, RouteKind::Unicast));
        let mut snapshot = bare(HostView::default());
        (snapshot.rules, snapshot.routes) = (vec![rule.clone()], vec![route.clone()]);
        assert!(!snapshot.has_ours());
        snapshot.routes = vec![Route { protocol: PROTOCOL, ..route }];
        assert!(snapshot.has_ours());
        (snapshot.rules, snapshot.routes) = (vec![Rule { protocol: PROTOCOL, ..rule }], Vec::new());
        assert!(snapshot.has_ours());
    }
}
