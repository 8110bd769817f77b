//! Whose process a child is: where we may choose, each is its own user's, so that none can reach into another.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;

use caps::Capability;
use nix::unistd::{AccessFlags, User, access, geteuid};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_keep_capabilities, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::privilege;

/// A user that a child's thread can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    uid: Uid,
    gid: Gid,
}

impl Identity {
    /// The user of that name; none where there is none, where it is our own, or where we are nobody who may choose.
    ///
    /// # Errors
    /// Root, and yet refused: in a user namespace that does not have that user.
    pub(crate) fn of(name: &str) -> io::Result<Option<Self>> {
        let may = |cap| caps::has_cap(None, caps::CapSet::Permitted, cap).unwrap_or(false);
        // A child that we cannot end would be worse than one of our own user.
        if ![Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_KILL].into_iter().all(may) {
            return Ok(None);
        }
        let Some(user) = User::from_name(name)?.filter(|user| user.uid != geteuid() && !user.uid.is_root()) else {
            return Ok(None);
        };
        let identity = Self { uid: Uid::from_raw(user.uid.as_raw()), gid: Gid::from_raw(user.gid.as_raw()) };
        // Whether it can be done is found out by doing it, in a thread that ends.
        in_a_thread(move || identity.assume()).map(|()| Some(identity))
    }

    /// Makes this thread, and what it starts from now on, a process of this user. It keeps what it has permitted.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn assume(self) -> io::Result<()> {
        privilege::takes_up(Capability::CAP_SETUID);
        privilege::takes_up(Capability::CAP_SETGID);
        set_keep_capabilities(true)?;
        set_thread_groups(&[])?;
        set_thread_res_gid(self.gid, self.gid, self.gid)?;
        set_thread_res_uid(self.uid, self.uid, self.uid)?;
        Ok(())
    }

    /// Whether this user may write a file, or may make it where it is missing. Nothing is written.
    pub(crate) fn may_write(self, file: &Path) -> bool {
        let file = file.to_owned();
        let may = |path: &Path, how| access(path, how).map_err(io::Error::from);
        let ask = move || match (may(&file, AccessFlags::W_OK), file.parent()) {
            (Err(error), Some(directory)) if error.kind() == io::ErrorKind::NotFound => {
                may(directory, AccessFlags::W_OK | AccessFlags::X_OK)
            }
            (answer, _) => answer,
        };
        in_a_thread(move || self.assume().and_then(|()| ask())).is_ok()
    }

    /// Whether this user may read a file.
    pub(crate) fn may_read(self, file: &Path) -> bool {
        let file = file.to_owned();
        in_a_thread(move || self.assume().and_then(|()| File::open(file)).map(drop)).is_ok()
    }
}

fn in_a_thread(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().stack_size(128 * 1024).spawn(work)?;
    thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that becomes another user panicked")))
}
