//! Who says that a target cannot be reached, and who is believed.

use std::net::IpAddr;
use std::time::Duration;

use super::RunningCheck;
use crate::icmp::{Quote, Token};
use crate::probes::ProbeState;

impl RunningCheck {
    /// The question with this number could not be sent, by fault of the uplink.
    pub(crate) fn refused(&mut self, sequence: u16, error: &'static str, now: Duration) {
        self.fail(sequence, |_, _| true, error, now);
    }

    /// A router on the way, or this host, says that a target cannot be reached. Whether that is about a question of
    /// this check, and believed: an error that quotes too little to prove that its sender saw the question may have
    /// been made up by anybody, and only says why no answer came if none comes.
    pub(crate) fn failed(&mut self, to: IpAddr, quote: Quote<'_>, error: &'static str, now: Duration) -> bool {
        let fits = |target, token: &Token| {
            let length = quote.token.len().min(token.len());
            target == to && token.get(..length) == quote.token.get(..length)
        };
        let ttl_one = self.probes.get_mut(quote.sequence).is_some_and(|probe| probe.ttl_one);
        // A test of the gateway that ends as it should never speaks against anybody.
        if quote.is_proof() || ttl_one {
            return self.fail(quote.sequence, fits, error, now);
        }
        self.hint(quote.sequence, fits, error);
        false
    }

    /// The same of a question with this number that is no echo.
    pub(crate) fn hinted(&mut self, sequence: u16, error: &'static str) {
        self.hint(sequence, |_, _| true, error);
    }

    fn fail(
        &mut self,
        sequence: u16,
        fits: impl Fn(IpAddr, &Token) -> bool,
        error: &'static str,
        now: Duration,
    ) -> bool {
        let nobody = self.ttl_one_address(sequence);
        let Some(probe) = self.probes.get_mut(sequence) else { return false };
        let Some(state) = self.targets.get_mut(probe.target) else { return false };
        let asked = nobody.filter(|_| probe.ttl_one).unwrap_or_else(|| state.target.address());
        let fits = fits(asked, &probe.token);
        if probe.state != ProbeState::Open || probe.check != self.check || !fits {
            return false;
        }
        probe.state = ProbeState::Failed;
        let (target, ttl_one) = (probe.target, probe.ttl_one);
        if ttl_one {
            self.ttl_one_failed(sequence, error);
            return true;
        }
        state.error = Some(error);
        if let Some(turn) = self.turn(target) {
            self.schedule.failed(turn, now);
        }
        true
    }

    fn hint(&mut self, sequence: u16, fits: impl Fn(IpAddr, &Token) -> bool, error: &'static str) {
        let Some(probe) = self.probes.get_mut(sequence) else { return };
        let Some(state) = self.targets.get_mut(probe.target) else { return };
        let current = probe.state == ProbeState::Open && probe.check == self.check;
        if current && fits(state.target.address(), &probe.token) {
            state.hint.get_or_insert(error);
        }
    }
}
