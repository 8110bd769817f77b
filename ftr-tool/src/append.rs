//! A file that is appended to under a path of the administrator's, such as the log, in a directory that may be the
//! service's.
//!
//! Root goes through the path part by part. As long as nobody but root can write where it is, links are the
//! administrator's, and followed; from the first directory on that others can write, none is, and what is at the end has to
//! be a plain file. Whoever is not root opens what its own rights let it open.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::geteuid;

use crate::plain::{self, GUARDED, refused};

/// Links that are followed on one path, as the kernel counts them (`path_resolution(7)`).
const LINKS: usize = 40;
/// A directory that is gone through, and nothing else.
const PASSED: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Where a file is: an open directory, and its name in there.
#[derive(Debug)]
pub struct Place {
    directory: OwnedFd,
    name: OsString,
    trust: Trust,
}

/// What may be at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Whatever the administrator has put there, and no link, for those were followed.
    Anything,
    /// The same, and a link of the kernel's own that only it can follow: that of a descriptor, as `/dev/stderr` is.
    KernelLink,
    /// A plain file of root's, or of this user, who owns the directory.
    Plain(u32),
}

impl Place {
    /// Finds the place that a path leads to; the file itself may be missing.
    ///
    /// # Errors
    /// A directory on the way is missing, or is a link that may not be followed.
    pub fn find(path: &Path) -> io::Result<Self> {
        let mut walk = Walk::begin(path)?;
        while let Some(part) = walk.rest.pop_front() {
            let is_last = walk.rest.is_empty();
            if let Some(target) = walk.link(&part, is_last)? {
                walk.follow(&target)?;
            } else if is_last {
                return walk.end(part);
            } else {
                walk.enter(&part)?;
            }
        }
        Err(io::ErrorKind::IsADirectory.into())
    }

    /// Opens the file to append to, and makes it where it is missing. Without waiting: it may be a pipe that nobody reads.
    ///
    /// # Errors
    /// It cannot be opened, or is not what may be at this place.
    pub fn append(&self) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | GUARDED;
        let guard = if self.trust == Trust::KernelLink { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        let opened = openat(&self.directory, self.name.as_os_str(), flags | guard, Mode::from_bits_truncate(0o666));
        let file = File::from(opened.map_err(|errno| match errno {
            Errno::ELOOP => refused("is a symbolic link in a directory that others can write".to_owned()),
            errno => errno.into(),
        })?);
        if let Trust::Plain(owner) = self.trust {
            let owners = [0, geteuid().as_raw(), owner];
            if let Some(reason) = plain::objection(&fstat(&file)?, Some(&owners)) {
                return Err(refused(reason));
            }
        }
        Ok(file)
    }

    /// Gives the file with this name with `from` added to it the one with `to`; nothing is added by nothing.
    ///
    /// # Errors
    /// There is no such file, or the directory cannot be written.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let name = |added: &str| {
            let mut name = self.name.clone();
            name.push(added);
            name
        };
        Ok(renameat(&self.directory, name(from).as_os_str(), &self.directory, name(to).as_os_str())?)
    }
}

/// On the way to a place.
struct Walk {
    directory: OwnedFd,
    owner: u32,
    rest: VecDeque<OsString>,
    links: usize,
    /// Whether nobody but root has had a hand in the way so far.
    is_trusted: bool,
}

impl Walk {
    fn begin(path: &Path) -> io::Result<Self> {
        let directory = start(path)?;
        let stat = fstat(&directory)?;
        let is_trusted = is_trusted(&stat);
        Ok(Self { directory, owner: stat.st_uid, rest: parts(path).collect(), links: 0, is_trusted })
    }

    /// The target of a link to be followed; none where there is no link, or it is not to be followed.
    fn link(&self, part: &OsStr, is_last: bool) -> io::Result<Option<PathBuf>> {
        if !self.is_trusted || (is_last && self.is_proc()?) {
            return Ok(None);
        }
        match readlinkat(&self.directory, part) {
            Ok(target) => Ok(Some(PathBuf::from(target))),
            Err(Errno::EINVAL | Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn follow(&mut self, target: &Path) -> io::Result<()> {
        self.links += 1;
        if self.links > LINKS {
            return Err(Errno::ELOOP.into());
        }
        if target.is_absolute() {
            self.directory = start(target)?;
            self.look()?;
        }
        let rest = std::mem::take(&mut self.rest);
        self.rest = parts(target).chain(rest).collect();
        Ok(())
    }

    fn enter(&mut self, part: &OsStr) -> io::Result<()> {
        self.directory = openat(&self.directory, part, PASSED, Mode::empty())?;
        self.look()
    }

    /// What was not trusted on the way is not trusted any more.
    fn look(&mut self) -> io::Result<()> {
        let stat = fstat(&self.directory)?;
        self.owner = stat.st_uid;
        self.is_trusted &= is_trusted(&stat);
        Ok(())
    }

    fn end(self, name: OsString) -> io::Result<Place> {
        let trust = match self.is_trusted {
            false => Trust::Plain(self.owner),
            true if self.is_proc()? => Trust::KernelLink,
            true => Trust::Anything,
        };
        Ok(Place { directory: self.directory, name, trust })
    }

    fn is_proc(&self) -> io::Result<bool> {
        Ok(fstatfs(&self.directory)?.filesystem_type() == PROC_SUPER_MAGIC)
    }
}

fn start(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(if path.is_absolute() { "/" } else { "." }, PASSED, Mode::empty())?)
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    let named = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(move |part| named(*part)).map(|part| part.as_os_str().to_owned())
}

/// Whether nobody but root can put anything into this directory; asked by root only.
fn is_trusted(stat: &FileStat) -> bool {
    let by_group = stat.st_mode & 0o020 != 0 && stat.st_gid != 0;
    !geteuid().is_root() || (stat.st_uid == 0 && stat.st_mode & 0o002 == 0 && !by_group)
}

#[cfg(test)]
mod tests;
