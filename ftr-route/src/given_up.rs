//! Uplinks whose connections were given up, for as long as something still has to be kept from them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ftr_core::Family;
use ftr_core::config::{Config, Nat, Nat6, Uplink};
use ftr_core::layout::{Layout, PROTOCOL};
use ftr_netlink::{Attribute, Rule, SocketProtocol};

use crate::standing::{Standing, configured, sources};

/// How long what is still sent by an uplink that works, but is on standby again, is sent elsewhere. A tunnel says
/// something every 25 seconds, where it is told to keep its way open (wg(8)).
const MOVE: Duration = Duration::from_secs(30);

/// The uplinks that are given up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenUp(BTreeMap<usize, Until>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// It works again.
    Works,
    /// What was there had time to move. It works, and has to answer whom asks it.
    Moved(Instant),
}

impl GivenUp {
    /// Those that an earlier run had given up.
    pub(crate) fn found(uplinks: BTreeSet<usize>) -> Self {
        Self(uplinks.into_iter().map(|uplink| (uplink, Until::Works)).collect())
    }

    /// Takes in what is decided: who carries new connections, who has failed, and whose connections are given up now.
    pub(crate) fn decide(&mut self, carries: &[usize], failed: &[usize], flush: &[usize], now: Instant) {
        self.0.retain(|uplink, until| match until {
            Until::Works => failed.contains(uplink),
            Until::Moved(_) => !carries.contains(uplink),
        });
        for uplink in flush {
            let until = if failed.contains(uplink) { Until::Works } else { Until::Moved(now + MOVE) };
            self.0.insert(*uplink, until);
        }
    }

    /// Whether it is given up because it does not work.
    pub(crate) fn is_dead(&self, uplink: usize) -> bool {
        self.0.get(&uplink) == Some(&Until::Works)
    }

    /// Those that are given up at this time.
    pub(crate) fn at(&self, now: Instant) -> BTreeSet<usize> {
        let lasts = |until: &Until| match until {
            Until::Works => true,
            Until::Moved(end) => now < *end,
        };
        self.0.iter().filter(|(_, until)| lasts(until)).map(|(uplink, _)| *uplink).collect()
    }
}

/// Where datagrams of this host go that have the source of an uplink whose connections were given up.
///
/// A UDP socket that is connected to nobody cannot be told that its uplink is dead, and those of tunnels keep the source
/// that worked last. Sent by another uplink, they either notice (`WireGuard` then asks for a new source), or have
/// their source translated there as those of a host inside. What is bound to the device finds no way of that device in
/// the balanced table, and falls through to its own. TCP is left out: it is ended, and what comes in is to be answered.
pub(crate) fn rules(config: &Config, family: Family, standings: &[Standing], uplinks: &BTreeSet<usize>) -> Vec<Rule> {
    let layout = Layout::of(config);
    let whose = configured(standings).filter(|(i, _)| uplinks.contains(i) && are_translated(config, family, *i));
    let rule = |from| Rule {
        from: Some(from),
        // Whatever has a mark of ours is on its way.
        mask: layout.mask().unwrap_or(u32::MAX),
        iif: Some("lo".to_owned()),
        others: vec![Attribute { kind: Rule::IP_PROTOCOL, payload: vec![SocketProtocol::Udp.number()] }],
        protocol: PROTOCOL,
        ..Rule::lookup(family, layout.given_up_priority(), layout.balanced_table())
    };
    whose.flat_map(|(i, standing)| sources(config, family, i, standing)).map(rule).collect()
}

/// Whether what this host sends from an address of the uplink gets another one wherever else it leaves.
pub(crate) fn are_translated(config: &Config, family: Family, uplink: usize) -> bool {
    let mut others = config.uplinks.iter().enumerate().filter(|(i, other)| *i != uplink && other.has(family));
    others.all(|(_, other)| translates(other, family))
}

/// Whether whatever leaves by the uplink gets its address, but for what its provider has delegated.
pub(crate) fn translates(uplink: &Uplink, family: Family) -> bool {
    match family {
        Family::V4 => uplink.nat == Nat::Masquerade,
        Family::V6 => uplink.nat6 == Nat6::Masquerade,
    }
}

#[cfg(test)]
mod tests {
    use super::{GivenUp, MOVE, are_translated};
    use crate::standing::tests::{CONFIG, config};
    use ftr_core::Family;
    use std::time::{Duration, Instant};

    #[test]
    fn a_dead_uplink_is_given_up_until_it_works() {
        let now = Instant::now();
        let later = now + Duration::from_secs(86_400);
        let mut it = GivenUp::default();
        it.decide(&[1], &[0], &[0], now);
        it.decide(&[1], &[0], &[], now);
        assert_eq!(it.at(later), [0].into());
        // All are dead, and all are tried.
        it.decide(&[0, 1], &[0, 1], &[], later);
        assert_eq!(it.at(later), [0].into());
        it.decide(&[0, 1], &[1], &[], later);
        assert_eq!(it.at(later), [].into());
        assert_eq!(GivenUp::found([0, 1].into()).at(later), [0, 1].into());
    }

    #[test]
    fn an_uplink_on_standby_is_given_up_for_a_while() {
        let now = Instant::now();
        let mut it = GivenUp::default();
        it.decide(&[0], &[], &[1], now);
        it.decide(&[0], &[], &[], now);
        assert_eq!((it.at(now), it.at(now + MOVE)), ([1].into(), [].into()));
        // It is needed again.
        it.decide(&[1], &[0], &[0], now);
        assert_eq!(it.at(now), [0].into());
    }

    #[test]
    fn what_no_other_uplink_translates_is_not_sent_by_it() {
        let translates = |nat: &str| {
            let six = |i: u8, nat: &str| format!(", ip6: '2001:db8:{i}::2', gateway6: '2001:db8:{i}::1'{nat}}}");
            let text = CONFIG.replace("1.0.0.1}", &format!("1.0.0.1{}", six(1, "")));
            let config = config(&text.replace(", weight: 2}", &six(2, nat)));
            [Family::V4, Family::V6].map(|family| are_translated(&config, family, 0))
        };
        let each = ["", ", nat6: masquerade", ", nat6: masquerade, nat: none"].map(translates);
        assert_eq!(each, [[true, false], [true, true], [false, true]]);
    }
}
