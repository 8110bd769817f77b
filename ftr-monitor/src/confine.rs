//! A program's own Landlock domain (landlock(7)): it can neither trace nor signal what is outside, nor look into its
//! memory and descriptors through `/proc`, even where all run as one user; and it touches only files that it needs.
//!
//! A kernel without Landlock, or with an older one, does what it can of it. Linux 6.12 does all.

use std::fs;
use std::path::{Path, PathBuf};

use ftr_tool::run_path;
use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    path_beneath_rules,
};

use crate::program::Files;

/// What of the root directory may have data of people, or configurations with secrets.
const PRIVATE: [&str; 10] = ["boot", "etc", "home", "media", "mnt", "root", "run", "srv", "tmp", "var"];
/// What the dynamic loader reads of `/etc`, ld.so(8).
const LOADER: [&str; 2] = ["/etc/ld.so.cache", "/etc/ld.so.preload"];
/// Opening and locking files for writing, making and removing them, as far as kernels with Landlock 3 know it.
const ABI_OF_FILES: ABI = ABI::V3;

/// Puts this thread, and what it starts from now on, into a domain of its own, unless it may do all that its user may.
///
/// # Errors
/// The kernel has Landlock, and refuses.
pub(crate) fn enter(files: Files, program: &Path) -> Result<(), RulesetError> {
    if files == Files::All {
        return Ok(());
    }
    let write = AccessFs::from_write(ABI_OF_FILES);
    let read = AccessFs::from_read(ABI_OF_FILES);
    let handled = if files == Files::System { read | write } else { write };
    let (readable, writable) = match files {
        Files::System => (of_the_system(program), Vec::new()),
        Files::Read | Files::All => (Vec::new(), Vec::new()),
        Files::WriteKernel => (Vec::new(), of_the_kernel()),
    };
    let nothing = BitFlags::from(AccessFs::WriteFile);
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .scope(Scope::Signal)?
        .scope(Scope::AbstractUnixSocket)?
        .create()?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rules(path_beneath_rules(writable, write))?
        .add_rules(path_beneath_rules(["/dev/null"], nothing))?
        .restrict_self()
        .map(drop)
}

/// The directories of the operating system, wherever it has its libraries, and that of the program.
fn of_the_system(program: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir("/").into_iter().flatten().flatten();
    let is_private = |path: &PathBuf| PRIVATE.iter().any(|name| path.file_name().is_some_and(|own| own == *name));
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.path()).filter(|path| !is_private(path)).collect();
    paths.extend(LOADER.map(PathBuf::from));
    paths.extend(program.parent().map(Path::to_owned));
    paths
}

/// Where the route program writes. Not the run directory itself, which may be removed and made again: a rule belongs to
/// the directory that is there now.
fn of_the_kernel() -> Vec<PathBuf> {
    let around = run_path().parent().map(Path::to_owned);
    // iptables-save and its like hold a lock there.
    ["/proc/sys", "/run"].into_iter().map(PathBuf::from).chain(around).collect()
}
