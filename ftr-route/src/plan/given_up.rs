//! Where datagrams of the router go that have the source of an uplink whose connections were given up.

use std::collections::BTreeSet;

use ftr_core::Family;
use ftr_core::config::{Config, Nat, Nat6, Uplink};
use ftr_core::numbering::{Numbering, PROTOCOL};
use ftr_netlink::{Attribute, Rule, SocketProtocol};

use super::uplink_state::{UplinkState, configured, sources};

/// Where datagrams of this host go that have the source of an uplink whose connections were given up.
///
/// A UDP socket that is connected to nobody cannot be told that its uplink is dead, and those of tunnels keep the source
/// that worked last. Sent by another uplink, they either notice (`WireGuard` then asks for a new source), or have
/// their source translated there as those of a host inside. What is bound to the device finds no route by that device in
/// the balanced table, and falls through to its own. TCP is left out: it is ended, and what comes in is to be answered.
pub(crate) fn rules(config: &Config, family: Family, states: &[UplinkState], uplinks: &BTreeSet<usize>) -> Vec<Rule> {
    let numbering = Numbering::of(config);
    let whose = configured(states).filter(|(i, _)| uplinks.contains(i) && are_translated(config, family, *i));
    let rule = |from| Rule {
        from: Some(from),
        // Whatever has a mark of ours is on its way.
        mask: numbering.mask().unwrap_or(u32::MAX),
        iif: Some("lo".to_owned()),
        others: vec![Attribute { kind: Rule::IP_PROTOCOL, payload: vec![SocketProtocol::Udp.number()] }],
        protocol: PROTOCOL,
        ..Rule::lookup(family, numbering.given_up_priority(), numbering.balanced_table())
    };
    whose.flat_map(|(i, state)| sources(config, family, i, state)).map(rule).collect()
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
    use super::are_translated;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;

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
