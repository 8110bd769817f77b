//! The mangle table: which uplink a connection belongs to.

use ftr_core::config::{ClampMss, Ipv6Kind, Ports, Protocol, Uplink, UplinkKind};
use ftr_core::numbering::Numbering;
use ftr_core::{Config, Family, InterfaceName};

use super::scope::{Scope, inside, mark, names};
use super::{examples, policy, spoofed};
use crate::model::{Action, Block, Chain, Hook, Mark, Policy, Rule, Rules, State, Table, When};

const PURPOSE: &str = "\
mangle: every connection stays on its uplink.

A provider drops packets that carry another provider's address, so a connection cannot change its uplink. Connection
tracking therefore keeps a mark for each connection, the number of its uplink, and the routing rules of ftr send a
packet with a mark into that uplink's routing table. Only the first packet of a connection is routed without one.
";

const CHOOSE: &str = "\
To choose the uplink of some connections yourself, mark them here, before their packets take the mark over. They do
not move to another uplink while theirs is down. By service, by the far end's address, by a host of yours:";

const RESTORE: &str = "\
Packets take over the mark of their connection, wherever they come from: from inside, so that they leave by its uplink;
from an uplink, so that errors which the router makes about them do, with the kernel's fwmark_reflect, which ftr-route
sets. A new connection from inside has none: routing balances it.";

const RESTORE_LISTED: &str = "\
Packets from inside take over the mark of their connection. A new connection has none: routing balances it.
Those of other devices (containers, virtual machines, VPN clients, VLANs that downlinks does not list) do not, so that
their connections change their uplink with the routing, and published ports are answered by any uplink. List them in
downlinks, or state `firewall: safe` or `none` in the configuration, and the marks are restored for all.";

const OWN: &str = "\
The router's own packets take over the mark of their connection, answers and errors about it included. Where it has
none, the mark that a program has asked for stays.";

const INCOMING: &str = "\
A connection that comes in by an uplink belongs to it: the answers go back the same way.";

const OUTGOING: &str = "\
A new connection that routing has sent to an uplink belongs to it from now on.";

const CLAMP: &str = "\
Where the line takes smaller packets than the networks behind it, and the errors that tell so get lost on the way, both
ends are told when they connect.";

/// How much longer the header of IPv6 is, in bytes.
const LONGER: u16 = 20;

pub(super) fn compose(config: &Config, numbering: &Numbering, scope: &Scope) -> Rules {
    let mut blocks = choose(config, numbering, scope);
    let given = |hook: Hook, when: fn(InterfaceName, When) -> When| {
        let begins = When { state: Some(State::New), ..scope.when() };
        let rule = |(i, uplink): (usize, &Uplink)| {
            let when = when(uplink.name.clone(), begins.clone());
            Rule::new(Chain::At(hook), when, Action::MarkConnection(numbering.mark(i)))
        };
        scope.uplinks(config).map(rule).collect()
    };
    let incoming = Block { why: INCOMING.to_owned(), rules: given(Hook::Prerouting, into) };
    let policies = policy::blocks(config, numbering, scope);
    if scope.original {
        blocks.extend(restored_as_listed(config, scope));
        blocks.extend(policies);
        blocks.push(incoming);
    } else {
        let marked = When { mark: Some(Mark::ConnectionSome), ..scope.when() };
        let rules = vec![restore(Hook::Prerouting, marked)];
        blocks.extend([incoming, Block { why: RESTORE.to_owned(), rules }]);
        blocks.extend(spoofed::by_address(config, scope));
        blocks.push(own(scope));
        blocks.extend(policies);
    }
    blocks.push(Block { why: OUTGOING.to_owned(), rules: given(Hook::Postrouting, out_of) });
    let clamps = clamps(config, scope);
    let mut hooks = vec![Hook::Prerouting, Hook::Postrouting, Hook::Output, Hook::Input];
    if !clamps.is_empty() {
        hooks.push(Hook::Forward);
        blocks.push(Block { why: CLAMP.to_owned(), rules: clamps });
    }
    let hooks = hooks.into_iter().map(|hook| (hook, Policy::Accept)).collect();
    Rules {
        table: Table::Mangle,
        about: format!("{PURPOSE}{}", marks(config, numbering, scope)),
        hooks,
        own: Vec::new(),
        blocks,
    }
}

fn restore(hook: Hook, when: When) -> Rule {
    Rule::new(Chain::At(hook), when, Action::RestoreMark)
}

fn own(scope: &Scope) -> Block {
    let marked = When { mark: Some(Mark::ConnectionSome), ..scope.when() };
    Block { why: OWN.to_owned(), rules: vec![restore(Hook::Output, marked)] }
}

/// For the networks that are listed, as the original, and for whatever policies send over an uplink of theirs.
fn restored_as_listed(config: &Config, scope: &Scope) -> Vec<Block> {
    let mut inputs = inside(config);
    let matches = || config.policies.iter().filter_map(|policy| policy.matching.as_ref());
    for name in matches().flat_map(|matching| &matching.interfaces) {
        if !inputs.contains(name) {
            inputs.push(name.clone());
        }
    }
    let rules = vec![restore(Hook::Prerouting, When { inputs, ..scope.when() })];
    let listed = Block { why: RESTORE_LISTED.to_owned(), rules };
    std::iter::once(listed).chain(matches().any(|matching| matching.own).then(|| own(scope))).collect()
}

fn into(name: InterfaceName, when: When) -> When {
    When { inputs: vec![name], ..when }
}

fn out_of(name: InterfaceName, when: When) -> When {
    When { outputs: vec![name], ..when }
}

/// A line for each uplink, so that the numbers below have names.
fn marks(config: &Config, numbering: &Numbering, scope: &Scope) -> String {
    let line = |(i, uplink): (usize, &Uplink)| {
        let address = match (scope.only(), uplink.kind, uplink.ipv6) {
            (Some(Family::V6), _, Some(Ipv6Kind::Static { ip, .. })) => ip.to_string(),
            (Some(Family::V4) | None, UplinkKind::Static { ip, .. }, _) => ip.to_string(),
            _ => "address from the provider".to_owned(),
        };
        let mark = mark(numbering, numbering.mark(i));
        format!("\nmark {mark}: {}, {address} ({})", uplink.name, uplink.description)
    };
    scope.uplinks(config).map(line).collect()
}

fn choose(config: &Config, numbering: &Numbering, scope: &Scope) -> Vec<Block> {
    let uplinks: Vec<usize> = scope.uplinks(config).map(|(i, _)| i).collect();
    let (Some(lan), Some(first), Some(last)) = (config.downlinks.lan.first(), uplinks.first(), uplinks.last()) else {
        return Vec::new();
    };
    let family = scope.example();
    let mail = When { protocol: Some(Protocol::Tcp), dports: vec![Ports { first: 25, last: 25 }], ..scope.when() };
    let far = When { destinations: vec![examples::far(family)], family: Some(family), ..When::default() };
    let host = When { sources: vec![examples::host(family)], family: Some(family), ..When::default() };
    let rule = |(when, uplink): (When, usize)| {
        let when = When { inputs: vec![lan.clone()], state: Some(State::New), ..when };
        Rule::example(Chain::At(Hook::Prerouting), when, Action::MarkConnection(numbering.mark(uplink)))
    };
    let rules = [(mail, *first), (far, *last), (host, *last)].into_iter().map(rule).collect();
    vec![Block { why: CHOOSE.to_owned(), rules }]
}

/// Both ends are told: who connects, and who answers. A number is of IPv4, and needs a rule for each family.
fn clamps(config: &Config, scope: &Scope) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (i, uplink) in scope.uplinks(config) {
        let ways: Vec<(Option<Family>, Option<u16>)> = match uplink.clamp_mss {
            None => continue,
            Some(ClampMss::Route) => vec![(scope.only(), None)],
            Some(ClampMss::Bytes(bytes)) => scope
                .families
                .iter()
                .filter(|family| uplink.has(**family))
                .map(|family| match family {
                    Family::V4 => (Some(Family::V4), Some(bytes)),
                    Family::V6 => (Some(Family::V6), Some(bytes - LONGER)),
                })
                .collect(),
        };
        let name = names(std::iter::once((i, uplink)));
        for (family, bytes) in ways {
            let opens = When { protocol: Some(Protocol::Tcp), opens: true, family, ..When::default() };
            for when in [When { outputs: name.clone(), ..opens.clone() }, When { inputs: name.clone(), ..opens }] {
                rules.push(Rule::new(Chain::At(Hook::Forward), when, Action::ClampMss(bytes)));
            }
        }
    }
    rules
}
