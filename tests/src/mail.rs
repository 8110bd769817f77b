//! Mail servers of the lab: a real one that keeps what it is sent, and one that accepts and says nothing.

use crate::deadline::wait_for;
use crate::error::{Context, LabError, Result};
use crate::namespace::{Namespace, run};
use crate::program::Daemon;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The port of the configuration that the lab writes.
pub const PORT: u16 = 2525;

/// How the mail server wants to be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Anybody may send, nothing is encrypted.
    Plain,
    /// STARTTLS and a password.
    StartTls,
    /// TLS from the first byte and a password.
    Tls,
}

impl Line {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "real",
            Self::StartTls => "starttls",
            Self::Tls => "tls",
        }
    }
}

/// aiosmtpd on the router's loopback, which files messages into a maildir.
#[derive(Debug)]
pub struct Mailbox {
    _server: Daemon,
    maildir: PathBuf,
}

impl Mailbox {
    /// Starts the server and waits until it accepts connections.
    ///
    /// # Errors
    /// When aiosmtpd is not installed and cannot be, or does not start.
    pub fn open(space: &Namespace, directory: &Path, line: Line) -> Result<Self> {
        let python = environment()?.join("bin/python");
        let maildir = directory.join("mail");
        let mut command = space.command(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/smtpd.py"));
        command.arg(line.name()).arg(&maildir).arg(PORT.to_string());
        if line != Line::Plain {
            let (certificate, key) = (directory.join("smtp.crt"), directory.join("smtp.key"));
            run(Command::new("openssl")
                .args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=localhost"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate))?;
            command.arg(certificate).arg(key);
        }
        let server = Daemon::start("smtpd", &mut command, directory)?;
        let reach = || space.enter(|| Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).is_ok()));
        wait_for("the mail server to accept", Duration::from_secs(20), reach, |reached| *reached)?;
        Ok(Self { _server: server, maildir })
    }

    /// The messages in the order of their arrival.
    ///
    /// # Errors
    /// When the maildir cannot be read.
    pub fn messages(&self) -> Result<Vec<String>> {
        let new = self.maildir.join("new");
        let Ok(entries) = fs::read_dir(&new) else { return Ok(Vec::new()) };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        // The names begin with the second, the microsecond and a counter.
        paths.sort();
        paths.iter().map(|path| fs::read_to_string(path).context(|| format!("read {}", path.display()))).collect()
    }

    /// Waits until all messages together contain every text.
    ///
    /// # Errors
    /// [`LabError::Late`] with the messages that came.
    pub fn wait(&self, texts: &[String], within: Duration) -> Result<()> {
        let what = format!("mail that says {texts:?}");
        wait_for(&what, within, || self.messages(), |all| texts.iter().all(|text| all.concat().contains(text)))
            .map(drop)
    }
}

/// A server that accepts connections and never says a word.
#[derive(Debug)]
pub struct MuteServer {
    _listener: TcpListener,
}

impl MuteServer {
    /// Starts listening on the router's loopback; the kernel accepts by itself.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn open(space: &Namespace) -> Result<Self> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).context(|| format!("listen on port {PORT}"));
        Ok(Self { _listener: space.enter(listen)? })
    }
}

/// The Python environment that has aiosmtpd: `FTR_SMTP_VENV`, else made once beside the built programs.
fn environment() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("FTR_SMTP_VENV") {
        return Ok(PathBuf::from(named));
    }
    let place = crate::program::directory()?.join("smtp-venv");
    if !place.join("bin/aiosmtpd").is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
        run(Command::new(place.join("bin/pip")).args(["install", "-q", "aiosmtpd"]))?;
    }
    if place.join("bin/aiosmtpd").is_file() {
        return Ok(place);
    }
    Err(LabError::Missing { program: "aiosmtpd".to_owned(), searched: place.display().to_string() })
}
