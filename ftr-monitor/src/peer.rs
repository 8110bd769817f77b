//! Who is at the other end of the monitor's socket, and what that user may do.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::{Gid, Group, Uid, User, geteuid};

/// Whose members may change what the monitor does.
pub(crate) const GROUP: &str = "ftr";

/// A process at the other end, as the kernel names it: what it says itself counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) pid: i32,
    uid: u32,
    gid: u32,
}

impl Peer {
    /// Of a connection, as it was when that was made.
    ///
    /// # Errors
    /// It is no socket of this host.
    pub(crate) fn of(socket: &impl AsFd) -> io::Result<Self> {
        let credentials = getsockopt(socket, PeerCredentials)?;
        Ok(Self { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid() })
    }

    /// Whether it may change what the monitor does: root, the monitor's own user, and members of the group `ftr`.
    pub(crate) fn may_change(self) -> bool {
        if self.uid == 0 || self.uid == geteuid().as_raw() {
            return true;
        }
        // In the files that say so: the process may have been started before somebody became a member.
        Group::from_name(GROUP).ok().flatten().is_some_and(|group| {
            let user = || User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
            group.gid == Gid::from_raw(self.gid) || user().is_some_and(|user| group.mem.contains(&user.name))
        })
    }

    /// Who it is, for the log.
    pub(crate) fn text(self) -> String {
        let user = User::from_uid(Uid::from_raw(self.uid)).ok().flatten();
        user.map_or_else(|| format!("user {}", self.uid), |user| user.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Peer;
    use nix::unistd::{getegid, geteuid, getpid};
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_kernel_says_who_it_is() {
        let (one, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&one).unwrap();
        assert_eq!(peer, Peer { pid: getpid().as_raw(), uid: geteuid().as_raw(), gid: getegid().as_raw() });
        assert!(peer.may_change());
    }

    #[test]
    fn a_stranger_may_not() {
        let stranger = Peer { pid: 1, uid: 4_000_000_000, gid: 4_000_000_000 };
        assert!(!stranger.may_change());
        assert_eq!(stranger.text(), "user 4000000000");
        assert!(Peer { uid: 0, ..stranger }.may_change());
    }
}
