//! One monitor per network namespace, and a way to ask it how things are: a lock and a socket in the run directory, both
//! named by the network namespace.
//!
//! The lock says who the monitor is. The socket is made anew by whoever holds the lock, so one that is dead, or a
//! stranger's, is in nobody's way.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use ftr_core::Exit;
use ftr_tool::cli::Failure;
use ftr_tool::{Directory, Lock, Stamp, holder_text, run_path, running};
use nix::sys::socket::{Backlog, listen as resize};
use nix::sys::stat::{Mode, umask};

use crate::ask;
use crate::visitors::Visitors;

/// How many askers are let in in one go, so that a crowd does not hold up the checks.
const ASKERS: u32 = 16;
/// How many wait for their turn; whoever asks then waits for room. What the library has for this is 4096, and whoever fills
/// that with askers that do not wait for an answer would keep the others waiting for twenty seconds.
const QUEUE: i32 = 128;

/// The right to be the monitor of this network namespace.
#[derive(Debug)]
pub(crate) struct Instance {
    directory: Directory,
    namespace: u64,
    lock: Lock,
}

/// Who has the right, in words.
pub(crate) type Holder = String;

impl Instance {
    /// Claims the right, or says who has it.
    ///
    /// # Errors
    /// The run directory or the lock in it cannot be made or opened.
    pub(crate) fn claim() -> io::Result<Result<Self, Holder>> {
        if let Some(process) = ask::former() {
            return Ok(Err(format!("{}, of a former version", holder_text(Some(process)))));
        }
        let directory = Directory::make(&run_path())?;
        let namespace = running::namespace()?;
        let name = lock_name(namespace);
        Ok(match directory.try_lock_after(&name)? {
            Some(lock) => Ok(Self { directory, namespace, lock }),
            None => Err(holder_text(directory.holder(&name))),
        })
    }

    /// Claims the right for a task, or says who has it.
    ///
    /// # Errors
    /// Exit 75 if another process has it, 74 if there is no run directory to have it in.
    pub(crate) fn claim_or_fail(task: &str) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                Exit::Io,
                format!("{task}: one monitor for each network namespace, which takes a lock: {error}"),
            )
        };
        Self::claim().map_err(failed)?.map_err(|who| {
            Failure::new(Exit::Again, format!("{task}: another ftr-monitor runs in this network namespace ({who})"))
        })
    }

    /// Makes the run directory root's own, where root is who runs: see [`Directory::take_over`].
    ///
    /// # Errors
    /// The file system does not let us.
    pub(crate) fn take_over(&mut self) -> io::Result<()> {
        self.directory.take_over()
    }

    /// Whether lock and run directory are still where others find them.
    fn is_in_place(&self) -> bool {
        self.directory.is_in_place() && self.lock.is_in_place(&self.directory, &lock_name(self.namespace))
    }
}

/// Where the monitor is asked how things are.
#[derive(Debug)]
pub(crate) struct Desk {
    instance: Instance,
    listener: UnixListener,
    /// Which socket is ours.
    stamp: Option<Stamp>,
    visitors: Visitors,
}

/// What had to be done about lock and socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    /// Both are as they were.
    Nothing,
    /// One was gone, and is there again.
    Made,
    /// Another monitor has taken the lock while ours had no name.
    Lost(Holder),
}

impl Desk {
    /// Lets people ask whoever has the right.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn open(instance: Instance) -> io::Result<Self> {
        let listener = listen(&instance)?;
        let stamp = instance.directory.stamp(&ask::socket_name(instance.namespace));
        Ok(Self { instance, listener, stamp, visitors: Visitors::default() })
    }

    /// Makes lock and socket again where somebody has removed them, or the whole run directory.
    ///
    /// # Errors
    /// That cannot be done.
    pub(crate) fn renew(&mut self) -> io::Result<Renewed> {
        let name = ask::socket_name(self.instance.namespace);
        let is_locked = self.instance.is_in_place();
        if is_locked && self.stamp.is_some() && self.instance.directory.stamp(&name) == self.stamp {
            return Ok(Renewed::Nothing);
        }
        if !is_locked {
            match Instance::claim()? {
                Ok(instance) => self.instance = instance,
                Err(holder) => return Ok(Renewed::Lost(holder)),
            }
        }
        self.listener = listen(&self.instance)?;
        self.stamp = self.instance.directory.stamp(&name);
        Ok(Renewed::Made)
    }

    /// Lets in those who have come, as many as there is room for. Returns how many that were.
    pub(crate) fn admit(&mut self, now: Duration) -> u32 {
        for admitted in 0..ASKERS {
            if self.visitors.is_full() {
                return admitted;
            }
            let Ok((asker, _)) = self.listener.accept() else { return admitted };
            self.visitors.admit(asker, now);
        }
        ASKERS
    }

    /// Those who are in, and have not said yet what they want.
    pub(crate) const fn visitors(&mut self) -> &mut Visitors {
        &mut self.visitors
    }

    /// The same, to look at.
    pub(crate) const fn waiting(&self) -> &Visitors {
        &self.visitors
    }
}

impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Makes the socket anew: whoever holds the lock is the one to be asked.
fn listen(instance: &Instance) -> io::Result<UnixListener> {
    let name = ask::socket_name(instance.namespace);
    let path = instance.directory.short_path(&name)?;
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", instance.directory.path_of(&name).display()))
    };
    instance.directory.remove(&name)?;
    // Everybody may ask. The mode has to be right from the start: what is changed by name can be another file by then.
    let before = umask(Mode::empty());
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener.map_err(named)?;
    Backlog::new(QUEUE).and_then(|queue| resize(&listener, queue)).map_err(|errno| named(errno.into()))?;
    listener.set_nonblocking(true).map_err(named)?;
    Ok(listener)
}

fn lock_name(namespace: u64) -> String {
    format!("monitor-{namespace}.lock")
}
