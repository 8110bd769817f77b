//! Calls over UDP as telephones make them: both ends keep their ports for as long as the call lasts.

use ftr_lab::error::{Context, Result};
use ftr_lab::namespace::Namespace;
use ftr_lab::plan;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The port of the callers and of those called (SIP).
const PORT: u16 = 5060;

/// Between two packets of a call, as with 20 ms of speech in each.
const BEAT: Duration = Duration::from_millis(20);

/// The answers of one call: when each came, and the source that the far end had seen.
pub(super) type Heard = Vec<(Instant, Ipv4Addr)>;

/// Calls in progress, and those who answer them.
#[derive(Debug)]
pub(super) struct Calls {
    stop: Arc<AtomicBool>,
    callers: Option<JoinHandle<Vec<Heard>>>,
    called: Option<JoinHandle<()>>,
}

impl Calls {
    /// Begins so many calls, each from another client to one of the servers.
    pub(super) fn begin(lan: &Namespace, internet: &Namespace, count: u8) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let servers = plan::servers();
        // A socket for each address: one for all of them would answer from another one.
        let ends = internet.enter(|| servers.iter().map(|server| open(*server)).collect::<Result<Vec<_>>>())?;
        let pairs = plan::clients(count).into_iter().zip(servers.iter().cycle());
        let calls = lan.enter(|| pairs.map(|(client, server)| call(client, *server)).collect::<Result<Vec<_>>>())?;
        let (told, seen) = (Arc::clone(&stop), Arc::clone(&stop));
        let called = thread::spawn(move || answer(&ends, &told));
        let callers = thread::spawn(move || talk(&calls, &seen));
        Ok(Self { stop, callers: Some(callers), called: Some(called) })
    }

    /// Ends all calls and returns what each heard.
    pub(super) fn end(mut self) -> Vec<Heard> {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic of theirs has been printed.
        let _ = self.callers.take().map(JoinHandle::join);
        let _ = self.called.take().map(JoinHandle::join);
    }
}

fn open(address: Ipv4Addr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((address, PORT)).context(|| format!("bind {address}:{PORT}"))?;
    socket.set_nonblocking(true).context(|| "unblock a socket".to_owned())?;
    Ok(socket)
}

fn call(client: Ipv4Addr, server: Ipv4Addr) -> Result<UdpSocket> {
    let socket = open(client)?;
    socket.connect((server, PORT)).context(|| format!("connect to {server}"))?;
    Ok(socket)
}

/// Tells everybody the address that they come from.
fn answer(ends: &[UdpSocket], stop: &AtomicBool) {
    let mut words = [0_u8; 64];
    while !stop.load(Ordering::Relaxed) {
        for end in ends {
            while let Ok((_, from)) = end.recv_from(&mut words) {
                // A caller who is gone by now does not mind.
                let _ = end.send_to(from.ip().to_string().as_bytes(), from);
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn talk(calls: &[UdpSocket], stop: &AtomicBool) -> Vec<Heard> {
    let mut heard: Vec<Heard> = vec![Heard::new(); calls.len()];
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next {
            next += BEAT;
            for call in calls {
                // What the network refuses is seen by the answer that does not come.
                let _ = call.send(b"hello");
            }
        }
        for (call, heard) in calls.iter().zip(&mut heard) {
            listen(call, heard);
        }
        thread::sleep(Duration::from_millis(1));
    }
    heard
}

fn listen(call: &UdpSocket, heard: &mut Heard) {
    let mut words = [0_u8; 64];
    loop {
        match call.recv(&mut words) {
            Ok(length) => {
                let text = words.get(..length).and_then(|words| std::str::from_utf8(words).ok());
                heard.extend(text.and_then(|text| text.parse().ok()).map(|from| (Instant::now(), from)));
            }
            // An ICMP error about an earlier packet.
            Err(error) if error.kind() != ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
