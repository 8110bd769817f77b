//! Where we are: what holds here may not hold after a boot, or in another network namespace.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

/// The network namespace that we are in: the inode of its file.
///
/// # Errors
/// There is no `/proc`.
pub fn namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/self/ns/net")?.ino())
}

/// This boot, by the name that the kernel gives it.
///
/// # Errors
/// There is no `/proc`.
pub fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}
