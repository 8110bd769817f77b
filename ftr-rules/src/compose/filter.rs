//! The filter table: what may pass, in its simplest form.

use ftr_core::config::{Ports, Protocol, Uplink, UplinkKind};
use ftr_core::{Config, Family, InterfaceName, Prefix};

use super::scope::{Scope, names};
use super::{examples, forward, sources, spoofed};
use crate::model::{Action, Block, Chain, Hook, Policy, Rule, Rules, State, Table, When};

const PURPOSE: &str = "\
filter: the router and the local network are closed to the internet.

A beginning to build on: a router with a firewall of its own leaves this table out (--table mangle --table nat).";

const OTHER: &str = "\
These rules are for one family; the other has its own.";

const LOOPBACK: &str = "The router talks to itself.";

const ANSWERS: &str = "\
Answers are let in: also those to the test packets of ftr, without which every uplink would look dead.";

const SERVICES: &str = "\
New connections to the router itself are dropped, from inside too. What it offers to the local network:";

const WELCOME: &str = "\
The local network may use whatever the router offers. For the DMZ:";

const MESSAGES: &str = "\
Pings, errors, and with IPv6 all that neighbours and routers tell each other.";

const LEASES: &str = "\
What DHCP servers of the providers answer to a question that was sent to everybody.";

const FORWARDED_ANSWERS: &str = "\
Packets of a connection that was let through once, and ICMP errors about it.";

const STRAYS: &str = "\
What belongs to no connection would leave with the address that it has inside.";

const LAN: &str = "New connections between local network and uplinks; between the uplinks none pass.";

const LAN_LAN: &str = "\
Between local networks: all, but for those that are isolated in the configuration.";

const OFFERED: &str = "\
No local network is listed: new connections to this host are dropped. What it offers to the internet:";

const LAN_WAN: &str = "From the local network to the internet: all.";

const SERVER: &str = "From the internet to the local network: none, but to servers that the nat table sends them to.";

const DMZ: &str = "New connections between DMZ and uplinks.";

const BETWEEN: &str =
    "New connections between local network and DMZ are dropped. To let your people reach the servers:";

const LAN_DMZ: &str = "From the local network to the DMZ: all; none the other way.";

const DMZ_WAN: &str = "From the DMZ to the internet: all.";

const WAN_DMZ: &str = "\
From the internet to the DMZ: all. Each server there is on its own. To admit only some services of one, here and
before the last rule:";

/// Where DHCP answers come from and go to, in IPv4 and IPv6.
const DHCP: [u16; 2] = [67, 68];
const DHCPV6: [u16; 2] = [547, 546];

pub(super) fn compose(config: &Config, scope: &Scope) -> Rules {
    let (lan, dmz) = (!config.downlinks.lan.is_empty(), !config.downlinks.dmz.is_empty());
    let mut blocks = Vec::new();
    if scope.passes_other {
        blocks.push(other(scope));
    }
    let spoofed = spoofed::by_route(config, scope);
    let mut hooks = vec![(Hook::Input, Policy::Drop), (Hook::Forward, Policy::Drop), (Hook::Output, Policy::Accept)];
    if spoofed.as_ref().is_some_and(|block| !block.rules.is_empty()) {
        hooks.insert(0, (Hook::Prerouting, Policy::Accept));
    }
    blocks.extend(spoofed);
    blocks.extend(input(config, scope));
    let known = When { state: Some(State::Known), ..scope.when() };
    blocks.push(block(FORWARDED_ANSWERS, vec![accept(Chain::At(Hook::Forward), known)]));
    let sources = sources::blocks(config, scope);
    let refuses = !sources.is_empty();
    blocks.extend(sources);
    let uplinks = names(scope.uplinks(config));
    if !scope.original && !uplinks.is_empty() {
        let strays = When { outputs: uplinks, state: Some(State::Stray), ..scope.when() };
        blocks.push(block(STRAYS, vec![Rule::new(Chain::At(Hook::Forward), strays, Action::Drop)]));
    }
    let admitted = forward::admitted(config, scope);
    let servers = admitted.is_some();
    blocks.extend(admitted);
    if lan {
        blocks.push(block(LAN, between(config, scope, &config.downlinks.lan, ["LAN_WAN", "WAN_LAN"])));
        blocks.extend(lan_to_lan(config, scope));
    }
    if dmz {
        blocks.push(block(DMZ, between(config, scope, &config.downlinks.dmz, ["DMZ_WAN", "WAN_DMZ"])));
    }
    if lan && dmz {
        blocks.push(lan_to_dmz(config, scope));
    }
    blocks.extend(decisions(scope, lan, dmz));
    let mut own = Vec::new();
    own.extend(if lan { &["LAN_WAN", "WAN_LAN"][..] } else { &[] });
    own.extend(if dmz { &["DMZ_WAN", "WAN_DMZ"][..] } else { &[] });
    own.extend(servers.then_some(forward::SERVERS));
    own.extend(if refuses { &[sources::SOURCES, sources::REFUSED][..] } else { &[] });
    Rules { table: Table::Filter, about: PURPOSE.to_owned(), hooks, own, blocks }
}

fn block(why: &str, rules: Vec<Rule>) -> Block {
    Block { why: why.to_owned(), rules }
}

const fn accept(chain: Chain, when: When) -> Rule {
    Rule::new(chain, when, Action::Accept)
}

fn other(scope: &Scope) -> Block {
    let families = [Family::V4, Family::V6].into_iter().filter(|family| !scope.families.contains(family));
    let rules = families.flat_map(|family| {
        [Hook::Input, Hook::Forward]
            .map(|hook| accept(Chain::At(hook), When { family: Some(family), ..When::default() }))
    });
    block(OTHER, rules.collect())
}

fn input(config: &Config, scope: &Scope) -> Vec<Block> {
    let to_us = |when| accept(Chain::At(Hook::Input), when);
    let loopback = When { inputs: "lo".parse().into_iter().collect(), ..scope.when() };
    let known = When { state: Some(State::Known), ..scope.when() };
    let mut blocks = vec![block(LOOPBACK, vec![to_us(loopback)]), block(ANSWERS, vec![to_us(known)])];
    if scope.original {
        let rules = config.downlinks.lan.iter().flat_map(|lan| services(lan, scope, &[22, 53, 67])).collect();
        blocks.push(block(SERVICES, rules));
        return blocks;
    }
    let mut rules = Vec::new();
    if !config.downlinks.lan.is_empty() {
        rules.push(to_us(When { inputs: config.downlinks.lan.clone(), ..scope.when() }));
    }
    rules.extend(config.downlinks.dmz.iter().flat_map(|dmz| services(dmz, scope, &[53, 67])));
    blocks.push(block(WELCOME, rules));
    if config.downlinks.lan.is_empty() {
        let rules = names(scope.uplinks(config)).iter().flat_map(|uplink| services(uplink, scope, &[22])).collect();
        blocks.push(block(OFFERED, rules));
    }
    let icmp = When { protocol: Some(Protocol::Icmp), ..When::default() };
    blocks.push(block(MESSAGES, scope.split(&icmp).into_iter().map(to_us).collect()));
    let leases = leases(config, scope);
    if !leases.is_empty() {
        blocks.push(block(LEASES, leases.into_iter().map(to_us).collect()));
    }
    blocks
}

/// SSH, DNS and DHCP by their ports, then ping.
fn services(device: &InterfaceName, scope: &Scope, ports: &[u16]) -> Vec<Rule> {
    let from = |when| When { inputs: vec![device.clone()], ..when };
    let service = |port: &u16| {
        let protocol = if *port == 22 { Protocol::Tcp } else { Protocol::Udp };
        from(When { protocol: Some(protocol), dports: vec![Ports { first: *port, last: *port }], ..scope.when() })
    };
    let mut offers: Vec<When> = ports.iter().map(service).collect();
    if scope.original {
        let icmp = When { protocol: Some(Protocol::Icmp), ..When::default() };
        offers.extend(scope.split(&icmp).into_iter().map(from));
    }
    offers.into_iter().map(|when| Rule::example(Chain::At(Hook::Input), when, Action::Accept)).collect()
}

fn leases(config: &Config, scope: &Scope) -> Vec<When> {
    let answer = |inputs, family, [from, to]: [u16; 2]| When {
        inputs,
        family: Some(family),
        protocol: Some(Protocol::Udp),
        sports: vec![Ports { first: from, last: from }],
        dports: vec![Ports { first: to, last: to }],
        ..When::default()
    };
    let mut leases = Vec::new();
    let learns = |uplink: &Uplink| uplink.kind == UplinkKind::Dhcp;
    let four = names(config.uplinks.iter().enumerate().filter(|(_, uplink)| learns(uplink)));
    if scope.families.contains(&Family::V4) && !four.is_empty() {
        leases.push(answer(four, Family::V4, DHCP));
    }
    let six = names(config.uplinks.iter().enumerate().filter(|(_, uplink)| uplink.ipv6.is_some()));
    if scope.families.contains(&Family::V6) && !six.is_empty() {
        let neighbours: Vec<Prefix> = "fe80::/10".parse().into_iter().collect();
        leases.push(When { sources: neighbours, ..answer(six, Family::V6, DHCPV6) });
    }
    leases
}

/// Sends what passes from `inside` to an uplink into the first chain, and what passes back into the second.
fn between(config: &Config, scope: &Scope, inside: &[InterfaceName], [out, back]: [&'static str; 2]) -> Vec<Rule> {
    let uplinks = names(scope.uplinks(config));
    if uplinks.is_empty() {
        return Vec::new();
    }
    let ways = [(inside.to_vec(), uplinks.clone(), out), (uplinks, inside.to_vec(), back)];
    let rule = |(inputs, outputs, chain)| {
        Rule::new(Chain::At(Hook::Forward), When { inputs, outputs, ..scope.when() }, Action::Jump(chain))
    };
    ways.into_iter().map(rule).collect()
}

fn lan_to_lan(config: &Config, scope: &Scope) -> Option<Block> {
    let apart = |name: &&InterfaceName| !config.downlinks.isolated.contains(name);
    let open: Vec<InterfaceName> = config.downlinks.lan.iter().filter(apart).cloned().collect();
    if scope.original || open.is_empty() {
        return None;
    }
    let when = When { inputs: open.clone(), outputs: open, ..scope.when() };
    Some(block(LAN_LAN, vec![accept(Chain::At(Hook::Forward), when)]))
}

fn lan_to_dmz(config: &Config, scope: &Scope) -> Block {
    let (lan, dmz) = (&config.downlinks.lan, &config.downlinks.dmz);
    let pass = |inputs: &[InterfaceName], outputs: &[InterfaceName]| When {
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        ..scope.when()
    };
    let chain = Chain::At(Hook::Forward);
    if scope.original {
        let first = pass(lan.get(..1).unwrap_or_default(), dmz.get(..1).unwrap_or_default());
        return block(BETWEEN, vec![Rule::example(chain, first, Action::Accept)]);
    }
    block(LAN_DMZ, vec![accept(chain, pass(lan, dmz))])
}

fn decisions(scope: &Scope, lan: bool, dmz: bool) -> Vec<Block> {
    // Only packets of our families come here.
    let all = |chain, action| Rule::new(Chain::Own(chain), When::default(), action);
    let family = scope.example();
    let server = When {
        family: Some(family),
        destinations: vec![Prefix::host(examples::server(family))],
        protocol: Some(Protocol::Tcp),
        dports: vec![Ports { first: 443, last: 443 }],
        ..When::default()
    };
    let example = |chain, when, action| Rule::example(Chain::Own(chain), when, action);
    let mut blocks = Vec::new();
    if lan {
        blocks.push(block(LAN_WAN, vec![all("LAN_WAN", Action::Accept)]));
        let admit = example("WAN_LAN", server.clone(), Action::Accept);
        blocks.push(block(SERVER, vec![admit, all("WAN_LAN", Action::Reject)]));
    }
    if dmz {
        blocks.push(block(DMZ_WAN, vec![all("DMZ_WAN", Action::Accept)]));
        let to = vec![Prefix::host(examples::dmz_server(family))];
        let host = When { destinations: to.clone(), family: Some(family), ..When::default() };
        let narrow = [
            example("WAN_DMZ", When { destinations: to, ..server }, Action::Accept),
            example("WAN_DMZ", host, Action::Reject),
        ];
        let rules = narrow.into_iter().chain([all("WAN_DMZ", Action::Accept)]).collect();
        blocks.push(block(WAN_DMZ, rules));
    }
    blocks
}
