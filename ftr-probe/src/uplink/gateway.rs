//! The gateway of an uplink, as somebody to ask for its link-layer address.

use std::time::Duration;

use ftr_core::record::Reason;
use nix::errno::Errno;

use super::phase::Phase;
use crate::path::Path;
use crate::solicit::{Question, Sent, Solicitor};

/// So long before a check the gateway of a line that is down is asked: the answer takes a few milliseconds.
const AHEAD: Duration = Duration::from_millis(20);

/// The gateway of an uplink, as somebody to ask for its link-layer address.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    /// Opened when it is first needed.
    solicitor: Option<Solicitor>,
    /// When it was asked in this check.
    pub(super) asked: Option<Duration>,
    /// When it is asked next, before a check.
    pub(super) ahead: Option<Ahead>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    pub(super) at: Duration,
    pub(super) way: Path,
    pub(super) index: u32,
}

impl Gateway {
    /// A check begins.
    pub(super) const fn begin(&mut self) {
        self.asked = None;
        self.ahead = None;
    }

    /// A check of this phase is over, and the next one starts then. One that finds the line dead has the gateway asked
    /// once more before the next: what somebody has forged meanwhile is put right before anything is concluded from it.
    pub(super) fn end(&mut self, phase: Phase, reason: Option<Reason>, next: Duration) {
        let dead = matches!(reason, Some(Reason::NoAnswer | Reason::GatewaySilent));
        self.ahead = match phase {
            Phase::Asking { way, index, .. } if dead => Some(Ahead { at: next.saturating_sub(AHEAD), way, index }),
            _ => None,
        };
    }

    /// When it is asked before a check.
    pub(super) fn next(&self) -> Option<Duration> {
        self.ahead.map(|ahead| ahead.at)
    }

    /// Whether it was asked in this check.
    pub(super) const fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// Asks it for its link-layer address.
    pub(super) fn ask(&mut self, device: &str, question: Question) -> Result<Sent, Errno> {
        let solicitor = match self.solicitor.take() {
            Some(solicitor) => solicitor,
            None => Solicitor::open(device)?,
        };
        self.solicitor.insert(solicitor).ask(question)
    }
}
