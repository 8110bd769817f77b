//! The verdict on one uplink: checks come in, and after enough contrary ones in a row it changes.

use std::net::IpAddr;

use ftr_core::record::{Check, Reason};
use serde::{Deserialize, Serialize};

/// What is known of one uplink for one family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
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
    /// Why its last failed check failed.
    #[serde(default)]
    failure: Option<Reason>,
    /// Its connections were given up, and since then it has neither worked nor carried new ones.
    #[serde(default)]
    pub(crate) given_up: bool,
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

impl Judged {
    /// Whether it works: its checks say so, and the kernel has a route through it. None before the first check.
    pub(crate) fn up(&self) -> Option<bool> {
        self.checked.map(|up| up && !self.no_way)
    }

    /// Whether it is down and carries nothing. One that is merely bad still serves those who have connections over it.
    pub(crate) fn is_dead(&self) -> bool {
        let bad = matches!(self.failure, Some(Reason::Loss | Reason::Latency));
        self.up() == Some(false) && (self.no_way || !bad)
    }

    /// Why it is down.
    pub(crate) fn reason(&self) -> Option<Reason> {
        if self.no_way && self.checked == Some(true) {
            return Some(Reason::NoRoute);
        }
        self.latest.as_ref().and_then(|check| check.reason)
    }

    /// Takes a check into account: `fall` failed checks in a row turn the uplink down, `rise` good ones turn it up.
    ///
    /// The very first check decides at once: there is nothing yet that one lost packet could spoil.
    pub(crate) fn hear(&mut self, check: &Check, fall: u32, rise: u32) -> Change {
        self.heard = true;
        self.latest = Some(check.clone());
        if !check.up {
            self.failure = check.reason;
        }
        let before = self.up();
        self.count(check.up, fall, rise);
        Change {
            address: replace_known(&mut self.address, check.address),
            gateway: replace_known(&mut self.gateway, check.gateway),
            turn: self.turn(before, check.at.mono),
        }
    }

    /// Takes into account whether the kernel has a route through it.
    pub(crate) fn hear_of_route(&mut self, has_way: bool, mono: u64) -> Option<Turn> {
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
        if self.up() == from {
            return None;
        }
        self.since = mono;
        self.given_up &= self.up() != Some(true);
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
    fn one_that_the_kernel_has_no_route_through_is_down_whatever_the_checks_say() {
        let mut judged = Judged::default();
        assert_eq!(judged.hear_of_route(false, 0), None, "nothing is known of it yet");
        assert_eq!(judged.hear(&fixture::check("eth1", true, 1), 1, 1).turn, Some(Turn { from: None }));
        assert_eq!((judged.up(), judged.is_dead(), judged.reason()), (Some(false), true, Some(Reason::NoRoute)));
        assert_eq!(judged.hear_of_route(true, 2), Some(Turn { from: Some(false) }));
        assert_eq!((judged.up(), judged.since, judged.reason()), (Some(true), 2, None));
    }

    #[test]
    fn a_bad_line_is_not_dead_until_nothing_comes_through() {
        let mut judged = Judged::default();
        judged.hear(&fixture::check("eth1", true, 0), 1, 1);
        judged.hear(&Check { reason: Some(Reason::Loss), ..fixture::check("eth1", false, 1) }, 1, 1);
        assert!(!judged.is_dead());
        judged.hear(&fixture::check("eth1", false, 2), 1, 1);
        assert!(judged.is_dead());
    }

    #[test]
    fn fall_and_rise_count_checks_in_a_row() {
        let mut judged = Judged::default();
        let mut hear = |up| judged.hear(&fixture::check("eth1", up, 0), 3, 2).turn.map(|turn| turn.from);
        assert_eq!(hear(true), Some(None), "the first check decides");
        assert_eq!([false, false, true, false, false].map(&mut hear), [None; 5], "never three in a row");
        assert_eq!(hear(false), Some(Some(true)));
        assert_eq!([true, false, true].map(&mut hear), [None; 3]);
        assert_eq!(hear(true), Some(Some(false)));
    }

    #[test]
    fn an_address_changes_only_from_a_known_one_to_another() {
        let mut judged = Judged::default();
        let mut hear = |address: Option<&str>| {
            let check = Check { address: address.map(|a| a.parse().unwrap()), ..fixture::check("ppp0", true, 0) };
            judged.hear(&check, 1, 1).address.map(|a| a.to_string())
        };
        assert_eq!(hear(Some("10.0.0.1")), None);
        assert_eq!(hear(None), None);
        assert_eq!(hear(Some("10.0.0.1")), None);
        assert_eq!(hear(None), None);
        assert_eq!(hear(Some("10.0.0.2")).as_deref(), Some("10.0.0.1"));
    }
}
