//! The daemon's log: a file with rotation by size, and the system log; stderr where neither takes a line, and where that
//! is a terminal, whose reader looks on.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use ftr_core::Severity;
use ftr_core::config::Log as Settings;
use ftr_core::sanitize::sanitize;
use ftr_tool::{Place, clock, journal, ready};
use nix::libc::PIPE_BUF;
use syslog::{Facility, LogFormat, Logger, LoggerBackend};

use crate::entry::Entry;

/// Where the system log is reached, syslog(3).
const SYSTEM_LOG: &str = "/dev/log";

/// Where the daemon's lines go.
pub(crate) struct Log {
    settings: Settings,
    file: Option<Rotating>,
    system: Option<System>,
    stderr: Stderr,
}

/// Who reads what is written to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stderr {
    /// The journal, which has times of its own and wants severities.
    Journal,
    /// Somebody who looks on, and is shown what goes into the log.
    Terminal,
    /// A file, a pipe, or somebody who wants to be left in peace.
    Other,
}

impl Log {
    /// Opens what the configuration names. A router is to start whatever its disk is like: what cannot be opened is said
    /// where lines still go, and a system log that is not there may come later. Where `quiet` a terminal is shown only what
    /// has no other place.
    pub(crate) fn open(settings: &Settings, quiet: bool) -> Self {
        let stderr = match io::stderr() {
            stderr if journal::reads(&stderr) => Stderr::Journal,
            stderr if stderr.is_terminal() && !quiet => Stderr::Terminal,
            _ => Stderr::Other,
        };
        let system = settings.syslog.then(|| System::at(SYSTEM_LOG.into()));
        let mut log = Self { settings: settings.clone(), file: None, system, stderr };
        log.reopen();
        log
    }

    /// Opens the file anew, under its name: somebody may have moved the old one away.
    pub(crate) fn reopen(&mut self) {
        let Some(path) = self.settings.file.clone() else { return };
        match Rotating::open(&path, &self.settings) {
            Ok(file) => self.file = Some(file),
            Err(error) => self.write(&Entry::error(format!("{}: the log cannot be opened: {error}", path.display()))),
        }
    }

    /// Writes a line wherever lines go, with the time where a file or a terminal keeps it.
    ///
    /// A disk that is full or a log that cannot be reached never stops the daemon: a line that found no place goes to
    /// stderr.
    pub(crate) fn write(&mut self, entry: &Entry) {
        let text = sanitize(&entry.text);
        let stamped = format!("{} {text}\n", clock::local());
        let filed = self.file.as_mut().is_some_and(|file| file.write(stamped.as_bytes()).is_ok());
        let logged = self.system.as_mut().is_some_and(|system| system.write(entry.severity, &text));
        match self.stderr {
            Stderr::Terminal => show(stamped.as_bytes()),
            _ if filed || logged => {}
            Stderr::Journal => show(journal::line(entry.severity, text).as_bytes()),
            Stderr::Other => show(stamped.as_bytes()),
        }
    }
}

/// Writes to stderr if that takes a line right now: its reader may have stopped, and must not stop us.
///
/// Stderr is shared with other programs, so it is not made non-blocking; a pipe that polls as writable has room for
/// `PIPE_BUF` bytes, pipe(7).
fn show(line: &[u8]) {
    let stderr = io::stderr();
    if ready::has_room(stderr.as_fd()).unwrap_or(false) {
        // Nobody is left to tell when stderr is gone as well.
        let _ = stderr.lock().write_all(line.get(..PIPE_BUF).unwrap_or(line));
    }
}

/// A file that is put aside as `NAME.1` (and that as `NAME.2`, …) before it would grow over a size.
struct Rotating {
    place: Place,
    file: File,
    size: u64,
    max_size: u64,
    old_files: usize,
}

impl Rotating {
    fn open(path: &Path, settings: &Settings) -> io::Result<Self> {
        let place = Place::find(path)?;
        let file = place.append()?;
        let size = file.metadata()?.len();
        Ok(Self { place, file, size, max_size: settings.max_size, old_files: settings.old_files })
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
        let aside = |number: usize| format!(".{number}");
        for number in (1..self.old_files).rev() {
            match self.place.rename(&aside(number), &aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.old_files > 0 {
            self.place.rename("", &aside(1))?;
            self.file = self.place.append()?;
        } else {
            self.file.set_len(0)?;
        }
        self.size = 0;
        Ok(())
    }
}

/// The system log, connected when it is there, and anew after it was restarted.
struct System {
    socket: PathBuf,
    logger: Option<Logger<LoggerBackend, Plain>>,
}

impl System {
    const fn at(socket: PathBuf) -> Self {
        Self { socket, logger: None }
    }

    /// Writes a line, or does without: a system log that is away, or too slow, must not hold the daemon up. Whether it
    /// was taken.
    fn write(&mut self, severity: Severity, text: &str) -> bool {
        for _ in 0..2 {
            if self.logger.is_none() {
                self.logger = self.connect().ok();
            }
            match self.logger.as_mut().map(|logger| send(logger, severity, text)) {
                Some(Ok(())) => return true,
                // Sent to a daemon that is gone: it may have a successor.
                Some(Err(_)) => self.logger = None,
                None => return false,
            }
        }
        false
    }

    fn connect(&self) -> io::Result<Logger<LoggerBackend, Plain>> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.socket)?;
        socket.set_nonblocking(true)?;
        Ok(Logger::new(LoggerBackend::Unix(socket), Plain { pid: std::process::id() }))
    }
}

fn send(logger: &mut Logger<LoggerBackend, Plain>, severity: Severity, text: &str) -> syslog::Result<()> {
    match severity {
        Severity::Error => logger.err(text),
        Severity::Warning => logger.warning(text),
        Severity::Notice => logger.notice(text),
        Severity::Info => logger.info(text),
        Severity::Debug => logger.debug(text),
    }
}

/// RFC 3164 without time and host, which the system log then adds itself: the crate's own format writes UTC where
/// local time is expected.
#[derive(Clone)]
struct Plain {
    pid: u32,
}

impl<T: Display> LogFormat<T> for Plain {
    fn format<W: Write>(&self, out: &mut W, severity: syslog::Severity, message: T) -> syslog::Result<()> {
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

    #[test]
    fn the_system_log_is_told_the_severity_and_found_again_after_its_restart() {
        let path = std::env::temp_dir().join(format!("ftr-devlog-{}", std::process::id()));
        let mut system = System::at(path.clone());
        assert!(!system.write(Severity::Info, "nobody is there"));
        let all = [Severity::Error, Severity::Warning, Severity::Notice, Severity::Info, Severity::Debug];
        for _ in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            // Of the facility daemon, which is 3, as all that is not the kernel's or a user's own.
            for (severity, priority) in all.into_iter().zip(27..) {
                assert!(system.write(severity, "eth1 is down"));
                let mut datagram = [0; 256];
                let length = daemon.recv(&mut datagram).unwrap();
                let expected = format!("<{priority}>ftr-monitor[{}]: eth1 is down", std::process::id());
                assert_eq!(String::from_utf8_lossy(&datagram[..length]), expected);
            }
            drop(daemon);
            std::fs::remove_file(&path).unwrap();
        }
        assert!(!system.write(Severity::Info, "it is gone again"));
    }
}
