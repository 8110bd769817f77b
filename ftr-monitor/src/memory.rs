//! What is remembered over a restart, in the run directory. Believed only while it must still be true.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::PathBuf;

use ftr_core::Config;
use ftr_core::record::Event;
use ftr_core::running::directory as run_dir;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::decide::Memory;

/// The memory with all that it depends on.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// A reboot forgets.
    boot: String,
    /// Another network namespace has other uplinks of the same names.
    namespace: u64,
    /// Other uplinks may stand in the same places. Thresholds and weights may change: what was found out still holds.
    fingerprint: u64,
    memory: Memory,
    /// Events that nobody has taken charge of yet.
    #[serde(default)]
    events: Vec<Event>,
}

/// What is remembered, if anything that holds for this boot, network namespace and configuration, and the events that
/// nobody had taken charge of.
pub(crate) fn recall(config: &Config) -> Option<(Memory, Vec<Event>)> {
    let text = fs::read(file()).ok()?;
    let remembered: Remembered = serde_json::from_slice(&text).ok()?;
    let here = surroundings(config).ok()?;
    (here == (remembered.boot, remembered.namespace, remembered.fingerprint))
        .then_some((remembered.memory, remembered.events))
}

/// Remembers, in one step: a reader finds the old memory or the new one, never half of one.
///
/// # Errors
/// The run directory cannot be made or written.
pub(crate) fn remember<'a>(
    config: &Config,
    memory: &Memory,
    events: impl Iterator<Item = &'a Event>,
) -> io::Result<()> {
    let (boot, namespace, fingerprint) = surroundings(config)?;
    let text = serde_json::to_vec(&Remembered {
        boot,
        namespace,
        fingerprint,
        memory: memory.clone(),
        events: events.cloned().collect(),
    })?;
    let next = run_dir().join("monitor.json.next");
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", next.display()));
    fs::write(&next, text).map_err(named)?;
    fs::rename(&next, file()).map_err(named)
}

/// Makes the run directory, and root its owner where root is who runs: without the power to write what belongs to others
/// it could not remember anything in a directory that the service's user has left behind.
///
/// # Errors
/// It cannot be made or taken over.
pub(crate) fn own_run_dir() -> io::Result<()> {
    let dir = run_dir();
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", dir.display()));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&dir).map_err(named)?;
    let owner = fs::metadata(&dir).map_err(named)?.uid();
    if geteuid().is_root() && owner != 0 {
        chown(&dir, Some(0), Some(0)).map_err(named)?;
    }
    Ok(())
}

/// Writes into the run directory, which somebody may take away at any time: it is made again then, and where that cannot
/// be done people are told once, not at every write.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    failing: bool,
}

impl Keeper {
    /// Calls `write`, and again after making the directory where it is gone. What there is to say to people, if anything.
    pub(crate) fn keep(&mut self, mut write: impl FnMut() -> io::Result<()>) -> Option<String> {
        let again = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                own_run_dir().map_err(|failed| io::Error::new(error.kind(), format!("{error}; {failed}")))
            }
            _ => Err(error),
        };
        let written = write().or_else(|error| again(error).and_then(|()| write()));
        let before = std::mem::replace(&mut self.failing, written.is_err());
        match written {
            Err(error) if !before => Some(format!("what is known cannot be remembered over a restart: {error}")),
            Ok(()) if before => Some("what is known is remembered over a restart again".to_owned()),
            _ => None,
        }
    }
}

fn file() -> PathBuf {
    run_dir().join("monitor.json")
}

fn surroundings(config: &Config) -> io::Result<(String, u64, u64)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    let namespace = fs::metadata("/proc/self/ns/net")?.ino();
    Ok((boot, namespace, fingerprint(config)))
}

/// Differs where other uplinks stand in the same places, or the same have another family or address.
fn fingerprint(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    for uplink in &config.uplinks {
        (uplink.name.as_str(), format!("{:?} {:?}", uplink.kind, uplink.ipv6)).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use crate::decide::fixture::config;

    #[test]
    fn what_was_known_of_an_uplink_is_not_believed_of_another() {
        let usual = fingerprint(&config([""; 3], ""));
        assert_eq!(usual, fingerprint(&config(["", ", priority_group: 1", ", tests: {fall: 3}"], "")));
        // Else a role in IPv6 would be remembered of one that has no IPv6 any more.
        let ipv6 = ", ip6: '2001:db8::2', gateway6: '2001:db8::1'";
        assert_ne!(usual, fingerprint(&config([ipv6, "", ""], "")));
    }
}
