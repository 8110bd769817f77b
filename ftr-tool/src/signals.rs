//! Signals as a descriptor to wait for, beside all else that a program waits for (`signalfd(2)`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Who sent a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The kernel itself, for something that has happened.
    Kernel,
    /// A process; 0 where it is outside our process namespace.
    Process(u32),
}

/// Readable once one of the signals came.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Those that end a program: SIGTERM and SIGINT.
    ///
    /// # Errors
    /// See [`Signals::watch`].
    pub fn ending() -> io::Result<Self> {
        Self::watch(&[Signal::SIGTERM, Signal::SIGINT])
    }

    /// Blocks the signals in this thread, and in those that it starts from now on, so that nothing but the descriptor tells
    /// of them.
    ///
    /// # Errors
    /// There is no descriptor to be had.
    pub fn watch(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }

    /// The next signal that came, without waiting for one.
    #[must_use]
    pub fn next(&self) -> Option<Signal> {
        self.next_from().map(|(signal, _)| signal)
    }

    /// The same, with its sender.
    #[must_use]
    pub fn next_from(&self) -> Option<(Signal, Sender)> {
        let came = self.0.read_signal().ok().flatten()?;
        let signal = i32::try_from(came.ssi_signo).ok()?.try_into().ok()?;
        // Positive codes are the kernel's own, sigaction(2).
        let sender = if came.ssi_code > 0 { Sender::Kernel } else { Sender::Process(came.ssi_pid) };
        Some((signal, sender))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::{Sender, Signals};
    use crate::ready;
    use nix::poll::{PollFd, PollFlags};
    use nix::sys::signal::{Signal, raise};
    use std::os::fd::AsFd;
    use std::time::Duration;

    #[test]
    fn what_came_is_read_once() {
        let signals = Signals::watch(&[Signal::SIGUSR1, Signal::SIGUSR2]).unwrap();
        assert_eq!(signals.next(), None);
        raise(Signal::SIGUSR2).unwrap();
        let mut fds = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        assert_eq!(ready::wait(&mut fds, Some(Duration::ZERO)).unwrap(), 1);
        assert_eq!((signals.next(), signals.next()), (Some(Signal::SIGUSR2), None));
        raise(Signal::SIGUSR1).unwrap();
        assert_eq!(signals.next_from(), Some((Signal::SIGUSR1, Sender::Process(std::process::id()))));
    }
}
