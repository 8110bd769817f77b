//! The nat table: addresses that the providers accept.

use std::net::IpAddr;

use ftr_core::config::{Nat, Nat6, Ports, Protocol, Uplink, UplinkKind};
use ftr_core::{Config, Family, Prefix};

use super::examples::{dmz_server, second, server};
use super::leaving::{leaves, to_address};
use super::scope::Scope;
use super::{forward, rescue};
use crate::model::{Action, Block, Chain, Hook, Policy, Rule, Rules, Table, When};

const PURPOSE: &str = "\
nat: what leaves by an uplink carries that uplink's address.

Only the first packet of a connection passes here; the kernel translates the others, and the answers, like it.";

const DNAT: &str = "\
To offer a server of yours to the internet, send what arrives for it there, and admit it in the filter table. One rule
for each uplink that it shall be reached by:";

const SNAT: &str = "\
Where an uplink has a second address, connections of some hosts can use that one. Before the rules below, which take
the rest:";

const LEAVING: &str = "\
A fixed address is stated. Where the provider assigns one, MASQUERADE takes whatever the device has at the moment,
and forgets the connections when the device goes. Uplinks with `nat: none` are not here.";

const UNTRANSLATED: &str = "\
IPv6 is translated only on uplinks that ask for it (nat6): hosts inside have addresses of each provider, and routing
sends each of them to its own.";

pub(super) fn compose(config: &Config, scope: &Scope) -> Rules {
    let mut blocks = examples(config, scope);
    blocks.extend(forward::translations(config, scope));
    if scope.families.contains(&Family::V4) {
        let rules = config
            .uplinks
            .iter()
            .filter(|uplink| uplink.nat != Nat::None)
            .map(|uplink| leaving(uplink, scope))
            .collect();
        blocks.push(Block { why: LEAVING.to_owned(), rules });
    }
    let mut own = Vec::new();
    if scope.families.contains(&Family::V6) {
        let rescue = rescue::blocks(config, scope);
        own.extend((!rescue.is_empty()).then_some(rescue::RESCUE));
        blocks.extend(rescue);
        let inner = config.downlinks.prefix6;
        let rules = config.uplinks.iter().flat_map(|uplink| leaving6(uplink, inner, scope)).collect();
        blocks.push(Block { why: UNTRANSLATED.to_owned(), rules });
    }
    let hooks = [Hook::Prerouting, Hook::Postrouting, Hook::Output].map(|hook| (hook, Policy::Accept));
    Rules { table: Table::Nat, about: PURPOSE.to_owned(), hooks: hooks.to_vec(), own, blocks }
}

fn examples(config: &Config, scope: &Scope) -> Vec<Block> {
    let Some((_, first)) = scope.uplinks(config).next() else { return Vec::new() };
    let family = scope.example();
    let mut servers = vec![(443, server(family))];
    if !config.downlinks.dmz.is_empty() {
        servers.push((25, dmz_server(family)));
    }
    let offer = |(port, to): (u16, IpAddr)| {
        let when = When {
            family: Some(family),
            inputs: vec![first.name.clone()],
            protocol: Some(Protocol::Tcp),
            dports: vec![Ports { first: port, last: port }],
            ..When::default()
        };
        Rule::example(Chain::At(Hook::Prerouting), when, Action::Dnat(to, None))
    };
    let when = When { sources: vec![Prefix::host(server(family))], ..leaves(&first.name, family, scope) };
    vec![
        Block { why: DNAT.to_owned(), rules: servers.into_iter().map(offer).collect() },
        Block {
            why: SNAT.to_owned(),
            rules: vec![Rule::example(Chain::At(Hook::Postrouting), when, Action::Snat(second(family)))],
        },
    ]
}

fn leaving(uplink: &Uplink, scope: &Scope) -> Rule {
    let action = match uplink.kind {
        UplinkKind::Static { ip, .. } => Action::Snat(ip.into()),
        UplinkKind::Ppp | UplinkKind::Dhcp => Action::Masquerade,
    };
    Rule::new(Chain::At(Hook::Postrouting), leaves(&uplink.name, Family::V4, scope), action)
}

/// What the provider has delegated keeps its address.
fn leaving6(uplink: &Uplink, inner: Option<Prefix>, scope: &Scope) -> Vec<Rule> {
    let when = leaves(&uplink.name, Family::V6, scope);
    let rule = |when, action| Rule::new(Chain::At(Hook::Postrouting), when, action);
    match (uplink.nat6, uplink.ipv6) {
        (Nat6::Masquerade, Some(kind)) => {
            let mut rules = Vec::new();
            if !uplink.prefixes6.is_empty() {
                let own = When { sources: uplink.prefixes6.to_vec(), unencrypted: false, ..when.clone() };
                rules.push(rule(own, Action::Accept));
            }
            rules.push(rule(when, to_address(kind)));
            rules
        }
        (Nat6::Prefix, Some(_)) => {
            // The configuration has made sure that all of this is there and fits.
            let outer = uplink.prefixes6.first().copied();
            let outer = inner.and_then(|inner| Prefix::new(outer?.address(), inner.length()));
            let (Some(inner), Some(outer)) = (inner, outer) else { return Vec::new() };
            let comes = When {
                family: Some(Family::V6),
                inputs: vec![uplink.name.clone()],
                destinations: vec![outer],
                ..When::default()
            };
            vec![
                rule(When { sources: vec![inner], ..when }, Action::SourcePrefix(outer)),
                Rule::new(Chain::At(Hook::Prerouting), comes, Action::DestinationPrefix(inner)),
            ]
        }
        _ => Vec::new(),
    }
}
