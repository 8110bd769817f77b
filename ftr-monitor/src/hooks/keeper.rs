//! `ftr-monitor keep PROGRAM ARGUMENT…`: the parent of a hook, which is run so by `ftr-monitor hooks` and by nobody else.
//!
//! Whatever the hook has started comes to it once it loses its own parent (`PR_SET_CHILD_SUBREAPER`, prctl(2)). So all of that can be
//! ended, whatever has become of it: once nobody reads what the hook prints, because it has run for too long, or because whoever
//! ran it has ended. What goes on when the hook ends by itself is left alone.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use ftr_tool::{Signals, programs, ready};
use nix::poll::{PollFd, PollFlags};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use rustix::process::{self, Pid, WaitOptions, WaitStatus, kill_process, kill_process_group};

use crate::tool;

/// What the program is told to be one.
const WORD: &str = "keep";
/// How it ends where the program cannot be run, as env(1) does.
const NOT_RUN: u8 = 126;
/// What is added to the number of a signal that has ended a program, as shells do.
const SIGNALLED: i32 = 128;

/// One that is to be given the program and its arguments.
///
/// # Errors
/// See [`programs::sibling`].
pub(super) fn command() -> io::Result<Command> {
    let mut command = programs::sibling(tool::NAME)?;
    command.arg(WORD);
    Ok(command)
}

/// Is one, if the command line says so.
pub(crate) fn run() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    arguments.next().filter(|word| word == WORD)?;
    let program = arguments.next()?;
    Some(ExitCode::from(keep(&program, arguments).unwrap_or_else(|error| {
        end_all(None);
        // Nobody may read it, who would be the one to tell.
        let _ = writeln!(io::stderr(), "cannot be run: {error}");
        NOT_RUN
    })))
}

/// Runs a program until it ends, or has to. What it has ended with.
fn keep(program: &OsStr, arguments: impl Iterator<Item = OsString>) -> io::Result<u8> {
    // Where the kernel does not let us, what loses its parent is not ended.
    let _ = set_child_subreaper(true);
    // Which signals are blocked is inherited (sigprocmask(2)): a shell that hears of no child waits for ever.
    SigSet::all().thread_unblock()?;
    let hook = programs::handed_to_us(Path::new(program))?.args(arguments).process_group(0).spawn()?.id();
    let hook = i32::try_from(hook).ok().and_then(Pid::from_raw);
    let signals = Signals::watch(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT])?;
    let stdout = io::stdout();
    loop {
        if let Some(code) = ended(hook) {
            return Ok(code);
        }
        // Of an end that nobody reads poll(2) tells in any case.
        let mut fds =
            [PollFd::new(signals.as_fd(), PollFlags::POLLIN), PollFd::new(stdout.as_fd(), PollFlags::empty())];
        ready::wait(&mut fds, None)?;
        let [_, printed] = fds;
        let is_told = std::iter::from_fn(|| signals.next()).any(|signal| signal != Signal::SIGCHLD);
        if is_told || printed.any() == Some(true) {
            end_all(hook);
            return Ok(NOT_RUN);
        }
    }
}

/// Takes leave of what has ended. What the hook has ended with, if it is among that.
fn ended(hook: Option<Pid>) -> Option<u8> {
    let mut ended = std::iter::from_fn(|| process::wait(WaitOptions::NOHANG).ok().flatten());
    ended.find(|(pid, _)| Some(*pid) == hook).map(|(_, status)| code(status))
}

fn code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or(status.terminating_signal().map(|signal| SIGNALLED + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_RUN)
}

/// Ends all that there is, but what is another user's and not ours to end.
fn end_all(hook: Option<Pid>) {
    // It has not been taken leave of, so that the number is its own. That is all where the kernel does not tell our children.
    let _ = hook.map(|hook| kill_process_group(hook, process::Signal::KILL));
    // What a child leaves behind has come to us when we are told of its end.
    while children().into_iter().filter(|child| kill_process(*child, process::Signal::KILL).is_ok()).count() > 0 {
        let _ = process::wait(WaitOptions::empty());
        let _ = ended(None);
    }
}

/// Whose parent we are (`/proc/PID/task/TID/children`, proc(5)), with those that have ended and wait to be taken leave of.
fn children() -> Vec<Pid> {
    let list = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}
