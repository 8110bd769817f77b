//! What a rule is there for.

use ftr_core::InterfaceName;
use ftr_core::config::Config;
use ftr_core::numbering::{DEFAULT_PRIORITY, DEFAULT_TABLE, LOCAL_TABLE, MAIN_PRIORITY, MAIN_TABLE, Numbering};
use ftr_netlink::{Action, Prefix, Rule};

use crate::iproute::is_ours;

/// What a rule is there for, in words.
pub(super) fn purpose(config: &Config, rule: &Rule) -> String {
    let Action::Lookup(table) = rule.action else {
        let whose = rescued(config, rule, &Numbering::of(config)).filter(|_| is_ours(rule.protocol));
        return whose.map_or_else(
            || others(rule),
            |(whose, until)| format!("what comes from a prefix of {whose} is refused {until}"),
        );
    };
    if is_ours(rule.protocol) {
        return ours(config, rule, table)
            .unwrap_or_else(|| "ours, but not of this configuration: see ftr-route check".to_owned());
    }
    match (rule.priority, table) {
        (0, LOCAL_TABLE) => "the kernel's: what is for this host itself".to_owned(),
        (MAIN_PRIORITY, MAIN_TABLE) => "the kernel's: the table main".to_owned(),
        (DEFAULT_PRIORITY, DEFAULT_TABLE) => "the kernel's: the table default".to_owned(),
        _ => others(rule),
    }
}

fn ours(config: &Config, rule: &Rule, table: u32) -> Option<String> {
    let numbering = Numbering::of(config);
    let is = |priority, number| (rule.priority, table) == (priority, number);
    if is(numbering.host_priority(), LOCAL_TABLE) {
        return Some("what is for this host itself, which the kernel's own rule comes too late for".to_owned());
    }
    if is(numbering.networks_priority(), MAIN_TABLE) {
        return Some("local networks first, but no default route of main".to_owned());
    }
    for (i, uplink) in config.uplinks.iter().enumerate() {
        let (name, number) = (&uplink.name, numbering.table(i));
        if is(numbering.from_priority(i), number) {
            let host = rule.from.is_some_and(|from| Prefix::host(from.address()) == from);
            let whose = if host { "an address" } else { "a prefix" };
            return Some(format!("what comes from {whose} of {name} leaves by it"));
        } else if is(numbering.mark_priority(i), number) {
            return Some(format!("connections of {name} stay on it"));
        } else if is(numbering.device_priority(i), number) {
            return Some(format!("what is bound to {name} leaves by it"));
        } else if rule.to.is_some() && is(numbering.resolver_priority(), number) {
            return Some(format!("a name server of {name} is asked by it"));
        }
    }
    if let Some((whose, until)) = rescued(config, rule, &numbering) {
        return Some(if config.filter_refuses() {
            format!("what hosts send from a prefix of {whose} is refused by the filter {until}")
        } else {
            format!("what comes from a prefix of {whose} leaves by others {until}")
        });
    }
    let former = config.formerly_delegated().find(|(_, prefix)| rule.to == Some(*prefix));
    if let Some((uplink, _)) = former.filter(|(i, _)| is(numbering.networks_priority(), numbering.table(*i))) {
        let name = config.uplinks.get(uplink).map(|uplink| &uplink.name)?;
        return Some(format!("hosts that still have a prefix which {name} had until lately"));
    }
    if rule.from.is_some() && is(numbering.given_up_priority(), numbering.balanced_table()) {
        return Some("datagrams of this host from an address of an uplink that is given up".to_owned());
    }
    for (k, policy) in config.policies.iter().enumerate() {
        if is(numbering.policy_priority(k), numbering.policy_table(k)) {
            return Some(format!("policy {}", policy.name));
        }
    }
    is(numbering.balanced_priority(), numbering.balanced_table()).then(|| "new connections".to_owned())
}

/// The uplink whose prefix a rule keeps from it, and for how long.
fn rescued<'a>(config: &'a Config, rule: &Rule, numbering: &Numbering) -> Option<(&'a InterfaceName, &'static str)> {
    let is_its = |rule: &&Rule| rule.priority == numbering.given_up_priority() && rule.iif.is_none();
    let from = Some(rule).filter(is_its)?.from?;
    let find = |(_, prefix): &(usize, Prefix)| *prefix == from;
    let now = config.delegated().find(find).map(|(uplink, _)| (uplink, "while its IPv6 is down"));
    let (uplink, until) =
        now.or_else(|| config.formerly_delegated().find(find).map(|(uplink, _)| (uplink, "since it has another one")))?;
    config.uplinks.get(uplink).map(|uplink| (&uplink.name, until))
}

fn others(rule: &Rule) -> String {
    format!("not ours: made by somebody else (protocol {})", rule.protocol)
}

#[cfg(test)]
mod tests {
    use super::purpose;
    use crate::plan::desired::{Goal, desired};
    use crate::plan::learned::Network;
    use crate::plan::rescue::former;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;
    use ftr_netlink::Rule;

    #[test]
    fn every_rule_of_ours_and_of_the_kernel_has_a_purpose() {
        let text = CONFIG.replace("40000", "20000").replace("1.0.0.1}", "1.0.0.1, dns: 10.1.1.1}")
            + "policies: [{name: voip, uplinks: [eth2]}]\n";
        let config = config(&text);
        let (links, addresses) = ([link(3, "eth1")], [address(3, "1.0.0.2", None, 24)]);
        let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
        let states = uplink_states(&config, Family::V4, host);
        let goal = Goal { resolvers: vec![vec![[10, 1, 1, 1].into()]], ..Goal::default() };
        let rules = desired(&config, Family::V4, &states, &goal).rules;
        let told: Vec<String> = rules.iter().map(|rule| purpose(&config, rule)).collect();
        let expected = [
            "local networks first, but no default route of main",
            "connections of eth1 stay on it",
            "connections of eth2 stay on it",
            "connections of ppp0 stay on it",
            "what is bound to eth1 leaves by it",
            "what is bound to eth2 leaves by it",
            "what is bound to ppp0 leaves by it",
            "policy voip",
            "what comes from an address of eth1 leaves by it",
            "a name server of eth1 is asked by it",
            "new connections",
        ];
        assert_eq!(told, expected);
        let foreign =
            |priority, table| purpose(&config, &Rule { protocol: 2, ..Rule::lookup(Family::V4, priority, table) });
        assert!(foreign(0, 255).contains("this host") && foreign(32766, 254).contains("main"));
        assert!(foreign(20003, 1).starts_with("not ours"));
        let stale = Rule { protocol: 117, ..Rule::lookup(Family::V4, 20003, 77) };
        assert!(purpose(&config, &stale).starts_with("ours, but not"));
    }

    #[test]
    fn what_is_there_for_a_prefix_that_was_replaced_says_so() {
        let text = CONFIG.replace("gateway: 2.0.0.1", "gateway: 2.0.0.1, type6: ra, prefix6: auto");
        let stated = config(&text);
        let prefix = "2001:db8:2:101::/64".parse().unwrap();
        let config = stated.with_learned(&[], &[(1, prefix)]);
        let rules = former(&config, Family::V6, &[Network { uplink: 1, prefix, index: 2 }]);
        let told: Vec<String> = rules.iter().map(|rule| purpose(&config, rule)).collect();
        let expected = [
            "hosts that still have a prefix which eth2 had until lately",
            "what comes from a prefix of eth2 leaves by others since it has another one",
        ];
        assert_eq!(told, expected);
    }
}
