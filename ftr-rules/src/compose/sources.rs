//! Sources that an uplink's provider does not take: they are refused here, for he would drop them and tell nobody.

use ftr_core::config::{Protocol, Uplink};
use ftr_core::{Config, Family, Prefix};

use super::scope::Scope;
use crate::model::{Action, Block, Chain, Hook, Rule, When};

/// The chain for what would leave by an uplink with IPv6.
pub(super) const SOURCES: &str = "SOURCES";
/// The chain for what may not.
pub(super) const REFUSED: &str = "REFUSED";

const LEAVES: &str = "\
What may leave with its source by the uplink that routing has chosen goes on to the rules below. Here are the packets that
open connections, and those of connections that are no longer known; established ones have passed.";

const HOME: &str = "What comes from the prefix of an uplink may leave by it.";

const RESCUED: &str = "By others it is translated.";

const ELSEWHERE: &str = "By others it may not (routing.ipv6_rescue).";

const UNKNOWN: &str = "\
Nor may global sources that are of no prefix, where all prefixes of the uplink are in the configuration and it translates
none.";

const TOLD: &str = "\
Connections are reset, for an error would not end them; others get the error that says that another source may do.";

/// None where no uplink has a prefix that is known.
pub(super) fn blocks(config: &Config, scope: &Scope) -> Vec<Block> {
    let uplinks: Vec<&Uplink> = config.uplinks.iter().filter(|uplink| uplink.has(Family::V6)).collect();
    let mut known: Vec<Prefix> =
        config.delegated().chain(config.formerly_delegated()).map(|(_, prefix)| prefix).collect();
    known.sort_unstable();
    known.dedup();
    if !scope.families.contains(&Family::V6) || known.is_empty() {
        return Vec::new();
    }
    let six = When { family: Some(Family::V6), ..When::default() };
    let names = |uplinks: &[&Uplink]| uplinks.iter().map(|uplink| uplink.name.clone()).collect();
    let sources = |when, action| Rule::new(Chain::Own(SOURCES), when, action);
    let enter = When { outputs: names(&uplinks), unencrypted: !scope.original, ..six.clone() };
    let mut blocks = vec![(LEAVES, vec![Rule::new(Chain::At(Hook::Forward), enter, Action::Jump(SOURCES))])];
    let home = uplinks.iter().filter(|uplink| !uplink.prefixes6.is_empty()).map(|uplink| {
        let when = When { outputs: names(&[*uplink]), sources: uplink.prefixes6.to_vec(), ..six.clone() };
        sources(when, Action::Return)
    });
    blocks.push((HOME, home.collect()));
    let (why, action) = if config.routing.ipv6_rescue.translates() {
        (RESCUED, Action::Return)
    } else {
        (ELSEWHERE, Action::Jump(REFUSED))
    };
    blocks.push((why, vec![sources(When { sources: known, ..six.clone() }, action)]));
    let strict: Vec<&Uplink> = uplinks.into_iter().filter(|uplink| uplink.takes_stated_prefixes_alone()).collect();
    if !strict.is_empty() {
        let global = "2000::/3".parse().into_iter().collect();
        let when = When { outputs: names(&strict), sources: global, ..six.clone() };
        blocks.push((UNKNOWN, vec![sources(when, Action::Jump(REFUSED))]));
    }
    let tcp = When { protocol: Some(Protocol::Tcp), ..six.clone() };
    let refused = [(tcp, Action::Reset), (six, Action::RejectSource)];
    blocks.push((TOLD, refused.map(|(when, action)| Rule::new(Chain::Own(REFUSED), when, action)).into()));
    blocks.into_iter().map(|(why, rules)| Block { why: why.to_owned(), rules }).collect()
}
