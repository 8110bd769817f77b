//! A line that is full: a bulk upload from the LAN through one uplink that sends slowly and queues much.

use crate::deadline::wait_for;
use crate::error::{Context, LabError, Result};
use crate::lab::Lab;
use crate::namespace::run;
use crate::plan;
use socket2::{Domain, SockAddr, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the upload may take to be connected.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);
/// How long a packet may wait in the uplink's queue: as much as cheap modems have.
const QUEUE: &str = "1s";
/// How fast the line is again, and how long it may take to empty the queue.
const FAST: &str = "1gbit";
const EMPTY_WITHIN: Duration = Duration::from_secs(5);
/// Before every rule of a router that balances.
const PRIORITY: u32 = 500;

/// An upload under way. Dropping it ends the traffic; [`Upload::end`] makes the line fast again, too.
#[derive(Debug)]
pub struct Upload {
    device: String,
    rule: String,
    ends: [TcpStream; 2],
    threads: Vec<JoinHandle<()>>,
}

impl Upload {
    /// Makes the uplink's device send at `rate` (as tc(8) writes it: `1mbit`) and fills it. The router's table of the
    /// uplink's number has to have its default route, and its firewall to translate the LAN's addresses.
    ///
    /// # Errors
    /// When tc refuses, or the upload finds no way.
    pub fn start(lab: &Lab, device: &str, rate: &str) -> Result<Self> {
        let table = lab.uplink(device)?.number;
        let to = plan::servers().first().copied().unwrap_or(Ipv4Addr::LOCALHOST);
        let listener =
            lab.internet.enter(|| TcpListener::bind((to, 0)).context(|| format!("listen on {to} for an upload")))?;
        let port = listener.local_addr().context(|| "ask for the port of an upload".to_owned())?.port();
        let rule = format!("ipproto tcp dport {port} lookup {table} priority {PRIORITY}");
        lab.router.ip(&format!("rule add {rule}"))?;
        shape(lab, &format!("replace dev {device} root tbf rate {rate} burst 5kb latency {QUEUE}"))?;
        let sender = lab.lan.enter(|| connect(SocketAddrV4::new(to, port)))?;
        let (receiver, _) = listener.accept().context(|| "accept an upload".to_owned())?;
        let clone = |end: &TcpStream| end.try_clone().context(|| "hold an upload's end".to_owned());
        let ends = [clone(&sender)?, clone(&receiver)?];
        let threads = vec![thread::spawn(move || fill(sender)), thread::spawn(move || drain(receiver))];
        Ok(Self { device: device.to_owned(), rule, ends, threads })
    }

    /// Ends the traffic and makes the line as fast as it was. What still waits in its queue gets through first: no line
    /// throws that away because an upload ends.
    ///
    /// # Errors
    /// When the kernel has lost what was set, or the queue does not empty.
    pub fn end(self, lab: &Lab) -> Result<()> {
        self.stop();
        shape(lab, &format!("change dev {} root tbf rate {FAST} burst 5kb latency {QUEUE}", self.device))?;
        let queue = || qdisc(lab, &format!("show dev {} root", self.device));
        wait_for("an upload's queue to empty", EMPTY_WITHIN, queue, |shown| shown.contains(" backlog 0b 0p "))?;
        shape(lab, &format!("del dev {} root", self.device))?;
        lab.router.ip(&format!("rule del {}", self.rule)).map(drop)
    }

    fn stop(&self) {
        for end in &self.ends {
            // Ends the thread's call; a connection that is broken already has ended it.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A panic has been printed by its thread.
            let _ = thread.join();
        }
    }
}

fn shape(lab: &Lab, words: &str) -> Result<()> {
    qdisc(lab, words).map(drop)
}

fn qdisc(lab: &Lab, words: &str) -> Result<String> {
    let mut command = Command::new("tc");
    command.args(["-s", "-n", lab.router.name(), "qdisc"]).args(words.split_whitespace());
    run(&mut command)
}

fn connect(to: SocketAddrV4) -> Result<TcpStream> {
    let from = plan::clients(1).first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
    let open = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SockAddr::from(SocketAddrV4::new(from, 0)))?;
        socket.connect_timeout(&SockAddr::from(to), CONNECTED_WITHIN)?;
        Ok::<_, std::io::Error>(TcpStream::from(socket))
    };
    open().map_err(|source| LabError::Io { what: format!("connect an upload from {from} to {to}"), source })
}

fn fill(mut sender: TcpStream) {
    let bytes = [0_u8; 1 << 14];
    // It ends when the other side of the program says so.
    while sender.write_all(&bytes).is_ok() {}
}

fn drain(mut receiver: TcpStream) {
    let mut bytes = [0_u8; 1 << 14];
    loop {
        match receiver.read(&mut bytes) {
            Ok(0) => return,
            Err(error) if error.kind() != ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}
