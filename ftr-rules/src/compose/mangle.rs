//! The mangle table: which uplink a connection belongs to.

use ftr_core::config::{ClampMss, Ipv6Kind, Ports, Protocol, Uplink, UplinkKind};
use ftr_core::layout::Layout;
use ftr_core::{Config, Family, InterfaceName};

use super::{Scope, inside, names, nat, policy};
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
Packets from inside take over the mark of their connection. A new connection has none: routing balances it.";

const OWN: &str = "\
The router's own packets take over the mark of their connection, answers and errors about it included. Where it has
none, the mark that a program has asked for stays.";

const INCOMING: &str = "\
A connection that comes in by an uplink belongs to it: the answers go back the same way.";

const ABOUT: &str = "\
What comes in later takes over that mark too: errors that the router makes about it leave by its uplink, with the
kernel's fwmark_reflect, which ftr-route sets. Otherwise they have the address of any uplink, and get lost.";

const OUTGOING: &str = "\
A new connection that routing has sent to an uplink belongs to it from now on.";

const CLAMP: &str = "\
Where the line takes smaller packets than the networks behind it, and the errors that tell so get lost on the way, both
ends are told when they connect.";

/// How much longer the header of IPv6 is, in bytes.
const LONGER: u16 = 20;

pub(super) fn compose(config: &Config, layout: &Layout, scope: &Scope) -> Rules {
    let mut blocks = choose(config, layout, scope);
    let arrives = When { inputs: inside(config), ..scope.when() };
    blocks.push(Block { why: RESTORE.to_owned(), rules: vec![restore(Hook::Prerouting, arrives)] });
    if !scope.original {
        let marked = When { mark: Some(Mark::ConnectionSome), ..scope.when() };
        blocks.push(Block { why: OWN.to_owned(), rules: vec![restore(Hook::Output, marked)] });
    }
    blocks.extend(policy::blocks(config, layout, scope));
    let given = |hook: Hook, when: fn(InterfaceName, When) -> When| {
        let begins = When { state: Some(State::New), ..scope.when() };
        let rule = |(i, uplink): (usize, &Uplink)| {
            let when = when(uplink.name.clone(), begins.clone());
            Rule::new(Chain::At(hook), when, Action::MarkConnection(layout.mark(i)))
        };
        scope.uplinks(config).map(rule).collect()
    };
    blocks.push(Block { why: INCOMING.to_owned(), rules: given(Hook::Prerouting, into) });
    if !scope.original {
        blocks.push(about(config, scope));
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
        about: format!("{PURPOSE}{}", marks(config, layout, scope)),
        hooks,
        own: Vec::new(),
        blocks,
    }
}

fn restore(hook: Hook, when: When) -> Rule {
    Rule::new(Chain::At(hook), when, Action::RestoreMark)
}

fn about(config: &Config, scope: &Scope) -> Block {
    let inputs = names(scope.uplinks(config));
    let marked = (!inputs.is_empty()).then(|| When { inputs, mark: Some(Mark::ConnectionSome), ..scope.when() });
    Block { why: ABOUT.to_owned(), rules: marked.into_iter().map(|when| restore(Hook::Prerouting, when)).collect() }
}

fn into(name: InterfaceName, when: When) -> When {
    When { inputs: vec![name], ..when }
}

fn out_of(name: InterfaceName, when: When) -> When {
    When { outputs: vec![name], ..when }
}

/// A line for each uplink, so that the numbers below have names.
fn marks(config: &Config, layout: &Layout, scope: &Scope) -> String {
    let line = |(i, uplink): (usize, &Uplink)| {
        let address = match (scope.only(), uplink.kind, uplink.ipv6) {
            (Some(Family::V6), _, Some(Ipv6Kind::Static { ip, .. })) => ip.to_string(),
            (Some(Family::V4) | None, UplinkKind::Static { ip, .. }, _) => ip.to_string(),
            _ => "address from the provider".to_owned(),
        };
        let mark = mark(layout, layout.mark(i));
        format!("\nmark {mark}: {}, {address} ({})", uplink.name, uplink.description)
    };
    scope.uplinks(config).map(line).collect()
}

/// A mark as people know it from the configuration.
pub(super) fn mark(layout: &Layout, value: u32) -> String {
    match layout.mask() {
        None => value.to_string(),
        Some(mask) => format!("{value:#x}/{mask:#x}"),
    }
}

fn choose(config: &Config, layout: &Layout, scope: &Scope) -> Vec<Block> {
    let uplinks: Vec<usize> = scope.uplinks(config).map(|(i, _)| i).collect();
    let (Some(lan), Some(first), Some(last)) = (config.downlinks.lan.first(), uplinks.first(), uplinks.last()) else {
        return Vec::new();
    };
    let family = scope.example();
    let mail = When { protocol: Some(Protocol::Tcp), dports: vec![Ports { first: 25, last: 25 }], ..scope.when() };
    let far = When { destinations: vec![nat::far(family)], family: Some(family), ..When::default() };
    let host = When { sources: vec![nat::host(family)], family: Some(family), ..When::default() };
    let rule = |(when, uplink): (When, usize)| {
        let when = When { inputs: vec![lan.clone()], state: Some(State::New), ..when };
        Rule::example(Chain::At(Hook::Prerouting), when, Action::MarkConnection(layout.mark(uplink)))
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
