//! Translation of what comes from the prefix of one uplink and leaves by another.
//!
//! `ftr-route` sends it there while its own uplink is down, by a routing rule. These rules are loaded all the time: what
//! leaves by the uplink that its prefix came with never meets them, so nothing has to be loaded when an uplink fails.

use ftr_core::config::{Nat6, Uplink};
use ftr_core::{Config, Family, Prefix};

use super::leaving::{leaves, to_address};
use super::scope::Scope;
use crate::model::{Action, Block, Chain, Hook, Rule, When};

/// The chain for what has the source of another uplink.
pub(super) const RESCUE: &str = "RESCUE";

const OWN: &str = "\
What comes from the prefix of an uplink leaves by it as it is. By another uplink, which carries it while its own is down
(routing.ipv6_rescue), it would be dropped by the provider: it gets the prefix of that uplink, or its address.";

const OTHERS: &str = "\
One rule for each uplink. Connection tracking keeps hosts apart that become the same address.";

/// None where no uplink would be left to take anything over.
///
/// First the sources that are at home where they leave, then all sources together, then a rule for each uplink: the number
/// of rules grows with that of the uplinks, not with its square.
pub(super) fn blocks(config: &Config, scope: &Scope) -> Vec<Block> {
    let scope = &Scope { families: vec![Family::V6], ..scope.clone() };
    let others: Vec<Rule> = scope.uplinks(config).filter_map(|(i, uplink)| leaving(config, i, uplink)).collect();
    if others.is_empty() {
        return Vec::new();
    }
    let at = |when, action| Rule::new(Chain::At(Hook::Postrouting), when, action);
    // Where everything else is translated, that stands beside the rule for it.
    let stays = |uplink: &&Uplink| uplink.nat6 != Nat6::Masquerade && !uplink.prefixes6.is_empty();
    let own = scope.uplinks(config).map(|(_, uplink)| uplink).filter(stays);
    let mut rules: Vec<Rule> = own
        .map(|uplink| {
            let when = When { unencrypted: false, ..leaves(&uplink.name, Family::V6, scope) };
            at(When { sources: uplink.prefixes6.to_vec(), ..when }, Action::Accept)
        })
        .collect();
    let all = config.delegated().chain(config.formerly_delegated());
    let mut sources: Vec<Prefix> = all.map(|(_, prefix)| prefix).collect();
    sources.sort_unstable();
    sources.dedup();
    if sources.is_empty() {
        // Not learned yet. Without sources the rule would be for all.
        return Vec::new();
    }
    let all = When { sources, family: Some(Family::V6), unencrypted: !scope.original, ..When::default() };
    rules.push(at(all, Action::Jump(RESCUE)));
    [(OWN, rules), (OTHERS, others)].map(|(why, rules)| Block { why: why.to_owned(), rules }).into()
}

/// What becomes of the sources of others that leave by this uplink. One that translates everything to its address does so
/// with them too, by its usual rule. Beside the prefix inside, `npt` has no room for others.
fn leaving(config: &Config, index: usize, uplink: &Uplink) -> Option<Rule> {
    let kind = uplink.ipv6.filter(|_| config.rescues(index))?;
    // What changes is not stated here: the address of the device is right whatever was learned when these were printed.
    let stated = uplink.prefixes6.first().filter(|_| !uplink.prefixes6.auto);
    let action = match (uplink.nat6, stated) {
        (Nat6::Masquerade, _) => return None,
        (Nat6::None, Some(prefix)) => Action::SourcePrefix(*prefix),
        (Nat6::None, None) | (Nat6::Prefix, _) => to_address(kind),
    };
    let when = When { family: Some(Family::V6), outputs: vec![uplink.name.clone()], ..When::default() };
    Some(Rule::new(Chain::Own(RESCUE), when, action))
}
