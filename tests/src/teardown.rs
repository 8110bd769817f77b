//! Takes the lab away again: at the end, after a panic and on Ctrl-C.
//!
//! Every namespace is remembered here. Whoever removes one first ends the processes inside it, which are all ours.

use crate::error::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long killed processes may take to be gone.
const DYING: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
struct Kept {
    namespaces: BTreeSet<String>,
    directories: BTreeSet<PathBuf>,
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { namespaces: BTreeSet::new(), directories: BTreeSet::new() });

fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers a namespace, so that an interrupted run removes it.
pub fn remember(namespace: &str) {
    kept().namespaces.insert(namespace.to_owned());
}

/// Remembers a directory of the run, so that an interrupted run removes it.
pub fn remember_directory(path: &Path) {
    kept().directories.insert(path.to_owned());
}

/// Ends the processes of a namespace and deletes it. Removing it twice is no error.
pub fn remove(namespace: &str) {
    if kept().namespaces.remove(namespace) {
        end_processes(namespace);
        complain(Command::new("ip").args(["netns", "del", namespace]));
    }
}

/// Removes a directory of the run.
pub fn remove_directory(path: &Path) {
    if kept().directories.remove(path) {
        if let Err(error) = std::fs::remove_dir_all(path) {
            eprintln!("lab: {}: {error}", path.display());
        }
    }
}

/// Removes everything on SIGINT or SIGTERM and leaves with 128 + the signal's number.
///
/// With a handler and not by blocking the signals: children would inherit the mask and could not be stopped.
///
/// # Errors
/// When the handler cannot be set.
pub fn on_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context(|| "catch SIGINT and SIGTERM".to_owned())?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            everything();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

/// Removes the labs of runs that were killed before they could do it themselves.
pub fn sweep() {
    let names = |place: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(place).into_iter().flatten();
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).filter(|name| orphaned(name)).collect()
    };
    for namespace in names(Path::new("/run/netns")) {
        remember(&namespace);
        remove(&namespace);
    }
    let temporary = std::env::temp_dir();
    for directory in names(&temporary) {
        let path = temporary.join(directory);
        remember_directory(&path);
        remove_directory(&path);
    }
}

/// Whether a name of the form `ftrPIDxN…` belongs to a process that is no more.
fn orphaned(name: &str) -> bool {
    let pid =
        name.strip_prefix("ftr").and_then(|rest| rest.split_once('x')).and_then(|(pid, _)| pid.parse::<u32>().ok());
    pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}

fn everything() {
    let (namespaces, directories) = {
        let kept = kept();
        (kept.namespaces.clone(), kept.directories.clone())
    };
    for namespace in &namespaces {
        remove(namespace);
    }
    for directory in &directories {
        remove_directory(directory);
    }
}

/// Kills until nobody is left: a shell may have started one more in the meantime, and who dies may still be writing.
fn end_processes(namespace: &str) {
    let own = Pid::this();
    let deadline = Instant::now() + DYING;
    loop {
        let Ok(output) = Command::new("ip").args(["netns", "pids", namespace]).output() else { return };
        let text = String::from_utf8_lossy(&output.stdout);
        let pids = text.split_whitespace().filter_map(|word| word.parse().ok().map(Pid::from_raw));
        let living: Vec<Pid> = pids.filter(|pid| *pid != own).collect();
        if living.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            eprintln!("lab: {namespace}: still used by {living:?}");
            return;
        }
        for pid in living {
            // Gone by itself in the meantime is as good.
            let _ = kill(pid, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn complain(command: &mut Command) {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => eprintln!("lab: {command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => eprintln!("lab: {command:?}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_labs_of_dead_processes_are_orphaned() {
        assert!(orphaned("ftr999999999x0-router"));
        assert!(!orphaned(&format!("ftr{}x0-router", std::process::id())));
        assert!(!orphaned("ftr-monitor"));
        assert!(!orphaned("ftrx0"));
    }
}
