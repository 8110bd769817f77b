//! The router under test: its configuration file, its firewall and `ftr-monitor run`.

use crate::config;
use crate::deadline::wait_for;
use crate::error::{Context, LabError, Result};
use crate::family::Family;
use crate::firewall::Firewall;
use crate::kernel;
use crate::lab::Lab;
use crate::namespace::{Namespace, feed, run};
use crate::process;
use crate::program::{self, Daemon};
use nix::sys::signal::Signal;
use serde_yaml::Mapping;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The systemd units that are shipped.
const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/systemd");

/// SIGTERM ends the monitor within this time, whatever it is doing.
pub const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// ftr on the lab's router.
#[derive(Debug)]
pub struct Router {
    /// The configuration file.
    pub config: PathBuf,
    firewall: Firewall,
    directory: PathBuf,
    monitor: Option<Daemon>,
}

impl Router {
    /// Writes the configuration and loads the firewall that `ftr-rules` prints for it without being asked for more.
    ///
    /// # Errors
    /// When a program is missing or refuses the configuration.
    pub fn prepare(lab: &Lab, overrides: &Mapping) -> Result<Self> {
        Self::guarded(lab, overrides, Firewall::default())
    }

    /// The same with a firewall of one's choice.
    ///
    /// # Errors
    /// When a program is missing or refuses the configuration.
    pub fn guarded(lab: &Lab, overrides: &Mapping, firewall: Firewall) -> Result<Self> {
        let directory = lab.directory().to_owned();
        let config = directory.join("ftr.yaml");
        let text = config::text(&lab.uplinks, lab.ipv6, &directory, overrides)?;
        fs::write(&config, text).context(|| format!("write {}", config.display()))?;
        let run_directory = directory.join("run");
        fs::create_dir(&run_directory).context(|| format!("make {}", run_directory.display()))?;
        let router = Self { config, firewall, directory, monitor: None };
        router.load_rules(lab).map(|()| router)
    }

    /// Loads what `ftr-rules` prints for the configuration, as its user would.
    fn load_rules(&self, lab: &Lab) -> Result<()> {
        let rules = |arguments: &[&str]| run(self.command(lab, "ftr-rules")?.args(arguments));
        match self.firewall {
            Firewall::Iptables => {
                // Without any it needs no ipset.
                let sets = rules(&["--sets"])?;
                if !sets.is_empty() {
                    feed(lab.router.command("ipset").arg("restore"), &sets)?;
                }
                feed(&mut lab.router.command("iptables-restore"), &rules(&[])?)?;
                if lab.ipv6 {
                    feed(&mut lab.router.command("ip6tables-restore"), &rules(&["-6"])?)?;
                }
                Ok(())
            }
            Firewall::Nft => lab.router.nft(&rules(&["--backend", "nft"])?),
        }
    }

    /// A program of ftr with this router's configuration.
    ///
    /// # Errors
    /// When it has not been built.
    pub fn command(&self, lab: &Lab, program: &str) -> Result<Command> {
        let mut command = program::command(&lab.router, program, &self.run_directory())?;
        command.env("FTR_CONFIG", &self.config);
        Ok(command)
    }

    /// Runs a line of shell somewhere in the lab, with the programs of ftr in its path, whatever its exit code. After the
    /// limit it is killed.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub fn shell(&self, space: &Namespace, line: &str, limit: Option<Duration>) -> Result<Output> {
        let mut command = match limit {
            None => space.command("bash"),
            Some(limit) => {
                let mut command = space.command("timeout");
                let seconds = format!("{:.3}", limit.as_secs_f64().max(0.001));
                command.args(["--foreground", "--signal=KILL", &seconds, "bash"]);
                command
            }
        };
        program::environment(&mut command, &self.run_directory())?;
        command
            .args(["-c", line])
            .env("UNITS", UNITS)
            .env("FTR_CONFIG", &self.config)
            .env("FIREWALL", self.firewall.to_string());
        command.stdin(Stdio::null());
        command.output().context(|| format!("start {line}"))
    }

    /// Where the programs keep their state.
    #[must_use]
    pub fn run_directory(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Starts `ftr-monitor run`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, lab: &Lab) -> Result<()> {
        self.start_with(lab, &[])
    }

    /// The same with flags.
    ///
    /// # Errors
    /// As [`Router::start`].
    pub fn start_with(&mut self, lab: &Lab, flags: &[&str]) -> Result<()> {
        let mut command = self.command(lab, "ftr-monitor")?;
        self.monitor = Some(Daemon::start("ftr-monitor", command.arg("run").args(flags), &self.directory)?);
        Ok(())
    }

    /// Stops the monitor and asserts its manners: in time, and with exit code 0 when asked politely.
    ///
    /// # Errors
    /// When it does not run, is late, or ends otherwise.
    pub fn stop(&mut self, signal: Signal) -> Result<Duration> {
        let mut monitor = self.monitor.take().ok_or_else(not_running)?;
        let (status, took) = monitor.stop(signal, STOPS_WITHIN)?;
        if signal == Signal::SIGTERM && !status.success() {
            return Err(LabError::Unexpected(format!("ftr-monitor ended with {status} on SIGTERM")));
        }
        Ok(took)
    }

    /// The process number of a program that the monitor started, or of the monitor itself.
    ///
    /// # Errors
    /// When there is none within two seconds.
    pub fn pid_of(&self, program: &str) -> Result<u32> {
        let root = self.monitor()?.pid();
        let found = wait_for(
            &format!("{program} to run"),
            Duration::from_secs(2),
            || process::descendant(root, program),
            Option::is_some,
        )?;
        found.ok_or_else(|| LabError::Unexpected(format!("{program} does not run")))
    }

    /// The running monitor.
    ///
    /// # Errors
    /// When it was not started.
    pub fn monitor(&self) -> Result<&Daemon> {
        self.monitor.as_ref().ok_or_else(not_running)
    }

    /// The log file's text and what the monitor printed.
    #[must_use]
    pub fn log(&self) -> String {
        let file = fs::read(self.directory.join("ftr.log")).unwrap_or_default();
        let printed = self.monitor.as_ref().map(Daemon::output).unwrap_or_default();
        format!("{}{printed}", String::from_utf8_lossy(&file))
    }

    /// The directory of the lab's files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

fn not_running() -> LabError {
    LabError::Unexpected("ftr-monitor does not run".to_owned())
}

/// Waits until exactly these uplinks carry new connections, as the kernel has it.
///
/// # Errors
/// [`LabError::Late`] with what carried them last.
pub fn carries(lab: &Lab, uplinks: &[String], family: Family, within: Duration) -> Result<()> {
    let wanted: BTreeSet<&str> = uplinks.iter().map(String::as_str).collect();
    let what = format!("{uplinks:?} to carry new connections over IPv{family}");
    wait_for(
        &what,
        within,
        || kernel::balanced(lab, family),
        |seen| seen.keys().map(String::as_str).eq(wanted.iter().copied()),
    )
    .map(drop)
}
