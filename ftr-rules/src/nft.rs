//! Rules as nft(8) reads them: tables of our own, replaced in one transaction.

mod statement;

use std::collections::BTreeSet;

use ftr_core::Family;

use crate::model::{Action, Block, Chain, Hook, Policy, Rule, Rules, Ruleset, Set, SetKind, Table};
use crate::script::Script;

/// What begins an example.
const EXAMPLE: &str = "#! ";

/// Prints the tables of a ruleset, and takes away those of `absent`.
pub(crate) fn print(ruleset: &Ruleset, absent: &[Table], file: &str) -> String {
    // A mask of all bits is no mask.
    let ruleset = &Ruleset { mask: ruleset.mask.filter(|mask| *mask != u32::MAX), ..ruleset.clone() };
    let mut script = Script::default();
    script.comment(&format!("Made by ftr-rules from {file}"));
    script.comment(
        "nft -f replaces these tables, all at once, and touches no others: what they accept others may still drop.\n\
         Lines that begin with \"#!\" are examples: adapt them, and take the \"#!\" away.",
    );
    for table in absent {
        script.gap();
        script.comment(&format!("{}: none of ours, and none that was loaded before.", table.as_str()));
        remove(*table, &mut script);
    }
    for rules in &ruleset.tables {
        script.gap();
        table(rules, ruleset, &mut script);
    }
    script.into_text()
}

/// The name of a table of ours, with its family.
pub(crate) fn table_name(table: Table) -> String {
    format!("inet ftr_{}", table.as_str())
}

/// A table can only be deleted where it is, so it is made first.
fn remove(table: Table, script: &mut Script) {
    let name = table_name(table);
    script.line(&format!("add table {name}"));
    script.line(&format!("delete table {name}"));
}

fn table(rules: &Rules, ruleset: &Ruleset, script: &mut Script) {
    script.comment(&rules.about);
    let sets = sets(rules);
    if sets.is_empty() {
        remove(rules.table, script);
    } else {
        // Deleted with the table, the sets would lose what others have put into them.
        let name = table_name(rules.table);
        script.line(&format!("add table {name}"));
        script.line(&format!("flush table {name}"));
    }
    script.braces(&format!("table {}", table_name(rules.table)), |script| {
        for (kept, family) in &sets {
            set(kept, *family, script);
        }
        for mark in restored(rules, ruleset) {
            script.braces(&format!("chain {}", statement::mark_chain(mark)), |script| {
                script.line(&statement::set_mark("meta mark", mark, ruleset.mask));
            });
        }
        for name in &rules.own {
            let head = format!("chain {}", name.to_lowercase());
            script.braces(&head, |script| chain(rules, Chain::Own(name), ruleset, script));
        }
        for (hook, policy) in &rules.hooks {
            if *policy == Policy::Drop || rules.blocks.iter().any(|block| has(block, Chain::At(*hook))) {
                script.braces(&format!("chain {}", hook_name(*hook)), |script| {
                    script.line(&declaration(rules.table, *hook, *policy));
                    chain(rules, Chain::At(*hook), ruleset, script);
                });
            }
        }
    });
}

/// The marks for which there has to be a chain that sets them: nft cannot copy some bits of a mark (up to 1.0.x, "must
/// be constant").
fn restored(rules: &Rules, ruleset: &Ruleset) -> Vec<u32> {
    let mut all = rules.blocks.iter().flat_map(|block| &block.rules);
    let copies = ruleset.mask.is_some() && all.any(|rule| rule.action == Action::RestoreMark);
    if copies { ruleset.marks.clone() } else { Vec::new() }
}

/// Every set that a rule looks into.
fn sets(rules: &Rules) -> BTreeSet<(Set, Family)> {
    let all = rules.blocks.iter().flat_map(|block| &block.rules);
    all.filter_map(|rule| Some((rule.when.set.clone()?, rule.when.family?))).collect()
}

fn set(set: &Set, family: Family, script: &mut Script) {
    let by = match set.kind {
        SetKind::Networks => "others",
        SetKind::Names => "a name server (ftr-rules --dns)",
    };
    script.comment(&format!("Filled by {by}. Loading these rules again keeps what is in it."));
    let kind = match family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    };
    script.braces(&format!("set {}", set.nft(family)), |script| {
        script.line(&format!("type {kind}"));
        match set.kind {
            SetKind::Networks => script.line("flags interval"),
            SetKind::Names => {
                script.line(&format!("size {}", Set::MOST));
                script.line("flags dynamic,timeout");
                script.line(&format!("timeout {}s", Set::STAYS));
            }
        }
    });
}

fn has(block: &Block, chain: Chain) -> bool {
    block.rules.iter().any(|rule| rule.chain == chain)
}

fn chain(rules: &Rules, chain: Chain, ruleset: &Ruleset, script: &mut Script) {
    for block in rules.blocks.iter().filter(|block| has(block, chain)) {
        script.comment(&block.why);
        for rule in block.rules.iter().filter(|rule| rule.chain == chain) {
            line(rule, ruleset, script);
        }
    }
}

fn line(rule: &Rule, ruleset: &Ruleset, script: &mut Script) {
    // A packet without an uplink's mark has nothing to take over.
    if rule.action == Action::RestoreMark && ruleset.marks.is_empty() {
        return;
    }
    let line = statement::rule(rule, ruleset);
    if rule.example {
        script.remark(EXAMPLE, &line);
    } else {
        script.line(&line);
    }
}

const fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
    }
}

/// Where a chain is entered. Only in one of the type route a new mark makes the router's own packets be routed again.
fn declaration(table: Table, hook: Hook, policy: Policy) -> String {
    let (kind, priority) = match (table, hook) {
        (Table::Mangle, Hook::Output) => ("route", "mangle"),
        (Table::Mangle, _) => ("filter", "mangle"),
        (Table::Nat, Hook::Prerouting | Hook::Output) => ("nat", "dstnat"),
        (Table::Nat, _) => ("nat", "srcnat"),
        (Table::Filter, _) => ("filter", "filter"),
    };
    let policy = match policy {
        Policy::Accept => "accept",
        Policy::Drop => "drop",
    };
    format!("type {kind} hook {} priority {priority}; policy {policy};", hook_name(hook))
}
