//! What goes wrong on the router itself while an uplink fails.

use ftr_lab::error::{Context, LabError, Result};
use ftr_lab::lab::Lab;
use ftr_lab::mail::MuteServer;
use ftr_lab::program;
use ftr_lab::router::Router;
use nix::sys::signal::Signal;
use std::fmt;

/// A plain pipe of the shell with somebody at its end who never reads and whose pipe holds one page.
const STUCK_PIPE: &str = "(ftr-route prepare && ftr-probe --watch --json | ftr-monitor decide | ftr-route apply - | \
    python3 -c 'import fcntl, time; fcntl.fcntl(0, fcntl.F_SETPIPE_SZ, 4096); time.sleep(3600)') \
    </dev/null >/dev/null 2>&1 &";

/// A nuisance that routing must not feel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Burden {
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
pub(crate) struct Laid {
    burden: Burden,
    _server: Option<MuteServer>,
}

impl Burden {
    /// What the configuration needs for it, as YAML.
    #[must_use]
    pub(crate) fn configuration(self) -> &'static str {
        match self {
            Self::Nothing | Self::StuckReader => "{}",
            _ => "{email: {send: true, digest: 1s}}",
        }
    }

    /// Lays the burden before the contender starts.
    ///
    /// # Errors
    /// When the mute server's port is taken.
    pub(crate) fn lay(self, lab: &Lab) -> Result<Laid> {
        let mute = !matches!(self, Self::Nothing | Self::StuckReader);
        let server = mute.then(|| MuteServer::open(&lab.router)).transpose()?;
        Ok(Laid { burden: self, _server: server })
    }

    /// Starts ftr as the burden wants it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(self, router: &mut Router, lab: &Lab) -> Result<()> {
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
    /// Makes it felt at the moment of a break, where ftr keeps the uplinks of this router.
    ///
    /// # Errors
    /// When the mailer does not run.
    pub(crate) fn press(&self, router: Option<&Router>) -> Result<()> {
        let signal = match self.burden {
            Burden::NotifyStopped => Signal::SIGSTOP,
            Burden::NotifyKilled => Signal::SIGKILL,
            _ => return Ok(()),
        };
        router.map_or(Ok(()), |router| program::send(router.pid_of("ftr-notify")?, signal))
    }
}
