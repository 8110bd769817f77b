//! Who follows: keeps the kernel of this network namespace as wanted, and so would undo what others do.
//!
//! Each of them holds a lock for as long as it lives, on a file that the kernel has once for each network namespace, that
//! nobody can remove, and that only `CAP_NET_ADMIN` may open: nobody else can pretend to follow, or keep us from it.

use std::fs::File;
use std::io;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Nothing is ever written to it. The kernel lets go of the lock when the process closes the file, by whichever of its
/// descriptors, and nothing else of ours opens it.
const FILE: &str = "/proc/sys/net/ipv4/route/flush";

/// We follow, until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Following(#[expect(dead_code, reason = "the lock ends with it")] File);

impl Following {
    /// Lets others know. Several may follow, each locks a byte of its own.
    ///
    /// # Errors
    /// We lack the capability, or the kernel the file.
    pub(crate) fn begin() -> io::Result<Self> {
        let file = open()?;
        let own = libc::off_t::from(std::process::id());
        fcntl(&file, FcntlArg::F_SETLK(&lock(own, 1)))?;
        Ok(Self(file))
    }
}

/// A process of somebody that follows, in words; none where nobody does, or we lack the capability to see it.
pub(crate) fn who() -> Option<String> {
    let mut found = lock(0, 0);
    fcntl(open().ok()?, FcntlArg::F_GETLK(&mut found))
        .ok()
        .filter(|_| libc::c_int::from(found.l_type) != libc::F_UNLCK)?;
    // Another process namespace's have no number here.
    let number = (found.l_pid > 0).then(|| format!(" (process {})", found.l_pid));
    Some(format!("an `ftr-route apply -`{} keeps routing as it is", number.unwrap_or_default()))
}

fn open() -> io::Result<File> {
    File::options().write(true).open(FILE)
}

/// `F_WRLCK` and `SEEK_SET` of fcntl(2).
const WRITE: libc::c_short = 1;
const FROM_START: libc::c_short = 0;

/// A lock for writing; 0 bytes are all from there on.
const fn lock(start: libc::off_t, bytes: libc::off_t) -> libc::flock {
    libc::flock { l_type: WRITE, l_whence: FROM_START, l_start: start, l_len: bytes, l_pid: 0 }
}
