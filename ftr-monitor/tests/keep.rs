//! The parent of a hook: it ends as the hook does, and ends what has come of the hook once nobody reads what that prints.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Leaves its session, its parent and its environment, tells its number, and goes on.
const LOST: &str = "(setsid env -i sh -c 'echo $$; exec sleep 1004' &)";

fn keep(script: &str) -> io::Result<(Child, BufReader<ChildStdout>)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftr-monitor"));
    command.args(["keep", "/bin/sh", "-c", script]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut keeper = command.spawn()?;
    let printed = keeper.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((keeper, BufReader::new(printed)))
}

/// The numbers of so many processes, as they have told them.
fn told(printed: &mut BufReader<ChildStdout>, count: usize) -> io::Result<Vec<Pid>> {
    let number = |line: io::Result<String>| line?.parse().map(Pid::from_raw).map_err(io::Error::other);
    printed.lines().take(count).map(number).collect()
}

/// Nobody has this number: it has been taken leave of by its parent as well.
fn is_gone(pid: Pid) -> bool {
    kill(pid, None) == Err(Errno::ESRCH)
}

#[test]
fn what_has_left_its_session_its_parent_and_its_environment_is_ended() {
    let (mut keeper, mut printed) = keep(&format!("{LOST}; {LOST}; echo $$; exec sleep 1004")).unwrap();
    let all = told(&mut printed, 3).unwrap();
    assert_eq!((all.len(), all.iter().any(|pid| is_gone(*pid))), (3, false));
    drop(printed);
    keeper.wait().unwrap();
    assert!(all.iter().all(|pid| is_gone(*pid)), "{all:?}");
}

#[test]
fn what_ends_by_itself_leaves_behind_what_goes_on() {
    let (mut keeper, mut printed) = keep(&format!("{LOST}; exit 3")).unwrap();
    let all = told(&mut printed, 1).unwrap();
    assert_eq!((keeper.wait().unwrap().code(), all.len()), (Some(3), 1));
    assert!(all.iter().all(|pid| kill(*pid, Signal::SIGKILL).is_ok()), "{all:?}");
}

#[test]
fn the_signal_that_has_ended_a_hook_is_told_as_shells_do() {
    for (signal, code) in [("TERM", 143), ("34", 162)] {
        let (mut keeper, _printed) = keep(&format!("kill -{signal} $$")).unwrap();
        assert_eq!(keeper.wait().unwrap().code(), Some(code), "{signal}");
    }
}

#[test]
fn a_signal_that_ends_it_ends_the_hook() {
    let (mut keeper, mut printed) = keep(&format!("{LOST}; echo $$; exec sleep 1004")).unwrap();
    let all = told(&mut printed, 2).unwrap();
    let status = || fs::read_to_string(format!("/proc/{}/status", keeper.id())).unwrap();
    let begun = Instant::now();
    // Before it blocks them, signals do to it what they do to anybody.
    while status().contains("SigBlk:\t0000000000000000") {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    kill(Pid::from_raw(keeper.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    keeper.wait().unwrap();
    assert!(all.len() == 2 && all.iter().all(|pid| is_gone(*pid)), "{all:?}");
}

#[test]
fn what_is_no_program_is_told_of() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftr-monitor"));
    let output = command.args(["keep", "/etc/passwd"]).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "cannot be run: Permission denied (os error 13)\n");
}
