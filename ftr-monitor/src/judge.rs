//! The verdict on one uplink: checks come in, and after enough contrary ones in a row it changes.

use std::net::IpAddr;

use ftr_core::record::Check;
use serde::{Deserialize, Serialize};

/// What is known of one uplink for one family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Judged {
    /// The verdict; none before the first check.
    pub(crate) up: Option<bool>,
    /// When the verdict last changed (`mono`, milliseconds).
    pub(crate) since: u64,
    /// How many checks in a row were against the verdict.
    contrary: u32,
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

/// What a check changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Change {
    /// The verdict, where it changed.
    pub(crate) turn: Option<Turn>,
    /// The address before, where a known one changed.
    pub(crate) address: Option<IpAddr>,
    /// The gateway before, where a known one changed.
    pub(crate) gateway: Option<IpAddr>,
}

/// A change of verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The verdict before; none before the first check.
    pub(crate) from: Option<bool>,
}

impl Judged {
    /// Takes a check into account: `fall` failed checks in a row turn the uplink down, `rise` good ones turn it up.
    ///
    /// The very first check decides at once: there is nothing yet that one lost packet could spoil.
    pub(crate) fn hear(&mut self, check: &Check, fall: u32, rise: u32) -> Change {
        self.heard = true;
        self.latest = Some(check.clone());
        let mut change = Change {
            address: replace_known(&mut self.address, check.address),
            gateway: replace_known(&mut self.gateway, check.gateway),
            turn: None,
        };
        if self.up == Some(check.up) {
            self.contrary = 0;
            return change;
        }
        self.contrary = self.contrary.saturating_add(1);
        let needed = match self.up {
            None => 1,
            Some(true) => fall,
            Some(false) => rise,
        };
        if self.contrary >= needed {
            change.turn = Some(Turn { from: self.up });
            self.up = Some(check.up);
            self.since = check.at.mono;
            self.contrary = 0;
        }
        change
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
