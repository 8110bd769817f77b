//! Port forwards: services inside that the internet may reach, and people inside under the same address.

use std::net::IpAddr;

use ftr_core::config::{Forward, Ipv6Kind, Protocol, Uplink, UplinkKind};
use ftr_core::{Config, Family, Prefix};

use super::scope::Scope;
use crate::model::{Action, Block, Chain, Hook, Local, Mark, Rule, State, When};

/// The chain that admits what was forwarded.
pub(super) const SERVERS: &str = "SERVERS";

const ADMITTED: &str = "\
Services that the nat table has sent on to hosts inside, or to another address of the router.";

/// For each forward of our families: what goes where.
pub(super) fn translations(config: &Config, scope: &Scope) -> Vec<Block> {
    relevant(config, scope).map(|forward| translation(config, forward)).collect()
}

fn relevant<'a>(config: &'a Config, scope: &'a Scope) -> impl Iterator<Item = &'a Forward> {
    config.forwards.iter().filter(|forward| scope.families.contains(&forward.family()))
}

fn translation(config: &Config, forward: &Forward) -> Block {
    let family = forward.family();
    let uplinks: Vec<&Uplink> = forward.uplinks.iter().filter_map(|index| config.uplinks.get(*index)).collect();
    let ports: Vec<String> = forward.ports.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = uplinks.iter().map(|uplink| uplink.name.as_str()).collect();
    let why = format!(
        "Port {} of {} is at {}.\n\
         People inside reach it under the same addresses. Where they are in one network with it, its answers have to\n\
         come back by the router, so it sees the router's address.",
        ports.join(", "),
        names.join(", "),
        forward.to
    );
    let lan = &config.downlinks.lan;
    let fixed: Vec<Prefix> = uplinks.iter().filter_map(|uplink| fixed(uplink, family)).map(Prefix::host).collect();
    let mut rules = Vec::new();
    for protocol in &forward.protocols {
        let arrives = When { dports: forward.ports.clone(), ..of(family, *protocol) };
        let inputs = uplinks.iter().map(|uplink| uplink.name.clone()).collect();
        let mut ways = vec![When { inputs, local: Some(Local::Any), ..arrives.clone() }];
        if !lan.is_empty() && !fixed.is_empty() {
            ways.push(When { inputs: lan.clone(), destinations: fixed.clone(), ..arrives.clone() });
        }
        if !lan.is_empty() && fixed.len() < uplinks.len() {
            // An address that is not known yet: any of the router, but the one that people inside have for it.
            ways.push(When { inputs: lan.clone(), local: Some(Local::Elsewhere), ..arrives });
        }
        let action = Action::Dnat(forward.to, forward.to_port);
        rules.extend(ways.into_iter().map(|when| Rule::new(Chain::At(Hook::Prerouting), when, action)));
        if lan.is_empty() {
            continue;
        }
        // A connection that came by an uplink has its mark by now.
        let back = When {
            outputs: lan.clone(),
            state: Some(State::Forwarded),
            mark: Some(Mark::ConnectionNone),
            ..reached(forward, *protocol)
        };
        rules.push(Rule::new(Chain::At(Hook::Postrouting), back, Action::Masquerade));
    }
    Block { why, rules }
}

/// The address of an uplink, where it is known beforehand.
fn fixed(uplink: &Uplink, family: Family) -> Option<IpAddr> {
    match (family, uplink.kind, uplink.ipv6) {
        (Family::V4, UplinkKind::Static { ip, .. }, _) => Some(ip.into()),
        (Family::V6, _, Some(Ipv6Kind::Static { ip, .. })) => Some(ip.into()),
        _ => None,
    }
}

fn of(family: Family, protocol: Protocol) -> When {
    When { family: Some(family), protocol: Some(protocol), ..When::default() }
}

/// Packets that have been sent on.
fn reached(forward: &Forward, protocol: Protocol) -> When {
    When {
        destinations: vec![Prefix::host(forward.to)],
        dports: forward.inner_ports(),
        ..of(forward.family(), protocol)
    }
}

/// What the filter has to let through; none where nothing is forwarded.
pub(super) fn admitted(config: &Config, scope: &Scope) -> Option<Block> {
    let mut rules: Vec<Rule> = relevant(config, scope)
        .flat_map(|forward| forward.protocols.iter().map(|protocol| reached(forward, *protocol)))
        .map(|when| Rule::new(Chain::Own(SERVERS), when, Action::Accept))
        .collect();
    if rules.is_empty() {
        return None;
    }
    // The host may be the router itself.
    for hook in [Hook::Forward, Hook::Input] {
        let sent_on = When { state: Some(State::Forwarded), ..scope.when() };
        rules.insert(0, Rule::new(Chain::At(hook), sent_on, Action::Jump(SERVERS)));
    }
    Some(Block { why: ADMITTED.to_owned(), rules })
}
