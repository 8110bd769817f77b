//! The ICMP socket of one uplink.

use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv4RecvErr, ReceiveTimestampns};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendto, setsockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::icmp::{self, Echo, Quote};

/// A socket that is bound to a device. A datagram socket where `net.ipv4.ping_group_range` permits it (icmp(7)), whose
/// identifier the kernel chooses and sorts by; a raw one (raw(7)) elsewhere.
#[derive(Debug)]
pub(crate) struct EchoSocket {
    socket: Socket,
    raw: bool,
    id: u16,
    index: u32,
}

/// Room for one packet. A longer one than ours is cut short, and refused for its length.
#[derive(Debug)]
pub(crate) struct Inbox {
    packet: [u8; 128],
    control: Vec<u8>,
}

/// What was waiting in a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mail<'a> {
    /// Nothing.
    Empty,
    /// Something that is not about us.
    Foreign,
    /// A reply with our identifier.
    Reply {
        /// Who sent it.
        from: IpAddr,
        /// What it brings back.
        echo: Echo,
        /// When the kernel received it, on the wall clock since 1970; none where it does not say.
        received: Option<Duration>,
    },
    /// A router, or this host, says that a packet of ours did not get there.
    Failure {
        /// Where the packet was sent.
        to: IpAddr,
        /// What is quoted of it.
        quote: Quote<'a>,
        /// Why.
        error: &'static str,
    },
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { packet: [0; 128], control: cmsg_space!(TimeSpec, libc::sock_extended_err, libc::sockaddr_in) }
    }
}

impl EchoSocket {
    /// Opens a socket and binds it to the device. `id` is used where the kernel does not choose one.
    pub(crate) fn open(device: &str, index: u32, id: u16) -> Result<Self, Errno> {
        let (socket, raw) = match Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4)) {
            Ok(socket) => (socket, false),
            Err(_) => {
                (Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).map_err(|error| errno(&error))?, true)
            }
        };
        socket.set_nonblocking(true).map_err(|error| errno(&error))?;
        socket.bind_device(Some(device.as_bytes())).map_err(|error| errno(&error))?;
        setsockopt(&socket, Ipv4RecvErr, &true)?;
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        let id = if raw {
            socket.attach_filter(&only_replies_to(id)).map_err(|error| errno(&error))?;
            id
        } else {
            // The local port of such a socket is the identifier of its messages.
            socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into()).map_err(|error| errno(&error))?;
            let local = socket.local_addr().map_err(|error| errno(&error))?;
            local.as_socket().map(|address| address.port()).ok_or(Errno::EAFNOSUPPORT)?
        };
        Ok(Self { socket, raw, id, index })
    }

    /// Whether it is bound to this device, and not to an earlier one of the same name.
    pub(crate) const fn is_bound_to(&self, index: u32) -> bool {
        self.index == index
    }

    /// Sends a request. With `IP_RECVERR` the error may be that of an earlier one, to another host: then ask
    /// [`EchoSocket::error`] and send again.
    pub(crate) fn send(&self, to: IpAddr, echo: &Echo) -> Result<(), Errno> {
        let SocketAddr::V4(to) = SocketAddr::new(to, 0) else { return Err(Errno::EAFNOSUPPORT) };
        let message = icmp::request(self.id, echo);
        sendto(self.socket.as_raw_fd(), &message, &SockaddrIn::from(to), MsgFlags::empty()).map(|_| ())
    }

    /// The next packet.
    pub(crate) fn receive<'a>(&self, inbox: &'a mut Inbox) -> Mail<'a> {
        let Inbox { packet, control } = inbox;
        let mut parts = [IoSliceMut::new(packet)];
        let fd = self.socket.as_raw_fd();
        let message = match recvmsg::<SockaddrIn>(fd, &mut parts, Some(control), MsgFlags::empty()) {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Mail::Empty,
            // The error of an earlier packet, whose details are in the error queue. Telling it has removed it.
            Err(_) => return Mail::Foreign,
        };
        let (length, from) = (message.bytes, message.address);
        let received = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| if let ControlMessageOwned::ScmTimestampns(at) = one { Some(at.into()) } else { None })
        });
        let packet = packet.get(..length).unwrap_or_default();
        let echo = if self.raw { icmp::message(packet) } else { Some(packet) };
        match (from, echo.and_then(|message| icmp::reply(message, self.id))) {
            (Some(from), Some(echo)) => Mail::Reply { from: IpAddr::V4(from.ip()), echo, received },
            _ => Mail::Foreign,
        }
    }

    /// The next ICMP error (`MSG_ERRQUEUE`, ip(7)).
    pub(crate) fn error<'a>(&self, inbox: &'a mut Inbox) -> Mail<'a> {
        let Inbox { packet, control } = inbox;
        let mut parts = [IoSliceMut::new(packet)];
        let fd = self.socket.as_raw_fd();
        let Ok(message) = recvmsg::<SockaddrIn>(fd, &mut parts, Some(control), MsgFlags::MSG_ERRQUEUE) else {
            return Mail::Empty;
        };
        let (length, to) = (message.bytes, message.address);
        let error = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::Ipv4RecvErr(error, _) if error.ee_origin == libc::SO_EE_ORIGIN_ICMP => {
                    icmp::failure(error.ee_type, error.ee_code)
                }
                _ => None,
            })
        });
        let quote = packet.get(..length).and_then(|quoted| icmp::quote(quoted, self.id));
        match (to, quote, error) {
            (Some(to), Some(quote), Some(error)) => Mail::Failure { to: IpAddr::V4(to.ip()), quote, error },
            _ => Mail::Foreign,
        }
    }
}

impl AsFd for EchoSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A filter for the kernel (`Documentation/networking/filter.rst`), so that only echo replies with our identifier
/// wake us and take room: a raw socket would get all ICMP messages of the device.
fn only_replies_to(id: u16) -> [SockFilter; 7] {
    let op = |code: u32, jump_false: u8, value: u32| {
        #[expect(clippy::cast_possible_truncation, reason = "operation codes of this filter language have 16 bits")]
        SockFilter::new(code as u16, 0, jump_false, value)
    };
    [
        op(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0), // x = length of the IPv4 header
        op(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 0),  // type and code: 0 and 0 in a reply
        op(libc::BPF_JMP | libc::BPF_JEQ, 3, 0),
        op(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 4), // identifier
        op(libc::BPF_JMP | libc::BPF_JEQ, 1, u32::from(id)),
        op(libc::BPF_RET, 0, u32::MAX),
        op(libc::BPF_RET, 0, 0),
    ]
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
