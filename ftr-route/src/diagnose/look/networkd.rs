//! Reads the configuration of systemd-networkd (networkd.conf(5)).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::ini;
use crate::diagnose::networkd::{KEYS, Networkd};

/// Where its configuration may be: an earlier directory hides files of the same name in later ones.
const DIRECTORIES: [&str; 4] = ["etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"];
/// Reads its configuration below a root directory. What cannot be read counts as not there, as it does for
/// systemd-networkd itself.
pub(super) fn read(root: &Path) -> Networkd {
    let mut removes = [true; 2];
    let texts: Vec<String> = files(root).into_iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    for (key, removes) in KEYS.iter().zip(&mut removes) {
        let mut stated = texts.iter().flat_map(|text| ini::values(text, "Network", key)).filter_map(boolean);
        *removes = stated.next_back().unwrap_or(true);
    }
    Networkd { removes }
}

/// The files that it reads, in its order: one main file, and then pieces of all directories by name.
fn files(root: &Path) -> Vec<PathBuf> {
    let directories = DIRECTORIES.map(|directory| root.join(directory));
    let main = directories.iter().map(|directory| directory.join("networkd.conf")).find(|file| file.exists());
    let mut pieces: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in &directories {
        let entries = fs::read_dir(directory.join("networkd.conf.d")).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "conf")) {
            if let Some(name) = path.file_name() {
                pieces.entry(name.to_owned()).or_insert(path);
            }
        }
    }
    main.into_iter().chain(pieces.into_values()).collect()
}

/// As systemd reads booleans (systemd.syntax(7)); what is none is ignored.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::diagnose::look::tests::Root;
    use crate::diagnose::networkd::evaluate;

    fn told(files: &[(&str, &str)]) -> String {
        let root = Root::with(files);
        evaluate(Some(&read(root.path()))).map_or_else(String::new, |hazard| hazard.to_string())
    }

    const NO: &str = "[Network]\nManageForeignRoutingPolicyRules=no\nManageForeignRoutes=off\n";

    #[test]
    fn it_removes_unless_told_not_to() {
        assert_eq!(evaluate(None), None);
        let line = told(&[]);
        assert!(line.contains("removes rules and routes"), "{line}");
        assert!(line.contains("ManageForeignRoutingPolicyRules=no ManageForeignRoutes=no"), "{line}");
        assert_eq!(told(&[("etc/systemd/networkd.conf", NO)]), "");
        let line = told(&[("etc/systemd/networkd.conf", "[Network]\nManageForeignRoutes=0\n[Other]\n")]);
        assert!(line.contains("removes rules that") && !line.contains("ManageForeignRoutes"), "{line}");
    }

    #[test]
    fn pieces_override_the_main_file_by_name_and_hide_each_other_by_directory() {
        let yes = "[Network]\nManageForeignRoutingPolicyRules=yes\n";
        assert_ne!(told(&[("etc/systemd/networkd.conf", NO), ("usr/lib/systemd/networkd.conf.d/5.conf", yes)]), "");
        let hidden = [
            ("etc/systemd/networkd.conf", NO),
            ("usr/lib/systemd/networkd.conf.d/5.conf", yes),
            ("etc/systemd/networkd.conf.d/5.conf", ""),
        ];
        assert_eq!(told(&hidden), "");
        let later = [("usr/lib/systemd/networkd.conf.d/5.conf", yes), ("run/systemd/networkd.conf.d/6.conf", NO)];
        assert_eq!(told(&later), "");
        assert_ne!(told(&[("etc/systemd/networkd.conf.d/ftr.txt", NO)]), "");
        let only_first = [("etc/systemd/networkd.conf", yes), ("usr/lib/systemd/networkd.conf", NO)];
        assert_ne!(told(&only_first), "");
    }
}
