//! What the shape of the workspace promises: dependencies run one way, and no tool links another.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_default_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

/// What each crate may use of the workspace, for tests as well. The lab uses the programs, not the crates, but for the one
/// library that only a real kernel can prove right.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("ftr-core", &[]),
    ("ftr-tool", &["ftr-core"]),
    ("ftr-firewall", &["ftr-core"]),
    ("ftr-netlink", &["ftr-core"]),
    ("ftr-probe", &["ftr-core", "ftr-tool", "ftr-netlink"]),
    ("ftr-route", &["ftr-core", "ftr-tool", "ftr-firewall", "ftr-netlink"]),
    ("ftr-rules", &["ftr-core", "ftr-tool", "ftr-firewall"]),
    ("ftr-notify", &["ftr-core", "ftr-tool"]),
    ("ftr-monitor", &["ftr-core", "ftr-tool"]),
    ("ftr-lab", &["ftr-netlink"]),
    ("ftr-bench", &["ftr-lab", "ftr-netlink"]),
    // It runs none of them: it asks each for its command line.
    ("ftr-pages", &["ftr-core", "ftr-tool", "ftr-probe", "ftr-route", "ftr-rules", "ftr-notify", "ftr-monitor"]),
];

fn metadata() -> std::io::Result<Metadata> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What is installed, which a plain `cargo build` makes and nothing else.
#[test]
fn only_the_programs_are_built_where_nothing_is_said() {
    let metadata = metadata().expect("cargo writes its metadata as JSON");
    let is_default = |package: &&Package| metadata.workspace_default_members.contains(&package.id);
    let names: BTreeSet<&str> = metadata.packages.iter().filter(is_default).map(|one| one.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["ftr-monitor", "ftr-notify", "ftr-probe", "ftr-route", "ftr-rules"]));
}

#[test]
fn dependencies_run_one_way() {
    let metadata = metadata().expect("cargo writes its metadata as JSON");
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

/// Whether a file is a module of tests alone, by how the file above declares it.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let directory = path.parent().unwrap_or(path);
    let above = [directory.join("lib.rs"), directory.join("main.rs"), directory.with_extension("rs")];
    let declared = format!("#[cfg(test)]\nmod {name};");
    above.iter().any(|file| fs::read_to_string(file).is_ok_and(|text| text.contains(&declared)))
}

/// What one module alone may do, in the words by which it does it. Whoever starts a program says where it has to be, and
/// what it is told of the environment; whoever reads a clock says what a second is in suspend.
const HOMES: [(&str, &str); 5] = [
    ("Command::new(", "ftr-tool/src/programs.rs"),
    ("clock_gettime(", "ftr-tool/src/clock.rs"),
    ("PollTimeout::", "ftr-tool/src/ready.rs"),
    ("SignalFd::", "ftr-tool/src/signals.rs"),
    ("malformed lines skipped", "ftr-tool/src/malformed.rs"),
];

#[test]
fn what_has_one_home_is_done_there_alone() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let crates = fs::read_dir(root).expect("the workspace").map(|entry| entry.expect("an entry").path().join("src"));
    let mut left: Vec<PathBuf> = crates
        .filter(|source| {
            source.is_dir() && ![root.join("tests"), root.join("bench")].iter().any(|lab| source.starts_with(lab))
        })
        .collect();
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        // Tests come last in a file, and may do what they like.
        let acting = text.split("#[cfg(test)]").next().unwrap_or_default();
        let file = || path.strip_prefix(root).expect("within the workspace").display().to_string();
        for (words, _) in HOMES.iter().filter(|(words, _)| acting.contains(words) && !is_test(&path)) {
            found.entry(words).or_default().insert(file());
        }
    }
    let homes = HOMES.map(|(words, home)| (words, BTreeSet::from([home.to_owned()])));
    assert_eq!(found, BTreeMap::from(homes));
}

/// What ftr-core may use of other crates: what works on text and numbers. What reaches outside by way of the standard
/// library its lints find (`ftr-core/clippy.toml`).
const PURE: [&str; 8] =
    ["humantime", "proptest", "saphyr-parser", "serde", "serde_json", "serde_yaml_ng", "strsim", "thiserror"];

#[test]
fn the_core_uses_nothing_that_reaches_outside() {
    let metadata = metadata().expect("cargo writes its metadata as JSON");
    let core = metadata.packages.iter().find(|package| package.name == "ftr-core").expect("ftr-core");
    let used: BTreeSet<&str> = core.dependencies.iter().map(|dependency| dependency.name.as_str()).collect();
    assert!(used.is_subset(&PURE.into()), "{used:?}");
}

/// The archive of a release is no checkout, and a package is made of it nevertheless.
#[test]
fn a_source_without_git_has_a_version_and_a_time() -> std::io::Result<()> {
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts"));
    let copy = std::env::temp_dir().join(format!("ftr-source-{}", std::process::id()));
    fs::create_dir(&copy)?;
    std::os::unix::fs::symlink(scripts, copy.join("scripts"))?;
    fs::write(copy.join("Cargo.toml"), "[workspace.package]\nversion = \"0.2.0\"\n")?;
    let told = |script: &str, epoch: &str, changelog: &str| -> std::io::Result<String> {
        fs::write(copy.join("CHANGELOG.md"), changelog)?;
        let output = Command::new(copy.join(script)).env("SOURCE_DATE_EPOCH", epoch).output()?;
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let released = "## 0.2.0 - 2026-01-31\n\n## 0.1.0 - 2025-12-24\n";
    let before = "## Unreleased\n\n## 0.1.0 - 2025-12-24\n";
    let seen = [
        told("scripts/version", "", released)?,
        told("scripts/time", "", released)?,
        told("scripts/version", "", before)?,
        told("scripts/version", "86400", before)?,
    ];
    let first = told("scripts/time", "", "## Unreleased\n")?;
    fs::remove_dir_all(&copy)?;
    assert_eq!(seen, ["0.2.0-1", "1769817600", "0.2.0~20251224000000-1", "0.2.0~19700102000000-1"]);
    assert!(first.parse::<u64>().is_ok_and(|time| time > 1_769_817_600), "{first}");
    Ok(())
}
