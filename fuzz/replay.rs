//! Part of the tests of each crate that reads something from outside: its fuzz targets, fed with what is kept for them.

use std::path::Path;

use super::TARGETS;

#[test]
fn what_fuzzers_found_holds() {
    for (name, target) in TARGETS {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        let entries: Vec<_> = std::fs::read_dir(&directory).unwrap().map(Result::unwrap).collect();
        assert!(!entries.is_empty(), "{}: nothing in it", directory.display());
        for path in entries.iter().map(std::fs::DirEntry::path) {
            // Shown where the test fails.
            println!("{}", path.display());
            target(&std::fs::read(&path).unwrap());
        }
    }
}
