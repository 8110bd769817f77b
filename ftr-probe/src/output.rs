//! Standard output, which never keeps the checks waiting.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use ftr_core::cli::say;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::uio::writev;

use crate::Error;
use crate::queue::Queue;

/// Standard output with what waits for it.
///
/// It stays a blocking descriptor, because that setting belongs to all programs that share it: it is written to only
/// when it has room, and no more than surely fits.
#[derive(Debug)]
pub(crate) struct Output {
    stdout: io::Stdout,
    queue: Queue,
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
        let stdout = io::stdout();
        let added = mark.map(|mark| epoll.add(&stdout, EpollEvent::new(EpollFlags::empty(), mark)));
        let watched = match added {
            Some(Ok(())) => true,
            None | Some(Err(Errno::EPERM)) => false,
            Some(Err(errno)) => return Err(Error::Output(errno)),
        };
        Ok(Self { stdout, queue: Queue::default(), mark: mark.unwrap_or_default(), watched, waiting: false })
    }

    /// Takes a line, newline included; [`Output::flush`] writes it.
    pub(crate) fn push(&mut self, line: String) {
        self.queue.push(line);
    }

    /// Writes what there is room for.
    pub(crate) fn flush(&mut self, epoll: &Epoll) -> Result<(), Error> {
        while !self.queue.is_empty() && self.has_room(PollTimeout::ZERO)? && self.write()? {}
        let waiting = !self.queue.is_empty();
        if self.watched && waiting != self.waiting {
            let room = if waiting { EpollFlags::EPOLLOUT } else { EpollFlags::empty() };
            epoll.modify(&self.stdout, &mut EpollEvent::new(room, self.mark)).map_err(Error::Output)?;
        }
        self.waiting = waiting;
        self.report_dropped();
        Ok(())
    }

    /// Writes everything, however long the reader takes.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        while !self.queue.is_empty() {
            if self.has_room(PollTimeout::NONE)? {
                self.write()?;
            }
        }
        Ok(())
    }

    /// Whether something went out.
    fn write(&mut self) -> Result<bool, Error> {
        match writev(&self.stdout, &self.queue.portion()) {
            Ok(count) => {
                self.queue.wrote(count);
                Ok(true)
            }
            // Someone else made it non-blocking, or a signal came.
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::Output(errno)),
        }
    }

    fn has_room(&self, timeout: PollTimeout) -> Result<bool, Error> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLOUT)];
        match poll(&mut fds, timeout) {
            Ok(count) => Ok(count > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::Output(errno)),
        }
    }

    /// Says how many records were lost, once the reader reads again.
    fn report_dropped(&mut self) {
        if self.queue.is_empty() {
            let dropped = self.queue.take_dropped();
            if dropped > 0 {
                say(crate::TOOL, &format!("standard output: {dropped} records dropped: the reader did not keep up"));
            }
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }
}
