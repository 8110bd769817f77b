//! The verdict on one uplink: checks come in, and after enough contrary ones in a row it changes.

use std::net::IpAddr;

use ftr_core::record::{Check, Held, Reason};
use serde::{Deserialize, Serialize};

use super::damping::{Damping, Rule};
use super::given_up::GivenUp;
use super::preference::Preference;
use super::trial::Trial;

/// What is known of one uplink for one family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Health {
    /// The verdict of its checks; none before the first.
    #[serde(rename = "up")]
    checked: Option<bool>,
    /// The kernel has no route through it, whatever the checks say.
    #[serde(default)]
    no_way: bool,
    /// When its state last changed (`mono`, milliseconds).
    pub(crate) since: u64,
    /// How many checks in a row were against the verdict.
    contrary: u32,
    /// Since when nothing gets through (`mono`, milliseconds); none where something does.
    #[serde(default)]
    dead_since: Option<u64>,
    /// How it last failed.
    #[serde(flatten)]
    failed: Failed,
    /// Whether its connections were given up.
    #[serde(flatten)]
    pub(crate) given_up: GivenUp,
    /// How often it went down of late.
    #[serde(default)]
    pub(crate) damping: Damping,
    /// Whether it has to show first that it carries connections.
    #[serde(default)]
    pub(crate) trial: Trial,
    /// People want no new connections on it.
    #[serde(default)]
    pub(crate) drained: Option<Drain>,
    /// It is kept in reserve: this is not its time, or its quota is used up.
    #[serde(default)]
    pub(crate) reserve: bool,
    /// When its latest check was (`mono`, milliseconds).
    #[serde(default)]
    pub(crate) checked_at: Option<u64>,
    /// Whether a check came in since this program started.
    #[serde(skip)]
    pub(crate) heard: bool,
    /// The last address that the uplink had.
    pub(crate) address: Option<IpAddr>,
    /// The last gateway that it had.
    pub(crate) gateway: Option<IpAddr>,
    /// Whether it carried new connections at the last decision.
    pub(crate) routing: Option<bool>,
    /// The latest check, for display.
    #[serde(skip)]
    pub(crate) latest: Option<Check>,
}

/// How an uplink fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Failed {
    /// Why the last check that failed did.
    #[serde(rename = "failure")]
    reason: Option<Reason>,
    /// Something came back in one that failed, since the uplink last worked.
    lossy: bool,
}

impl Failed {
    /// Whether it is merely bad.
    fn is_quality(self) -> bool {
        self.reason.is_some_and(Reason::is_quality)
    }
}

/// How long an uplink is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drain {
    /// When it ends by itself (`mono`, milliseconds); none: when people end it.
    #[serde(default)]
    pub(crate) until: Option<u64>,
}

/// What holds of an uplink however long it is out of the configuration: what people want of it, and how often it went down of late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Lasting {
    drained: Option<Drain>,
    damping: Damping,
}

/// What a record changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Change {
    /// The state, where it changed.
    pub(crate) turn: Option<Turn>,
    /// The address before, where a known one changed.
    pub(crate) address: Option<IpAddr>,
    /// The gateway before, where a known one changed.
    pub(crate) gateway: Option<IpAddr>,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The state before; none before the first check.
    pub(crate) from: Option<bool>,
}

impl Health {
    /// Of an uplink that nothing is known of but whether it carries new connections.
    pub(crate) fn of_new(routing: Option<bool>) -> Self {
        Self { routing, ..Self::default() }
    }

    /// It is new, and looked at since then (`mono`).
    pub(crate) const fn is_looked_at(&mut self, since: u64) {
        if self.checked.is_none() && self.since == 0 {
            self.since = since;
        }
    }

    /// The same, where something lasting is.
    pub(crate) fn of_returned(routing: Option<bool>, Lasting { drained, damping }: Lasting) -> Self {
        Self { damping, drained, ..Self::of_new(routing) }
    }

    /// What of it lasts; none where that is nothing.
    pub(crate) fn lasting(&self) -> Option<Lasting> {
        let is_any = self.drained.is_some() || self.damping.has_gone_down();
        is_any.then_some(Lasting { drained: self.drained, damping: self.damping })
    }

    /// Whether it works: its checks say so, and the kernel has a route through it. None before the first check.
    pub(crate) fn up(&self) -> Option<bool> {
        self.checked.map(|up| up && !self.no_way)
    }

    /// Whether it is down and carries nothing. One that is merely bad still serves those who have connections over it.
    pub(crate) fn is_dead(&self) -> bool {
        self.up() == Some(false) && (self.no_way || !self.failed.is_quality())
    }

    /// Since when it is dead, where it is: it may have been merely bad before.
    pub(crate) fn dead_since(&self) -> Option<u64> {
        self.is_dead().then(|| self.dead_since.unwrap_or(self.since))
    }

    /// Why it is down.
    pub(crate) fn reason(&self) -> Option<Reason> {
        if self.no_way && self.checked == Some(true) {
            return Some(Reason::NoRoute);
        }
        match &self.latest {
            Some(Check { reason: Some(reason), .. }) => Some(*reason),
            // That is all that was remembered, or a check that was good did not suffice.
            _ => self.failed.reason.filter(|_| self.checked == Some(false)),
        }
    }

    /// How it fails, in the words of `ftr-probe --before`; none where its checks do not say that it does.
    pub(crate) fn fails(&self) -> Option<&str> {
        let failed = Some(&self.failed).filter(|_| self.checked == Some(false))?;
        let quality = failed.reason.as_ref().filter(|reason| reason.is_quality());
        Some(quality.map_or(if failed.lossy { "lossy" } else { "dead" }, Reason::as_str))
    }

    /// Whether it is down and still carries something.
    pub(crate) fn is_bad(&self) -> bool {
        self.up() == Some(false) && !self.is_dead()
    }

    /// For how long it is not trusted yet although it works, and why; none where it is, or does not work.
    pub(crate) fn held(&self, rule: Rule, now: u64) -> Option<Held> {
        self.damping.held(rule, now).filter(|_| self.up() == Some(true))
    }

    /// Whether people want no new connections on it.
    pub(crate) fn is_drained(&self, now: u64) -> bool {
        self.drained.is_some_and(|drain| drain.until.is_none_or(|until| now < until))
    }

    /// Whether its connections are to end by themselves, though it carries no new ones.
    pub(crate) fn leaves_in_peace(&self, now: u64) -> bool {
        self.reserve || self.is_drained(now)
    }

    /// How gladly it is used.
    pub(crate) fn preference(&self, rule: Rule, now: u64) -> Preference {
        if self.is_drained(now) {
            Preference::Drained
        } else if self.reserve {
            Preference::Reserve
        } else if self.held(rule, now).is_some() {
            Preference::Held
        } else {
            Preference::Trusted
        }
    }

    /// Notes a change of state.
    pub(crate) fn note(&mut self, turn: Option<Turn>, rule: Rule, now: u64) {
        match turn.and_then(|turn| turn.from) {
            Some(true) => {
                self.damping.down(rule, now);
                self.trial.down();
            }
            Some(false) => self.damping.up(now),
            None => {}
        }
    }

    /// Takes a check into account: `fall` failed checks in a row turn the uplink down, `rise` good ones turn it up.
    ///
    /// The very first check decides at once: there is nothing yet that one lost packet could spoil.
    pub(crate) fn handle(&mut self, check: &Check, fall: u32, rise: u32) -> Change {
        self.heard = true;
        self.checked_at = Some(check.at.mono);
        self.latest = Some(check.clone());
        if !check.up {
            self.failed.reason = check.reason;
            self.failed.lossy |= check.replies > 0;
        }
        let before = self.up();
        self.count(check.up, fall, rise);
        self.failed.lossy &= self.checked == Some(false);
        Change {
            address: replace_known(&mut self.address, check.address),
            gateway: replace_known(&mut self.gateway, check.gateway),
            turn: self.turn(before, check.at.mono),
        }
    }

    /// Takes into account whether the kernel has a route through it.
    pub(crate) fn handle_route(&mut self, has_way: bool, mono: u64) -> Option<Turn> {
        let before = self.up();
        self.no_way = !has_way;
        self.turn(before, mono)
    }

    fn count(&mut self, up: bool, fall: u32, rise: u32) {
        if self.checked == Some(up) {
            self.contrary = 0;
            return;
        }
        self.contrary = self.contrary.saturating_add(1);
        let needed = match self.checked {
            None => 1,
            Some(true) => fall,
            Some(false) => rise,
        };
        if self.contrary >= needed {
            self.checked = Some(up);
            self.contrary = 0;
        }
    }

    fn turn(&mut self, from: Option<bool>, mono: u64) -> Option<Turn> {
        self.dead_since = self.is_dead().then(|| self.dead_since.unwrap_or(mono));
        if self.up() == from {
            return None;
        }
        self.since = mono;
        if self.up() == Some(true) {
            self.given_up.works();
        }
        Some(Turn { from })
    }
}

/// Remembers what is known now; the old one if a known one changed. An absence (the device is away for a while) is no
/// change: what counts is what comes back.
fn replace_known(known: &mut Option<IpAddr>, now: Option<IpAddr>) -> Option<IpAddr> {
    let now = now?;
    known.replace(now).filter(|before| *before != now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture;

    #[test]
    fn how_it_fails_is_known_until_it_works() {
        let mut health = Health::default();
        assert_eq!(health.fails(), None);
        health.handle(&fixture::check("eth1", false, 0), 1, 2);
        assert_eq!(health.fails(), Some("dead"));
        health.handle(&Check { replies: 3, ..fixture::check("eth1", false, 1) }, 1, 2);
        health.handle(&fixture::check("eth1", true, 2), 1, 2);
        assert_eq!((health.fails(), health.reason()), (Some("lossy"), Some(Reason::NoAnswer)), "one is not enough");
        health.handle(&fixture::check("eth1", true, 3), 1, 2);
        assert_eq!((health.fails(), health.reason()), (None, None));
        health.handle(&Check { reason: Some(Reason::Loss), replies: 3, ..fixture::check("eth1", false, 4) }, 1, 2);
        assert_eq!(health.fails(), Some("loss"));
    }

    #[test]
    fn one_that_the_kernel_has_no_route_through_is_down_whatever_the_checks_say() {
        let mut health = Health::default();
        assert_eq!(health.handle_route(false, 0), None, "nothing is known of it yet");
        assert_eq!(health.handle(&fixture::check("eth1", true, 1), 1, 1).turn, Some(Turn { from: None }));
        assert_eq!((health.up(), health.is_dead(), health.reason()), (Some(false), true, Some(Reason::NoRoute)));
        assert_eq!(health.handle_route(true, 2), Some(Turn { from: Some(false) }));
        assert_eq!((health.up(), health.since, health.reason()), (Some(true), 2, None));
    }

    #[test]
    fn a_bad_line_is_not_dead_until_nothing_comes_through() {
        let mut health = Health::default();
        health.handle(&fixture::check("eth1", true, 0), 1, 1);
        health.handle(&Check { reason: Some(Reason::Loss), ..fixture::check("eth1", false, 1) }, 1, 1);
        assert!(!health.is_dead());
        health.handle(&fixture::check("eth1", false, 2), 1, 1);
        assert!(health.is_dead());
    }

    #[test]
    fn fall_and_rise_count_checks_in_a_row() {
        let mut health = Health::default();
        let mut handle = |up| health.handle(&fixture::check("eth1", up, 0), 3, 2).turn.map(|turn| turn.from);
        assert_eq!(handle(true), Some(None), "the first check decides");
        assert_eq!([false, false, true, false, false].map(&mut handle), [None; 5], "never three in a row");
        assert_eq!(handle(false), Some(Some(true)));
        assert_eq!([true, false, true].map(&mut handle), [None; 3]);
        assert_eq!(handle(true), Some(Some(false)));
    }

    #[test]
    fn an_address_changes_only_from_a_known_one_to_another() {
        let mut health = Health::default();
        let mut handle = |address: Option<&str>| {
            let check = Check { address: address.map(|a| a.parse().unwrap()), ..fixture::check("ppp0", true, 0) };
            health.handle(&check, 1, 1).address.map(|a| a.to_string())
        };
        assert_eq!(handle(Some("10.0.0.1")), None);
        assert_eq!(handle(None), None);
        assert_eq!(handle(Some("10.0.0.1")), None);
        assert_eq!(handle(None), None);
        assert_eq!(handle(Some("10.0.0.2")).as_deref(), Some("10.0.0.1"));
    }
}
