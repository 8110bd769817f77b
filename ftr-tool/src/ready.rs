//! Waits for descriptors (`poll(2)`), as every loop here does.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// poll(2) counts in milliseconds and rounds down: what is due in half of one would be asked for again and again.
const ROUND_UP: Duration = Duration::from_nanos(999_999);

/// Waits until a descriptor is ready, for so long at most, and tells how many are; without a limit where none is given.
/// A signal that comes meanwhile ends it with none, and so may a wait of more than 24 days.
///
/// # Errors
/// The kernel has no memory for it, or there are more descriptors than a process may have open.
pub fn wait(fds: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<usize> {
    let timeout = limit.map_or(PollTimeout::NONE, |limit| {
        PollTimeout::try_from(limit.saturating_add(ROUND_UP)).unwrap_or(PollTimeout::MAX)
    });
    match poll(fds, timeout) {
        Ok(count) => Ok(usize::try_from(count).unwrap_or_default()),
        Err(Errno::EINTR) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether something can be written to it now.
///
/// # Errors
/// See [`wait`].
pub fn has_room(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(wait(&mut [PollFd::new(fd, PollFlags::POLLOUT)], Some(Duration::ZERO))? > 0)
}

#[cfg(test)]
mod tests {
    use super::{has_room, wait};
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_due_in_a_fraction_of_a_millisecond_is_waited_for() {
        let (limit, begin) = (Duration::from_micros(1300), Instant::now());
        assert_eq!(wait(&mut [], Some(limit)).unwrap(), 0);
        assert!(begin.elapsed() >= limit);
    }

    #[test]
    fn a_pipe_has_room_until_it_is_full() {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        assert!(has_room(writer.as_fd()).unwrap());
        while nix::unistd::write(&writer, &[0; 4096]).is_ok() {}
        assert!(!has_room(writer.as_fd()).unwrap());
        drop(reader);
        assert!(has_room(writer.as_fd()).unwrap(), "whoever writes then is told that nobody reads");
    }
}
