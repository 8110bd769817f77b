//! Capabilities: the monitor holds two, uses none, and hands each child the one that it needs.
//!
//! See capabilities(7). Capabilities belong to threads, so each child is started from a thread of its own that has given
//! up what the child shall not have: nothing is taken from the monitor itself and no code runs between fork and exec.

use std::process::{Child, Command};

use caps::{CapSet, Capability, CapsHashSet};
use ftr_core::Exit;
use ftr_core::cli::Failure;

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
    // CAP_SETPCAP is what lets a child's thread shrink its bounding set.
    let kept: CapsHashSet =
        handed_on.iter().copied().chain([Capability::CAP_SETPCAP]).filter(|cap| held.contains(cap)).collect();
    caps::set(None, CapSet::Effective, &CapsHashSet::new()).map_err(|error| refused(&error))?;
    caps::set(None, CapSet::Permitted, &kept).map_err(|error| refused(&error))
}

/// Starts a program that has `needed` and no other capability.
///
/// # Errors
/// The program cannot be started, or the kernel refuses to hand on the capability.
pub(crate) fn spawn(mut command: Command, needed: Option<Capability>) -> std::io::Result<Child> {
    let starter = std::thread::Builder::new().stack_size(128 * 1024).spawn(move || {
        restrict_thread(needed).map_err(std::io::Error::other)?;
        command.spawn()
    })?;
    starter.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it panicked")))
}

fn restrict_thread(needed: Option<Capability>) -> Result<(), caps::errors::CapsError> {
    let needed: CapsHashSet = needed.into_iter().collect();
    if caps::has_cap(None, CapSet::Permitted, Capability::CAP_SETPCAP)? {
        // As root a program gets the whole bounding set at exec, so that is what has to shrink.
        caps::raise(None, CapSet::Effective, Capability::CAP_SETPCAP)?;
        for cap in caps::read(None, CapSet::Bounding)?.difference(&needed) {
            caps::drop(None, CapSet::Bounding, *cap)?;
        }
        caps::drop(None, CapSet::Effective, Capability::CAP_SETPCAP)?;
    }
    // As any other user a program gets its ambient set.
    caps::set(None, CapSet::Inheritable, &needed)?;
    caps::set(None, CapSet::Ambient, &needed)
}

fn refused(error: &caps::errors::CapsError) -> Failure {
    Failure::new(Exit::NotPermitted, format!("capabilities: {error}"))
}
