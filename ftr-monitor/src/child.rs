//! A child process: started, fed, listened to, ended, started again. Nothing here waits.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use caps::Capability;
use ftr_core::lines::{Line, Lines};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::backoff::Backoff;
use crate::privilege;

/// How much is read from a pipe in one go, so that a child that talks without end does not hold up the others.
const CHUNKS: usize = 4;

/// A program that is kept running.
pub(crate) struct Child {
    program: &'static str,
    args: Vec<OsString>,
    needs: Option<Capability>,
    backoff: Backoff,
    running: Option<Running>,
    /// When it is to be started, as time since boot; none while it runs or is not wanted.
    pub(crate) due: Option<Duration>,
}

struct Running {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    answers: Lines,
    complaints: Lines,
    outgoing: Vec<u8>,
    started: Duration,
    heard: Duration,
    /// It has said something on its stdout, as one that works does.
    spoke: bool,
}

/// One of a child's three pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipe {
    Stdin,
    Stdout,
    Stderr,
}

impl Child {
    pub(crate) fn new(program: &'static str, args: Vec<OsString>, needs: Option<Capability>) -> Self {
        Self { program, args, needs, backoff: Backoff::default(), running: None, due: None }
    }

    pub(crate) const fn program(&self) -> &'static str {
        self.program
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.process.id())
    }

    /// Whether it runs.
    pub(crate) const fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// When it last said anything on its stdout, or was started; none while it does not run.
    pub(crate) fn heard(&self) -> Option<Duration> {
        self.running.as_ref().map(|running| running.heard)
    }

    /// Lets its silence begin anew.
    pub(crate) const fn forgive(&mut self, now: Duration) {
        if let Some(running) = &mut self.running {
            running.heard = now;
        }
    }

    /// Starts it. If that fails it is due again later.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn start(&mut self, now: Duration) -> io::Result<()> {
        self.due = None;
        self.running = match self.spawn(now) {
            Ok(running) => Some(running),
            Err(error) => {
                self.due = Some(now + self.backoff.after(Duration::ZERO, false));
                return Err(io::Error::new(error.kind(), format!("{}: cannot be started: {error}", self.program)));
            }
        };
        Ok(())
    }

    fn spawn(&self, now: Duration) -> io::Result<Running> {
        let mut command = Command::new(beside_us(self.program));
        // A process group of its own: a Ctrl-C at our terminal is ours to pass on.
        command.args(&self.args).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = privilege::spawn(command, self.needs)?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let pipes =
            [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)];
        for pipe in pipes.into_iter().flatten() {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Running {
            process,
            stdin,
            stdout,
            stderr,
            answers: Lines::default(),
            complaints: Lines::default(),
            outgoing: Vec::new(),
            started: now,
            heard: now,
            spoke: false,
        })
    }

    /// The pipes that are open and of interest now.
    pub(crate) fn pipes(&self) -> Vec<(Pipe, BorrowedFd<'_>)> {
        let Some(running) = &self.running else { return Vec::new() };
        let stdin = running.stdin.as_ref().filter(|_| !running.outgoing.is_empty());
        [
            stdin.map(|pipe| (Pipe::Stdin, pipe.as_fd())),
            running.stdout.as_ref().map(|pipe| (Pipe::Stdout, pipe.as_fd())),
            running.stderr.as_ref().map(|pipe| (Pipe::Stderr, pipe.as_fd())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Writes lines from `next` for as long as the child takes them; the rest stays with `next`.
    pub(crate) fn feed(&mut self, mut next: impl FnMut() -> Option<String>) {
        let Some(running) = &mut self.running else { return };
        let Some(stdin) = &mut running.stdin else { return };
        loop {
            // Not before the last line is gone: until then a newer one may take the place of the next.
            if running.outgoing.is_empty() {
                let Some(line) = next() else { return };
                running.outgoing = line.into_bytes();
            }
            match stdin.write(&running.outgoing) {
                Ok(written) => drop(running.outgoing.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    // It has closed its input, so it is ending; its exit will be noticed.
                    running.stdin = None;
                    return;
                }
            }
        }
    }

    /// Reads what a pipe has, line by line; lines over the bound are skipped and told as none.
    pub(crate) fn read(&mut self, pipe: Pipe, now: Duration, mut each: impl FnMut(Option<&[u8]>)) {
        let Some(running) = &mut self.running else { return };
        let mut chunk = [0; 16 * 1024];
        for _ in 0..CHUNKS {
            let read = match pipe {
                Pipe::Stdin => return,
                Pipe::Stdout => running.stdout.as_mut().map(|pipe| pipe.read(&mut chunk)),
                Pipe::Stderr => running.stderr.as_mut().map(|pipe| pipe.read(&mut chunk)),
            };
            match read {
                Some(Ok(count)) if count > 0 => {
                    let lines = if pipe == Pipe::Stdout { &mut running.answers } else { &mut running.complaints };
                    if pipe == Pipe::Stdout {
                        running.heard = now;
                        running.spoke = true;
                    }
                    lines.push(chunk.get(..count).unwrap_or_default(), |line| match line {
                        Line::Whole(line) => each(Some(line)),
                        Line::TooLong => each(None),
                    });
                }
                Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => return,
                _ => {
                    // Closed: nothing more will come, and polling it would spin.
                    match pipe {
                        Pipe::Stdout => running.stdout = None,
                        _ => running.stderr = None,
                    }
                    return;
                }
            }
        }
    }

    /// If it has ended: how, and it is due again after its backoff.
    pub(crate) fn reap(&mut self, now: Duration) -> Option<String> {
        let running = self.running.as_mut()?;
        let status = match running.process.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status.to_string(),
            Err(error) => format!("cannot be waited for: {error}"),
        };
        let lived = now.saturating_sub(running.started);
        let worked = running.spoke;
        self.running = None;
        let wait = self.backoff.after(lived, worked);
        self.due = Some(now + wait);
        let when =
            if wait.is_zero() { "at once".to_owned() } else { format!("in {}", humantime::format_duration(wait)) };
        Some(format!("{} ended ({status}); started again {when}", self.program))
    }

    /// Sends it a signal, if it runs. It is reaped by [`Child::reap`], so its number is still its own.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended this instant, which is as good.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Closes its input, which ends it once it has done what it was told.
    pub(crate) fn close_input(&mut self) {
        if let Some(running) = &mut self.running {
            running.stdin = None;
        }
    }
}

/// The program beside our own, so that a build directory works as it is; else by `PATH`.
pub(crate) fn beside_us(program: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|ours| Some(ours.parent()?.join(program)));
    beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(program))
}
