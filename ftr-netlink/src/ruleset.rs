//! A socket that hears when firewall rules change (`include/uapi/linux/netfilter/nf_tables.h`).

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{SockFlag, SockProtocol};

use crate::Error;
use crate::socket::Socket;

/// `NFNLGRP_NFTABLES` of `include/uapi/linux/netfilter/nfnetlink.h`.
const GROUP: u32 = 7;

/// Hears when rules of nftables change, those of `iptables-nft` among them, and never blocks: wait for it to become
/// readable, then ask. The legacy iptables tells nobody.
#[derive(Debug)]
pub struct RulesetListener {
    socket: Socket,
}

impl RulesetListener {
    /// Listens from now on. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// The kernel gives no such socket, or does not permit it.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open(SockProtocol::NetlinkNetFilter, 1 << (GROUP - 1), SockFlag::SOCK_NONBLOCK)? })
    }

    /// Whether rules have changed since it was last asked. What has changed is not read: a whole firewall may have.
    ///
    /// # Errors
    /// The socket fails.
    pub fn has_changed(&mut self) -> Result<bool, Error> {
        let mut changed = false;
        loop {
            match self.socket.receive() {
                Ok(_) | Err(Error::Receive(Errno::ENOBUFS | Errno::EMSGSIZE)) => changed = true,
                Err(Error::Receive(Errno::EAGAIN)) => return Ok(changed),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for RulesetListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
