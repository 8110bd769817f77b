//! The terminal that the daemon was started from, if any: when that goes, so does the daemon. A SIGHUP that somebody has
//! sent means something else.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;

use ftr_tool::signals::Sender;
use nix::libc::O_NOCTTY;
use nix::unistd::getsid;

/// How we hang on a terminal (credentials(7), "Sessions").
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    /// There was one when we were started.
    was_there: bool,
    /// Who started us wants us to go on when it goes, as nohup(1) has it.
    is_outlived: bool,
}

/// What a SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hangup {
    /// Somebody wants the log opened anew.
    Asked,
    /// The terminal has closed, and so we end.
    Closed,
    /// The terminal has closed, and we go on.
    Outlived,
}

impl Terminal {
    /// As it is now, before anything was done with SIGHUP.
    pub(super) fn look() -> Self {
        Self {
            was_there: is_there(),
            is_outlived: fs::read_to_string("/proc/self/status").is_ok_and(|text| ignores(&text)),
        }
    }

    /// What a SIGHUP means that came from this sender.
    pub(super) fn meaning(self, sender: Sender) -> Hangup {
        let leader = getsid(None).ok().and_then(|leader| u32::try_from(leader.as_raw()).ok());
        self.evaluate(sender, leader, is_there())
    }

    /// The kernel sends one to the processes in the foreground of a terminal that closes, and a shell then passes its own on
    /// to those in the background.
    fn evaluate(self, sender: Sender, leader: Option<u32>, is_there: bool) -> Hangup {
        let is_closed = match sender {
            Sender::Kernel => true,
            Sender::Process(process) => Some(process) == leader && !is_there,
        };
        match (self.was_there && is_closed, self.is_outlived) {
            (false, _) => Hangup::Asked,
            (true, false) => Hangup::Closed,
            (true, true) => Hangup::Outlived,
        }
    }
}

/// Whether we have a controlling terminal, tty(4).
fn is_there() -> bool {
    File::options().read(true).custom_flags(O_NOCTTY).open("/dev/tty").is_ok()
}

/// Whether SIGHUP, the signal 1, is ignored by a process with this status, `proc_pid_status(5)`.
fn ignores(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::{Hangup, Sender, Terminal, ignores};

    const SHELL: Option<u32> = Some(100);

    #[test]
    fn only_a_terminal_that_closes_ends_us() {
        let terminal = Terminal { was_there: true, is_outlived: false };
        assert_eq!(terminal.evaluate(Sender::Kernel, SHELL, false), Hangup::Closed);
        assert_eq!(
            terminal.evaluate(Sender::Process(100), SHELL, false),
            Hangup::Closed,
            "the shell ends, and tells us"
        );
        assert_eq!(terminal.evaluate(Sender::Process(100), SHELL, true), Hangup::Asked, "kill -HUP %1");
        assert_eq!(terminal.evaluate(Sender::Process(200), SHELL, true), Hangup::Asked);
        assert_eq!(terminal.evaluate(Sender::Process(200), SHELL, false), Hangup::Asked, "long after disown");
        assert_eq!(terminal.evaluate(Sender::Process(0), None, false), Hangup::Asked, "from another namespace");
    }

    #[test]
    fn without_a_terminal_every_hangup_is_a_wish_and_nohup_counts() {
        let service = Terminal { was_there: false, is_outlived: false };
        for sender in [Sender::Kernel, Sender::Process(1), Sender::Process(100)] {
            assert_eq!(service.evaluate(sender, SHELL, false), Hangup::Asked);
        }
        let nohup = Terminal { was_there: true, is_outlived: true };
        assert_eq!(nohup.evaluate(Sender::Kernel, SHELL, false), Hangup::Outlived);
        assert_eq!(nohup.evaluate(Sender::Process(200), SHELL, false), Hangup::Asked);
    }

    #[test]
    fn the_kernel_says_what_is_ignored() {
        assert!(ignores("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n"));
        assert!(!ignores("SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"));
        assert!(!ignores("SigIgn:\tnone\n") && !ignores(""));
    }
}
