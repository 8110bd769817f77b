//! A directory whose owner is not to be believed, such as the run directory, which belongs to the service's user while
//! root's tools use it too.
//!
//! It is opened once, and everything in it relative to that descriptor, by names that are ours: no link is followed, no
//! file of elsewhere is reached, nothing that exists is written to.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstat, fstatat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, User, fchown, geteuid, unlinkat};

use crate::plain::{self, GUARDED, refused};

/// How often an opening is tried again where somebody has made or removed a file just then.
const ATTEMPTS: usize = 8;
/// Readable for everybody: they hold no secrets, and whoever runs next may be another user.
const READABLE: Mode = Mode::from_bits_truncate(0o644);
/// Readable for the owner alone.
const PRIVATE: Mode = Mode::from_bits_truncate(0o600);
/// Who may write beside the owner.
const SHARED: u32 = 0o022;

/// Where the programs keep what does not outlive a reboot: `$FTR_RUN_DIR`, else `/run/ftr`.
#[must_use]
pub fn run_path() -> PathBuf {
    let stated = std::env::var_os("FTR_RUN_DIR").filter(|directory| !directory.is_empty());
    stated.map_or_else(|| PathBuf::from("/run/ftr"), PathBuf::from)
}

/// Where they keep what does: `$FTR_STATE_DIR`, else `/var/lib/ftr`, which systemd makes for the service.
#[must_use]
pub fn state_path() -> PathBuf {
    let stated = std::env::var_os("FTR_STATE_DIR").filter(|directory| !directory.is_empty());
    stated.map_or_else(|| PathBuf::from("/var/lib/ftr"), PathBuf::from)
}

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    pub(crate) descriptor: OwnedFd,
    path: PathBuf,
    pub(crate) owner: u32,
    pub(crate) group: u32,
    /// Whether nobody but its owner can write into it.
    is_exclusive: bool,
}

/// Tells one state of a file from another: each is a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Directory {
    /// Opens the directory at this path.
    ///
    /// # Errors
    /// There is none, it is a symbolic link, or a stranger has made it in a place where anybody can.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A slash at the end would have a link followed.
        let path: PathBuf = path.components().collect();
        let named = |error: io::Error| at_path(&path, &error);
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | GUARDED;
        let descriptor = open(&path, flags, Mode::empty()).map_err(|errno| named(errno.into()))?;
        let stat = fstat(&descriptor).map_err(|errno| named(errno.into()))?;
        let known = |owner: u32| [0, geteuid().as_raw()].contains(&owner) || Some(owner) == service();
        // In this order: to ask for the service's user reads half a dozen files.
        if anybody_makes(&path) && !known(stat.st_uid) {
            return Err(named(refused(format!("belongs to user {}, and anybody could have made it", stat.st_uid))));
        }
        let is_exclusive = stat.st_mode & SHARED == 0;
        Ok(Self { descriptor, path, owner: stat.st_uid, group: stat.st_gid, is_exclusive })
    }

    /// The same, and makes it where it is missing.
    ///
    /// # Errors
    /// It cannot be made or opened.
    pub fn make(path: &Path) -> io::Result<Self> {
        // What is there and is no directory is told of by opening it.
        let made = DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(|error| at_path(path, &error));
        match Self::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => made.and(Err(error)),
            opened => opened,
        }
    }

    /// Who owns it.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// Makes root its owner where root is who runs: without the power to write what belongs to others it could not keep
    /// anything in a directory that the service's user has left behind.
    ///
    /// # Errors
    /// The file system does not let us.
    pub fn take_over(&mut self) -> io::Result<()> {
        if !geteuid().is_root() || self.owner == 0 {
            return Ok(());
        }
        let root = (Some(Uid::from_raw(0)), Some(Gid::from_raw(0)));
        fchown(&self.descriptor, root.0, root.1).map_err(|errno| at_path(&self.path, &errno.into()))?;
        (self.owner, self.group) = (0, 0);
        Ok(())
    }

    /// Reads a file, if it is one that may be believed to be ours, of at most `limit` bytes.
    ///
    /// # Errors
    /// It is not there, is anything but a plain file, belongs to a stranger, or is too large.
    pub fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let read = || plain::read(self.checked(name, OFlag::O_RDONLY)?, limit);
        read().map_err(|error| self.at(name, &error))
    }

    /// The same of a file that only root or we ourselves may have written: what it says is done with all that we may do, and
    /// the owner of the directory may do less.
    ///
    /// # Errors
    /// As [`Directory::read`], or it belongs to somebody else.
    pub fn read_own(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let owners = [0, geteuid().as_raw()];
        let read = || plain::read(self.checked_for(name, OFlag::O_RDONLY, Some(&owners))?, limit);
        read().map_err(|error| self.at(name, &error))
    }

    /// Writes a file in one step: a reader finds the old one or the new one, never half of one. The old one, whatever it
    /// is, is not written to.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<Stamp> {
        self.write_as(name, bytes, READABLE)
    }

    /// The same, for what only its owner may read.
    ///
    /// # Errors
    /// As [`Directory::write`].
    pub fn write_private(&self, name: &str, bytes: &[u8]) -> io::Result<Stamp> {
        self.write_as(name, bytes, PRIVATE)
    }

    fn write_as(&self, name: &str, bytes: &[u8], mode: Mode) -> io::Result<Stamp> {
        let next = format!("{name}.next");
        let mut file = self.create(&next, PRIVATE).map_err(|error| self.at(&next, &error))?;
        let mut write = || {
            file.write_all(bytes)?;
            fchmod(&file, mode)?;
            let stamp = stamp(&fstat(&file)?);
            match self.rename(&next, name) {
                Err(Errno::EISDIR) => {
                    self.unlink(name)?;
                    self.rename(&next, name)?;
                }
                renamed => renamed?,
            }
            Ok(stamp)
        };
        write().map_err(|error| {
            // What is left of it is in nobody's way, and removed by the next one who writes.
            let _ = self.unlink(&next);
            self.at(name, &error)
        })
    }

    /// Removes what has this name, if anything.
    ///
    /// # Errors
    /// The directory cannot be written, or somebody has made a directory of that name, and filled it.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.unlink(name).map_err(|errno| self.at(name, &errno.into()))
    }

    /// The state of what has this name, without following it; none where there is nothing.
    #[must_use]
    pub fn stamp(&self, name: &str) -> Option<Stamp> {
        self.stat(name).ok().as_ref().map(stamp)
    }

    /// Whether this is still what the path leads to: somebody may have taken the directory away.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let there = fs::symlink_metadata(&self.path).map(|there| (there.dev(), there.ino()));
        let ours = fstat(&self.descriptor).map(|ours| (ours.st_dev, ours.st_ino));
        matches!((there, ours), (Ok(there), Ok(ours)) if there == ours)
    }

    /// A path for what takes nothing but paths, by way of the descriptor: that of a socket to be bound, which is never
    /// followed and has to be short.
    ///
    /// # Errors
    /// The name is no name of a file.
    pub fn short_path(&self, name: &str) -> io::Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/self/fd/{}/{}", self.descriptor.as_raw_fd(), own(name)?)))
    }

    /// A path by which a socket in the directory can be connected to: that of a descriptor of the very socket, which has to
    /// live until then. A link of that name is not followed.
    ///
    /// # Errors
    /// There is no such thing, or it is no socket.
    pub fn socket(&self, name: &str) -> io::Result<(OwnedFd, PathBuf)> {
        let open = || {
            let found = self.open_at(name, OFlag::O_PATH, Mode::empty())?;
            if SFlag::from_bits_truncate(fstat(&found)?.st_mode) & SFlag::S_IFMT != SFlag::S_IFSOCK {
                return Err(refused("is no socket".to_owned()));
            }
            let path = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
            Ok((OwnedFd::from(found), path))
        };
        open().map_err(|error| self.at(name, &error))
    }

    /// Where something in it is, for messages.
    #[must_use]
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Opens a file that exists, and refuses all that is not to be believed.
    pub(crate) fn checked(&self, name: &str, flags: OFlag) -> io::Result<File> {
        let owners = [0, geteuid().as_raw(), self.owner];
        // Nobody but those who own it, or have owned it, has put anything into a directory that is root's now: the service
        // may have left files behind. They are believed as little as in a directory of its own.
        let owners = (self.owner != 0 || !self.is_exclusive).then_some(owners.as_slice());
        self.checked_for(name, flags, owners)
    }

    /// The same, where it may belong to these alone; none given: to anybody.
    fn checked_for(&self, name: &str, flags: OFlag, owners: Option<&[u32]>) -> io::Result<File> {
        let file = self.open_at(name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ELOOP => refused("is a symbolic link, not a regular file".to_owned()),
            Errno::ENXIO => refused("is a socket or a dead device, not a regular file".to_owned()),
            errno => errno.into(),
        })?;
        plain::objection(&fstat(&file)?, owners).map_or(Ok(file), |reason| Err(refused(reason)))
    }

    /// Makes a file that was not there, and removes what was.
    pub(crate) fn create(&self, name: &str, mode: Mode) -> io::Result<File> {
        for _ in 0..ATTEMPTS {
            self.unlink(name)?;
            match self.open_at(name, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL, mode) {
                Err(Errno::EEXIST) => {}
                opened => return Ok(opened?),
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "somebody makes it again and again"))
    }

    pub(crate) fn open_at(&self, name: &str, flags: OFlag, mode: Mode) -> Result<File, Errno> {
        beneath(&self.descriptor, name, flags, mode)
    }

    pub(crate) fn stat(&self, name: &str) -> Result<FileStat, Errno> {
        fstatat(&self.descriptor, own(name)?, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    pub(crate) fn unlink(&self, name: &str) -> Result<(), Errno> {
        let unlink = |kind| unlinkat(&self.descriptor, own(name)?, kind);
        match unlink(UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EISDIR) => unlink(UnlinkatFlags::RemoveDir),
            Err(errno) => Err(errno),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Errno> {
        renameat(&self.descriptor, own(from)?, &self.descriptor, own(to)?)
    }

    pub(crate) fn at(&self, name: &str, error: &io::Error) -> io::Error {
        at_path(&self.path.join(name), error)
    }
}

/// Opens what has this name in a directory, there and nowhere else, and follows no link. Without `openat2(2)` (before Linux
/// 5.6, or where a filter of system calls does not know it) `O_NOFOLLOW` does, for a name has one part.
pub(crate) fn beneath(directory: impl AsFd, name: &str, flags: OFlag, mode: Mode) -> Result<File, Errno> {
    let (directory, name) = (directory.as_fd(), own(name)?);
    // What opens nothing takes no other flags.
    let guard = if flags.contains(OFlag::O_PATH) { OFlag::O_CLOEXEC } else { GUARDED };
    let flags = flags | OFlag::O_NOFOLLOW | guard;
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let opened = match openat2(directory, name, OpenHow::new().flags(flags).mode(mode).resolve(resolve)) {
        Err(Errno::ENOSYS | Errno::EPERM) => openat(directory, name, flags, mode),
        opened => opened,
    };
    opened.map(File::from)
}

/// A name that is one part of a path, and leads nowhere else.
fn own(name: &str) -> Result<&str, Errno> {
    let leads = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']);
    if leads { Err(Errno::EINVAL) } else { Ok(name) }
}

pub(crate) fn stamp(stat: &FileStat) -> Stamp {
    Stamp { device: stat.st_dev, inode: stat.st_ino, seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec }
}

/// Whether others than root and us could have made this directory: they can write into the one above.
fn anybody_makes(path: &Path) -> bool {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::metadata(above).map_or(true, |above| above.mode() & 0o002 != 0)
}

/// The user of the service.
fn service() -> Option<u32> {
    User::from_name("ftr").ok().flatten().map(|user| user.uid.as_raw())
}

fn at_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
