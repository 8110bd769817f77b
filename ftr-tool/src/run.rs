//! Runs another program to its end: told something, listened to, within a limit of time and of what it prints.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::string::FromUtf8Error;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::unistd::{read, write};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::ready;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// What a program may take. It is killed where it takes more.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// From its start to its end.
    pub time: Duration,
    /// What it prints, in bytes, on standard output and on standard error each.
    pub bytes: usize,
}

/// What a program that has ended leaves behind.
#[derive(Debug)]
pub struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed on standard output.
    pub stdout: Vec<u8>,
    /// What it printed on standard error; nothing where that is ours.
    pub stderr: Vec<u8>,
}

impl Ended {
    /// What it printed, as text.
    ///
    /// # Errors
    /// It failed: why, in its own words where it has some.
    pub fn text(self) -> Result<String, String> {
        if self.status.success() {
            let lossy = |error: FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
            return Ok(String::from_utf8(self.stdout).unwrap_or_else(lossy));
        }
        let complaint = String::from_utf8_lossy(&self.stderr);
        let reason = complaint.lines().find(|line| !line.trim().is_empty());
        Err(reason.map_or_else(|| self.status.to_string(), str::to_owned))
    }
}

/// Starts a program, tells it `input`, and listens to it until it has ended.
///
/// # Errors
/// It cannot be started, or see [`finish`].
pub fn run(command: &mut Command, input: &[u8], bounds: Bounds) -> io::Result<Ended> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn()?, input, bounds)
}

/// The same of one that was started just now. Only those of its streams that are pipes of ours are of interest.
///
/// That it does not read what it is told is no error: it has a reason, which it gives itself.
///
/// # Errors
/// [`ErrorKind::TimedOut`] and [`ErrorKind::FileTooLarge`] where it takes more than it may; it is killed then.
pub fn finish(mut child: Child, input: &[u8], bounds: Bounds) -> io::Result<Ended> {
    let heard = Talk::begin(&mut child, input).and_then(|talk| talk.until_it_ends(bounds));
    if heard.is_err() {
        // Nothing is left to do for one that has ended by itself just now.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let [stdout, stderr] = heard?;
    Ok(Ended { status, stdout, stderr })
}

/// What is still open between a program and us.
struct Talk<'a> {
    /// Readable once it has ended. A program may close its output and go on.
    process: Option<OwnedFd>,
    stdin: Option<OwnedFd>,
    input: &'a [u8],
    outputs: [Option<OwnedFd>; 2],
    heard: [Vec<u8>; 2],
}

impl<'a> Talk<'a> {
    fn begin(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        let stdin = child.stdin.take().map(OwnedFd::from).filter(|_| !input.is_empty());
        if let Some(stdin) = &stdin {
            // It may take less than a whole portion, for it may be writing itself and wait for us to read.
            fcntl(stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        // Kernels before 5.3 have none, and a program that goes on is waited for then.
        let process = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Self {
            process: process.and_then(|process| pidfd_open(process, PidfdFlags::empty()).ok()),
            stdin,
            input,
            outputs: [child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from)],
            heard: [Vec::new(), Vec::new()],
        })
    }

    fn until_it_ends(mut self, bounds: Bounds) -> io::Result<[Vec<u8>; 2]> {
        let end = Instant::now() + bounds.time;
        let mut chunk = vec![0; CHUNK];
        while self.process.is_some() || self.outputs.iter().any(Option::is_some) {
            let left = end.saturating_duration_since(Instant::now());
            let [process, stdin, outputs @ ..] = self.wait(left)?;
            if process {
                self.process = None;
            }
            if stdin {
                self.tell()?;
            }
            for ((output, heard), ready) in self.outputs.iter_mut().zip(&mut self.heard).zip(outputs) {
                listen(output, heard, &mut chunk, ready, bounds.bytes)?;
            }
            if left.is_zero() {
                let what = format!("it takes more than {} s", bounds.time.as_secs());
                return Err(io::Error::new(ErrorKind::TimedOut, what));
            }
        }
        Ok(self.heard)
    }

    /// Waits until something is ready: the end of the program, its input, its two outputs.
    fn wait(&self, left: Duration) -> io::Result<[bool; 4]> {
        let [stdout, stderr] = &self.outputs;
        let all = [
            (&self.process, PollFlags::POLLIN),
            (&self.stdin, PollFlags::POLLOUT),
            (stdout, PollFlags::POLLIN),
            (stderr, PollFlags::POLLIN),
        ];
        // What has ended is left out: a descriptor that is watched for nothing still tells of its end.
        let open = all.iter().filter_map(|(fd, flags)| Some(PollFd::new(fd.as_ref()?.as_fd(), *flags)));
        let mut fds: Vec<PollFd<'_>> = open.collect();
        ready::wait(&mut fds, Some(left))?;
        let mut ready = fds.iter().map(|fd| fd.any() == Some(true));
        Ok(all.map(|(fd, _)| fd.is_some() && ready.next() == Some(true)))
    }

    fn tell(&mut self) -> io::Result<()> {
        let Some(stdin) = &self.stdin else { return Ok(()) };
        match write(stdin, self.input) {
            Ok(count) => self.input = self.input.get(count..).unwrap_or_default(),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(Errno::EPIPE) => self.input = &[],
            Err(errno) => return Err(errno.into()),
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
        Ok(())
    }
}

/// Reads what an output that is ready has, and closes it at its end.
fn listen(
    output: &mut Option<OwnedFd>,
    heard: &mut Vec<u8>,
    chunk: &mut [u8],
    is_ready: bool,
    most: usize,
) -> io::Result<()> {
    let Some(open) = output.as_ref().filter(|_| is_ready) else { return Ok(()) };
    match read(open, chunk) {
        Ok(0) => *output = None,
        Ok(count) => heard.extend(chunk.get(..count).unwrap_or_default()),
        Err(Errno::EAGAIN | Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    if heard.len() > most {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it prints more than {}", size(most))));
    }
    Ok(())
}

/// `16 MiB`, `20 bytes`.
fn size(bytes: usize) -> String {
    match (bytes >> 20, bytes % (1 << 20)) {
        (mebibytes @ 1.., 0) => format!("{mebibytes} MiB"),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounds, run};
    use crate::programs;
    use std::io::ErrorKind;
    use std::time::{Duration, Instant};

    const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 1 << 20 };

    fn shell(line: &str, input: &[u8], bounds: Bounds) -> Result<Result<String, String>, (ErrorKind, String)> {
        let ended = run(programs::system("sh").unwrap().args(["-c", line]), input, bounds);
        ended.map(super::Ended::text).map_err(|error| (error.kind(), error.to_string()))
    }

    #[test]
    fn what_is_printed_and_why_not() {
        assert_eq!(shell("echo a", b"", BOUNDS), Ok(Ok("a\n".to_owned())));
        assert_eq!(shell("echo; echo why >&2; exit 4", b"", BOUNDS), Ok(Err("why".to_owned())));
        assert_eq!(shell("exit 4", b"", BOUNDS), Ok(Err("exit status: 4".to_owned())));
    }

    #[test]
    fn what_it_is_told_and_prints_may_be_more_than_pipes_hold() {
        let text = "x".repeat(1 << 20);
        assert_eq!(shell("cat", text.as_bytes(), BOUNDS), Ok(Ok(text.clone())));
        assert_eq!(shell("tee /dev/stderr", text.as_bytes(), BOUNDS), Ok(Ok(text.clone())));
        assert_eq!(shell("true", text.as_bytes(), BOUNDS), Ok(Ok(String::new())), "it need not listen");
        assert_eq!(shell("cat", b"", BOUNDS), Ok(Ok(String::new())), "it is told that there is no more");
    }

    #[test]
    fn too_much_ends_it() {
        let line = "exec head -c 1048577 /dev/zero";
        let much = "it prints more than 1 MiB".to_owned();
        assert_eq!(shell(line, b"", BOUNDS), Err((ErrorKind::FileTooLarge, much)));
        let few = Bounds { bytes: 20, ..BOUNDS };
        let much = "it prints more than 20 bytes".to_owned();
        assert_eq!(shell("echo 0123456789 0123456789 >&2", b"", few), Err((ErrorKind::FileTooLarge, much)));
    }

    #[test]
    fn one_that_does_not_end_is_ended_whether_it_keeps_its_output_or_not() {
        let (short, begin) = (Bounds { time: Duration::from_secs(1), ..BOUNDS }, Instant::now());
        for line in ["exec sleep 60", "exec sleep 60 >&- 2>&-", "exec sleep 60 <&-"] {
            let late = "it takes more than 1 s".to_owned();
            assert_eq!(shell(line, &vec![b'x'; 1 << 20], short), Err((ErrorKind::TimedOut, late)), "{line}");
        }
        assert!(begin.elapsed() < Duration::from_secs(20));
    }
}
