//! Why ftr-probe stops without an answer.

use std::io;

use ftr_core::{Exit, InterfaceName};
use ftr_tool::cli::Failure;
use nix::errno::Errno;

/// No uplink is to blame for any of these.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Neither kind of ICMP socket may be opened.
    #[error(
        "{uplink}: open ICMP socket: not permitted: CAP_NET_RAW is missing: run ftr-probe as root, give the program the \
         capability (setcap cap_net_raw+ep FILE), or have net.ipv4.ping_group_range include our group"
    )]
    NotPermitted { uplink: InterfaceName },
    /// The firewall of this host refuses what is sent.
    #[error(
        "{uplink}: send requests: not permitted: a firewall rule of this host (OUTPUT) or a prohibit route refuses them"
    )]
    Prohibited { uplink: InterfaceName },
    /// The socket of an uplink failed.
    #[error("{uplink}: {operation}: {}", errno.desc())]
    Socket { uplink: InterfaceName, operation: &'static str, errno: Errno },
    /// This host had no room to send, or was asleep, in every attempt.
    #[error("{uplink}: send echo requests: this host had no room or no time for it in {attempts} attempts")]
    NoRoom { uplink: InterfaceName, attempts: u32 },
    /// The kernel's tables cannot be read.
    #[error(transparent)]
    Netlink(#[from] ftr_netlink::Error),
    /// The kernel denies something else that every kernel has.
    #[error("{operation}: {reason}")]
    System { operation: &'static str, reason: io::Error },
    /// No random numbers.
    #[error("read random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// Standard output failed.
    #[error("standard output: {0}")]
    Output(io::Error),
}

impl Error {
    /// What the kernel said of an operation.
    pub(crate) fn system<R: Into<io::Error>>(operation: &'static str) -> impl Fn(R) -> Self {
        move |reason| Self::System { operation, reason: reason.into() }
    }

    /// Whether this host has no room for a socket now.
    pub(crate) const fn is_room(&self) -> bool {
        matches!(self, Self::Socket { errno: Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM, .. })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match &error {
            Error::Output(error) => return Self::stdout(error),
            Error::NotPermitted { .. } | Error::Prohibited { .. } => Exit::NotPermitted,
            Error::NoRoom { .. } => Exit::Again,
            error if error.is_room() => Exit::Again,
            Error::Netlink(error) if error.is_permission() => Exit::NotPermitted,
            Error::Netlink(error) if error.is_transient() => Exit::Again,
            Error::Socket { .. } | Error::Netlink(_) | Error::System { .. } | Error::Random(_) => Exit::Io,
        };
        Self::new(exit, error.to_string())
    }
}
