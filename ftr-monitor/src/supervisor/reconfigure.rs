//! Another configuration while everything runs: who carries new connections is decided at once, programs follow.

use std::sync::Arc;
use std::time::Duration;

use ftr_core::Config;
use ftr_core::config::Uplink;
use ftr_core::record::{Event, Stamp};
use jiff::tz::TimeZone;

use super::Supervisor;
use super::incoming::{Change, Incoming};
use super::order::Order;
use crate::change;
use crate::entry::Entry;
use crate::program::Program;

/// How long the route program of before may take to give up the connections of uplinks that are gone.
const LEAVING: Duration = Duration::from_millis(1500);
/// How long all of it may take. A program that does not come up holds up no other change.
const WHOLE: Duration = Duration::from_secs(5);

impl Supervisor {
    /// Takes another configuration. Uplinks that are gone leave the active set and lose their connections first, by the
    /// programs that still know them; [`Order::Adopt`] follows when that is done.
    pub(crate) fn reconfigure(&mut self, config: &Arc<Config>, change: Change<'_>, at: &Stamp, now: Duration) {
        for record in self.intake.reconfigure(config) {
            self.decide(&record, now);
        }
        let decided = self.decider.reconfigure(config, at);
        self.families = config.families();
        self.change();
        self.mail |= config.email.send;
        self.pass_on(decided, now);
        self.tell_change(&change, at);
        self.mail = config.email.send;
        let until = now + LEAVING;
        self.incoming = Some(Incoming { config: Arc::clone(config), concerned: change.concerned, until });
        self.changing = Some(now + WHOLE);
        self.pace.change_urgently();
        self.change();
    }

    /// From now on local time is that of this zone.
    pub(crate) fn move_to(&mut self, zone: TimeZone) {
        self.decider.move_to(zone);
    }

    fn tell_change(&mut self, change: &Change<'_>, at: &Stamp) {
        for line in change.lines {
            self.log(Entry::notice(format!("configuration: {line}")));
        }
        let event = change::event(change.lines, change.who, at.clone());
        let seq = self.decider.number();
        self.pass_event(Event { seq, ..event });
    }

    /// Has the programs take what they do not know yet, once those of before have done what was left for them.
    pub(super) fn adopt(&mut self, now: Duration) -> Option<Order> {
        let incoming = self.incoming.as_ref()?;
        let is_left = !self.children.runs(Program::Route) || self.children.is_settled() || now >= incoming.until;
        let Incoming { config, concerned, .. } = self.incoming.take_if(|_| is_left)?;
        let wanted = self.mode.wanted(&config);
        let patience = config.uplinks.iter().map(Uplink::patience).min().unwrap_or_default();
        self.children.reconfigure((wanted, config.families()), &concerned, patience, now);
        self.pace.change_urgently();
        Some(Order::Adopt)
    }

    /// Whether a change is still on its way.
    pub(crate) fn is_changing(&self, now: Duration) -> bool {
        self.changing.is_some_and(|end| now < end) && self.is_unfinished()
    }

    /// Whether some of it is not in place yet, however long that may take.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.incoming.is_some() || self.children.is_replacing()
    }

    /// When that ends at the latest.
    pub(super) fn change_due(&self, now: Duration) -> Option<Duration> {
        let leaving = self.incoming.as_ref().map(|incoming| incoming.until);
        leaving.into_iter().chain(self.changing.filter(|_| self.is_changing(now))).min()
    }
}

#[cfg(test)]
mod tests;
