//! What goes wrong on the router itself while an uplink fails.

use super::contender::Running;
use crate::error::{Context, LabError, Result};
use crate::lab::Lab;
use crate::mail::MuteServer;
use crate::program;
use crate::router::Router;
use nix::sys::signal::Signal;
use std::fmt;

/// A plain pipe of the shell with somebody at its end who never reads and whose pipe holds one page.
const STUCK_PIPE: &str = "(ftr-route prepare && ftr-probe --watch --json | ftr-monitor decide | ftr-route apply - | \
    python3 -c 'import fcntl, time; fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, 4096); time.sleep(3600)') \
    </dev/null >/dev/null 2>&1 &";

/// A nuisance that routing must not feel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Burden {
    /// None.
    Nothing,
    /// The mail server accepts and says nothing.
    MuteMail,
    /// The mailer is stopped all the time.
    NotifyStopped,
    /// The mailer is killed at each break.
    NotifyKilled,
    /// The programs run in a shell's pipe whose reader does not read.
    StuckReader,
}

impl fmt::Display for Burden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "no burden",
            Self::MuteMail => "an SMTP server that accepts and says nothing",
            Self::NotifyStopped => "ftr-notify stopped",
            Self::NotifyKilled => "ftr-notify killed at the break",
            Self::StuckReader => "the reader at the end of the pipe does not read",
        })
    }
}

/// What must stay alive for the burden to be there.
#[derive(Debug)]
pub struct Laid {
    burden: Burden,
    _server: Option<MuteServer>,
}

impl Burden {
    /// What the configuration needs for it, as YAML.
    #[must_use]
    pub fn configuration(self) -> &'static str {
        match self {
            Self::Nothing | Self::StuckReader => "{}",
            _ => "{email: {send: true, digest: 1s}}",
        }
    }

    /// Lays the burden before the contender starts.
    ///
    /// # Errors
    /// When the mute server's port is taken.
    pub fn lay(self, lab: &Lab) -> Result<Laid> {
        let mute = !matches!(self, Self::Nothing | Self::StuckReader);
        let server = mute.then(|| MuteServer::open(&lab.router)).transpose()?;
        Ok(Laid { burden: self, _server: server })
    }

    /// Starts ftr as the burden wants it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self, router: &mut Router, lab: &Lab) -> Result<()> {
        if self != Self::StuckReader {
            return router.start(lab);
        }
        let mut command = lab.router.command("bash");
        program::environment(&mut command, &router.run_directory())?;
        command.args(["-c", STUCK_PIPE]).env("FTR_CONFIG", &router.config);
        let status = command.status().context(|| "start the pipe".to_owned())?;
        status.success().then_some(()).ok_or_else(|| LabError::Unexpected(format!("the pipe ended with {status}")))
    }
}

impl Laid {
    /// Makes it felt at the moment of a break.
    ///
    /// # Errors
    /// When the mailer does not run.
    pub fn press(&self, running: &Running) -> Result<()> {
        let signal = match self.burden {
            Burden::NotifyStopped => Signal::SIGSTOP,
            Burden::NotifyKilled => Signal::SIGKILL,
            _ => return Ok(()),
        };
        running.router().map_or(Ok(()), |router| program::send(router.pid_of("ftr-notify")?, signal))
    }
}
