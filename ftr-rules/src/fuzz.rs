//! What printed rules and those of others have to hold to, whatever is in them. Fuzzers feed these functions (`fuzz/`), and
//! the tests with what the fuzzers once found.

use std::collections::BTreeSet;
use std::path::Path;

use ftr_core::{Config, Family};

use crate::diff::{Table, compare, iptables, nft};
use crate::model;
use crate::render::{Backend, Request, render};

/// The name of a target in `fuzz/`, and what it is.
pub type Target = (&'static str, fn(&[u8]));

/// Texts, each fed to the function of its name.
pub const TARGETS: &[Target] = &[("rules_printed", printed), ("rules_loaded", loaded)];

/// The rules of any configuration are text that its reader finds whole, and the same as themselves.
pub fn printed(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(config) = Config::parse(Path::new("ftr.yaml"), text) else { return };
    let requests = [
        (Backend::Iptables, vec![Family::V4]),
        (Backend::Iptables, vec![Family::V6]),
        (Backend::Nft, vec![Family::V4, Family::V6]),
    ];
    for (backend, families) in requests {
        let request = Request { backend, families, tables: model::Table::ALL.to_vec() };
        let rules = render(&config, &request);
        assert!(!rules.chars().any(|one| one.is_control() && !matches!(one, '\n' | '\t')), "{rules}");
        let tables = read(backend, &rules);
        let printed = request.printed(&config).len();
        match backend {
            Backend::Iptables => {
                assert_eq!(tables.len(), printed, "{rules}");
                assert_eq!(rules.lines().filter(|line| *line == "COMMIT").count(), printed, "{rules}");
            }
            // Tables that are not wanted are named as well, to be removed.
            Backend::Nft => {
                assert!(tables.len() >= printed, "{rules}");
                let braces = |brace: char| {
                    let acting = rules.lines().filter(|line| !line.trim_start().starts_with('#'));
                    acting.map(|line| line.matches(brace).count()).sum::<usize>()
                };
                assert_eq!(braces('{'), braces('}'), "{rules}");
            }
        }
        if is_unambiguous(&tables) {
            assert_eq!(compare(&tables, &tables), [""; 0], "{rules}");
        }
    }
}

/// Rules that others may have loaded are the same as themselves. The first byte tells whose words they are in.
pub fn loaded(bytes: &[u8]) {
    let Some((program, text)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let tables = read(if *program % 2 == 0 { Backend::Iptables } else { Backend::Nft }, text);
    let rules = tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum::<usize>();
    assert!(rules <= text.lines().count(), "{tables:?}");
    if is_unambiguous(&tables) {
        assert_eq!(compare(&tables, &tables), [""; 0]);
    }
    for line in compare(&[], &tables).iter().chain(&compare(&tables, &[])) {
        assert!(line.starts_with(['+', '-']) && !line.contains('\n'), "{line:?}");
    }
}

fn read(backend: Backend, text: &str) -> Vec<Table> {
    match backend {
        Backend::Iptables => iptables::parse(text),
        Backend::Nft => nft::parse(text),
    }
}

/// Whether each name stands once, as in everything that a kernel can show.
fn is_unambiguous(tables: &[Table]) -> bool {
    let mut names = BTreeSet::new();
    tables.iter().all(|table| {
        let mut chains = BTreeSet::new();
        names.insert(&table.name) && table.chains.iter().all(|chain| chains.insert(&chain.name))
    })
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;
