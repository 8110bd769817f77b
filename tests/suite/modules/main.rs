//! No two modules of a crate import each other, directly or through others: whoever reads one file can stop at what it
//! imports, and need not come back.
//!
//! A module is a file. It imports another where it names something that is defined there: by `use`, or by a path in code,
//! in a type, in a macro or in an attribute. `mod x;` and `pub use` are no imports, they only say where things are found; a
//! file that itself uses what it hands on by `pub use` does import it. What is for tests alone does not count.

mod circles;
mod imports;
mod tree;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::imports::Imports;
use crate::tree::Tree;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

/// The files where the libraries and programs of the workspace begin.
fn crates(root: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    let targets = metadata.packages.into_iter().flat_map(|package| package.targets);
    let product = targets.filter(|target| target.kind.iter().any(|kind| kind == "lib" || kind == "bin"));
    Ok(product.map(|target| target.src_path).collect())
}

/// A line for each import between modules that import each other, under a line for each circle.
fn circles_of(root: &Path, start: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let tree = Tree::read(start)?;
    let imports = Imports::of(&tree);
    let shown = |file: usize| {
        let path = tree.path(file);
        path.strip_prefix(root).unwrap_or(path).display().to_string()
    };
    let mut lines = Vec::new();
    for circle in circles::find(tree.files(), imports.edges.keys().copied()) {
        lines.push(format!("{} files import each other:", circle.len()));
        for ((from, to), import) in &imports.edges {
            if circle.contains(from) && circle.contains(to) {
                lines.push(format!("  {}:{}: `{}` is in {}", shown(*from), import.line, import.path, shown(*to)));
            }
        }
    }
    Ok(lines)
}

#[test]
fn no_two_modules_import_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the workspace");
    let found: Vec<String> = crates(root)
        .expect("cargo lists the workspace")
        .iter()
        .flat_map(|start| circles_of(root, start).expect("the sources are read"))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_however_the_import_is_written() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/circle"));
    let found = circles_of(root, &root.join("lib.rs")).expect("the fixture is read");
    let expected = [
        "4 files import each other:",
        "  again.rs:1: `super::call` is in call.rs",
        "  attribute.rs:5: `crate::within_macro::is_none` is in within_macro.rs",
        "  call.rs:4: `attribute::written` is in attribute.rs",
        "  within_macro.rs:4: `crate::call::Again::NUMBER` is in again.rs",
    ];
    assert_eq!(found, expected);
}
