//! Where the packets of an uplink's probes leave.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ftr_core::Family;
use ftr_netlink::egress::Terms;
use nix::errno::Errno;
use socket2::{SockAddr, Socket};

/// The device that they leave by, and the address that they leave with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outlet<'a> {
    terms: Terms<'a>,
}

impl<'a> Outlet<'a> {
    pub(crate) const fn of(terms: Terms<'a>) -> Self {
        Self { terms }
    }

    /// Makes a socket send by the device alone, from the address that is stated, and hear nothing from elsewhere.
    pub(crate) fn bind(&self, socket: &Socket) -> Result<(), Errno> {
        let device = self.terms.device().as_bytes();
        socket.bind_device(Some(device)).map_err(|error| errno(&error))?;
        self.terms.tested_from().map_or(Ok(()), |source| bind(socket, source))
    }

    /// The same, and has the kernel choose a port at once. Of an echo socket that is the identifier of its messages.
    pub(crate) fn bind_port(&self, socket: &Socket, family: Family) -> Result<u16, Errno> {
        self.bind(socket)?;
        if self.terms.tested_from().is_none() {
            let any = match family {
                Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            bind(socket, any)?;
        }
        let local = socket.local_addr().map_err(|error| errno(&error))?;
        local.as_socket().map(|address| address.port()).ok_or(Errno::EAFNOSUPPORT)
    }
}

fn bind(socket: &Socket, source: IpAddr) -> Result<(), Errno> {
    socket.bind(&SockAddr::from(SocketAddr::new(source, 0))).map_err(|error| errno(&error))
}

/// What the system says of an error, as it numbers it.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
