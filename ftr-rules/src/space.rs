//! A network namespace of our own (`network_namespaces(7)`): what is loaded there changes nothing for anybody, and is gone
//! with this process.

use std::fs;

use ftr_core::Exit;
use ftr_tool::cli::Failure;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

/// Moves this process, and whatever it starts from now on, into a new network namespace. What the firewall of this host
/// has must have been read before.
///
/// # Errors
/// It may not: neither as root, nor in a user namespace where those are for everybody (`user_namespaces(7)`).
pub(crate) fn enter() -> Result<(), Failure> {
    let made = match unshare(CloneFlags::CLONE_NEWNET) {
        Err(Errno::EPERM) => in_a_user_namespace(),
        made => made.map_err(std::io::Error::from),
    };
    made.map_err(|error| {
        Failure::new(
            Exit::NotPermitted,
            format!(
                "a network namespace to load the rules in, to compare with what is loaded: {error}: \
                 CAP_SYS_ADMIN is needed, so run it as root"
            ),
        )
    })
}

/// There everybody is root, over nothing but what was made there.
fn in_a_user_namespace() -> std::io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}
