//! What the shape of the workspace promises: dependencies run one way, and no tool links another.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

/// What each crate may use of the workspace, for tests as well. The lab uses the programs, not the crates, but for the one
/// library that only a real kernel can prove right.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("ftr-core", &[]),
    ("ftr-netlink", &["ftr-core"]),
    ("ftr-probe", &["ftr-core", "ftr-netlink"]),
    ("ftr-route", &["ftr-core", "ftr-netlink"]),
    ("ftr-rules", &["ftr-core"]),
    ("ftr-notify", &["ftr-core"]),
    ("ftr-monitor", &["ftr-core"]),
    ("ftr-lab", &["ftr-netlink"]),
    // It runs none of them: it asks each for its command line.
    ("ftr-pages", &["ftr-probe", "ftr-route", "ftr-rules", "ftr-notify", "ftr-monitor"]),
];

#[test]
fn dependencies_run_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo writes its metadata as JSON");
    let members: BTreeMap<&str, BTreeSet<&str>> =
        metadata.packages.iter().map(|package| (package.name.as_str(), siblings(package))).collect();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    assert_eq!(members.keys().collect::<Vec<_>>(), allowed.keys().collect::<Vec<_>>(), "a member is not listed here");
    for (name, uses) in members {
        assert!(uses.is_subset(&allowed[name]), "{name} may use {:?}, but uses {uses:?}", allowed[name]);
    }
}

fn siblings(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .map(|dependency| dependency.name.as_str())
        .filter(|name| name.starts_with("ftr-"))
        .collect()
}
