//! What the sockets of all methods have in common.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::{SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6, sock_extended_err, sockaddr_in6};
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use socket2::{Domain, Socket, Type};

use crate::outlet::{Outlet, errno};

/// Opens a socket that sends by this outlet.
pub(super) fn open(server: SocketAddr, kind: Type, outlet: Outlet<'_>) -> Result<Socket, Errno> {
    let socket = Socket::new(Domain::for_address(server), kind.nonblocking(), None).map_err(|error| errno(&error))?;
    outlet.bind(&socket)?;
    // A router that says "unreachable" is heard at once. Without this UDP never hears of it (udp(7)), and TCP over IPv6
    // only after the next attempt if the answer came back before connect(2) was over.
    match server {
        SocketAddr::V4(_) => setsockopt(&socket, Ipv4RecvErr, &true)?,
        SocketAddr::V6(_) => setsockopt(&socket, Ipv6RecvErr, &true)?,
    }
    Ok(socket)
}

/// The next ICMP error that waits in a socket (`MSG_ERRQUEUE`, ip(7)), and how much it quotes into `room` of what was
/// sent, behind its headers.
pub(super) fn next_error(socket: &Socket, room: &mut [u8]) -> Option<(Errno, usize)> {
    let mut control = nix::cmsg_space!(sock_extended_err, sockaddr_in6);
    let mut parts = [IoSliceMut::new(room)];
    loop {
        let flags = MsgFlags::MSG_ERRQUEUE;
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
        let error = message.cmsgs().into_iter().flatten().find_map(|one| match one {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _)
                if [SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6].contains(&error.ee_origin) =>
            {
                Some(Errno::from_raw(i32::try_from(error.ee_errno).unwrap_or_default()))
            }
            _ => None,
        });
        if let Some(error) = error {
            return Some((error, message.bytes));
        }
    }
}

/// Why a probe ended, by the error of its socket (for ICMP errors: `icmp_err_convert` of the kernel).
pub(super) const fn failure(errno: Errno) -> &'static str {
    match errno {
        Errno::ECONNREFUSED => "refused",
        Errno::ECONNRESET | Errno::ECONNABORTED | Errno::EPIPE => "reset",
        Errno::ENETUNREACH => "net-unreachable",
        Errno::EHOSTUNREACH => "host-unreachable",
        Errno::ENOPROTOOPT => "protocol-unreachable",
        Errno::EPROTO => "parameter-problem",
        Errno::EACCES | Errno::EPERM => "prohibited",
        Errno::ETIMEDOUT => "timeout",
        _ => "socket-error",
    }
}

/// The length of a network header.
pub(super) const fn header(server: SocketAddr) -> u64 {
    match server {
        SocketAddr::V4(_) => 20,
        SocketAddr::V6(_) => 40,
    }
}
