//! Sockets of a host: the connected ones are listed, and exactly the one that is named is ended.

use crate::Test;
use crate::host::{FAMILIES, Host, own};
use caps::{CapSet, Capability};
use ftr_lab::error::{Context, LabError, Result};
use ftr_netlink::{Family, InetSocket, SockDiag, SocketProtocol};
use libtest_mimic::Failed;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;

/// The tests of this file.
pub(crate) const TESTS: [(&str, Test); 6] = [
    ("the_named_tcp_connection_is_ended", the_named_tcp_connection_is_ended),
    ("a_connected_udp_socket_is_ended", a_connected_udp_socket_is_ended),
    ("an_ipv6_socket_that_speaks_ipv4_is_ended", an_ipv6_socket_that_speaks_ipv4_is_ended),
    ("device_and_mark_of_a_socket_are_told", device_and_mark_of_a_socket_are_told),
    ("what_has_closed_meanwhile_is_no_error", what_has_closed_meanwhile_is_no_error),
    ("without_the_capability_no_socket_is_ended", without_the_capability_no_socket_is_ended),
];

const ABORTED: Option<i32> = Some(Errno::ECONNABORTED as i32);

fn requests(host: &Host) -> Result<SockDiag> {
    host.space.enter(|| SockDiag::open().map_err(|error| LabError::Unexpected(error.to_string())))
}

/// The two ends of a connection between an address of device 1 and one of device 2.
fn connection(host: &Host, client: SocketAddr, server: SocketAddr) -> Result<(TcpStream, TcpStream, TcpListener)> {
    host.space.enter(|| {
        let listener = TcpListener::bind(server).context(|| format!("bind to {server}"))?;
        let there = listener.local_addr().context(|| "look at the listener".to_owned())?;
        let socket = socket2::Socket::new(socket2::Domain::for_address(client), socket2::Type::STREAM, None)
            .context(|| "make a socket".to_owned())?;
        socket.bind(&client.into()).context(|| format!("bind to {client}"))?;
        let to = match client {
            SocketAddr::V6(_) if there.is_ipv4() => SocketAddr::new(mapped(there.ip()), there.port()),
            _ => there,
        };
        socket.connect(&to.into()).context(|| format!("connect to {to}"))?;
        let (accepted, _) = listener.accept().context(|| "accept".to_owned())?;
        Ok((socket.into(), accepted, listener))
    })
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(_) => address,
    }
}

fn at(family: Family, device: u32) -> SocketAddr {
    (own(family, device), 0).into()
}

fn with_local(sockets: &[InetSocket], local: io::Result<SocketAddr>) -> std::result::Result<InetSocket, Failed> {
    let local = local?;
    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
    Ok(*sockets.iter().find(|socket| socket.local == local).ok_or(format!("{local} is not among {sockets:?}"))?)
}

fn the_named_tcp_connection_is_ended() -> std::result::Result<(), Failed> {
    let host = Host::new()?;
    let mut requests = requests(&host)?;
    for family in FAMILIES {
        let (mut client, mut peer, listener) = connection(&host, at(family, 1), at(family, 2))?;
        let (mut other, mut its_peer, _its_listener) = connection(&host, at(family, 1), at(family, 2))?;
        let sockets = requests.connected(family, SocketProtocol::Tcp)?;
        assert_eq!(sockets.len(), 4, "each end once, and no listener: {sockets:?}");
        let socket = with_local(&sockets, client.local_addr())?;
        assert_eq!((socket.remote, socket.device, socket.mark), (peer.local_addr()?, None, 0));
        assert!(requests.destroy(&socket)?);
        assert_eq!(client.read(&mut [0]).map_err(|error| error.raw_os_error()), Err(ABORTED));
        let reset = peer.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(reset, Err(io::ErrorKind::ConnectionReset));
        other.write_all(b"x")?;
        its_peer.read_exact(&mut [0])?;
        host.space.enter(|| {
            let there = listener.local_addr().context(|| "look at the listener".to_owned())?;
            TcpStream::connect(there).context(|| "connect again".to_owned())
        })?;
    }
    Ok(())
}

/// A UDP socket in the host, bound there and connected to the port 9 of device 2.
fn datagrams(host: &Host, family: Family) -> Result<UdpSocket> {
    host.space.enter(|| {
        let socket = UdpSocket::bind(at(family, 1)).context(|| "bind".to_owned())?;
        socket.connect((own(family, 2), 9)).context(|| "connect".to_owned())?;
        Ok(socket)
    })
}

fn a_connected_udp_socket_is_ended() -> std::result::Result<(), Failed> {
    let host = Host::new()?;
    let mut requests = requests(&host)?;
    for family in FAMILIES {
        let (socket, other) = (datagrams(&host, family)?, datagrams(&host, family)?);
        let _unconnected = host.space.enter(|| UdpSocket::bind(at(family, 1)).context(|| "bind".to_owned()))?;
        let sockets = requests.connected(family, SocketProtocol::Udp)?;
        assert_eq!(sockets.len(), 2, "{sockets:?}");
        assert!(requests.destroy(&with_local(&sockets, socket.local_addr())?)?);
        assert_eq!(socket.recv(&mut [0]).map_err(|error| error.raw_os_error()), Err(ABORTED));
        assert!(socket.peer_addr().is_err() && other.peer_addr().is_ok());
    }
    Ok(())
}

fn an_ipv6_socket_that_speaks_ipv4_is_ended() -> std::result::Result<(), Failed> {
    let host = Host::new()?;
    let mut requests = requests(&host)?;
    let here = SocketAddr::from((mapped(own(Family::V4, 1)), 0));
    let (mut client, _peer, _listener) = connection(&host, here, at(Family::V4, 2))?;
    let socket = with_local(&requests.connected(Family::V6, SocketProtocol::Tcp)?, client.local_addr())?;
    assert_eq!(socket.local.ip(), own(Family::V4, 1));
    assert!(requests.destroy(&socket)?);
    assert_eq!(client.read(&mut [0]).map_err(|error| error.raw_os_error()), Err(ABORTED));
    Ok(())
}

fn device_and_mark_of_a_socket_are_told() -> std::result::Result<(), Failed> {
    let host = Host::new()?;
    let mut requests = requests(&host)?;
    let socket = host.space.enter(|| {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).context(|| "bind".to_owned())?;
        setsockopt(&socket.as_fd(), sockopt::BindToDevice, &OsString::from("u1"))
            .context(|| "bind to u1".to_owned())?;
        setsockopt(&socket.as_fd(), sockopt::Mark, &0x0102).context(|| "mark".to_owned())?;
        socket.connect((own(Family::V6, 1), 9)).context(|| "connect".to_owned())?;
        Ok(socket)
    })?;
    let found = with_local(&requests.connected(Family::V6, SocketProtocol::Udp)?, socket.local_addr())?;
    assert_eq!((found.device, found.mark), (Some(Host::index(1)), 0x0102));
    assert!(requests.destroy(&found)?);
    Ok(())
}

fn what_has_closed_meanwhile_is_no_error() -> std::result::Result<(), Failed> {
    let host = Host::new()?;
    let mut requests = requests(&host)?;
    let socket = datagrams(&host, Family::V4)?;
    let local = socket.local_addr()?;
    let found = with_local(&requests.connected(Family::V4, SocketProtocol::Udp)?, Ok(local))?;
    drop(socket);
    assert!(!requests.destroy(&found)?);
    // Its ports are another's now.
    let successor = host.space.enter(|| {
        let socket = UdpSocket::bind(local).context(|| "bind".to_owned())?;
        socket.connect(found.remote).context(|| "connect".to_owned())?;
        Ok(socket)
    })?;
    assert!(!requests.destroy(&found)?);
    assert!(successor.peer_addr().is_ok());
    Ok(())
}

fn without_the_capability_no_socket_is_ended() -> std::result::Result<(), Failed> {
    let host = Host::new()?;
    let mut requests = requests(&host)?;
    let socket = datagrams(&host, Family::V4)?;
    let found = with_local(&requests.connected(Family::V4, SocketProtocol::Udp)?, socket.local_addr())?;
    // The thread ends with what it was deprived of.
    let (tried, destroyed) = host.space.enter(|| {
        caps::drop(None, CapSet::Effective, Capability::CAP_NET_ADMIN)
            .map_err(|error| LabError::Unexpected(error.to_string()))?;
        let tried = [SocketProtocol::Tcp, SocketProtocol::Udp].map(|protocol| requests.try_out(protocol));
        Ok((tried, requests.destroy(&found)))
    })?;
    assert_eq!(tried, [Ok(()), Ok(())]);
    let error = destroyed.err().ok_or("not refused")?;
    assert!(error.is_permission() && socket.peer_addr().is_ok(), "{error}");
    Ok(())
}
