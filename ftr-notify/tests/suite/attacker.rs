//! A mail server that does what a test tells it, however wrong.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use ftr_core::Config;
use ftr_core::config::Smtp;
use ftr_notify::envelope::{Addresses, Envelope};
use ftr_notify::message::of_text;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Longer than any client that we test has patience.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection of a client, in clear or over TLS.
pub(crate) enum Peer {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Peer {
    /// Sends this.
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.write_all(bytes.as_ref())?;
        self.flush()
    }

    /// The next line of the client, without its end.
    pub(crate) fn hear(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            match self.read(&mut byte)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => line.push(byte[0]),
            }
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).map_err(io::Error::other)
    }

    /// Content to its end.
    pub(crate) fn hear_content(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            match self.hear()? {
                line if line == "." => return Ok(lines),
                line => lines.push(line),
            }
        }
    }

    /// Hears a line, and answers.
    pub(crate) fn answer(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.hear()?;
        self.say(bytes)
    }

    /// Begins TLS; what the client does of the handshake comes with the next reading.
    pub(crate) fn upgrade(self, tls: &Arc<ServerConfig>) -> io::Result<Self> {
        match self {
            Self::Clear(socket) => {
                let session = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
                Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
            }
            Self::Tls(_) => Err(io::Error::other("TLS already")),
        }
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

/// A server that plays each connection once.
pub(crate) struct Attacker<T> {
    port: u16,
    thread: JoinHandle<Vec<io::Result<T>>>,
}

impl<T: Send + 'static> Attacker<T> {
    /// Plays as many connections as there are scripts, one after the other.
    pub(crate) fn start<P>(scripts: Vec<P>) -> io::Result<Self>
    where
        P: FnOnce(Peer) -> io::Result<T> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let thread = spawn(move || {
            let play = |script: P| {
                let (socket, _) = listener.accept()?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.set_write_timeout(Some(PATIENCE))?;
                socket.set_nodelay(true)?;
                script(Peer::Clear(socket))
            };
            scripts.into_iter().map(play).collect()
        });
        Ok(Self { port, thread })
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// What the scripts brought, once all of them have ended.
    pub(crate) fn ended(self) -> Vec<io::Result<T>> {
        self.thread.join().unwrap_or_else(|_| panic!("the attacker panicked"))
    }
}

/// TLS with the certificate and key of this file.
pub(crate) fn tls(file: &Path) -> io::Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(file).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(file).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

/// A server at this port, with more of `smtp_parameters`.
pub(crate) fn smtp(port: u16, more: &str) -> io::Result<Smtp> {
    let text = format!(
        "uplinks: [{{interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1}}]\n\
         tests: {{ips: [203.0.113.1], required_successful: 1}}\n\
         email: {{smtp_parameters: {{address: 127.0.0.1, port: {port}, {more}}}}}\n"
    );
    Ok(Config::parse(Path::new("ftr.yaml"), &text).map_err(io::Error::other)?.email.smtp)
}

/// A message to one recipient.
pub(crate) fn envelope() -> io::Result<Envelope> {
    let addresses = Addresses::new("router@example.com", &["a@example.com".to_owned()]).map_err(io::Error::other)?;
    addresses
        .envelope(&of_text("router", Some("subject"), "text\n.\nmore\n"), std::time::UNIX_EPOCH)
        .map_err(io::Error::other)
}
