//! A process of a program and its three pipes. Nothing here waits, and nothing is decided.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Stdio};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::privilege;
use crate::program::Program;
use crate::starter::Starter;
use crate::supervisor::Pipe;

pub(super) struct Child {
    process: std::process::Child,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    outgoing: Vec<u8>,
}

impl Child {
    /// Starts a process of the program, with these arguments beside those that it always has.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn start(starter: &Starter, program: Program, more: &[String]) -> io::Result<Self> {
        let args: Vec<&str> = program.command().1.iter().copied().chain(more.iter().map(String::as_str)).collect();
        let mut process = starter.start(program, &args, |command| {
            // A process group of its own: a Ctrl-C at our terminal is ours to pass on.
            command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        })?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let pipes =
            [stdin.as_ref().map(AsFd::as_fd), stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)];
        for pipe in pipes.into_iter().flatten() {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self { process, stdin, stdout, stderr, outgoing: Vec::new() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Its input, while it has something to take that it has not taken yet.
    pub(super) fn input(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().filter(|_| !self.outgoing.is_empty()).map(AsFd::as_fd)
    }

    /// A pipe that it writes to, while that is open.
    pub(super) fn output(&self, pipe: Pipe) -> Option<BorrowedFd<'_>> {
        match pipe {
            Pipe::Stdout => self.stdout.as_ref().map(AsFd::as_fd),
            Pipe::Stderr => self.stderr.as_ref().map(AsFd::as_fd),
        }
    }

    /// Writes a line to its input, as far as it takes it: see [`Child::go_on`].
    pub(super) fn feed(&mut self, line: &str) -> bool {
        self.outgoing.extend_from_slice(line.as_bytes());
        self.go_on()
    }

    /// Writes what is left. Whether it has taken all: never again once it has closed its input. It is ending then, and its
    /// exit will be noticed.
    pub(super) fn go_on(&mut self) -> bool {
        let Some(stdin) = &mut self.stdin else { return false };
        while !self.outgoing.is_empty() {
            match stdin.write(&self.outgoing) {
                Ok(written) => drop(self.outgoing.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(_) => {
                    self.stdin = None;
                    return false;
                }
            }
        }
        true
    }

    /// Reads a part of what a pipe has, as much as the chunk takes; nothing where there is nothing at the moment.
    pub(super) fn read<'a>(&mut self, pipe: Pipe, chunk: &'a mut [u8]) -> &'a [u8] {
        let read = match pipe {
            Pipe::Stdout => read(&mut self.stdout, chunk),
            Pipe::Stderr => read(&mut self.stderr, chunk),
        };
        chunk.get(..read).unwrap_or_default()
    }

    /// Whether it has ended and is to be reaped.
    pub(super) fn has_ended(&self) -> bool {
        let only_look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        self.number().is_some_and(|pid| waitid(Id::Pid(pid), only_look) != Ok(WaitStatus::StillAlive))
    }

    /// If it has ended: its exit code, none where a signal has ended it, and how it ended in words.
    pub(super) fn reap(&mut self) -> Option<(Option<i32>, String)> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some((status.code(), status.to_string())),
            Err(error) => Some((None, format!("cannot be waited for: {error}"))),
        }
    }

    /// Sends it a signal. It is reaped by [`Child::reap`], so its number is still its own.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.number() {
            privilege::signal(pid, signal);
        }
    }

    fn number(&self) -> Option<Pid> {
        i32::try_from(self.pid()).ok().map(Pid::from_raw)
    }

    /// Closes its input, which ends it once it has done what it was told.
    pub(super) fn close_input(&mut self) {
        self.stdin = None;
    }
}

fn read(pipe: &mut Option<impl Read>, chunk: &mut [u8]) -> usize {
    loop {
        match pipe.as_mut().map(|pipe| pipe.read(chunk)) {
            Some(Ok(count)) if count > 0 => return count,
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => return 0,
            _ => {
                // Closed: nothing more will come, and polling it would spin.
                *pipe = None;
                return 0;
            }
        }
    }
}
