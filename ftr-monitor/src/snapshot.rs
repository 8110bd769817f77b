//! A child's part of the configuration as it was when the monitor started: the file may have changed, be half written, or
//! be gone by then, and uplinks that stand in another order have other marks than the firewall.

use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// The longest name that the kernel takes, in bytes.
const LONGEST_NAME: usize = 249;

/// A copy in memory that nobody can change (`memfd_create(2)`), whose descriptor one child inherits and no other.
#[derive(Debug)]
pub(crate) struct Snapshot {
    file: File,
}

impl Snapshot {
    /// The text that was read from a file, whose name children give in what they say about it.
    ///
    /// # Errors
    /// The kernel has no memory for it, or does not seal it.
    pub(crate) fn of(text: &str, origin: &Path) -> io::Result<Self> {
        let mut file =
            File::from(memfd_create(name(origin).as_c_str(), MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_CLOEXEC)?);
        // It may hold a password.
        file.set_permissions(Permissions::from_mode(0o400))?;
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

impl From<Snapshot> for OwnedFd {
    fn from(snapshot: Snapshot) -> Self {
        snapshot.file.into()
    }
}

/// The path, or where that is too long its last part as far as there is room.
fn name(origin: &Path) -> CString {
    let whole = origin.as_os_str();
    let part = if whole.len() > LONGEST_NAME { origin.file_name().unwrap_or_default() } else { whole };
    // A path that was opened has no byte 0 in it.
    CString::new(part.as_bytes().get(..LONGEST_NAME).unwrap_or(part.as_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Snapshot;
    use ftr_tool::configuration;
    use std::fs::{OpenOptions, read_to_string};
    use std::io::Write;
    use std::path::Path;

    #[test]
    fn it_can_be_read_again_and_again_and_not_be_written() {
        let snapshot = Snapshot::of("uplinks: []\n", Path::new("ftr.yaml")).unwrap();
        assert_eq!(read_to_string(snapshot.path()).unwrap(), "uplinks: []\n");
        assert_eq!(read_to_string(snapshot.path()).unwrap(), "uplinks: []\n");
        let written = OpenOptions::new().write(true).open(snapshot.path()).and_then(|mut file| file.write_all(b"x"));
        assert!(written.is_err());
    }

    #[test]
    fn what_is_said_of_it_names_the_file_that_people_know() {
        let text = "tests: {ips: [198.51.100.1, 198.51.100.2], required_successful: 1}\ndownlinks: {lan: eth0}\n\
                    uplinks: [{interface: eth1, ip: 192.0.2.1, gateway: 192.0.2.9}]\n";
        let long = format!("/{}/ftr.yaml", "directory/".repeat(40));
        for (origin, told) in [("/etc/ftr/a b.yaml", "/etc/ftr/a b.yaml"), (&long, "ftr.yaml")] {
            let snapshot = Snapshot::of(text, Path::new(origin)).unwrap();
            let warnings = configuration::load(&snapshot.path()).unwrap().warning_lines();
            assert!(warnings[0].starts_with(&format!("{told}:3:")), "{warnings:?}");
        }
    }
}
