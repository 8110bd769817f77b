//! Capabilities: the monitor holds some, uses none, and hands each child the one that it needs.
//!
//! See capabilities(7). Capabilities belong to threads, so each child is started from a thread of its own that has given
//! up what the child shall not have: nothing is taken from the monitor itself and no code runs between fork and exec.

use std::io;

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};
use ftr_core::Exit;
use ftr_tool::cli::Failure;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

/// What the monitor keeps beside that where it has it: it lets a child's thread shrink its bounding set and become another
/// user, and lets a child be ended that is one.
const KEPT: [Capability; 4] =
    [Capability::CAP_SETPCAP, Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_KILL];

/// Gives up everything but what is handed on to the children; what remains is permitted, not effective.
///
/// # Errors
/// Exit 77, naming what is missing.
pub(crate) fn keep_only(handed_on: &[Capability]) -> Result<(), Failure> {
    let held = caps::read(None, CapSet::Permitted).map_err(|error| refused(&error))?;
    let missing: Vec<String> = handed_on.iter().filter(|cap| !held.contains(cap)).map(ToString::to_string).collect();
    if !missing.is_empty() {
        let names = missing.join(" and ");
        return Err(Failure::new(
            Exit::NotPermitted,
            format!("capabilities: {names} missing; run as root, or by the systemd unit"),
        ));
    }
    let kept: CapsHashSet = handed_on.iter().copied().chain(KEPT).filter(|cap| held.contains(cap)).collect();
    let given_up = caps::set(None, CapSet::Effective, &CapsHashSet::new())
        .and_then(|()| caps::set(None, CapSet::Permitted, &kept));
    // The systemd unit has only these two in the first place, and a filter that refuses capset(2).
    if held == handed_on.iter().copied().collect() { Ok(()) } else { given_up.map_err(|error| refused(&error)) }
}

/// Whether this thread may use a capability, which it does from now on.
pub(crate) fn takes_up(capability: Capability) -> bool {
    caps::raise(None, CapSet::Effective, capability).is_ok()
}

/// Takes from this thread, and from what it starts, all capabilities but one, where it has that one.
///
/// # Errors
/// Something else would remain, or it cannot be handed on.
pub(crate) fn restrict_thread(needed: Option<Capability>) -> io::Result<()> {
    let has = |capability: &Capability| caps::has_cap(None, CapSet::Permitted, *capability).unwrap_or(false);
    let needed: CapsHashSet = needed.into_iter().filter(has).collect();
    let shed = || -> Result<(), CapsError> {
        if caps::has_cap(None, CapSet::Permitted, Capability::CAP_SETPCAP)? {
            // As root a program gets the whole bounding set at exec.
            caps::raise(None, CapSet::Effective, Capability::CAP_SETPCAP)?;
            for cap in caps::read(None, CapSet::Bounding)?.difference(&needed) {
                caps::drop(None, CapSet::Bounding, *cap)?;
            }
        }
        caps::set(None, CapSet::Effective, &CapsHashSet::new())?;
        caps::set(None, CapSet::Permitted, &needed)?;
        caps::set(None, CapSet::Inheritable, &needed)
    };
    let shed = shed();
    // As any other user a program gets its ambient set, and nothing beside it: there are no file capabilities for one that
    // gains no privileges.
    let ambient = caps::set(None, CapSet::Ambient, &needed);
    if geteuid().is_root() {
        shed.map_err(io::Error::other)?;
    }
    ambient.map_err(io::Error::other)
}

/// Sends a signal to a child, which may be another user's process.
pub(crate) fn signal(child: Pid, signal: Signal) {
    // It may have ended this instant, which is as good.
    if kill(child, signal) == Err(Errno::EPERM) {
        let sent = std::thread::Builder::new().stack_size(128 * 1024).spawn(move || {
            if takes_up(Capability::CAP_KILL) {
                let _ = kill(child, signal);
            }
        });
        let _ = sent.map(std::thread::JoinHandle::join);
    }
}

fn refused(error: &CapsError) -> Failure {
    Failure::new(Exit::NotPermitted, format!("capabilities: {error}"))
}
