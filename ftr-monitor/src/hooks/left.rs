//! What a hook has started, wherever that has gone since. What has lost its parent becomes our child (`PR_SET_CHILD_SUBREAPER`,
//! prctl(2)), and a word in its environment tells whose it is.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;

use nix::sys::wait::{WaitPidFlag, waitpid};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable of that word.
pub(super) const WORD: &str = "FTR_HOOK";
/// The most processes that are looked for below one.
const MOST_DESCENDANTS: usize = 1024;

/// Takes leave of those that have come to us and have ended. Those that we have started ourselves are left to their own.
pub(super) fn reap(started: &[u32]) {
    for pid in children(std::process::id()).into_iter().filter(|pid| !started.contains(pid)) {
        // Of one that goes on there is nothing to know.
        let _ = i32::try_from(pid).map(|pid| waitpid(nix::unistd::Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)));
    }
}

/// What was found of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Something, which was ended. Its end is told us.
    Some,
    /// Something that may be of it, or not.
    Unknown,
    /// Nothing.
    None,
}

/// Ends what has this word and has come to us, and what a process has started that has not ended yet, each with all below it.
pub(super) fn end(word: &str, leader: Option<u32>) -> Left {
    let all = || {
        let ours = children(std::process::id()).into_iter().filter(|pid| Some(*pid) != leader);
        let words: Vec<(u32, Option<bool>)> = ours.map(|pid| (pid, has_word(pid, word))).collect();
        let orphans = words.iter().filter(|(_, has)| *has == Some(true)).map(|(pid, _)| *pid);
        let below = leader.map(descendants).unwrap_or_default();
        let all: Vec<u32> = orphans.flat_map(|pid| [vec![pid], descendants(pid)].concat()).chain(below).collect();
        (all, is_unsure(&words, leader, &children(std::process::id())))
    };
    let (found, is_unsure) = all();
    // One that has ended can be sent a signal, which changes nothing.
    let alive = found.into_iter().filter(|pid| !is_dead(*pid));
    let held: Vec<(u32, OwnedFd)> = alive.filter_map(|pid| Some((pid, opened(pid)?))).collect();
    // A number may have become that of another process before it was opened; from then on it cannot.
    let still = if held.is_empty() { Vec::new() } else { all().0 };
    let ours = held.iter().filter(|(pid, _)| still.contains(pid));
    match ours.filter(|(_, process)| pidfd_send_signal(process, Signal::KILL).is_ok()).count() {
        0 if is_unsure => Left::Unknown,
        0 => Left::None,
        _ => Left::Some,
    }
}

/// Whether there may be more of a hook than was found among our children: something becomes another program, or has come to us
/// since the look at them, as what its parent left behind when that ended.
fn is_unsure(words: &[(u32, Option<bool>)], leader: Option<u32>, now: &[u32]) -> bool {
    let is_known = |pid: u32| Some(pid) == leader || words.iter().any(|(known, _)| *known == pid);
    words.iter().any(|(_, has)| has.is_none()) || now.iter().any(|pid| !is_known(*pid))
}

fn opened(pid: u32) -> Option<OwnedFd> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1)?;
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// Whether the word is in the environment that a process was started with (`/proc/PID/environ`, proc(5)). For an instant that of
/// one that becomes another program is empty: nobody knows then.
fn has_word(pid: u32, word: &str) -> Option<bool> {
    let environment = match fs::read(format!("/proc/{pid}/environ")) {
        // It runs as another user, who is not ours to kill.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Some(false),
        read => read.unwrap_or_default(),
    };
    if environment.is_empty() {
        return is_dead(pid).then_some(false);
    }
    let wanted = format!("{WORD}={word}");
    Some(environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()))
}

/// Whether a process has ended, and waits for somebody to take leave of it at the most (`proc_pid_stat(5)`).
fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// The processes that a process has started, and those that these have, as far as the kernel tells.
fn descendants(pid: u32) -> Vec<u32> {
    let (mut found, mut next) = (vec![pid], 0);
    while let Some(pid) = found.get(next).copied().filter(|_| found.len() < MOST_DESCENDANTS) {
        next += 1;
        found.extend(children(pid));
    }
    found.split_off(1)
}

/// The processes whose parent a process is (`/proc/PID/task/TID/children`, proc(5)).
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Left, WORD, end, is_unsure};
    use nix::sys::prctl::set_child_subreaper;
    use std::io::Read as _;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn what_has_left_its_session_and_its_parent_is_found_by_its_word() {
        set_child_subreaper(true).unwrap();
        let hook = |word: &str| {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "(setsid sleep 1003 >/dev/null 2>&1 &)"]).env(WORD, word);
            assert!(shell.status().unwrap().success());
        };
        hook("1");
        hook("12");
        let begun = Instant::now();
        for word in ["1", "12"] {
            let in_time = || assert!(begun.elapsed() < Duration::from_secs(10), "{word}");
            while end(word, None) != Left::Some {
                in_time();
            }
            while end(word, None) != Left::None {
                in_time();
            }
        }
        assert_eq!(end("2", None), Left::None);
    }

    #[test]
    fn what_has_ended_and_is_not_taken_leave_of_is_nothing_that_is_left() {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "true & echo; exec sleep 1003 >/dev/null"]).env(WORD, "3").stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        shell.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let begun = Instant::now();
        while end("3", Some(shell.id())) != Left::None {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
        shell.kill().unwrap();
        shell.wait().unwrap();
    }

    #[test]
    fn what_comes_to_us_during_a_look_may_be_anybodys() {
        let words = [(10, Some(false)), (11, Some(true))];
        assert!(!is_unsure(&words, Some(9), &[9, 10, 11]));
        assert!(!is_unsure(&words, None, &[11]), "one has ended");
        assert!(is_unsure(&words, Some(9), &[9, 10, 11, 12]), "its parent has ended before it was asked whose it is");
        assert!(is_unsure(&[(10, None)], None, &[10]));
    }
}
