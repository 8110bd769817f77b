//! Records on their way to standard output, whose reader may be slow, stopped or gone, and keeps nobody waiting.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::uio::writev;

use crate::queue::{Overflow, Queue};
use crate::ready;

/// A descriptor with what waits for it.
///
/// It stays a blocking one, because that setting belongs to all programs that share it: it is written to only when it has
/// room, and no more than surely fits.
#[derive(Debug)]
pub struct Output<D = io::Stdout> {
    descriptor: D,
    queue: Queue,
    is_closed: bool,
}

impl Output {
    /// Standard output, for which `limit` bytes may wait.
    #[must_use]
    pub fn stdout(limit: usize, overflow: Overflow) -> Self {
        Self::to(io::stdout(), limit, overflow)
    }
}

impl<D: AsFd> Output<D> {
    /// Any other descriptor, in the same way.
    #[must_use]
    pub const fn to(descriptor: D, limit: usize, overflow: Overflow) -> Self {
        Self { descriptor, queue: Queue::new(limit, overflow), is_closed: false }
    }

    /// Puts a line, newline included, behind the others; false where it was not taken (see [`Overflow`]).
    pub fn put(&mut self, line: impl Into<Box<[u8]>>) -> bool {
        self.is_closed || self.queue.put(line)
    }

    /// Whether something is still to be written.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// What it is to be watched for. Even with nothing to write the kernel tells when the reader is gone; none once that is
    /// known.
    #[must_use]
    pub fn interest(&self) -> Option<PollFlags> {
        let wanted = if self.is_waiting() { PollFlags::POLLOUT } else { PollFlags::empty() };
        (!self.is_closed).then_some(wanted)
    }

    /// Writes as much as there is room for, without waiting.
    ///
    /// # Errors
    /// The reader is gone ([`io::ErrorKind::BrokenPipe`]), or the disk is full.
    pub fn write(&mut self) -> io::Result<()> {
        while self.is_waiting() && ready::has_room(self.descriptor.as_fd())? && self.write_portion()? {}
        Ok(())
    }

    /// Writes everything, for as long as the reader takes, or as `limit` lets it.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn finish(&mut self, limit: Option<Duration>) -> io::Result<()> {
        let end = limit.map(|limit| Instant::now() + limit);
        while self.is_waiting() {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if ready::wait(&mut [PollFd::new(self.descriptor.as_fd(), PollFlags::POLLOUT)], left)? > 0 {
                self.write_portion()?;
            } else if left.is_some_and(|left| left.is_zero()) {
                break;
            }
        }
        Ok(())
    }

    /// Whether something went out.
    fn write_portion(&mut self) -> io::Result<bool> {
        match writev(&self.descriptor, &self.queue.portion()) {
            Ok(count) => {
                self.queue.wrote(count);
                Ok(true)
            }
            // Someone else made it non-blocking, or a signal came.
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The reader is gone, and what it is sent goes nowhere from now on, at no cost.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.queue.clear();
    }

    /// How many lines were dropped, in words, once the reader has caught up.
    pub fn dropped(&mut self) -> Option<String> {
        let count = if self.is_waiting() { 0 } else { self.queue.take_dropped() };
        (count > 0).then(|| format!("standard output: {count} records dropped: the reader did not keep up"))
    }

    /// The same at the end, when what still waits is dropped as well.
    pub fn dropped_at_last(&mut self) -> Option<String> {
        self.queue.drop_all();
        self.dropped()
    }
}

impl<D: AsFd> AsFd for Output<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{Output, Overflow};
    use nix::fcntl::OFlag;
    use nix::poll::PollFlags;
    use nix::unistd::{pipe2, read};
    use std::io::ErrorKind;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    /// An output of 1 MiB into a pipe, which has room for 64 KiB, and the other end.
    fn piped() -> (Output<OwnedFd>, OwnedFd) {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        (Output::to(writer, 1 << 20, Overflow::DropNewest), reader)
    }

    #[test]
    fn a_reader_that_has_stopped_keeps_nobody_waiting_and_gets_the_rest_later() {
        let (mut output, reader) = piped();
        let mut line = vec![b'x'; 999];
        line.push(b'\n');
        let taken = (0..2000).filter(|_| output.put(line.clone())).count();
        output.write().unwrap();
        assert_eq!((output.is_waiting(), output.interest()), (true, Some(PollFlags::POLLOUT)));
        assert_eq!(output.dropped(), None, "nobody would read that, either");
        let begin = Instant::now();
        output.finish(Some(Duration::from_millis(20))).unwrap();
        assert!(output.is_waiting() && begin.elapsed() >= Duration::from_millis(20));
        let reading = std::thread::spawn(move || {
            let (mut bytes, mut chunk) = (0, [0; 8192]);
            while let Ok(count @ 1..) = read(&reader, &mut chunk) {
                bytes += count;
            }
            bytes
        });
        output.finish(None).unwrap();
        let said = output.dropped();
        assert_eq!((said.is_some(), output.interest()), (true, Some(PollFlags::empty())));
        assert!(said.unwrap().starts_with(&format!("standard output: {} records dropped", 2000 - taken)));
        drop(output);
        assert_eq!(reading.join().unwrap(), taken * 1000);
    }

    #[test]
    fn a_reader_that_is_gone_is_told_of_and_then_costs_nothing() {
        let (mut output, reader) = piped();
        drop(reader);
        assert!(output.put(*b"line\n"));
        assert_eq!(output.write().unwrap_err().kind(), ErrorKind::BrokenPipe);
        output.close();
        assert!(output.put(vec![b'x'; 2 << 20]) && !output.is_waiting());
        assert_eq!((output.interest(), output.dropped_at_last()), (None, None));
    }

    #[test]
    fn what_nobody_has_read_at_the_end_is_told_of() {
        let (mut output, _reader) = piped();
        output.put(vec![b'x'; 100_000]);
        output.put(*b"line\n");
        output.write().unwrap();
        let said = output.dropped_at_last().unwrap();
        assert!(said.starts_with("standard output: 2 records dropped") && !output.is_waiting(), "{said}");
    }
}
