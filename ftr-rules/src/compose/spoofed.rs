//! Sources that claim to be inside, of packets that come in by an uplink. `ftr-route` switches the kernel's own filter
//! for them (`rp_filter`) off, because answers may come by another uplink than routing would choose.

use ftr_core::config::Firewall;
use ftr_core::{Config, Family, InterfaceName, Prefix};

use super::examples;
use super::scope::{Scope, inside, names};
use crate::model::{Action, Block, Chain, Claim, Hook, Rule, When};

const BY_ROUTE: &str = "\
What comes in by an uplink and claims to come from inside: answers to it would leave by a device of the local network
or the DMZ. With IPv6 also what claims to come from the router; of IPv4 the kernel itself drops that.";

const BY_ADDRESS: &str = "\
What comes in by an uplink and claims to come from inside: its source is a private address, or of a prefix that is in
the configuration, and answers to it would leave by another device. iptables cannot ask whether that device is inside,
so hosts inside with other addresses need a rule like the example, with their network, for each uplink.";

const ORIGINAL: &str = "\
What comes in by an uplink may claim to come from inside, and reaches the DMZ: ftr-route switches rp_filter off.
`firewall: safe` in the configuration has rules against it.";

/// The private addresses (RFC 1918, RFC 4193).
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
/// What an address of the router can be like, other than link-local: those are the same on many devices.
const GLOBAL: [&str; 2] = ["2000::/3", "fc00::/7"];

/// For the filter table, of back ends that can ask routing; for the original's only what is to be known.
pub(super) fn by_route(config: &Config, scope: &Scope) -> Option<Block> {
    if scope.original {
        let reaches = !config.downlinks.dmz.is_empty();
        return reaches.then(|| Block { why: ORIGINAL.to_owned(), rules: Vec::new() });
    }
    if !scope.looks_up {
        return None;
    }
    let (uplinks, inside) = ends(config, scope)?;
    let behind = When { inputs: uplinks.clone(), claim: Some(Claim::Behind(inside)), ..scope.when() };
    let mut rules = vec![dropped(behind)];
    rules.extend(ours(scope, &uplinks));
    Some(Block { why: BY_ROUTE.to_owned(), rules })
}

/// For the mangle table, of those that can only ask whether the way back is the way that a packet came. Its mark has to be
/// that of its uplink by then: else the way back would be any uplink's.
pub(super) fn by_address(config: &Config, scope: &Scope) -> Option<Block> {
    if scope.original || scope.looks_up || config.firewall == Some(Firewall::None) {
        return None;
    }
    let (uplinks, inside) = ends(config, scope)?;
    let family = scope.example();
    let from = |sources, inputs: &[InterfaceName]| When {
        inputs: inputs.to_vec(),
        sources,
        family: Some(family),
        claim: Some(Claim::Behind(inside.clone())),
        ..When::default()
    };
    let mut rules = vec![dropped(from(known(config, family), &uplinks))];
    rules.extend(ours(scope, &uplinks));
    let example = from(vec![examples::far(family)], uplinks.get(..1).unwrap_or_default());
    rules.push(Rule::example(Chain::At(Hook::Prerouting), example, Action::Drop));
    Some(Block { why: BY_ADDRESS.to_owned(), rules })
}

/// The uplinks, and the devices inside; none where there is nothing on either side.
fn ends(config: &Config, scope: &Scope) -> Option<(Vec<InterfaceName>, Vec<InterfaceName>)> {
    let ends = (names(scope.uplinks(config)), inside(config));
    (!ends.0.is_empty() && !ends.1.is_empty()).then_some(ends)
}

const fn dropped(when: When) -> Rule {
    Rule::new(Chain::At(Hook::Prerouting), when, Action::Drop)
}

fn ours(scope: &Scope, uplinks: &[InterfaceName]) -> Option<Rule> {
    let when = When {
        inputs: uplinks.to_vec(),
        sources: prefixes(&GLOBAL),
        family: Some(Family::V6),
        claim: Some(Claim::Ours),
        ..When::default()
    };
    scope.families.contains(&Family::V6).then(|| dropped(when))
}

/// The addresses that hosts inside are known to have.
fn known(config: &Config, family: Family) -> Vec<Prefix> {
    let mut known = prefixes(&PRIVATE);
    let stated = config.uplinks.iter().flat_map(|uplink| uplink.prefixes6.iter()).chain(&config.downlinks.prefix6);
    for prefix in stated {
        if !known.iter().any(|other| other.length() <= prefix.length() && other.contains(prefix.address())) {
            known.push(*prefix);
        }
    }
    known.retain(|prefix| prefix.family() == family);
    known
}

fn prefixes(texts: &[&str]) -> Vec<Prefix> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
