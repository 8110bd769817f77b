//! Which uplink leads to a name server.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_core::numbering::{Numbering, PROTOCOL};
use ftr_netlink::{Action, Prefix, Rule};

use super::active_set::ActiveSet;
use crate::iproute;
use crate::snapshot::Snapshot;

/// What this host sends to the name servers of an uplink leaves by it: a provider's own may refuse everybody else. Marks,
/// devices, policies and sources come first, for each of them says by which uplink a packet has to leave.
pub(super) fn rules<'a>(
    numbering: &Numbering,
    family: Family,
    uplink: usize,
    addresses: &'a [IpAddr],
) -> impl Iterator<Item = Rule> + 'a {
    let rule = Rule {
        iif: Some("lo".to_owned()),
        protocol: PROTOCOL,
        ..Rule::lookup(family, numbering.resolver_priority(), numbering.table(uplink))
    };
    addresses.iter().map(move |address| Rule { to: Some(Prefix::host(*address)), ..rule.clone() })
}

impl ActiveSet {
    /// The uplinks whose name servers are reached by them: those that work. Where none does, any of them may come back.
    pub(crate) fn resolving(&self, config: &Config, snapshot: &Snapshot) -> BTreeSet<usize> {
        let works = self.working(config, snapshot);
        if works.is_empty() { leading(config, snapshot).collect() } else { works }
    }

    /// Those that work, as far as is known.
    pub(crate) fn working(&self, config: &Config, snapshot: &Snapshot) -> BTreeSet<usize> {
        let failed = match self {
            Self::AsFound => None,
            Self::These { failed, .. } => failed.as_ref(),
            Self::Eligible { failed } => Some(failed),
        };
        let all = leading(config, snapshot);
        let Some(failed) = failed else {
            let mut found = snapshot.resolving_as_found(config);
            found.extend(snapshot.carrying(config).iter().map(|member| member.uplink));
            return all.filter(|uplink| found.contains(uplink)).collect();
        };
        all.filter(|uplink| !failed.contains(uplink)).collect()
    }
}

/// The uplinks that have an egress.
fn leading(config: &Config, snapshot: &Snapshot) -> impl Iterator<Item = usize> {
    let has_egress = |uplink: &usize| snapshot.states.get(*uplink).is_some_and(|state| state.egress.is_some());
    (0..config.uplinks.len()).filter(has_egress)
}

impl Snapshot {
    /// The name servers of these uplinks, and none of the others.
    pub(super) fn reached(&self, resolving: &BTreeSet<usize>) -> Vec<Vec<IpAddr>> {
        let of = |(uplink, addresses): (usize, &Vec<IpAddr>)| {
            if resolving.contains(&uplink) { addresses.clone() } else { Vec::new() }
        };
        self.resolvers.iter().enumerate().map(of).collect()
    }

    /// The uplinks that an earlier run has let lead to name servers, as the rules for it tell.
    fn resolving_as_found(&self, config: &Config) -> BTreeSet<usize> {
        let numbering = Numbering::of(config);
        let is_for = |rule: &&Rule| iproute::is_ours(rule.protocol) && rule.to.is_some() && rule.iif.is_some();
        let tables: BTreeSet<u32> = self
            .rules
            .iter()
            .filter(is_for)
            .filter_map(|rule| match rule.action {
                Action::Lookup(table) => Some(table),
                _ => None,
            })
            .collect();
        (0..config.uplinks.len()).filter(|uplink| tables.contains(&numbering.table(*uplink))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use crate::iproute::rule;
    use crate::plan::active_set::ActiveSet;
    use crate::plan::balance;
    use crate::plan::operation::Operation;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use crate::snapshot::Snapshot;
    use crate::snapshot::tests::bare;
    use ftr_core::Family;
    use ftr_core::config::Config;
    use ftr_netlink::Write;

    const SHARED: [&str; 3] = ["[10.1.1.1, 8.8.8.8]", "[8.8.8.8, 10.2.1.1]", "[8.8.8.8]"];

    fn resolved(dns: [&str; 3]) -> Config {
        let [one, two, three] = dns.map(|dns| format!("dns: {dns}"));
        let text = CONFIG.replace("gateway: 1.0.0.1", &format!("gateway: 1.0.0.1, {one}"));
        config(
            &text
                .replace("gateway: 2.0.0.1", &format!("gateway: 2.0.0.1, {two}"))
                .replace("type: ppp", &format!("type: ppp, {three}")),
        )
    }

    /// What the kernel shows while the devices of these uplinks are there.
    fn snapshot(config: &Config, present: &[usize]) -> Snapshot {
        let names = ["eth1", "eth2", "ppp0"];
        let index = |i: usize| u32::try_from(3 + i).unwrap();
        let links: Vec<_> = present.iter().map(|i| link(index(*i), names[*i])).collect();
        let addresses: Vec<_> = present
            .iter()
            .map(|i| address(index(*i), &format!("{}.0.0.2", i + 1), (*i == 2).then_some("3.0.0.1"), 24))
            .collect();
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let states = uplink_states(config, Family::V4, host);
        let servers = |uplink: &ftr_core::config::Uplink| uplink.dns.iter().filter_map(|one| one.address()).collect();
        Snapshot { states, resolvers: config.uplinks.iter().map(servers).collect(), ..bare(host) }
    }

    fn these(config: &Config, members: &[usize], failed: &[usize]) -> ActiveSet {
        ActiveSet::These {
            members: balance::of(config, members.iter().copied()),
            failed: Some(failed.to_vec()),
            given_up: None,
            policies: None,
        }
    }

    /// Makes what is planned, and tells the rules for name servers that there are then.
    fn apply(config: &Config, snapshot: &mut Snapshot, set: &ActiveSet) -> Vec<String> {
        for operation in snapshot.plan(config, set, &BTreeSet::new()).stages.into_iter().flatten() {
            match operation {
                Operation::Write { write: Write::AddRule(rule), .. } => snapshot.rules.push(rule),
                Operation::Write { write: Write::DeleteRule(rule), .. } => snapshot.rules.retain(|it| *it != rule),
                Operation::Write { write: Write::AddRoute(route), .. } => snapshot.routes.push(route),
                Operation::Write { write: Write::DeleteRoute(route), .. } => snapshot.routes.retain(|it| *it != route),
                _ => {}
            }
        }
        let to = snapshot.rules.iter().filter(|rule| rule.to.is_some()).map(rule);
        let mut to: Vec<String> = to.map(|rule| rule.replace(" protocol 117", "")).collect();
        to.sort();
        to
    }

    fn line(to: &str, table: u32) -> String {
        format!("priority 40009 to {to} iif lo lookup {table}")
    }

    #[test]
    fn each_is_reached_by_its_uplink_while_that_works() {
        let config = resolved(["10.1.1.1", "[10.2.1.1, 10.2.1.2]", "10.3.1.1"]);
        let mut kernel = snapshot(&config, &[0, 1, 2]);
        let (one, two) = (line("10.1.1.1", 1), [line("10.2.1.1", 2), line("10.2.1.2", 2)]);
        let all = [std::slice::from_ref(&one), &two[..], &[line("10.3.1.1", 3)]].concat();
        assert_eq!(apply(&config, &mut kernel, &these(&config, &[0, 1], &[])), all, "on standby it works as well");
        assert!(kernel.rules.iter().any(|it| rule(it).starts_with("priority 40010 lookup 4 ")));
        assert_eq!(apply(&config, &mut kernel, &these(&config, &[0], &[1, 2])), [one]);
        assert_eq!(apply(&config, &mut kernel, &these(&config, &[1], &[0, 2])), two);
        let none = these(&config, &[0, 1, 2], &[0, 1, 2]);
        assert_eq!(apply(&config, &mut kernel, &none), all, "all are tried");
        assert_eq!(none.working(&config, &kernel), BTreeSet::new());
    }

    #[test]
    fn a_restart_leaves_them_as_they_are_and_a_look_finds_what_is_missing() {
        let config = resolved(["10.1.1.1", "10.2.1.1", "10.3.1.1"]);
        let mut kernel = snapshot(&config, &[0, 1, 2]);
        let before = apply(&config, &mut kernel, &these(&config, &[0], &[1]));
        assert_eq!(before, [line("10.1.1.1", 1), line("10.3.1.1", 3)]);
        assert_eq!(apply(&config, &mut kernel, &ActiveSet::AsFound), before);
        assert_eq!(kernel.missing(&config).len(), 0);
        kernel.rules.retain(|rule| rule.to.is_none());
        assert_eq!(kernel.missing(&config).len(), 1, "that of eth1, which carries connections");
    }

    #[test]
    fn nothing_leads_to_a_device_that_is_gone() {
        let config = resolved(SHARED);
        let mut kernel = snapshot(&config, &[1]);
        assert_eq!(apply(&config, &mut kernel, &these(&config, &[1], &[])), [line("10.2.1.1", 2), line("8.8.8.8", 2)]);
    }

    #[test]
    fn one_that_several_have_is_reached_by_one_that_carries_connections() {
        let config = resolved(SHARED);
        let mut kernel = snapshot(&config, &[0, 1, 2]);
        for (members, failed, table) in
            [(&[0, 1, 2][..], &[][..], 1), (&[1, 2], &[], 2), (&[2], &[1], 3), (&[1], &[0], 2), (&[0, 1], &[], 1)]
        {
            let to = apply(&config, &mut kernel, &these(&config, members, failed));
            let shared: Vec<&String> = to.iter().filter(|rule| rule.contains("8.8.8.8")).collect();
            assert_eq!(shared, [&line("8.8.8.8", table)], "{members:?}, {failed:?}");
        }
    }

    proptest! {
        #[test]
        fn rules_come_and_go_with_the_uplinks(
            days in prop::collection::vec((prop::collection::btree_set(0..3usize, 0..=3), prop::collection::btree_set(0..3usize, 0..=3)), 1..8),
            shared: bool,
        ) {
            let config = resolved(if shared { SHARED } else { ["10.1.1.1", "10.2.1.1", "10.3.1.1"] });
            let mut kernel = snapshot(&config, &[]);
            for (present, failed) in days {
                let present: Vec<usize> = present.into_iter().collect();
                let failed: Vec<usize> = failed.into_iter().collect();
                let now = snapshot(&config, &present);
                (kernel.states, kernel.links) = (now.states, now.links);
                let members: Vec<usize> = present.iter().copied().filter(|i| !failed.contains(i)).collect();
                let to = apply(&config, &mut kernel, &these(&config, &members, &failed));
                let working = if members.is_empty() { &present } else { &members };
                for (i, addresses) in now.resolvers.iter().enumerate() {
                    for address in addresses {
                        let whose: Vec<usize> = (0..3).filter(|j| now.resolvers[*j].contains(address) && working.contains(j)).collect();
                        let lines: Vec<&String> = to.iter().filter(|rule| rule.contains(&format!("to {address} "))).collect();
                        // One rule where a working uplink has it, which leads by such a one; else none.
                        prop_assert_eq!(lines.len(), usize::from(!whose.is_empty()), "{}: {:?}", i, &to);
                        let leads = |rule: &String| whose.iter().any(|j| rule.ends_with(&format!("lookup {}", j + 1)));
                        prop_assert!(lines.into_iter().all(leads), "{:?}", &to);
                    }
                }
                // What another look finds is that nothing is left to do.
                prop_assert_eq!(kernel.plan(&config, &these(&config, &members, &failed), &BTreeSet::new()).len(), 0);
            }
        }
    }
}
