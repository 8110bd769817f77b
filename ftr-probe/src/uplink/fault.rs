//! What is this host's own fault, and says nothing about the uplink.

use std::time::Duration;

use super::Uplink;
use super::phase::Phase;
use crate::Error;

/// After so many checks in a row in which this host could not ask, something has to be said.
const ATTEMPTS: u32 = 3;
/// How often it is said that this host is at fault.
const COMPLAIN: Duration = Duration::from_secs(60);

impl Uplink {
    /// Whether a check that says nothing about the uplink is begun anew. A device that takes no packet again and again
    /// is stuck: whoever watches has to know.
    pub(super) fn begin_again(&mut self, watch: bool) -> Result<bool, Error> {
        self.inconclusive += 1;
        let again = self.inconclusive < ATTEMPTS;
        if again || watch {
            Ok(again)
        } else {
            Err(Error::NoRoom { uplink: self.plan.uplink.clone(), attempts: self.inconclusive })
        }
    }

    /// This check cannot be made, by fault of this host: the next one is tried in its turn.
    pub(super) fn give_up(&mut self, error: Error, watch: bool, now: Duration) -> Result<(), Error> {
        if !watch {
            return Err(error);
        }
        if self.complained.is_none_or(|last| now >= last + COMPLAIN) {
            self.complained = Some(now);
            ftr_tool::cli::say(crate::tool::NAME, &error.to_string());
        }
        self.drop_socket_probes(now);
        self.phase = Phase::Waiting(self.next.again(now));
        Ok(())
    }
}
