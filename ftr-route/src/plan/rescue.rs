//! Where packets of hosts go that have the prefix of an uplink whose IPv6 is down.

use std::collections::BTreeSet;

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_core::numbering::{Numbering, PROTOCOL};
use ftr_netlink::{Action, Attribute, Rule, SocketProtocol};

use super::learned::Network;

/// `FR_ACT_PROHIBIT`: the sender is told that it is not allowed (`ICMPv6` destination unreachable, code 1).
///
/// To a sender on Linux that is a hard error, as code 5 (source address failed policy) is, which no route can make: a
/// connected UDP socket is told of it as well, and of "no route" (code 0) it is not.
pub(crate) const PROHIBIT: Action = Action::Other(8);

/// What comes from the prefixes of these uplinks leaves by those that carry new connections, where the firewall translates
/// it; or it is refused, where the configuration wants no translation.
///
/// Connections of the uplink do not get here: they have its mark, and the rules for marks come first. So do those of
/// policies. A prefix whose uplink works again is left to the rule for it, which stands behind these.
pub(crate) fn rules(config: &Config, family: Family, uplinks: &BTreeSet<usize>) -> Vec<Rule> {
    let numbering = Numbering::of(config);
    let priority = numbering.given_up_priority();
    let lookup = Rule { protocol: PROTOCOL, ..Rule::lookup(family, priority, numbering.balanced_table()) };
    let action = action(config, &numbering);
    let mut prefixes: Vec<_> = config
        .delegated()
        .filter(|(uplink, prefix)| uplinks.contains(uplink) && prefix.family() == family)
        .map(|(_, prefix)| prefix)
        .collect();
    // One that several uplinks have is at home by each of them that works.
    let is_at_home = |prefix| config.delegated().any(|(uplink, other)| other == prefix && !uplinks.contains(&uplink));
    prefixes.retain(|prefix| !is_at_home(*prefix));
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes.into_iter().map(|prefix| Rule { from: Some(prefix), action, ..lookup.clone() }).collect()
}

/// What is refused by the filter has to get there: a route that refuses tells the sender nothing that ends a connection.
fn action(config: &Config, numbering: &Numbering) -> Action {
    let leaves = config.routing.ipv6_rescue.translates() || config.filter_refuses();
    if leaves { Action::Lookup(numbering.balanced_table()) } else { PROHIBIT }
}

/// What comes from networks whose prefix was replaced leaves as what comes from a dead one does, and answers find the hosts
/// though the client has taken the address and the route away.
pub(crate) fn former(config: &Config, family: Family, networks: &[Network]) -> Vec<Rule> {
    let numbering = Numbering::of(config);
    let lookup = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(family, priority, table) };
    let from = lookup(numbering.given_up_priority(), numbering.balanced_table());
    let action = action(config, &numbering);
    let from = networks.iter().map(|network| Rule { from: Some(network.prefix), action, ..from.clone() });
    let to = networks.iter().map(|network| Rule {
        to: Some(network.prefix),
        suppress_prefixlength: Some(0),
        ..lookup(numbering.networks_priority(), numbering.table(network.uplink))
    });
    let mut rules: Vec<Rule> = from.chain(to).collect();
    // Several devices may have a part of one network.
    rules.sort_by_key(|rule| (rule.priority, rule.from, rule.to));
    rules.dedup();
    rules
}

/// TCP of this host itself keeps its uplink: what is ended on a dead one says goodbye to a peer that it never reaches, and by
/// another uplink that would be a packet of no connection, which nothing translates.
pub(crate) fn own(config: &Config, family: Family, uplinks: &BTreeSet<usize>) -> Vec<Rule> {
    let numbering = Numbering::of(config);
    let delegated = config.delegated().filter(|(uplink, prefix)| uplinks.contains(uplink) && prefix.family() == family);
    let rule = |(uplink, prefix)| Rule {
        from: Some(prefix),
        iif: Some("lo".to_owned()),
        others: vec![Attribute { kind: Rule::IP_PROTOCOL, payload: vec![SocketProtocol::Tcp.number()] }],
        protocol: PROTOCOL,
        ..Rule::lookup(family, numbering.given_up_priority().saturating_sub(1), numbering.table(uplink))
    };
    delegated.map(rule).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Network, former, rules};
    use crate::iproute::rule;
    use crate::plan::active_set::ActiveSet;
    use crate::plan::balance;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{DeviceState, HostView, uplink_states};
    use crate::snapshot::Snapshot;
    use crate::snapshot::tests::bare;
    use ftr_core::Family;
    use ftr_core::config::Config;

    /// Two uplinks with IPv6 and a prefix each, a third one without.
    fn dual(more: &str) -> Config {
        let six =
            |i: u8| format!("ip6: '2001:db8:{i}::2', gateway6: '2001:db8:{i}::1', prefix6: '2001:db8:{i}:100::/56'");
        let text = CONFIG
            .replace("gateway: 1.0.0.1", &format!("gateway: 1.0.0.1, {}", six(1)))
            .replace("gateway: 2.0.0.1", &format!("gateway: 2.0.0.1, {}", six(2)));
        config(&(text + more))
    }

    /// What the kernel shows while the devices of these uplinks are there.
    fn snapshot(config: &Config, present: &[u32]) -> Snapshot {
        let links: Vec<_> = present.iter().map(|i| link(2 + i, &format!("eth{i}"))).collect();
        let addresses: Vec<_> = present.iter().map(|i| address(2 + i, &format!("2001:db8:{i}::2"), None, 64)).collect();
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        Snapshot { family: Family::V6, states: uplink_states(config, Family::V6, host), ..bare(host) }
    }

    fn these(config: &Config, members: &[usize], failed: &[usize], given_up: &[usize]) -> ActiveSet {
        ActiveSet::These {
            members: balance::of(config, members.iter().copied()),
            failed: Some(failed.to_vec()),
            given_up: Some(given_up.iter().copied().collect()),
            policies: None,
        }
    }

    #[test]
    fn a_prefix_is_rescued_while_its_uplink_is_down_and_another_one_works() {
        let config = dual("");
        let rescued = |present: &[u32], members: &[usize], failed: &[usize]| -> Vec<usize> {
            let set = these(&config, members, failed, &[]);
            set.rescued(&config, &snapshot(&config, present)).into_iter().collect()
        };
        assert_eq!(rescued(&[1, 2], &[0, 1], &[]), [0; 0]);
        assert_eq!(rescued(&[1, 2], &[0], &[1]), [1]);
        // Whoever sees that the device is gone need not wait for the decision.
        assert_eq!(rescued(&[1], &[0, 1], &[]), [1]);
        assert_eq!(rescued(&[1, 2], &[0, 1], &[0, 1]), [0; 0], "all are tried");
        assert_eq!(rescued(&[1, 2], &[0], &[]), [0; 0], "on standby it works");
    }

    #[test]
    fn nothing_is_refused_that_merely_loses_packets() {
        let config = dual("routing: {ipv6_rescue: none}\n");
        let mut snapshot = snapshot(&config, &[1, 2]);
        let rescued =
            |snapshot: &Snapshot, given_up: &[usize]| these(&config, &[0], &[1], given_up).rescued(&config, snapshot);
        assert_eq!((rescued(&snapshot, &[]), rescued(&snapshot, &[1])), (BTreeSet::new(), [1].into()));
        let lines: Vec<String> = rules(&config, Family::V6, &[1].into()).iter().map(rule).collect();
        assert_eq!(lines, ["priority 40005 from 2001:db8:2:100::/56 prohibit protocol 117"]);
        // Without a cable nothing comes through, however lately its connections were given up.
        snapshot.states[1].device = DeviceState::NoCarrier;
        assert_eq!(rescued(&snapshot, &[]), [1].into());
    }

    #[test]
    fn what_the_filter_refuses_has_to_get_there() {
        let config = dual("routing: {ipv6_rescue: none}\nfirewall: safe\n");
        let lines: Vec<String> = rules(&config, Family::V6, &[1].into()).iter().map(rule).collect();
        assert_eq!(lines, ["priority 40005 from 2001:db8:2:100::/56 lookup 4 protocol 117"]);
    }

    #[test]
    fn a_restart_finds_who_is_rescued_and_takes_it_for_nothing_else() {
        for more in ["", "routing: {ipv6_rescue: deprecate}\n", "routing: {ipv6_rescue: none}\nfirewall: safe\n"] {
            let config = dual(more);
            let mut snapshot = snapshot(&config, &[1, 2]);
            snapshot.rules = rules(&config, Family::V6, &[1].into());
            assert_eq!(ActiveSet::AsFound.rescued(&config, &snapshot), [1].into());
            assert_eq!(snapshot.given_up_as_found(&config), BTreeSet::new());
        }
    }

    #[test]
    fn what_was_replaced_leaves_by_others_and_answers_find_its_hosts() {
        let told = |more: &str| -> Vec<String> {
            let prefix = "2001:db8:2:101::/64".parse().unwrap();
            let networks = [7, 8].map(|index| Network { uplink: 1, prefix, index });
            former(&dual(more), Family::V6, &networks).iter().map(rule).collect()
        };
        let to = "priority 39999 to 2001:db8:2:101::/64 lookup 2 suppress_prefixlength 0 protocol 117";
        assert_eq!(told(""), [to, "priority 40005 from 2001:db8:2:101::/64 lookup 4 protocol 117"]);
        let refused = told("routing: {ipv6_rescue: none}\n");
        assert_eq!(refused, [to, "priority 40005 from 2001:db8:2:101::/64 prohibit protocol 117"]);
    }

    #[test]
    fn a_prefix_that_two_uplinks_have_is_at_home_by_the_one_that_works() {
        let mut config = dual("");
        config.uplinks[0].prefixes6 = config.uplinks[1].prefixes6.clone();
        assert_eq!(rules(&config, Family::V6, &[1].into()), []);
        assert_eq!(rules(&config, Family::V6, &[0, 1].into()).len(), 1);
        assert_eq!(rules(&config, Family::V4, &[0, 1].into()), []);
    }
}
