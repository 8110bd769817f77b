//! The programs that the monitor runs, and what each of them may have: a capability, a user, files, parts of the
//! configuration.

use caps::Capability;
use ftr_core::config::Reader;

/// A program that the monitor runs, in the order in which they are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    /// Its files in the run directory are believed by root, so they belong to whom that directory belongs to.
    Route,
    /// It reads what anybody in the internet sends.
    Probe,
    /// It reads what a mail server says, and holds that server's password.
    Notify,
    /// It runs what the administrator has put there: `ftr-monitor hooks`.
    Hooks,
}

/// What a program may do with files, beside what their owners and modes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// Read what belongs to the operating system, no configuration and nobody's data.
    System,
    /// Read.
    Read,
    /// Whatever its user may.
    All,
    /// Read, and write the kernel's parameters, in the run directory and where programs keep their locks.
    WriteKernel,
}

impl Program {
    pub(crate) const ALL: [Self; 4] = [Self::Route, Self::Probe, Self::Notify, Self::Hooks];

    /// What people know it by.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hooks => "ftr-monitor hooks",
            Self::Route => "ftr-route",
            Self::Probe => "ftr-probe",
            Self::Notify => "ftr-notify",
        }
    }

    /// The file of the program, and what it is told to do in the daemon.
    pub(crate) const fn command(self) -> (&'static str, &'static [&'static str]) {
        match self {
            // Quiet: what there is to say of the configuration the monitor has said.
            Self::Route => ("ftr-route", &["--quiet", "apply", "-"]),
            Self::Probe => ("ftr-probe", &["--watch", "--json"]),
            Self::Notify => ("ftr-notify", &["-"]),
            Self::Hooks => ("ftr-monitor", &["--quiet", "hooks"]),
        }
    }

    /// The one capability that it needs.
    pub(crate) const fn needs(self) -> Option<Capability> {
        match self {
            Self::Route => Some(Capability::CAP_NET_ADMIN),
            Self::Probe => Some(Capability::CAP_NET_RAW),
            Self::Notify | Self::Hooks => None,
        }
    }

    /// Whose process it is where we may choose; none: that of the monitor's own user.
    pub(crate) const fn user(self) -> Option<&'static str> {
        match self {
            Self::Route | Self::Hooks => None,
            Self::Probe => Some("ftr-probe"),
            Self::Notify => Some("ftr-notify"),
        }
    }

    /// As whom it reads the configuration; what it does not read is not handed to it.
    pub(crate) const fn reader(self) -> Reader {
        match self {
            Self::Route => Reader::Route,
            Self::Probe => Reader::Probe,
            Self::Notify => Reader::Notify,
            Self::Hooks => Reader::Hooks,
        }
    }

    pub(crate) const fn files(self) -> Files {
        match self {
            Self::Route => Files::WriteKernel,
            Self::Probe => Files::System,
            Self::Notify => Files::Read,
            Self::Hooks => Files::All,
        }
    }
}

/// One of something for each program.
#[derive(Debug)]
pub(crate) struct Each<T> {
    route: T,
    probe: T,
    notify: T,
    hooks: T,
}

impl<T> Each<T> {
    pub(crate) fn new(mut make: impl FnMut(Program) -> T) -> Self {
        Self {
            route: make(Program::Route),
            probe: make(Program::Probe),
            notify: make(Program::Notify),
            hooks: make(Program::Hooks),
        }
    }

    /// The same, where it may fail.
    pub(crate) fn try_new<E>(mut make: impl FnMut(Program) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self {
            route: make(Program::Route)?,
            probe: make(Program::Probe)?,
            notify: make(Program::Notify)?,
            hooks: make(Program::Hooks)?,
        })
    }

    pub(crate) const fn of(&self, program: Program) -> &T {
        match program {
            Program::Route => &self.route,
            Program::Probe => &self.probe,
            Program::Notify => &self.notify,
            Program::Hooks => &self.hooks,
        }
    }

    pub(crate) const fn of_mut(&mut self, program: Program) -> &mut T {
        match program {
            Program::Route => &mut self.route,
            Program::Probe => &mut self.probe,
            Program::Notify => &mut self.notify,
            Program::Hooks => &mut self.hooks,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Program, &T)> {
        Program::ALL.into_iter().map(|program| (program, self.of(program)))
    }
}
