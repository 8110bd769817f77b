//! The sockets that echo requests go out by and replies come in by.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use ftr_core::Family;
use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv4RecvTtl, Ipv6RecvErr, Ipv6RecvHopLimit, ReceiveTimestampns};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmsg, sendmmsg, sendmsg,
    setsockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::icmp::{self, Echo, Quote, Reading};
use crate::outlet::{Outlet, errno};

/// How many requests are handed to the kernel at once.
pub(crate) const BATCH: usize = 16;

/// A socket that is bound to a device, for one family. A datagram socket where `net.ipv4.ping_group_range` permits it
/// (icmp(7)), whose identifier the kernel chooses and sorts by; a raw one (raw(7)) elsewhere.
#[derive(Debug)]
pub(crate) struct EchoSocket {
    socket: Socket,
    family: Family,
    raw: bool,
    id: u16,
    index: u32,
}

/// Room for one packet. A longer one than ours is cut short, and refused for its length.
#[derive(Debug)]
pub(crate) struct ReceiveBuffer {
    packet: [u8; 128],
    control: Vec<u8>,
}

/// Room for what is sent at once.
#[derive(Debug)]
pub(crate) struct SendBuffer {
    headers: MultiHeaders<SockaddrStorage>,
}

/// What was waiting in a socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received<'a> {
    /// Nothing.
    Empty,
    /// Something that is not about us.
    Foreign,
    /// A reply with our identifier that is damaged or of another length.
    Truncated,
    /// A reply with our identifier.
    Reply {
        /// Who sent it.
        from: IpAddr,
        /// What is left of its time to live.
        ttl: Option<u8>,
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

impl ReceiveBuffer {
    pub(crate) fn new() -> Self {
        Self { packet: [0; 128], control: cmsg_space!(TimeSpec, libc::sock_extended_err, libc::sockaddr_in6, i32) }
    }
}

impl SendBuffer {
    pub(crate) fn new() -> Self {
        Self { headers: MultiHeaders::preallocate(BATCH, None) }
    }
}

impl EchoSocket {
    /// Opens a socket and binds it to the outlet, whose device has this number. `id` is used where the kernel does not choose one.
    pub(crate) fn open(family: Family, outlet: Outlet<'_>, index: u32, id: u16) -> Result<Self, Errno> {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let open = |kind| Socket::new(domain, kind, Some(protocol)).map_err(|error| errno(&error));
        let (socket, raw) = match open(Type::DGRAM) {
            Ok(socket) => (socket, false),
            Err(_) => (open(Type::RAW)?, true),
        };
        socket.set_nonblocking(true).map_err(|error| errno(&error))?;
        match family {
            Family::V4 => {
                setsockopt(&socket, Ipv4RecvErr, &true)?;
                setsockopt(&socket, Ipv4RecvTtl, &true)?;
            }
            Family::V6 => {
                setsockopt(&socket, Ipv6RecvErr, &true)?;
                setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
            }
        }
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        let id = if raw {
            let filter = filter(family, id);
            socket.attach_filter(&filter).map_err(|error| errno(&error))?;
            outlet.bind(&socket)?;
            id
        } else {
            outlet.bind_port(&socket, family)?
        };
        Ok(Self { socket, family, raw, id, index })
    }

    /// Whether it is bound to this device, and not to an earlier one of the same name.
    pub(crate) const fn is_bound_to(&self, index: u32) -> bool {
        self.index == index
    }

    /// Sends requests, at most [`BATCH`], and tells how many left: at least one, else the error of the first.
    ///
    /// With `IP_RECVERR` the error may be that of an earlier one, to another host: then ask [`EchoSocket::error`] and
    /// send again.
    pub(crate) fn send(&self, requests: &[(IpAddr, Echo)], send_buffer: &mut SendBuffer) -> Result<usize, Errno> {
        let mut messages = [[0; icmp::LENGTH]; BATCH];
        let mut addresses = [None; BATCH];
        let count = requests.len().min(BATCH);
        for ((message, address), (to, echo)) in messages.iter_mut().zip(&mut addresses).zip(requests) {
            *message = icmp::request(self.family, self.id, echo);
            *address = Some(storage(*to));
        }
        let parts = messages.each_ref().map(|message| [IoSlice::new(message)]);
        let parts = parts.get(..count).unwrap_or_default();
        let fd = self.socket.as_raw_fd();
        let sent = sendmmsg(fd, &mut send_buffer.headers, parts, addresses, [], MsgFlags::empty())?;
        Ok(sent.count())
    }

    /// Sends a request that shall come no farther than the gateway.
    pub(crate) fn send_ttl_one(&self, to: IpAddr, echo: &Echo) -> Result<(), Errno> {
        let message = icmp::request(self.family, self.id, echo);
        let hops: libc::c_int = 1;
        let control = match self.family {
            Family::V4 => ControlMessage::Ipv4Ttl(&hops),
            Family::V6 => ControlMessage::Ipv6HopLimit(&hops),
        };
        let address = storage(to);
        let part = [IoSlice::new(&message)];
        sendmsg(self.socket.as_raw_fd(), &part, &[control], MsgFlags::empty(), Some(&address)).map(|_| ())
    }

    /// The next packet.
    pub(crate) fn receive<'a>(&self, receive_buffer: &'a mut ReceiveBuffer) -> Received<'a> {
        let ReceiveBuffer { packet, control } = receive_buffer;
        let mut parts = [IoSliceMut::new(packet)];
        let fd = self.socket.as_raw_fd();
        let message = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(control), MsgFlags::empty()) {
            Ok(message) => message,
            Err(Errno::EAGAIN) => return Received::Empty,
            // The error of an earlier packet, whose details are in the error queue. Telling it has removed it.
            Err(_) => return Received::Foreign,
        };
        let (length, from) = (message.bytes, message.address.as_ref().and_then(address));
        let (mut received, mut ttl) = (None, None);
        for control in message.cmsgs().into_iter().flatten() {
            match control {
                ControlMessageOwned::ScmTimestampns(at) => received = Some(at.into()),
                ControlMessageOwned::Ipv4Ttl(left) | ControlMessageOwned::Ipv6HopLimit(left) => {
                    ttl = u8::try_from(left).ok();
                }
                _ => {}
            }
        }
        let packet = packet.get(..length).unwrap_or_default();
        let echo = if self.raw && self.family == Family::V4 {
            let Some((_, echo)) = icmp::unpack(packet) else { return Received::Foreign };
            echo
        } else {
            packet
        };
        match (icmp::read(self.family, echo, self.id), from) {
            (Reading::Reply(echo), Some(from)) => Received::Reply { from, ttl, echo, received },
            (Reading::Truncated, _) => Received::Truncated,
            _ => Received::Foreign,
        }
    }

    /// The next ICMP error (`MSG_ERRQUEUE`, ip(7)).
    pub(crate) fn error<'a>(&self, receive_buffer: &'a mut ReceiveBuffer) -> Received<'a> {
        let ReceiveBuffer { packet, control } = receive_buffer;
        let mut parts = [IoSliceMut::new(packet)];
        let fd = self.socket.as_raw_fd();
        let Ok(message) = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(control), MsgFlags::MSG_ERRQUEUE) else {
            return Received::Empty;
        };
        let (length, to) = (message.bytes, message.address.as_ref().and_then(address));
        let icmp = [libc::SO_EE_ORIGIN_ICMP, libc::SO_EE_ORIGIN_ICMP6];
        let error = message.cmsgs().into_iter().flatten().find_map(|one| match one {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _)
                if icmp.contains(&error.ee_origin) =>
            {
                icmp::failure(self.family, error.ee_type, error.ee_code)
            }
            _ => None,
        });
        let quote = packet.get(..length).and_then(|quoted| icmp::quote(self.family, quoted, self.id));
        match (to, quote, error) {
            (Some(to), Some(quote), Some(error)) => Received::Failure { to, quote, error },
            _ => Received::Foreign,
        }
    }
}

impl AsFd for EchoSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn storage(address: IpAddr) -> SockaddrStorage {
    match SocketAddr::new(address, 0) {
        SocketAddr::V4(address) => address.into(),
        SocketAddr::V6(address) => address.into(),
    }
}

fn address(storage: &SockaddrStorage) -> Option<IpAddr> {
    let four = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    four.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// A filter for the kernel (`Documentation/networking/filter.rst`), so that only echo replies with our identifier
/// wake us and take room: a raw socket would get all ICMP messages of the device. An IPv4 packet begins with its
/// network header there, an IPv6 one with the ICMP header.
fn filter(family: Family, id: u16) -> [SockFilter; 7] {
    let op = |code: u32, jump_false: u8, value: u32| {
        #[expect(clippy::cast_possible_truncation, reason = "operation codes of this filter language have 16 bits")]
        SockFilter::new(code as u16, 0, jump_false, value)
    };
    // x = where the ICMP header begins; and type and code of a reply.
    let (start, reply) = match family {
        Family::V4 => (op(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0), 0),
        Family::V6 => (op(libc::BPF_LDX | libc::BPF_IMM, 0, 0), 129 << 8),
    };
    [
        start,
        op(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ, 3, reply),
        op(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 0, 4), // identifier
        op(libc::BPF_JMP | libc::BPF_JEQ, 1, u32::from(id)),
        op(libc::BPF_RET, 0, u32::MAX),
        op(libc::BPF_RET, 0, 0),
    ]
}
