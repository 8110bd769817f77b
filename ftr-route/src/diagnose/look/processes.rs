//! The processes of this host (proc(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The processes below a directory such as `/proc`.
fn all(proc: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    entries.filter(move |entry| entry.file_name().to_str().is_some_and(is_number)).map(|entry| entry.path())
}

/// The name of a process, as the kernel cuts it: 15 characters.
fn name(process: &Path) -> Option<String> {
    Some(fs::read_to_string(process.join("comm")).ok()?.trim_end().to_owned())
}

/// Which of these names processes have that run in our network namespace, or in one that we may not see.
pub(super) fn running<const N: usize>(proc: &Path, wanted: [&str; N]) -> [bool; N] {
    let namespace = |process: &Path| fs::read_link(process.join("ns/net"));
    let here = namespace(&proc.join("self")).ok();
    let is_here =
        |process: &Path| namespace(process).map_or(true, |theirs| here.as_ref().is_none_or(|ours| *ours == theirs));
    let mut running = [false; N];
    for process in all(proc) {
        let name = name(&process);
        let found = wanted.iter().zip(&mut running).find(|(wanted, _)| name.as_deref() == Some(**wanted));
        if let Some((_, running)) = found.filter(|(_, running)| !**running) {
            *running = is_here(&process);
        }
    }
    running
}

/// The names of the processes that hold these sockets, and whether all processes could be looked at.
pub(super) fn holders(proc: &Path, sockets: &BTreeSet<u64>) -> (BTreeMap<u64, String>, bool) {
    let mut holders = BTreeMap::new();
    let mut complete = true;
    for process in all(proc) {
        let entries = match fs::read_dir(process.join("fd")) {
            Ok(entries) => entries,
            Err(error) => {
                // It may have ended meanwhile.
                complete &= error.kind() != io::ErrorKind::PermissionDenied;
                continue;
            }
        };
        let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        for inode in links.filter_map(|link| socket(&link)).filter(|inode| sockets.contains(inode)) {
            if let Some(name) = name(&process) {
                holders.insert(inode, name);
            }
        }
    }
    (holders, complete)
}

/// The number of a socket, by how the kernel writes it: `socket:[4711]`.
fn socket(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{holders, running};
    use crate::diagnose::look::tests::Root;
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn proc() -> Root {
        let root = Root::with(&[("7/comm", "asterisk\n"), ("8/comm", "dnsmasq\n"), ("sys/comm", "none\n")]);
        for (process, namespace) in [("self", 1), ("7", 1), ("8", 2)] {
            let directory = root.path().join(process).join("ns");
            fs::create_dir_all(&directory).unwrap();
            symlink(format!("net:[{namespace}]"), directory.join("net")).unwrap();
        }
        fs::create_dir(root.path().join("7/fd")).unwrap();
        for (number, link) in [("0", "/dev/null"), ("3", "socket:[4711]"), ("4", "socket:[1]")] {
            symlink(link, root.path().join("7/fd").join(number)).unwrap();
        }
        root
    }

    #[test]
    fn processes_of_other_namespaces_do_not_count() {
        let proc = proc();
        assert_eq!(running(proc.path(), ["none", "asterisk", "dnsmasq"]), [false, true, false]);
    }

    #[test]
    fn a_socket_has_the_name_of_its_process() {
        let (holders, complete) = holders(proc().path(), &BTreeSet::from([4711, 4712]));
        assert!(complete);
        assert_eq!(holders.into_iter().collect::<Vec<_>>(), [(4711, "asterisk".to_owned())]);
    }
}
