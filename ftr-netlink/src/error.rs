//! What can go wrong between us and the kernel.

use nix::errno::Errno;

use crate::NetlinkError;

/// A netlink exchange failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The socket could not be made; the kernel may lack the subsystem.
    #[error("open netlink socket: {}", .0.desc())]
    Open(Errno),
    /// A request could not be handed to the kernel.
    #[error("send netlink request: {}", .0.desc())]
    Send(Errno),
    /// An answer could not be fetched.
    #[error("receive from netlink: {}", .0.desc())]
    Receive(Errno),
    /// The kernel answered with an error.
    #[error("{operation}: {error}")]
    Rejected {
        /// What was asked for.
        operation: &'static str,
        /// The kernel's answer.
        error: NetlinkError,
    },
    /// The tables changed under every attempt to read them.
    #[error("{operation}: changed while it was read, {attempts} times in a row")]
    Interrupted {
        /// What was read.
        operation: &'static str,
        /// How often it was tried.
        attempts: u32,
    },
    /// A message is not laid out as the kernel documents it.
    #[error("netlink message malformed: {0}")]
    Malformed(&'static str),
    /// A value does not fit into a message.
    #[error("netlink message cannot hold {0}")]
    Encode(&'static str),
}

impl Error {
    /// The kernel's error, where it is one.
    #[must_use]
    pub const fn netlink_error(&self) -> Option<&NetlinkError> {
        match self {
            Self::Rejected { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Whether a capability is missing (`CAP_NET_ADMIN` for every write).
    #[must_use]
    pub const fn is_permission(&self) -> bool {
        match self {
            Self::Rejected { error, .. } => error.is_permission(),
            Self::Open(errno) | Self::Send(errno) | Self::Receive(errno) => {
                matches!(errno, Errno::EPERM | Errno::EACCES)
            }
            _ => false,
        }
    }

    /// Whether the same exchange may succeed in a moment: somebody else was changing what was asked about, or the kernel
    /// was short of memory or buffers. Of a change it is unknown whether it was made, unless it was refused.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Interrupted { .. } => true,
            Self::Open(errno) | Self::Send(errno) | Self::Receive(errno) => is_passing(*errno),
            Self::Rejected { error, .. } => is_passing(error.errno),
            Self::Malformed(_) | Self::Encode(_) => false,
        }
    }
}

/// What passes by itself.
const fn is_passing(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::EBUSY | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::{Errno, Error, NetlinkError};

    fn refused(errno: Errno) -> Error {
        Error::Rejected { operation: "list routes", error: NetlinkError { errno, message: None } }
    }

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for errno in [Errno::EAGAIN, Errno::EBUSY, Errno::EINTR, Errno::ENOBUFS, Errno::ENOMEM] {
            for error in [Error::Open(errno), Error::Send(errno), Error::Receive(errno), refused(errno)] {
                assert!(error.is_transient() && !error.is_permission(), "{error}");
            }
        }
        assert!(Error::Interrupted { operation: "list routes", attempts: 8 }.is_transient());
        for errno in [Errno::EPERM, Errno::EEXIST, Errno::EINVAL, Errno::ENETUNREACH, Errno::EMSGSIZE] {
            assert!(!refused(errno).is_transient() && !Error::Open(errno).is_transient(), "{errno}");
        }
        assert!(!Error::Malformed("route").is_transient() && !Error::Encode("a route").is_transient());
    }

    #[test]
    fn a_missing_capability_is_recognised_wherever_it_shows() {
        for errno in [Errno::EPERM, Errno::EACCES] {
            for error in [Error::Open(errno), Error::Send(errno)] {
                assert!(error.is_permission(), "{error}");
            }
        }
        assert!(refused(Errno::EPERM).is_permission());
        // "IPv6 is disabled on nexthop device", which nobody is missing a capability for.
        assert!(!refused(Errno::EACCES).is_permission());
    }
}
