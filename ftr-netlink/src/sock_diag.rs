//! Requests about the sockets of this host (`NETLINK_SOCK_DIAG`, `sock_diag(7)`).

use ftr_core::Family;
use neli::consts::nl::NlmF;
use nix::errno::Errno;
use nix::sys::socket::{SockFlag, SockProtocol};

use crate::inet_socket::{Question, nobody};
use crate::socket::Socket;
use crate::{Error, InetSocket, NetlinkError, SocketProtocol};

/// `SOCK_DIAG_BY_FAMILY`, `SOCK_DESTROY`.
const LIST: u16 = 20;
const DESTROY: u16 = 21;

const LIST_SOCKETS: &str = "list sockets";
const DESTROY_SOCKET: &str = "destroy socket";

/// A bit for each state of `include/net/tcp_states.h`: established, SYN sent, FIN wait 1 and 2, close wait, last ACK,
/// closing. Not those that listen, nor what is left of connections that came to their end (`TIME_WAIT`) or have not come
/// to their beginning (`SYN_RECV`). A UDP socket that is connected is established.
const CONNECTED: u32 = 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;
const ESTABLISHED: u32 = 1 << 1;

/// A socket for requests about the sockets of this network namespace.
#[derive(Debug)]
pub struct SockDiag {
    socket: Socket,
}

impl SockDiag {
    /// Opens a socket.
    ///
    /// # Errors
    /// The kernel gives none ([`Error::Open`]): it was built without `CONFIG_INET_DIAG`'s netlink.
    pub fn open() -> Result<Self, Error> {
        Ok(Self { socket: Socket::open(SockProtocol::NetlinkSockDiag, 0, SockFlag::empty())? })
    }

    /// Every connected socket of the family: an IPv6 socket that speaks IPv4 is one of IPv6. Ones that listen, and UDP
    /// sockets that are connected to nobody, are none.
    ///
    /// Sockets that come and go meanwhile may be missing.
    ///
    /// # Errors
    /// The kernel refuses: `ENOENT` where it cannot tell of this protocol.
    pub fn connected(&mut self, family: Family, protocol: SocketProtocol) -> Result<Vec<InetSocket>, Error> {
        let states = match protocol {
            SocketProtocol::Tcp => CONNECTED,
            SocketProtocol::Udp => ESTABLISHED,
        };
        let mut sockets = Vec::new();
        let end = self.socket.ask((LIST, NlmF::DUMP, &Question { family, protocol, states }.encode()), |frame| {
            sockets.push(InetSocket::decode(protocol, frame.body)?);
            Ok(())
        })?;
        match end.error {
            Some(error) => Err(Error::Rejected { operation: LIST_SOCKETS, error }),
            None => Ok(sockets),
        }
    }

    /// Ends a connection: its program finds `ECONNABORTED`, and a TCP peer is sent a reset. A UDP socket is connected to
    /// nobody then. Tells whether it was still there.
    ///
    /// # Errors
    /// The kernel refuses: `EPERM` without `CAP_NET_ADMIN`, `EOPNOTSUPP` without `CONFIG_INET_DIAG_DESTROY`.
    pub fn destroy(&mut self, socket: &InetSocket) -> Result<bool, Error> {
        self.end(&socket.encode())
    }

    /// Whether the kernel can end connections of this protocol. None is ended, and no capability is needed.
    ///
    /// # Errors
    /// It cannot: `ENOENT` where it cannot tell of the protocol's sockets, `EOPNOTSUPP` where it does not end them.
    pub fn try_out(&mut self, protocol: SocketProtocol) -> Result<(), Error> {
        let none = Question { family: Family::V4, protocol, states: 0 };
        let end = self.socket.ask((LIST, NlmF::DUMP, &none.encode()), |_| Ok(()))?;
        if let Some(error) = end.error {
            return Err(Error::Rejected { operation: LIST_SOCKETS, error });
        }
        self.end(&nobody(protocol)).map(drop)
    }

    fn end(&mut self, body: &[u8]) -> Result<bool, Error> {
        let end = self.socket.ask((DESTROY, NlmF::ACK, body), |_| Ok(()))?;
        match end.error {
            None => Ok(true),
            // Closed meanwhile; or another socket has its ports now, which the cookie tells from it.
            Some(NetlinkError { errno: Errno::ENOENT | Errno::ESTALE, .. }) => Ok(false),
            Some(error) => Err(Error::Rejected { operation: DESTROY_SOCKET, error }),
        }
    }
}
