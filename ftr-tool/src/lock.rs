//! Locks on files of a directory: held by one process, and let go of by the kernel when that ends.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::sys::stat::{FileStat, Mode, fstat, major, minor};
use nix::unistd::{Gid, Uid, fchown, geteuid};

use crate::directory::Directory;

/// How often a file that was replaced just then is opened anew.
const ATTEMPTS: usize = 8;
/// How long a program may take from fork to exec on a machine with much to do.
const STARTED: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// How long one is waited for of whom nothing is known.
const UNSEEN: Duration = Duration::from_millis(100);
/// Who can open it can lock it.
const PRIVATE: Mode = Mode::from_bits_truncate(0o600);

/// Nobody else holds it meanwhile.
#[derive(Debug)]
#[must_use]
pub struct Lock(Flock<File>);

impl Lock {
    /// Whether the file still has its name: removed, it keeps nobody out.
    #[must_use]
    pub fn is_in_place(&self, directory: &Directory, name: &str) -> bool {
        let place = |stat: FileStat| (stat.st_dev, stat.st_ino);
        let ours = fstat(&*self.0).map(place).ok();
        ours.is_some() && directory.stat(name).map(place).ok() == ours
    }
}

impl Directory {
    /// Gets the lock of this file, which is made where it is missing; none if somebody else has it. What cannot be a lock
    /// file of ours is removed.
    ///
    /// # Errors
    /// The file cannot be made or opened.
    pub fn try_lock(&self, name: &str) -> io::Result<Option<Lock>> {
        for _ in 0..ATTEMPTS {
            let file = self.lock_file(name).map_err(|error| self.at(name, &error))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock).map(Lock) {
                Ok(lock) if lock.is_in_place(self, name) => return Ok(Some(lock)),
                Ok(_) | Err((_, Errno::EINTR)) => {}
                Err((_, Errno::EAGAIN)) => return Ok(None),
                Err((_, errno)) => return Err(self.at(name, &errno.into())),
            }
        }
        Err(self.at(name, &io::Error::new(ErrorKind::AlreadyExists, "somebody replaces it again and again")))
    }

    /// The same, where the one who has it may have died while it started a program: that has the lock, too, until it runs.
    ///
    /// # Errors
    /// As [`Directory::try_lock`].
    pub fn try_lock_after(&self, name: &str) -> io::Result<Option<Lock>> {
        let begun = Instant::now();
        loop {
            let lock = self.try_lock(name)?;
            let patience = match self.holder(name) {
                Some(process) if is_dead(process) => STARTED,
                Some(_) => Duration::ZERO,
                // It has let go just now, or cannot be seen from here.
                None => UNSEEN,
            };
            if lock.is_some() || begun.elapsed() >= patience {
                return Ok(lock);
            }
            // The kernel tells nobody of it, unless one waits for as long as it takes.
            thread::sleep(LOOK);
        }
    }

    /// The process that holds the lock of this file (`/proc/locks`); none where that cannot be seen.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<u32> {
        let stat = self.stat(name).ok()?;
        let place = format!("{:02x}:{:02x}:{}", major(stat.st_dev), minor(stat.st_dev), stat.st_ino);
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let held = |line: &str| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let is_ours = fields.next() == Some("FLOCK") && fields.by_ref().nth(1) == Some("WRITE");
            let process = fields.next().filter(|_| is_ours)?;
            (fields.next() == Some(place.as_str())).then(|| process.parse().ok()).flatten()
        };
        locks.lines().find_map(held)
    }

    fn lock_file(&self, name: &str) -> io::Result<File> {
        match self.checked(name, OFlag::O_RDWR) {
            Ok(file) => return Ok(file),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Not ours, or another user's who is gone. Where we may not remove it the reason is why we may not open it.
            Err(error) => self.unlink(name).map_err(|_| error)?,
        }
        let file = match self.open_at(name, OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_EXCL, PRIVATE) {
            // Somebody was quicker.
            Err(Errno::EEXIST) => return self.checked(name, OFlag::O_RDWR),
            opened => opened?,
        };
        if geteuid().is_root() && self.owner != 0 {
            // The service has to be able to open it, too; where it is not it makes one of its own.
            let _ = fchown(&file, Some(Uid::from_raw(self.owner)), Some(Gid::from_raw(self.group)));
        }
        Ok(file)
    }
}

/// Whether a process has ended, be it that nobody has taken leave of it yet (`proc_pid_stat(5)`).
fn is_dead(process: u32) -> bool {
    let stat = match fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => stat,
        Err(error) => return error.kind() == ErrorKind::NotFound,
    };
    stat.rsplit_once(')').is_some_and(|(_, rest)| matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
}

/// A process and its user, in words.
#[must_use]
pub fn holder_text(process: Option<u32>) -> String {
    process.map_or_else(
        || "another process".to_owned(),
        |process| match fs::metadata(format!("/proc/{process}")) {
            Ok(of) => format!("process {process} of user {}", of.uid()),
            Err(_) => format!("process {process}"),
        },
    )
}
