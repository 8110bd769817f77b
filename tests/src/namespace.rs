//! One network namespace, named as `ip netns` names them.

use crate::error::{Context, LabError, Result};
use crate::teardown;
use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use std::thread;

/// A network namespace that lives as long as this value.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes the namespace and brings its loopback up.
    ///
    /// # Errors
    /// When `ip netns` refuses: no permission, or the name is taken.
    pub fn create(name: &str) -> Result<Self> {
        run(Command::new("ip").args(["netns", "add", name]))?;
        teardown::remember(name);
        let path = format!("/run/netns/{name}");
        let file = File::open(&path).context(|| format!("open {path}"))?;
        let namespace = Self { name: name.to_owned(), file };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// The name under `/run/netns`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does `work` on a thread inside the namespace: sockets and threads that it makes belong there.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or what `work` returns.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let inside = || {
            setns(&self.file, CloneFlags::CLONE_NEWNET).context(|| format!("enter {}", self.name))?;
            work()
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// A command that will run inside the namespace, with a `/sys` that shows it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs `ip` commands, one a line, and returns what they print.
    ///
    /// # Errors
    /// The first line that fails ends the batch.
    pub fn ip(&self, lines: &str) -> Result<String> {
        feed(Command::new("ip").args(["-n", &self.name, "-batch", "-"]), lines)
    }

    /// Runs a line of shell and returns what it prints.
    ///
    /// # Errors
    /// When it ends with anything but 0.
    pub fn sh(&self, line: &str) -> Result<String> {
        run(self.command("bash").args(["-c", line]))
    }

    /// Loads an nftables script in one transaction.
    ///
    /// # Errors
    /// When nft refuses it.
    pub fn nft(&self, script: &str) -> Result<()> {
        feed(self.command("nft").args(["-f", "-"]), script).map(drop)
    }

    /// Sets a sysctl, with slashes between its parts.
    ///
    /// # Errors
    /// When the kernel has no such key or refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{key}");
        // The kernel shows each thread the keys of its own network namespace.
        self.enter(|| fs::write(&path, value).context(|| format!("write {value} to {path}")))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        teardown::remove(&self.name);
    }
}

/// Runs a command to its end and returns its stdout.
///
/// # Errors
/// When it cannot start or fails; its stderr is in the error.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().context(|| format!("start {}", typed(command)))?;
    answer(command, &output)
}

/// Runs a command with `input` on its stdin and returns its stdout.
///
/// # Errors
/// As [`run`].
pub fn feed(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context(|| format!("start {}", typed(command)))?;
    let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(input.as_bytes()));
    let output = child.wait_with_output().context(|| format!("wait for {}", typed(command)))?;
    match written {
        // A command that fails early leaves the rest of its input unread; its own message says more.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(LabError::Io { what: format!("write to {}", typed(command)), source: error })
        }
        _ => answer(command, &output),
    }
}

fn answer(command: &Command, output: &Output) -> Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Command {
        command: typed(command),
        status: output.status,
        stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// The command as one would type it. Its environment is the lab's business and would hide the rest.
fn typed(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(std::ffi::OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
