//! What is known of one target in a running check.

use std::time::Duration;

use ftr_core::config::Target;

use crate::estimate::Estimate;

/// What is known of one target in a running check.
#[derive(Debug)]
pub(super) struct TargetState {
    pub(super) target: Target,
    pub(super) estimate: Estimate,
    /// The last round trip, for jitter.
    pub(super) last: Option<Duration>,
    /// What was left of the time to live of its answers, once they are believed to be its own.
    pub(super) hops: Option<u8>,
    /// Whether it is no farther away than the gateway.
    pub(super) nearby: bool,
    pub(super) asked: bool,
    pub(super) rtt: Option<Duration>,
    pub(super) error: Option<&'static str>,
    /// Somebody says that it cannot be reached, without proof of having seen the probe.
    pub(super) hint: Option<&'static str>,
    pub(super) reply_trust: ReplyTrust,
}

/// How far an answer is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyTrust {
    /// There is none.
    Silent,
    /// It arrived with this time to live, and the gateway may have made it up.
    Doubted(u8),
    /// It is the target's own.
    Answered,
    /// The gateway made it up.
    Captive,
}

impl TargetState {
    /// Nothing is known of it yet.
    pub(super) fn new(target: &Target) -> Self {
        Self {
            target: target.clone(),
            estimate: Estimate::default(),
            last: None,
            hops: None,
            nearby: false,
            asked: false,
            rtt: None,
            error: None,
            hint: None,
            reply_trust: ReplyTrust::Silent,
        }
    }

    /// Whether a packet that ends at the gateway could not have come from it.
    pub(super) fn is_testable(&self) -> bool {
        !self.nearby && matches!(self.target, Target::Echo(_))
    }
}
