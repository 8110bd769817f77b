//! Policies: new connections that match get the policy's mark, on the packet alone.
//!
//! The connection itself gets the mark of the uplink that its first packet leaves by, as every other does. A policy's
//! mark kept in the connection would break it as soon as the policy moves to another uplink.

use ftr_core::Config;
use ftr_core::config::{Match, Policy};
use ftr_core::layout::Layout;

use super::{Scope, inside, mangle};
use crate::model::{Action, Block, Chain, Hook, Mark, Rule, State, When};

pub(super) fn blocks(config: &Config, layout: &Layout, scope: &Scope) -> Vec<Block> {
    let block = |(k, policy): (usize, &Policy)| {
        let names = policy.uplinks.iter().filter_map(|place| config.uplinks.get(*place));
        let names: Vec<&str> = names.map(|uplink| uplink.name.as_str()).collect();
        let mark = layout.policy_mark(k);
        let why = format!(
            "Policy {}: mark {}, by the first of {} that works.",
            policy.name,
            mangle::mark(layout, mark),
            names.join(", ")
        );
        let when = policy.matching.iter().flat_map(|matching| scope.split(&when(config, matching)));
        let rules = when.map(|when| Rule::new(Chain::At(Hook::Prerouting), when, Action::MarkPacket(mark)));
        Block { why, rules: rules.collect() }
    };
    config.policies.iter().enumerate().map(block).collect()
}

/// A packet that begins a connection, and that neither its connection nor an earlier policy has marked.
fn when(config: &Config, matching: &Match) -> When {
    let devices = if matching.interfaces.is_empty() { inside(config) } else { matching.interfaces.clone() };
    When {
        inputs: devices,
        sources: matching.sources.clone(),
        destinations: matching.destinations.clone(),
        set: matching.set.clone(),
        protocol: matching.protocol,
        sports: matching.sports.clone(),
        dports: matching.dports.clone(),
        state: Some(State::New),
        mark: Some(Mark::PacketNone),
        ..When::default()
    }
}
