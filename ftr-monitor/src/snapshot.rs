//! The configuration as it was when the monitor started, for children that are started later: the file may have changed,
//! be half written, or be gone by then, and uplinks that stand in another order have other marks than the firewall.

use std::ffi::CStr;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

const NAME: &CStr = c"ftr-configuration";

/// A copy of the configuration in memory that nobody can change (`memfd_create(2)`). Children inherit its descriptor.
#[derive(Debug)]
pub(crate) struct Snapshot {
    file: File,
}

impl Snapshot {
    /// # Errors
    /// The kernel has no memory for it, or does not seal it.
    pub(crate) fn of(text: &str) -> io::Result<Self> {
        let mut file = File::from(memfd_create(NAME, MFdFlags::MFD_ALLOW_SEALING)?);
        // It may hold a password, and everybody may look into `/proc`.
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        let seals = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(Self { file })
    }

    /// Where a child finds it.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::Snapshot;
    use std::fs::{OpenOptions, read_to_string};
    use std::io::Write;

    #[test]
    fn it_can_be_read_again_and_again_and_not_be_written() {
        let snapshot = Snapshot::of("uplinks: []\n").unwrap();
        assert_eq!(read_to_string(snapshot.path()).unwrap(), "uplinks: []\n");
        assert_eq!(read_to_string(snapshot.path()).unwrap(), "uplinks: []\n");
        let written = OpenOptions::new().write(true).open(snapshot.path()).and_then(|mut file| file.write_all(b"x"));
        assert!(written.is_err());
    }
}
