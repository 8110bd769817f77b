//! Hears what changes in a namespace's kernel, and when.

use super::host::netlink;
use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::namespace::Namespace;
use ftr_netlink::{Event, Group, Listener};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::os::fd::AsFd;
use std::time::Instant;

/// A listener with a clock.
#[derive(Debug)]
pub(super) struct Ear {
    listener: Listener,
}

impl Ear {
    /// Listens to these groups of the namespace from now on.
    pub(super) fn open(space: &Namespace, groups: &[Group]) -> Result<Self> {
        let listener = space.enter(|| Listener::open(groups).map_err(|error| netlink(&error)))?;
        Ok(Self { listener })
    }

    /// The next event and when it was read; none where none comes by then.
    ///
    /// An event that the kernel had to drop is an error: nothing could be said about what was not heard.
    pub(super) fn next(&mut self, until: Instant) -> Result<Option<(Instant, Event)>> {
        loop {
            let event = self.listener.next_event().map_err(|error| netlink(&error))?;
            let now = Instant::now();
            match event {
                Some(Event::Lost) => return Err(LabError::Unexpected("the kernel dropped events".to_owned())),
                Some(event) => return Ok(Some((now, event))),
                None if now >= until => return Ok(None),
                None => self.wait(until - now)?,
            }
        }
    }

    /// The first event by then of which `wanted` makes something.
    pub(super) fn first<T>(
        &mut self,
        until: Instant,
        mut wanted: impl FnMut(Instant, &Event) -> Option<T>,
    ) -> Result<Option<(Instant, T)>> {
        while let Some((at, event)) = self.next(until)? {
            if let Some(found) = wanted(at, &event) {
                return Ok(Some((at, found)));
            }
        }
        Ok(None)
    }

    /// Forgets what it has heard and not told yet.
    pub(super) fn forget(&mut self) -> Result<()> {
        let now = Instant::now();
        while self.next(now)?.is_some() {}
        Ok(())
    }

    fn wait(&self, time: std::time::Duration) -> Result<()> {
        let mut fds = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        ppoll(&mut fds, Some(TimeSpec::from_duration(time)), None).context(|| "wait for events".to_owned()).map(drop)
    }
}
