//! The programs of ftr, found where they were built, and long-lived processes of the lab.

use crate::deadline::wait_for;
use crate::error::{Context, LabError, Result, malformed};
use crate::namespace::Namespace;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The plugins that are shipped as they are.
const PLUGINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/plugins");

/// The directory of the built programs: `FTR_BIN_DIR`, else that of the running one (tests live one below).
///
/// # Errors
/// When the running program has no path.
pub fn directory() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("FTR_BIN_DIR") {
        return Ok(PathBuf::from(named));
    }
    let own = std::env::current_exe().context(|| "find the running program".to_owned())?;
    let beside = own.parent().unwrap_or(Path::new("."));
    let built = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside };
    Ok(built.to_owned())
}

/// The path of a program of ftr.
///
/// # Errors
/// [`LabError::Missing`] when it has not been built.
pub fn find(program: &str) -> Result<PathBuf> {
    let searched = directory()?;
    let path = searched.join(program);
    if path.is_file() {
        return Ok(path);
    }
    Err(LabError::Missing {
        program: program.to_owned(),
        searched: format!("{} (cargo build --workspace --bins makes it)", searched.display()),
    })
}

/// A running process of the lab. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    name: String,
    output: PathBuf,
}

impl Daemon {
    /// Starts a command whose stdout and stderr go to a file of that name in `directory`.
    ///
    /// It gets a process group of its own, so that Ctrl-C reaches the lab first.
    ///
    /// # Errors
    /// When the file cannot be made or the command not started.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> Result<Self> {
        let output = directory.join(format!("{name}.out"));
        let file =
            File::options().create(true).append(true).open(&output).context(|| format!("open {}", output.display()))?;
        let twin = file.try_clone().context(|| format!("open {} twice", output.display()))?;
        command.stdin(Stdio::null()).stdout(file).stderr(twin).process_group(0);
        let child = command.spawn().context(|| format!("start {name}"))?;
        Ok(Self { child, name: name.to_owned(), output })
    }

    /// Its process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.output).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.exit()?.is_none())
    }

    /// Sends a signal and waits for the end; returns how it ended and how long that took.
    ///
    /// # Errors
    /// [`LabError::Late`] when it still runs after `within`.
    pub fn stop(&mut self, signal: Signal, within: Duration) -> Result<(ExitStatus, Duration)> {
        let began = Instant::now();
        send(self.pid(), signal)?;
        let status = self.ended(within)?;
        Ok((status, began.elapsed()))
    }

    /// Asks it and all that it has started to end, however they end, and waits for its end.
    ///
    /// # Errors
    /// [`LabError::Late`] when it still runs after `within`.
    pub fn stop_all(&mut self, within: Duration) -> Result<()> {
        let number = i32::try_from(self.pid()).map_err(|error| malformed(self.name.clone(), &error))?;
        killpg(Pid::from_raw(number), Signal::SIGTERM).context(|| format!("end {} and its children", self.name))?;
        self.ended(within).map(drop)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`LabError::Late`] when it still runs after `within`.
    pub fn ended(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        let status = wait_for(&what, within, || self.exit(), Option::is_some)?;
        status.ok_or(LabError::Unexpected(what))
    }

    fn exit(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context(|| format!("ask for the end of {}", self.name))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already ended is what this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// When there is no such process.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    let number = i32::try_from(pid).map_err(|error| malformed(format!("process number {pid}"), &error))?;
    kill(Pid::from_raw(number), signal).context(|| format!("send {signal} to process {pid}"))
}

/// A command of ftr inside a namespace: its siblings are found, and its run directory is the lab's.
///
/// # Errors
/// When the program has not been built.
pub fn command(space: &Namespace, program: &str, run_directory: &Path) -> Result<Command> {
    let mut command = space.command(find(program)?);
    environment(&mut command, run_directory)?;
    Ok(command)
}

/// Sets what the programs of ftr read from the environment, for a command or a shell that starts them.
///
/// # Errors
/// When the directory of the programs is unknown.
pub fn environment(command: &mut Command, run_directory: &Path) -> Result<()> {
    let programs = directory()?;
    let old = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{PLUGINS}:{old}", programs.display())).env("FTR_BIN_DIR", programs);
    command
        .env("FTR_RUN_DIR", run_directory)
        .env("FTR_STATE_DIR", run_directory.with_file_name("state"))
        .env("NO_COLOR", "1");
    Ok(())
}
