//! Tests with real sockets on the loopback device.

use super::{Progress, SocketProbe};
use crate::outlet::Outlet;
use ftr_core::Family;
use ftr_core::config::{DnsTarget, HttpTarget};
use ftr_netlink::egress::Terms;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread::{self, JoinHandle};

const LO: Outlet<'static> = Outlet::of(Terms::unconfigured("lo", Family::V4));
const HERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);
/// In milliseconds: far more than anything here takes.
const PATIENCE: u16 = 10_000;

/// Carries a probe to its end.
fn finish(probe: &mut SocketProbe) -> Progress {
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    epoll.add(&*probe, EpollEvent::new(probe.interest(), 0)).unwrap();
    let mut scratch = [0; 4096];
    loop {
        assert_eq!(epoll.wait(&mut [EpollEvent::empty()], PATIENCE), Ok(1), "nothing happened");
        match probe.progress(&mut scratch) {
            Progress::Wait(interest) => {
                epoll.modify(&*probe, &mut EpollEvent::new(interest, 0)).unwrap();
            }
            end => return end,
        }
    }
}

fn page(server: SocketAddr, status: u16, body: Option<&str>) -> SocketProbe {
    let body = body.map(str::to_owned);
    let target = HttpTarget { server, host: "a.example".to_owned(), path: "/b".to_owned(), status, body };
    SocketProbe::http(&target, LO).unwrap()
}

fn name(server: SocketAddr) -> SocketProbe {
    SocketProbe::dns(&DnsTarget { server, name: "a.example".to_owned() }, 0x1234, LO).unwrap()
}

/// Answers one request in these parts, and returns the request and what else the client sent.
fn web_server(parts: &'static [&'static str]) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind(HERE).unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.set_nodelay(true).unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        for part in parts {
            // The client may have heard enough.
            let _ = client.write_all(part.as_bytes());
        }
        String::from_utf8(request).unwrap()
    });
    (address, server)
}

/// Answers the query that waits in a server's socket, once in each of these ways.
fn answer(server: &UdpSocket, ways: &[fn(&mut Vec<u8>)]) {
    let mut query = [0; 512];
    let (length, client) = server.recv_from(&mut query).unwrap();
    for change in ways {
        let mut message = query[..length].to_vec();
        message[2] |= 0x80;
        change(&mut message);
        server.send_to(&message, client).unwrap();
    }
}

#[test]
fn a_connection_is_an_answer() {
    let listener = TcpListener::bind(HERE).unwrap();
    let mut probe = SocketProbe::tcp(listener.local_addr().unwrap(), LO).unwrap();
    assert_eq!(probe.bytes(), 60);
    assert_eq!(finish(&mut probe), Progress::Answered);
    assert_eq!(probe.bytes(), 2 * 60 + 2 * 52);
    // Nothing is left behind for the server to wait for.
    drop(probe);
    let (mut client, _) = listener.accept().unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().raw_os_error(), Some(Errno::ECONNRESET as i32));
}

#[test]
fn a_closed_port_refuses() {
    // Bound, so that nobody else opens it, but not listening.
    let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from(HERE).into()).unwrap();
    let address = closed.local_addr().unwrap().as_socket().unwrap();
    let mut probe = SocketProbe::tcp(address, LO).unwrap();
    assert_eq!(finish(&mut probe), Progress::Failed("refused"));
    assert_eq!(probe.bytes(), 60 + 40);
    assert_eq!(finish(&mut page(address, 204, None)), Progress::Failed("refused"));
}

#[test]
fn what_this_host_cannot_do_is_said_at_the_start() {
    let server = SocketAddr::from(([192, 0, 2, 1], 80));
    assert_eq!(
        SocketProbe::tcp(server, Outlet::of(Terms::unconfigured("ftr-none", Family::V4))).err(),
        Some(Errno::ENODEV)
    );
    let nameless = DnsTarget { server, name: "a".repeat(64) };
    assert_eq!(SocketProbe::dns(&nameless, 0, LO).err(), Some(Errno::EINVAL));
}

#[test]
fn a_name_server_answers() {
    let server = UdpSocket::bind(HERE).unwrap();
    let mut probe = name(server.local_addr().unwrap());
    assert_eq!(probe.interest(), EpollFlags::EPOLLIN);
    assert_eq!(probe.progress(&mut [0; 4096]), Progress::Wait(EpollFlags::EPOLLIN));
    answer(&server, &[|_| ()]);
    assert_eq!(finish(&mut probe), Progress::Answered);
    assert_eq!((probe.foreign(), probe.bytes()), (0, 2 * (20 + 8 + 27)));
}

#[test]
fn a_name_server_that_fails_says_how() {
    let server = UdpSocket::bind(HERE).unwrap();
    let mut probe = name(server.local_addr().unwrap());
    answer(&server, &[|message| message[3] |= 2]);
    assert_eq!(finish(&mut probe), Progress::Failed("dns-servfail"));
}

#[test]
fn foreign_datagrams_are_counted_and_the_answer_is_waited_for() {
    let server = UdpSocket::bind(HERE).unwrap();
    let mut probe = name(server.local_addr().unwrap());
    let foreign: [fn(&mut Vec<u8>); 5] = [
        |message| message[0] ^= 1,
        |message| message[2] &= 0x7f,
        |message| message[13] ^= 1,
        Vec::clear,
        |message| message.resize(5000, 0),
    ];
    answer(&server, &foreign);
    assert_eq!(probe.progress(&mut [0; 4096]), Progress::Wait(EpollFlags::EPOLLIN));
    assert_eq!((probe.foreign(), probe.bytes()), (5, 6 * 28 + 4 * 27 + 5000));
}

#[test]
fn an_answer_behind_many_foreign_datagrams_counts() {
    let server = UdpSocket::bind(HERE).unwrap();
    let mut probe = name(server.local_addr().unwrap());
    let mut ways: Vec<fn(&mut Vec<u8>)> = vec![|message| message[0] ^= 1; 100];
    ways.push(|_| ());
    answer(&server, &ways);
    assert_eq!(finish(&mut probe), Progress::Answered);
    assert_eq!(probe.foreign(), 100);
}

#[test]
fn a_closed_udp_port_is_told_by_icmp() {
    // A connected socket hears its peer alone: to us its port is closed, and nobody else can open it.
    let closed = UdpSocket::bind(HERE).unwrap();
    closed.connect((Ipv4Addr::LOCALHOST, 9)).unwrap();
    assert_eq!(finish(&mut name(closed.local_addr().unwrap())), Progress::Failed("port-unreachable"));
}

#[test]
fn a_page_is_asked_for_by_its_name() {
    let (address, server) = web_server(&["HTTP/1.1 204 No Content\r\n", "\r\n"]);
    let mut probe = page(address, 204, None);
    assert_eq!(probe.interest(), EpollFlags::EPOLLOUT);
    assert_eq!(finish(&mut probe), Progress::Answered);
    let request = server.join().unwrap();
    assert!(request.starts_with(&format!("GET /b HTTP/1.1\r\nHost: a.example:{}\r\n", address.port())), "{request}");
    let payload = request.len() + "HTTP/1.1 204 No Content\r\n\r\n".len();
    assert_eq!(probe.bytes(), 224 + 4 * 52 + payload as u64);
}

#[test]
fn a_body_comes_in_parts() {
    let (address, _server) = web_server(&["HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsuc", "ce", "ss"]);
    assert_eq!(finish(&mut page(address, 200, Some("success"))), Progress::Answered);
    let (address, _server) = web_server(&["HTTP/1.1 200 OK\r\n\r\nplease", " log in"]);
    assert_eq!(finish(&mut page(address, 200, Some("success"))), Progress::Captive);
}

#[test]
fn whoever_says_something_else_is_captive() {
    for parts in
        [&["HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n"][..], &["<html>", "log in", "</html>"]]
    {
        let (address, _server) = web_server(parts);
        assert_eq!(finish(&mut page(address, 204, None)), Progress::Captive, "{parts:?}");
    }
}

#[test]
fn whoever_says_nothing_has_closed() {
    let (address, _server) = web_server(&[]);
    assert_eq!(finish(&mut page(address, 204, None)), Progress::Failed("closed"));
}

#[test]
fn a_server_that_breaks_off_has_reset() {
    let listener = TcpListener::bind(HERE).unwrap();
    let mut probe = page(listener.local_addr().unwrap(), 204, None);
    let (client, _) = listener.accept().unwrap();
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(finish(&mut probe), Progress::Failed("reset"));
}
