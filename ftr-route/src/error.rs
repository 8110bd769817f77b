//! What keeps routing from being as wanted.

use std::io;
use std::path::PathBuf;

use ftr_core::Exit;
use ftr_tool::cli::Failure;
use nix::errno::Errno;

/// Why the work could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The exchange with the kernel failed.
    #[error(transparent)]
    Netlink(#[from] ftr_netlink::Error),
    /// The kernel refuses every change.
    #[error("{object}: {reason}: the capability CAP_NET_ADMIN is missing")]
    NotPermitted { object: String, reason: String },
    /// Somebody else's rules stand between ours.
    #[error("rules of others stand between our priorities: nothing was changed in any family")]
    Conflict,
    /// What is needed to undo changes cannot be kept or read.
    #[error(transparent)]
    File(io::Error),
    /// Waiting for events failed.
    #[error("{operation}: {reason}")]
    Wait { operation: &'static str, reason: io::Error },
    /// A file of what to undo makes no sense.
    #[error("{}: {reason}", .file.display())]
    Damaged { file: PathBuf, reason: String },
}

impl Error {
    /// The kernel was built or started without what is asked for.
    pub(crate) fn is_lacking(&self) -> bool {
        let lacks = |errno| matches!(errno, Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP);
        matches!(self, Self::Netlink(error) if error.netlink_error().is_some_and(|error| lacks(error.errno)))
    }

    fn exit(&self) -> Exit {
        match self {
            _ if self.is_lacking() => Exit::Unavailable,
            Self::NotPermitted { .. } => Exit::NotPermitted,
            Self::Netlink(error) if error.is_permission() => Exit::NotPermitted,
            Self::Netlink(error) if error.is_transient() => Exit::Again,
            Self::Netlink(ftr_netlink::Error::Open(_)) => Exit::Unavailable,
            Self::Conflict => Exit::No,
            Self::Netlink(_) | Self::File(_) | Self::Damaged { .. } | Self::Wait { .. } => Exit::Io,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.exit(), error.to_string())
    }
}
