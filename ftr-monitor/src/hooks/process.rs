//! A hook that runs: started, listened to, ended with all that it has started.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};

use ftr_core::config::Hook;
use ftr_core::record::{Event, Record};
use ftr_tool::programs;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{pipe2, read};

use super::queue::Job;
use super::{environment, keeper};

/// How much of what it prints is passed on, in bytes.
const PRINTED: usize = 4096;

/// A program that runs for an event.
pub(super) struct Process {
    /// What people know it by.
    name: String,
    child: Child,
    output: Option<OwnedFd>,
    printed: Vec<u8>,
    /// How many bytes more it has printed.
    more: usize,
    /// How long it was to run, if that was too short.
    late: Option<String>,
    timeout: String,
}

impl Process {
    /// Starts the program, with the event on its standard input and in its environment.
    ///
    /// # Errors
    /// It is not there, somebody else could have written it, or it cannot be run.
    pub(super) fn start(hook: &Hook, job: &Job, id: u64) -> io::Result<Self> {
        let (program, arguments) = hook.run.split_first().ok_or(ErrorKind::InvalidInput)?;
        programs::named(Path::new(program))?;
        let (output, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        nix::fcntl::fcntl(&output, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let mut command = keeper::command()?;
        command
            .arg(program)
            .args(arguments)
            .envs(environment::of(&job.event, job.occasion))
            .env("FTR_HOOK", format!("{}-{id}", std::process::id()))
            .current_dir("/")
            // What a terminal sends is for us alone.
            .process_group(0)
            .stdin(Stdio::from(record(&job.event)?))
            .stdout(theirs.try_clone()?)
            .stderr(theirs);
        let child = command.spawn()?;
        let timeout = humantime::format_duration(hook.timeout).to_string();
        let (name, output, printed) = (job.name(hook), Some(output), Vec::new());
        Ok(Self { name, child, output, printed, more: 0, late: None, timeout })
    }

    /// What it prints to, while that is open.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Takes what it has printed, without waiting for anything.
    pub(super) fn listen(&mut self) {
        let mut chunk = [0; PRINTED];
        // A program that prints without end is not listened to without end.
        for _ in 0..16 {
            let Some(output) = &self.output else { return };
            match read(output, &mut chunk) {
                Ok(count) if count > 0 => {
                    let room = PRINTED.saturating_sub(self.printed.len()).min(count);
                    self.printed.extend(chunk.get(..room).unwrap_or_default());
                    self.more = self.more.saturating_add(count - room);
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                _ => self.output = None,
            }
        }
    }

    /// What there is to tell of it if it has ended: what it printed, and how it ended where it did not end well. One that has
    /// run for too long ends with the last of what it has started.
    pub(super) fn ended(&mut self) -> Option<Vec<String>> {
        let how = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => (!status.success()).then(|| status.to_string()),
            Err(error) => Some(format!("cannot be waited for: {error}")),
        };
        self.listen();
        let printed = String::from_utf8_lossy(&self.printed);
        let printed = printed.lines().filter(|line| !line.trim().is_empty());
        let mut lines: Vec<String> = printed.map(|line| format!("{}: {line}", self.name)).collect();
        if self.more > 0 {
            lines.push(format!("{}: {} bytes more", self.name, self.more));
        }
        lines.extend(self.late.take().or(how).map(|how| format!("{}: {how}", self.name)));
        Some(lines)
    }

    /// It has run for long enough.
    pub(super) fn end_as_late(&mut self) {
        self.late = Some(format!("killed: it ran for more than {}", self.timeout));
        self.end();
    }

    /// Has it end, with all that it has started: see [`keeper`]. What it has printed is taken before.
    pub(super) fn end(&mut self) {
        self.listen();
        self.output = None;
    }
}

/// The event as a file that holds its record. A pipe would have to be written to while the program runs.
fn record(event: &Event) -> io::Result<File> {
    let mut file = File::from(memfd_create(c"event", MFdFlags::MFD_CLOEXEC)?);
    let line = Record::Event(event.clone()).line().map_err(io::Error::other)?;
    file.write_all(line.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
