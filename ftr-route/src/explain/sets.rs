//! Which sets of the firewall hold an address, as nft(8) and ipset(8) tell.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::Config;

use crate::diagnose::look::program::output;

/// Whether the set of a policy holds an address; none where that cannot be told.
pub(super) type Held = BTreeMap<usize, Option<bool>>;

/// Asks for each policy that looks into a set.
pub(super) fn held(config: &Config, address: IpAddr) -> Held {
    let sets = config.policies.iter().enumerate().filter_map(|(k, policy)| Some((k, policy.set()?)));
    sets.map(|(k, set)| (k, holds(&set, address))).collect()
}

/// By the sets of both programs, for either may have loaded the rules.
fn holds(set: &str, address: IpAddr) -> Option<bool> {
    let name = format!("{set}{}", if Family::of(address) == Family::V6 { "6" } else { "" });
    let (of_nft, address) = (format!("to_{name}"), address.to_string());
    let nft = |words: &[&str]| answers("nft", &[words, &["inet", "ftr_mangle", &of_nft]].concat());
    let element = format!("{{ {address} }}");
    if answers("nft", &["get", "element", "inet", "ftr_mangle", &of_nft, &element])
        || answers("ipset", &["-q", "test", &name, &address])
    {
        return Some(true);
    }
    let is_there = nft(&["-t", "list", "set"]) || answers("ipset", &["-q", "list", "-n", &name]);
    is_there.then_some(false)
}

/// Whether a program does as it is asked: it is there, may look, and finds it.
fn answers(program: &str, words: &[&str]) -> bool {
    matches!(output(program, words), Ok(Some(_)))
}
