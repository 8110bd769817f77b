//! Policies: new connections that match get the policy's mark, on the packet alone.
//!
//! The connection itself gets the mark of the uplink that its first packet leaves by, as every other does. A policy's
//! mark kept in the connection would break it as soon as the policy moves to another uplink.

use ftr_core::config::{Match, Policy};
use ftr_core::numbering::Numbering;
use ftr_core::{Config, InterfaceName};

use super::examples;
use super::scope::{self, Scope, inside};
use crate::model::{Action, Block, Chain, Hook, Mark, Rule, Set, SetKind, State, When};

const BY_HAND: &str = "\
It has no match: mark its new connections here yourself, those of a host of yours:";

const OF_NAMES: &str = "
It is for the addresses that its domains were resolved to (ftr-rules --dns).";

pub(super) fn blocks(config: &Config, numbering: &Numbering, scope: &Scope) -> Vec<Block> {
    let block = |(k, policy): (usize, &Policy)| {
        let names = policy.uplinks.iter().filter_map(|index| config.uplinks.get(*index));
        let names: Vec<&str> = names.map(|uplink| uplink.name.as_str()).collect();
        let mark = numbering.policy_mark(k);
        let mut why = format!(
            "Policy {}: mark {}, by the first of {} that works.",
            policy.name,
            scope::mark(numbering, mark),
            names.join(", ")
        );
        if policy.of_names() {
            why.push_str(OF_NAMES);
        }
        let rule = |hook: Hook, when: &When| -> Vec<Rule> {
            let each = scope.split(when).into_iter();
            each.map(|when| Rule::new(Chain::At(hook), when, Action::MarkPacket(mark))).collect()
        };
        let Some(matching) = &policy.matching else {
            return Block {
                why: format!("{why}\n{BY_HAND}"),
                rules: by_hand(config, scope, mark).into_iter().collect(),
            };
        };
        let begins = When { set: set(policy), ..begins(matching) };
        let mut rules = Vec::new();
        if let Some(inputs) = comes_in_by(config, scope, matching) {
            rules.extend(rule(Hook::Prerouting, &When { inputs, ..begins.clone() }));
        }
        if matching.own {
            rules.extend(rule(Hook::Output, &begins));
        }
        Block { why, rules }
    };
    config.policies.iter().enumerate().map(block).collect()
}

/// The set that its connections go to an address of.
fn set(policy: &Policy) -> Option<Set> {
    let kind = if policy.of_names() { SetKind::Names } else { SetKind::Networks };
    policy.set().map(|name| Set { name, kind })
}

/// Which connections to mark is for the administrator to say.
fn by_hand(config: &Config, scope: &Scope, mark: u32) -> Option<Rule> {
    let family = scope.example();
    let when = When {
        family: Some(family),
        inputs: vec![config.downlinks.lan.first()?.clone()],
        sources: vec![examples::host(family)],
        ..begins(&Match::default())
    };
    Some(Rule::example(Chain::At(Hook::Prerouting), when, Action::MarkPacket(mark)))
}

/// The devices that a policy's connections come in by, where any do. An empty list is any device: what comes in by an
/// uplink has that uplink's mark by then.
fn comes_in_by(config: &Config, scope: &Scope, matching: &Match) -> Option<Vec<InterfaceName>> {
    if !matching.interfaces.is_empty() {
        return Some(matching.interfaces.clone());
    }
    let any = if scope.original { inside(config) } else { Vec::new() };
    (!matching.own).then_some(any)
}

/// A packet that begins a connection, and that neither its connection nor an earlier policy has marked.
fn begins(matching: &Match) -> When {
    When {
        sources: matching.sources.clone(),
        destinations: matching.destinations.clone(),
        protocol: matching.protocol,
        sports: matching.sports.clone(),
        dports: matching.dports.clone(),
        state: Some(State::New),
        mark: Some(Mark::PacketNone),
        ..When::default()
    }
}
