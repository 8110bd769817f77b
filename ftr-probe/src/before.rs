//! What is known of an uplink from before this program began to test it: `--before UPLINK=STATE`.

use std::str::FromStr;

use ftr_core::record::Reason;
use ftr_core::{Family, InterfaceName};

/// Of an uplink that was down, over one family or both. Whether it is tested is another matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    uplink: InterfaceName,
    family: Option<Family>,
    state: State,
}

/// How an uplink was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing came back.
    Dead,
    /// Too little came back. `single`: it is checked once, so that one check has to do.
    Lossy { single: bool },
    /// Enough came back, but it was too bad by its limits.
    Bad(Reason),
}

impl Before {
    /// What all of them say of an uplink, which is checked once or again and again; the last one counts.
    pub(crate) fn of(all: &[Self], uplink: &InterfaceName, family: Family, single: bool) -> Option<State> {
        let is_meant = |one: &&Self| one.uplink == *uplink && one.family.is_none_or(|stated| stated == family);
        all.iter().rfind(is_meant).map(|one| match one.state {
            State::Lossy { .. } => State::Lossy { single },
            state => state,
        })
    }
}

impl FromStr for Before {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (of, state) =
            text.split_once('=').ok_or("no state, allowed: UPLINK=STATE, UPLINK/4=STATE, UPLINK/6=STATE")?;
        // No interface has a slash in its name.
        let (name, family) = match of.split_once('/') {
            None => (of, None),
            Some((name, "4")) => (name, Some(Family::V4)),
            Some((name, "6")) => (name, Some(Family::V6)),
            Some((_, other)) => return Err(format!("{other}: no family, allowed: 4, 6")),
        };
        let state = match state {
            "dead" => State::Dead,
            "lossy" => State::Lossy { single: false },
            "loss" => State::Bad(Reason::Loss),
            "latency" => State::Bad(Reason::Latency),
            other => return Err(format!("{other}: no state, allowed: dead, lossy, loss, latency")),
        };
        Ok(Self { uplink: name.parse().map_err(|error| format!("{error}"))?, family, state })
    }
}

#[cfg(test)]
mod tests {
    use super::{Before, State};
    use ftr_core::Family;
    use ftr_core::record::Reason;

    #[test]
    fn what_is_known_is_of_a_family_or_of_both() {
        let all = ["eth1/4=dead", "eth2=lossy", "eth1/6=latency", "eth2/6=loss"].map(|one| one.parse().unwrap());
        let of = |name: &str| [Family::V4, Family::V6].map(|it| Before::of(&all, &name.parse().unwrap(), it, true));
        assert_eq!(of("eth1"), [Some(State::Dead), Some(State::Bad(Reason::Latency))]);
        assert_eq!(of("eth2"), [Some(State::Lossy { single: true }), Some(State::Bad(Reason::Loss))]);
        assert_eq!(of("eth3"), [None, None]);
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for text in ["eth1", "eth1=", "eth1=up", "eth1/5=dead", "a/b/4=dead", "=dead", "/4=dead"] {
            assert!(text.parse::<Before>().is_err(), "{text}");
        }
    }
}
