//! Writes what is known, from a thread of its own: an order must never wait for a disk.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// How long a disk may take at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// Hands one thing after the other to a thread that writes it. Readable when something was written.
#[derive(Debug)]
pub(crate) struct Writer<T> {
    sender: SyncSender<T>,
    written: Receiver<Option<String>>,
    bell: Arc<EventFd>,
    is_writing: bool,
}

impl<T: Send + 'static> Writer<T> {
    /// `write` returns what there is to say of it, if anything.
    ///
    /// # Errors
    /// There is no thread or descriptor to be had.
    pub(crate) fn start(mut write: impl FnMut(T) -> Option<String> + Send + 'static) -> io::Result<Self> {
        let bell = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let (sender, things) = sync_channel(1);
        let (end, written) = sync_channel(1);
        let ring = Arc::clone(&bell);
        thread::Builder::new().name("memory".to_owned()).stack_size(256 * 1024).spawn(move || {
            for thing in things {
                if end.send(write(thing)).is_err() {
                    return;
                }
                // It only fails where it rings already.
                let _ = ring.write(1);
            }
        })?;
        Ok(Self { sender, written, bell, is_writing: false })
    }

    /// Whether the last thing is still being written.
    pub(crate) const fn is_writing(&self) -> bool {
        self.is_writing
    }

    /// Hands over the next thing; only when nothing is being written.
    pub(crate) fn put(&mut self, thing: T) {
        self.is_writing |= self.sender.try_send(thing).is_ok();
    }

    /// Takes note of what was written. What there is to say, if anything.
    pub(crate) fn take_note(&mut self) -> Option<String> {
        // Nothing to read: nothing was written.
        let _ = self.bell.read();
        let said = self.written.try_recv().ok()?;
        self.is_writing = false;
        said
    }

    /// Has the last thing written, and waits for it, but not for long. What there is to say, if anything.
    pub(crate) fn finish(mut self, last: impl FnOnce() -> Option<T>) -> Vec<String> {
        let end = Instant::now() + FAREWELL;
        let mut said = Vec::new();
        let mut wait = |writer: &mut Self| -> bool {
            if !writer.is_writing {
                return true;
            }
            let outcome = writer.written.recv_timeout(end.saturating_duration_since(Instant::now()));
            writer.is_writing = outcome.is_err();
            if outcome == Err(RecvTimeoutError::Timeout) {
                said.push("what was learned last cannot be remembered: the disk takes too long".to_owned());
            }
            said.extend(outcome.ok().flatten());
            !writer.is_writing
        };
        if wait(&mut self) {
            if let Some(last) = last() {
                self.put(last);
                wait(&mut self);
            }
        }
        said
    }
}

impl<T> AsFd for Writer<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::Writer;
    use ftr_tool::ready;
    use nix::poll::{PollFd, PollFlags};
    use std::os::fd::AsFd;
    use std::sync::mpsc::channel;

    #[test]
    fn a_disk_that_takes_its_time_is_waited_for_by_nobody() {
        let (go, gone) = channel::<()>();
        let mut writer = Writer::start(move |number: u32| {
            gone.recv().ok()?;
            Some(number.to_string())
        })
        .unwrap();
        writer.put(1);
        assert!(writer.is_writing());
        assert_eq!(writer.take_note(), None);
        assert!(writer.is_writing(), "it waits, and we do not");
        go.send(()).unwrap();
        let mut fds = [PollFd::new(writer.as_fd(), PollFlags::POLLIN)];
        assert_eq!(ready::wait(&mut fds, None).unwrap(), 1);
        assert_eq!((writer.take_note().as_deref(), writer.is_writing()), (Some("1"), false));
        writer.put(2);
        // Never written, for nobody lets it go: the end comes all the same.
        let said = writer.finish(|| Some(3));
        assert_eq!(said, ["what was learned last cannot be remembered: the disk takes too long"]);
    }

    #[test]
    fn the_last_is_written_at_the_end() {
        let (wrote, written) = channel();
        let mut writer = Writer::start(move |number: u32| {
            wrote.send(number).ok();
            None
        })
        .unwrap();
        writer.put(1);
        assert_eq!(writer.finish(|| Some(2)), [""; 0]);
        assert_eq!(written.iter().collect::<Vec<_>>(), [1, 2]);
    }
}
