//! A hook that runs: started, listened to, ended with all that it has started.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ftr_core::config::Hook;
use ftr_core::record::{Event, Record};
use ftr_tool::programs;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal, killpg, raise};
use nix::unistd::{Pid, pipe2, read};

use super::environment;
use super::left::{self, Left};
use super::queue::Job;

/// How much of what it prints is passed on, in bytes.
const PRINTED: usize = 4096;

/// How long it takes until a process has become another program, or has ended; and how long that is waited for at the most.
pub(super) const UNSURE: Duration = Duration::from_millis(10);
const MOST_UNSURE: Duration = Duration::from_secs(5);

/// A program that runs for an event.
pub(super) struct Process {
    /// What people know it by.
    name: String,
    child: Child,
    output: Option<OwnedFd>,
    printed: Vec<u8>,
    /// How many bytes more it has printed.
    more: usize,
    /// How long it was to run, if that was too short.
    late: Option<String>,
    timeout: String,
    /// What tells what it has started from what others have.
    word: String,
    is_reaped: bool,
    /// Since when it is not known whether anything is left of it.
    unsure: Option<Instant>,
}

/// Starts something that hears of the end of what it starts itself. A program inherits which signals are blocked
/// (sigprocmask(2)), and SIGCHLD is here: a shell with it blocked waits for ever. What comes in between is told once more.
fn hearing_children<T>(start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let signal: SigSet = [Signal::SIGCHLD].into_iter().collect();
    signal.thread_unblock()?;
    let started = start();
    signal.thread_block()?;
    raise(Signal::SIGCHLD)?;
    started
}

impl Process {
    /// Starts the program, with the event on its standard input and in its environment.
    ///
    /// # Errors
    /// It is not there, somebody else could have written it, or it cannot be run.
    pub(super) fn start(hook: &Hook, job: &Job, id: u64) -> io::Result<Self> {
        let (program, arguments) = hook.run.split_first().ok_or(ErrorKind::InvalidInput)?;
        let mut command = programs::named(Path::new(program))?;
        let (output, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        nix::fcntl::fcntl(&output, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let word = format!("{}-{id}", std::process::id());
        command
            .args(arguments)
            .envs(environment::of(&job.event, job.occasion))
            .env(left::WORD, &word)
            .current_dir("/")
            // So that all of it can be ended at once.
            .process_group(0)
            .stdin(Stdio::from(record(&job.event)?))
            .stdout(theirs.try_clone()?)
            .stderr(theirs);
        let child = hearing_children(|| command.spawn())?;
        let timeout = humantime::format_duration(hook.timeout).to_string();
        let (printed, more, late) = (Vec::new(), 0, None);
        let (name, output, is_reaped) = (job.name(hook), Some(output), false);
        Ok(Self { name, child, output, printed, more, late, timeout, word, is_reaped, unsure: None })
    }

    /// What it prints to, while that is open.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Takes what it has printed, without waiting for anything.
    pub(super) fn listen(&mut self) {
        let mut chunk = [0; PRINTED];
        // A program that prints without end is not listened to without end.
        for _ in 0..16 {
            let Some(output) = &self.output else { return };
            match read(output, &mut chunk) {
                Ok(count) if count > 0 => {
                    let room = PRINTED.saturating_sub(self.printed.len()).min(count);
                    self.printed.extend(chunk.get(..room).unwrap_or_default());
                    self.more = self.more.saturating_add(count - room);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                _ => self.output = None,
            }
        }
    }

    /// What there is to tell of it if it has ended: what it printed, and how it ended where it did not end well. One that has
    /// run for too long ends with the last of what it has started.
    pub(super) fn ended(&mut self) -> Option<Vec<String>> {
        let how = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => (!status.success()).then(|| status.to_string()),
            Err(error) => Some(format!("cannot be waited for: {error}")),
        };
        self.is_reaped = true;
        if self.late.is_some() && is_waited_for(left::end(&self.word, None), &mut self.unsure, Instant::now()) {
            return None;
        }
        self.listen();
        let printed = String::from_utf8_lossy(&self.printed);
        let printed = printed.lines().filter(|line| !line.trim().is_empty());
        let mut lines: Vec<String> = printed.map(|line| format!("{}: {line}", self.name)).collect();
        if self.more > 0 {
            lines.push(format!("{}: {} bytes more", self.name, self.more));
        }
        lines.extend(self.late.take().or(how).map(|how| format!("{}: {how}", self.name)));
        Some(lines)
    }

    /// It has run for long enough.
    pub(super) fn end_as_late(&mut self) {
        self.late = Some(format!("killed: it ran for more than {}", self.timeout));
        self.kill();
    }

    /// Ends it, and all that it has started. Whether nothing was left of that. While it is not reaped its number is its own.
    pub(super) fn kill(&self) -> bool {
        let leader = Some(self.child.id()).filter(|_| !self.is_reaped);
        // Those that have left its process group are found while their parents are there.
        left::end(&self.word, leader);
        // Whoever has ended by itself just now needs no end.
        let _ = leader.and_then(number).map(|leader| killpg(leader, Signal::SIGKILL));
        left::end(&self.word, leader) == Left::None
    }

    /// When it is to be looked at again although nothing wakes us.
    pub(super) fn due(&self, now: Duration) -> Option<Duration> {
        (self.is_reaped && self.unsure.is_some()).then(|| now + UNSURE)
    }

    /// Its process, as long as it is for its own to be taken leave of.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

/// Whether there is more to end of one that has run for too long. Whatever wakes us has us look, so that looks tell nothing of
/// the time that has passed.
fn is_waited_for(left: Left, unsure: &mut Option<Instant>, now: Instant) -> bool {
    match left {
        // The end of each of them wakes us.
        Left::Some => *unsure = None,
        Left::Unknown => return now.duration_since(*unsure.get_or_insert(now)) < MOST_UNSURE,
        Left::None => return false,
    }
    true
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).map(Pid::from_raw)
}

/// The event as a file that holds its record. A pipe would have to be written to while the program runs.
fn record(event: &Event) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"event", MFdFlags::MFD_CLOEXEC)?);
    let line = Record::Event(event.clone()).line().map_err(io::Error::other)?;
    file.write_all(line.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{Left, MOST_UNSURE, is_waited_for};
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_not_known_is_looked_at_for_a_time_however_often_that_is() {
        let (begun, mut unsure) = (Instant::now(), None);
        let mut after = |left, time| is_waited_for(left, &mut unsure, begun + time);
        for _ in 0..1000 {
            assert!(after(Left::Unknown, Duration::ZERO));
        }
        assert!(!after(Left::Unknown, MOST_UNSURE));
        assert!(!after(Left::None, Duration::ZERO));
        assert!(after(Left::Some, MOST_UNSURE));
        assert!(after(Left::Unknown, MOST_UNSURE), "what comes later has a time of its own");
    }
}
