//! The daemons that are compared, behind one face.

use super::burden::Burden;
use super::{fping, keepalived};
use ftr_lab::by_hand;
use ftr_lab::config::parse;
use ftr_lab::deadline::wait_for;
use ftr_lab::error::{LabError, Result};
use ftr_lab::family::Family;
use ftr_lab::kernel;
use ftr_lab::lab::Lab;
use ftr_lab::process;
use ftr_lab::program::Daemon;
use ftr_lab::router::Router;
use nix::sys::signal::Signal;
use serde_yaml::Mapping;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a daemon may take until every healthy uplink carries connections.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Who keeps the uplinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// `ftr-monitor run`.
    Ftr,
    /// keepalived with fping as track script, one instance an uplink.
    Keepalived,
    /// A shell loop around fping.
    Fping,
}

impl Contender {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Keepalived, Self::Fping, Self::Ftr];
}

/// A contender at work in a lab.
#[derive(Debug)]
pub(crate) struct Running {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Ftr(Router),
    Peer { contender: Contender, daemon: Daemon },
}

impl Running {
    /// Starts the contender and waits until all uplinks carry connections.
    ///
    /// `overrides` is for ftr alone: the peers always wait 450 ms for an answer, and have their own files.
    ///
    /// # Errors
    /// When it cannot be started or does not use every uplink in time.
    pub(crate) fn start(contender: Contender, lab: &Lab, overrides: &str) -> Result<Self> {
        Self::burdened(contender, lab, overrides, Burden::Nothing)
    }

    /// The same, with ftr started as a burden wants it.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub(crate) fn burdened(contender: Contender, lab: &Lab, overrides: &str, burden: Burden) -> Result<Self> {
        let kind = match contender {
            Contender::Ftr => {
                let overrides: Mapping = parse(overrides)?;
                let mut router = Router::prepare(lab, &overrides)?;
                burden.start(&mut router, lab)?;
                Kind::Ftr(router)
            }
            peer => {
                by_hand::route(lab)?;
                Kind::Peer { contender: peer, daemon: launch(peer, lab)? }
            }
        };
        let running = Self { kind };
        running.ready(lab)?;
        Ok(running)
    }

    /// Waits until every uplink carries connections.
    ///
    /// # Errors
    /// When that takes too long; with the contender's own words.
    pub(crate) fn ready(&self, lab: &Lab) -> Result<()> {
        let whole = |seen: &BTreeMap<String, u32>| seen.len() == lab.uplinks.len();
        wait_for("all uplinks to carry connections", READY_WITHIN, || kernel::balanced(lab, Family::V4), whole)
            .map(drop)
            .map_err(|error| LabError::Unexpected(format!("{error}\n{}", self.words())))
    }

    /// Stops it with SIGTERM and starts it again.
    ///
    /// # Errors
    /// When it does not stop or start.
    pub(crate) fn restart(&mut self, lab: &Lab) -> Result<()> {
        match &mut self.kind {
            Kind::Ftr(router) => {
                router.stop(Signal::SIGTERM)?;
                router.start(lab)
            }
            Kind::Peer { contender, daemon } => {
                daemon.stop(Signal::SIGTERM, Duration::from_secs(10))?;
                *daemon = launch(*contender, lab)?;
                Ok(())
            }
        }
    }

    /// The root of its processes.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) fn pid(&self) -> Result<u32> {
        match &self.kind {
            Kind::Ftr(router) => Ok(router.monitor()?.pid()),
            Kind::Peer { daemon, .. } => Ok(daemon.pid()),
        }
    }

    /// The router with ftr on it, if that is who runs.
    #[must_use]
    pub(crate) fn router(&self) -> Option<&Router> {
        match &self.kind {
            Kind::Ftr(router) => Some(router),
            Kind::Peer { .. } => None,
        }
    }

    /// Processor time of all its processes so far.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        process::processor_time(self.pid()?)
    }

    fn words(&self) -> String {
        match &self.kind {
            Kind::Ftr(router) => router.log(),
            Kind::Peer { daemon, .. } => daemon.output(),
        }
    }
}

fn launch(contender: Contender, lab: &Lab) -> Result<Daemon> {
    match contender {
        Contender::Keepalived => keepalived::launch(lab),
        _ => fping::launch(lab),
    }
}
