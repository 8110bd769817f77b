//! What outlives a reboot: how much of their quotas uplinks have used. In the state directory.

use std::fs;
use std::io;

use ftr_core::Config;
use ftr_tool::{Directory, brief, state_path};

use crate::decide::{Decider, Usage};

/// Its name there.
const FILE: &str = "usage.json";
/// The most that is read, in bytes: the most uplinks take far less.
const LONGEST: u64 = 1 << 20;

/// Which boot this is.
///
/// # Errors
/// There is no `/proc`.
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The decider, going on from what was used of quotas; and what there is to say of it.
pub(crate) fn resume(decider: Decider, config: &Config) -> (Decider, Option<String>) {
    // Even where nothing has a quota: another configuration may come.
    let (usage, failed) = match recall() {
        Ok(usage) => (usage, None),
        Err(error) => (Usage::default(), Some(error)),
    };
    let failed = failed.filter(|_| config.uplinks.iter().any(|uplink| uplink.quota.is_some()));
    let said = failed.map(|error| format!("what was used of quotas is not known, and counted anew: {error}"));
    (decider.with_usage(usage, boot().unwrap_or_default()), said)
}

/// What was used, if anything is remembered.
///
/// # Errors
/// The file is not one to be believed, or makes no sense.
fn recall() -> io::Result<Usage> {
    match Directory::open(&state_path()).and_then(|directory| directory.read(FILE, LONGEST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Usage::default()),
        read => serde_json::from_slice(&read?).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{FILE}: {}", brief(&error.to_string())))
        }),
    }
}

/// That the networks inside cannot be remembered, in words.
pub(crate) fn unnoted(error: &io::Error) -> String {
    format!("which prefixes hosts have is not known after a reboot: {error}")
}

/// Remembers it.
///
/// # Errors
/// The state directory cannot be made or written.
pub(crate) fn remember(usage: &Usage) -> io::Result<()> {
    Directory::make(&state_path())?.write(FILE, &serde_json::to_vec(usage)?).map(drop)
}
