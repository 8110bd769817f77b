//! The programs that load and show rules, and what each shows now.

use std::collections::BTreeSet;

use ftr_core::Family;
use ftr_tool::cli::Failure;

use crate::diff::{Table, iptables, nft, others};
use crate::programs::shown;

/// How to load and to show rules, and how to read both.
pub(super) struct Loader {
    /// Which variant of iptables it is, or nft.
    pub(super) name: String,
    pub(super) load: Vec<String>,
    pub(super) show: Vec<String>,
    pub(super) read: fn(&str) -> Vec<Table>,
}

/// One of them, and what is loaded.
pub(super) type Shown = (Loader, Vec<Table>);

impl Loader {
    pub(super) fn show(&self) -> Result<Vec<Table>, Failure> {
        Ok((self.read)(&shown(&self.show)?))
    }
}

/// What nft shows: without counters, and without what is in sets.
pub(super) fn nft() -> Result<Shown, Failure> {
    let show = words("nft -s -t list ruleset");
    let loader = Loader { name: "nft".to_owned(), load: words("nft -f -"), show, read: nft::parse };
    let tables = loader.show()?;
    Ok((loader, tables))
}

/// What iptables (or ip6tables) shows. The legacy one and that of nft do not see each other's rules, and packets pass both.
/// First comes what is called iptables on this host; the other one only where it has rules. Rules that other programs are
/// known to make are marked; never those for the devices that are `named`.
///
/// # Errors
/// The first is not there, or may not look.
pub(super) fn iptables(family: Family, named: &BTreeSet<&str>) -> Result<Vec<Shown>, Failure> {
    let program = match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    // Before 1.8 there was the legacy one alone.
    let is_nft = shown(&[program, "-V"]).is_ok_and(|version| version.contains("nf_tables"));
    let (usual, other) = if is_nft { ("-nft", "-legacy") } else { ("-legacy", "-nft") };
    let loader = |prefix: &str, variant: &str| Loader {
        name: format!("{program}{variant}"),
        load: words(&format!("{program}{prefix}-restore -w 5")),
        show: words(&format!("{program}{prefix}-save")),
        read: iptables::parse,
    };
    let usual = loader("", usual);
    let tables = usual.show()?;
    let mut all = vec![(usual, tables)];
    let other = loader(other, other);
    // Where it is not installed, nobody has loaded rules with it.
    if let Some(tables) = other.show().ok().filter(|tables| tables.iter().any(Table::acts)) {
        all.push((other, tables));
    }
    for (_, tables) in &mut all {
        others::mark(tables, named);
    }
    Ok(all)
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}
