//! Standard output among what the loop waits for.

use ftr_tool::Overflow;
use ftr_tool::cli::say;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use crate::Error;

/// How much waits for the reader, in bytes; the newest matter most.
const LIMIT: usize = 256 * 1024;

/// Standard output with what waits for it.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: ftr_tool::Output,
    mark: u64,
    /// Whether epoll can watch it; it cannot watch a file, which always has room.
    watched: bool,
    /// Whether epoll was asked to tell of room.
    waiting: bool,
}

impl Output {
    /// Has epoll tell, with this mark, when the reader is gone (error or hang-up) or has made room; nothing where there
    /// is none.
    pub(crate) fn watch(epoll: &Epoll, mark: Option<u64>) -> Result<Self, Error> {
        let stdout = ftr_tool::Output::stdout(LIMIT, Overflow::DropOldest);
        let added = mark.map(|mark| epoll.add(&stdout, EpollEvent::new(EpollFlags::empty(), mark)));
        let watched = match added {
            Some(Ok(())) => true,
            None | Some(Err(Errno::EPERM)) => false,
            Some(Err(errno)) => return Err(Error::Output(errno.into())),
        };
        Ok(Self { stdout, mark: mark.unwrap_or_default(), watched, waiting: false })
    }

    /// Takes a line, newline included; [`Output::flush`] writes it.
    pub(crate) fn push(&mut self, line: String) {
        self.stdout.put(line.into_bytes());
    }

    /// Writes what there is room for. Says how many records were lost, once the reader reads again.
    pub(crate) fn flush(&mut self, epoll: &Epoll) -> Result<(), Error> {
        self.stdout.write().map_err(Error::Output)?;
        let waiting = self.stdout.is_waiting();
        if self.watched && waiting != self.waiting {
            let room = if waiting { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            epoll
                .modify(&self.stdout, &mut EpollEvent::new(room, self.mark))
                .map_err(|errno| Error::Output(errno.into()))?;
        }
        self.waiting = waiting;
        if let Some(dropped) = self.stdout.dropped() {
            say(crate::tool::NAME, &dropped);
        }
        Ok(())
    }

    /// Writes everything, however long the reader takes.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.stdout.finish(None).map_err(Error::Output)
    }
}
