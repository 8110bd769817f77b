//! What is loaded against what `ftr-rules` prints, by the programs that load rules.
//!
//! They show a rule in other words than it was written in, and each version in its own. So ours are loaded as well, in a
//! network namespace that nobody uses, and shown by the same program.

mod loader;

use std::collections::BTreeSet;

use ftr_core::{Config, Exit, Family, InterfaceName};
use ftr_tool::cli::Failure;

use crate::diff::beside::{Ours, beside};
use crate::diff::{Table, compare, iptables, nft, with_examples};
use crate::model::Ruleset;
use crate::programs::{self, shown};
use crate::render::{Backend, Request, print, render};
use crate::{nft as backend, space};
use loader::{Loader, Shown};

/// What sets of names alone have.
const TIMEOUT: &str = "timeout";

/// Each difference, a line: see [`compare`]. The process is in another network namespace afterwards.
///
/// # Errors
/// Something is not there, or may not be done.
pub(crate) fn differences(request: &Request, config: &Config) -> Result<Vec<String>, Failure> {
    let (shown, elsewhere) = look(request, config)?;
    let ruleset = request.ruleset(config);
    let sets = sets(request, &ruleset);
    let unlike = unlike(&sets)?;
    space::enter()?;
    for (name, words) in sets {
        let create = format!("create {name} {words}\n");
        programs::fed(&["ipset", "restore"], &create)?;
    }
    let mut fewest: Option<Vec<String>> = None;
    for (at, (loader, loaded)) in shown.iter().enumerate() {
        let wanted = wanted(loader, request, config, &ruleset)?;
        let mut lines = compare(&wanted, loaded);
        lines.extend(left(request, config, loaded));
        // Packets pass the rules of both variants of iptables, so the other one may have none of ours.
        for (_, (other, loaded)) in shown.iter().enumerate().filter(|(other, _)| *other != at) {
            lines.extend(beside(&other.name, &wanted, loaded));
        }
        if fewest.as_ref().is_none_or(|before| lines.len() < before.len()) {
            fewest = Some(lines);
        }
    }
    Ok(fewest.into_iter().flatten().chain(elsewhere).chain(unlike).collect())
}

/// Our rules as the program shows them once they are loaded, examples among them.
fn wanted(loader: &Loader, request: &Request, config: &Config, ruleset: &Ruleset) -> Result<Vec<Table>, Failure> {
    let acting = print(ruleset, request, config);
    let all = print(&ruleset.with_examples(), request, config);
    programs::fed(&loader.load, &all)?;
    let tables = with_examples(loader.show()?, &(loader.read)(&all), &(loader.read)(&acting));
    tables.ok_or_else(|| {
        Failure::new(Exit::Bug, format!("{}: shows other rules than it was given", loader.show.join(" ")))
    })
}

/// What is loaded, by each program that shows rules of its own, and what is left of ours where another output puts them.
fn look(request: &Request, config: &Config) -> Result<(Vec<Shown>, Vec<String>), Failure> {
    let named = devices(config);
    let mut elsewhere = Vec::new();
    if request.backend == Backend::Nft {
        for family in &request.families {
            // Where iptables is not installed, nobody has loaded rules with it.
            let Ok(shown) = loader::iptables(*family, &named) else { continue };
            let request =
                Request { backend: Backend::Iptables, families: vec![*family], tables: request.tables.clone() };
            let ours = Ours { family: *family, config, printed: iptables::parse(&render(config, &request)) };
            elsewhere.extend(shown.iter().flat_map(|(loader, tables)| ours.left_in(&loader.name, tables)));
        }
        return Ok((vec![loader::nft()?], elsewhere));
    }
    let family = request.families.first().copied().unwrap_or(Family::V4);
    if let Ok((_, tables)) = loader::nft() {
        let printed = request.printed(config).into_iter().map(backend::table_name);
        let acting = printed.filter(|name| nft::acts(&tables, name, family));
        elsewhere.extend(acting.map(|name| format!("+ nft: table {name}")));
    }
    Ok((loader::iptables(family, &named)?, elsewhere))
}

/// The devices that the configuration names: rules for them are no business of other programs.
fn devices(config: &Config) -> BTreeSet<&str> {
    let uplinks = config.uplinks.iter().map(|uplink| &uplink.name);
    let inside = config.downlinks.lan.iter().chain(&config.downlinks.dmz);
    let matches = config.policies.iter().filter_map(|policy| policy.matching.as_ref());
    let all = uplinks.chain(inside).chain(matches.flat_map(|matching| &matching.interfaces));
    all.map(InterfaceName::as_str).collect()
}

/// The sets that iptables has to find before it takes rules that look into them, each with the words that make it.
fn sets(request: &Request, ruleset: &Ruleset) -> BTreeSet<(String, String)> {
    let rules = ruleset.tables.iter().flat_map(|table| &table.blocks).flat_map(|block| &block.rules);
    let named = rules.filter_map(|rule| rule.when.set.as_ref());
    match (request.backend, request.families.as_slice()) {
        (Backend::Nft, _) => BTreeSet::new(),
        (Backend::Iptables, families) => {
            let family = families.first().copied().unwrap_or(Family::V4);
            named.map(|set| (set.ipset(family), set.create(family))).collect()
        }
    }
}

/// How the sets of names that there are differ from ours. What they hold is for others to say, and of other sets everything
/// is.
fn unlike(sets: &BTreeSet<(String, String)>) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    let ours: Vec<_> = sets.iter().filter(|(_, words)| words.contains(TIMEOUT)).collect();
    if ours.is_empty() {
        return Ok(lines);
    }
    let there = shown(&["ipset", "list", "-n"])?;
    for (name, words) in ours {
        let found = if there.lines().any(|line| line == name) {
            Some(made_by(&shown(&["ipset", "list", "-t", name])?))
        } else {
            None
        };
        if found.as_ref() != Some(words) {
            lines.push(format!("- set {name}: {words}"));
            lines.extend(found.map(|found| format!("+ set {name}: {found}")));
        }
    }
    Ok(lines)
}

/// The words that make a set like one that ipset(8) describes, but for those that make no difference here.
fn made_by(description: &str) -> String {
    let line = |head: &str| description.lines().find_map(|line| line.strip_prefix(head)).unwrap_or_default().trim();
    let words: Vec<&str> = line("Header:").split_whitespace().collect();
    let mut made = line("Type:").to_owned();
    for pair in
        words.chunks(2).filter(|pair| ["family", "maxelem", TIMEOUT].iter().any(|word| pair.first() == Some(word)))
    {
        made.push(' ');
        made.push_str(&pair.join(" "));
    }
    made
}

/// Tables of ours that the configuration does not want any more: loading removes them.
fn left(request: &Request, config: &Config, loaded: &[Table]) -> Vec<String> {
    if request.backend != Backend::Nft {
        return Vec::new();
    }
    let names = request.absent(config).into_iter().map(backend::table_name);
    let there = names.filter(|name| loaded.iter().any(|table| table.name == *name));
    there.map(|name| format!("+ table {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::made_by;

    #[test]
    fn a_set_is_compared_by_what_it_can_hold() {
        let shown = "Name: ftr_video\nType: hash:ip\nRevision: 6\nHeader: family inet hashsize 2048 maxelem 65536 timeout 3600 \
                     bucketsize 12 initval 0x08b025a0\nSize in memory: 280\nReferences: 0\nNumber of entries: 1\n";
        assert_eq!(made_by(shown), "hash:ip family inet maxelem 65536 timeout 3600");
        assert_eq!(made_by("Header: family"), " family");
    }
}
