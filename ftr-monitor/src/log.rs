//! The daemon's log: a file with rotation by size, and the system log; stderr where neither takes a line.

use std::fmt::Display;
use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use ftr_core::clean::clean;
use ftr_core::config::Log as Settings;
use nix::libc::{O_NONBLOCK, PIPE_BUF};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use syslog::{Facility, LogFormat, Logger, LoggerBackend, Severity};

use crate::clock;

/// Where the daemon's lines go.
pub(crate) struct Log {
    settings: Settings,
    file: Option<Rotating>,
    system: Option<System>,
}

impl Log {
    /// Opens what the configuration names. A router is to start whatever its disk is like: what cannot be opened is said
    /// where lines still go, and a system log that is not there may come later.
    pub(crate) fn open(settings: &Settings) -> Self {
        let mut log = Self { settings: settings.clone(), file: None, system: settings.syslog.then(System::default) };
        log.reopen();
        log
    }

    /// Opens the file anew, under its name: somebody may have moved the old one away.
    pub(crate) fn reopen(&mut self) {
        let Some(path) = self.settings.file.clone() else { return };
        match Rotating::open(&path, &self.settings) {
            Ok(file) => self.file = Some(file),
            Err(error) => self.line(&format!("{}: the log cannot be opened: {error}", path.display())),
        }
    }

    /// Writes a line wherever lines go, with the time where a file or a terminal keeps it.
    ///
    /// A disk that is full or a log that cannot be reached never stops the daemon: a line that found no place goes to
    /// stderr.
    pub(crate) fn line(&mut self, text: &str) {
        let text = clean(text);
        let stamped = format!("{} {text}\n", clock::now().time);
        let filed = self.file.as_mut().is_some_and(|file| file.write(stamped.as_bytes()).is_ok());
        let logged = self.system.as_mut().is_some_and(|system| system.write(&text));
        if !filed && !logged {
            last_resort(stamped.as_bytes());
        }
    }
}

/// Writes to stderr if that takes a line right now: its reader may have stopped, and must not stop us.
///
/// Stderr is shared with other programs, so it is not made non-blocking; a pipe that polls as writable has room for
/// `PIPE_BUF` bytes, pipe(7).
fn last_resort(line: &[u8]) {
    let stderr = io::stderr();
    let mut ready = [PollFd::new(stderr.as_fd(), PollFlags::POLLOUT)];
    if matches!(poll(&mut ready, PollTimeout::ZERO), Ok(1)) {
        // Nobody is left to tell when stderr is gone as well.
        let _ = stderr.lock().write_all(line.get(..PIPE_BUF).unwrap_or(line));
    }
}

/// A file that is put aside as `NAME.1` (and that as `NAME.2`, …) before it would grow over a size.
struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    max_size: u64,
    old_files: usize,
}

impl Rotating {
    fn open(path: &Path, settings: &Settings) -> io::Result<Self> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, max_size: settings.max_size, old_files: settings.old_files })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = line.len() as u64;
        if self.size > 0 && self.size + length > self.max_size && self.rotate().is_err() {
            // To go on in a file that is too large is better than to fall silent; the next try comes a file later.
            let _ = self.file.write_all(b"the log cannot be put aside, so it goes on in this file\n");
            self.size = 0;
        }
        self.file.write_all(line)?;
        self.size += length;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let aside = |number: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        for number in (1..self.old_files).rev() {
            match rename(aside(number), aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.old_files > 0 {
            rename(&self.path, aside(1))?;
            self.file = append(&self.path)?;
        } else {
            self.file.set_len(0)?;
        }
        self.size = 0;
        Ok(())
    }
}

/// Opens a file to append to. Without waiting: it may be a pipe that nobody reads.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).custom_flags(O_NONBLOCK).open(path)
}

/// The system log, connected when it is there, and anew after it was restarted.
#[derive(Default)]
struct System {
    logger: Option<Logger<LoggerBackend, Plain>>,
}

impl System {
    /// Writes a line, or does without: a system log that is away, or too slow, must not hold the daemon up. Whether it
    /// was taken.
    fn write(&mut self, text: &str) -> bool {
        for _ in 0..2 {
            if self.logger.is_none() {
                self.logger = connect().ok();
            }
            match self.logger.as_mut().map(|logger| logger.info(text)) {
                Some(Ok(())) => return true,
                // Sent to a daemon that is gone: it may have a successor.
                Some(Err(_)) => self.logger = None,
                None => return false,
            }
        }
        false
    }
}

fn connect() -> io::Result<Logger<LoggerBackend, Plain>> {
    let socket = UnixDatagram::unbound()?;
    socket.connect("/dev/log")?;
    socket.set_nonblocking(true)?;
    Ok(Logger::new(LoggerBackend::Unix(socket), Plain { pid: std::process::id() }))
}

/// RFC 3164 without time and host, which the system log then adds itself: the crate's own format writes UTC where
/// local time is expected.
#[derive(Clone)]
struct Plain {
    pid: u32,
}

impl<T: Display> LogFormat<T> for Plain {
    fn format<W: Write>(&self, out: &mut W, severity: Severity, message: T) -> syslog::Result<()> {
        let priority = Facility::LOG_DAEMON as u8 | severity as u8;
        write!(out, "<{priority}>ftr-monitor[{}]: {message}", self.pid).map_err(syslog::Error::Write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(file: &Path, max_size: u64, old_files: usize) -> Settings {
        Settings { file: Some(file.to_owned()), max_size, old_files, syslog: false }
    }

    #[test]
    fn rotates_by_size_and_keeps_so_many() {
        let dir = std::env::temp_dir().join(format!("ftr-log-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("ftr.log");
        let mut file = Rotating::open(&path, &settings(&path, 10, 2)).unwrap();
        for line in [&b"aaaaaaaa\n"[..], b"bbbbbbbb\n", b"cccccccc\n", b"dddddddd\n"] {
            file.write(line).unwrap();
        }
        let text = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
        assert_eq!(text("ftr.log").as_deref(), Some("dddddddd\n"));
        assert_eq!(text("ftr.log.1").as_deref(), Some("cccccccc\n"));
        assert_eq!(text("ftr.log.2").as_deref(), Some("bbbbbbbb\n"));
        assert_eq!(text("ftr.log.3"), None);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
