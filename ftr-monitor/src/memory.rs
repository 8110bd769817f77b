//! What is remembered over a restart, in the run directory. Believed only while it must still be true.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use ftr_core::Config;
use serde::{Deserialize, Serialize};

use crate::decide::Memory;

/// The memory with all that it depends on.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// A reboot forgets.
    boot: String,
    /// Another network namespace has other uplinks of the same names.
    namespace: u64,
    /// Another configuration may mean other uplinks by the same places.
    fingerprint: u64,
    memory: Memory,
}

/// Where the memory is kept: `$FTR_RUN_DIR`, else `/run/ftr`.
pub(crate) fn run_dir() -> PathBuf {
    let stated = std::env::var_os("FTR_RUN_DIR").filter(|dir| !dir.is_empty());
    stated.map_or_else(|| PathBuf::from("/run/ftr"), PathBuf::from)
}

/// What is remembered, if anything that holds for this boot, network namespace and configuration.
pub(crate) fn recall(config: &Config) -> Option<Memory> {
    let text = fs::read(file()).ok()?;
    let remembered: Remembered = serde_json::from_slice(&text).ok()?;
    let here = surroundings(config).ok()?;
    (here == (remembered.boot, remembered.namespace, remembered.fingerprint)).then_some(remembered.memory)
}

/// Remembers, in one step: a reader finds the old memory or the new one, never half of one.
///
/// # Errors
/// The run directory cannot be made or written.
pub(crate) fn remember(config: &Config, memory: &Memory) -> io::Result<()> {
    let (boot, namespace, fingerprint) = surroundings(config)?;
    let text = serde_json::to_vec(&Remembered { boot, namespace, fingerprint, memory: memory.clone() })?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(run_dir())?;
    let next = run_dir().join("monitor.json.next");
    fs::write(&next, text)?;
    fs::rename(next, file())
}

fn file() -> PathBuf {
    run_dir().join("monitor.json")
}

fn surroundings(config: &Config) -> io::Result<(String, u64, u64)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    let namespace = fs::metadata("/proc/self/ns/net")?.ino();
    let mut hasher = DefaultHasher::new();
    for uplink in &config.uplinks {
        (uplink.name.as_str(), format!("{:?}", uplink.kind)).hash(&mut hasher);
    }
    Ok((boot, namespace, hasher.finish()))
}
