//! The rules that a host cannot do without: for what is for itself (table local), and for its networks (table main).
//!
//! Ours send packets to uplinks. Where one of the two comes after ours or is gone, ours would send there what is for this
//! host or for its networks, and nobody could reach it any more. Set-ups for virtual routing domains do move the rule for
//! local, to 32765.

use ftr_core::Family;
use ftr_core::numbering::{LOCAL_TABLE, MAIN_TABLE, Numbering, PROTOCOL};
use ftr_netlink::{Action, Rule};

use crate::iproute::is_ours;

/// Routes of main whose prefix is as long as this or shorter are passed over: the default, and the two halves of one that
/// some VPNs add.
///
/// The default alone would do, but wg-quick's rule is the one that suppresses just that, and its `down` deletes every rule
/// of main that does. The kernel compares for a deletion what the request names, and nothing but this length, the table
/// and the action would keep it from ours.
pub(crate) const SUPPRESSED: u32 = 1;

/// Whether the two stand before ours, made by the kernel or by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foundation {
    local: bool,
    main: bool,
}

impl Default for Foundation {
    /// As a kernel begins.
    fn default() -> Self {
        Self { local: true, main: true }
    }
}

impl Foundation {
    /// Finds the two among the rules of one family.
    pub(crate) fn of(numbering: &Numbering, seen: &[Rule]) -> Self {
        let before = |first: u32, table: u32| {
            seen.iter().any(|rule| !is_ours(rule.protocol) && rule.priority < first && is_plain(rule, table))
        };
        Self {
            local: before(numbering.networks_priority(), LOCAL_TABLE),
            main: before(numbering.first_priority(), MAIN_TABLE),
        }
    }

    /// The rules of ours in their place, and the one that looks into main before ours wherever main itself comes later.
    pub(crate) fn rules(self, numbering: &Numbering, family: Family) -> Vec<Rule> {
        let lookup = |priority, table| Rule { protocol: PROTOCOL, ..Rule::lookup(family, priority, table) };
        let host = (!self.local).then(|| lookup(numbering.host_priority(), LOCAL_TABLE));
        let networks = (numbering.local_priority().is_some() || !self.main).then(|| Rule {
            suppress_prefixlength: Some(SUPPRESSED),
            ..lookup(numbering.networks_priority(), MAIN_TABLE)
        });
        host.into_iter().chain(networks).collect()
    }
}

/// Whether a rule is one of these. No uplink is behind it, so it may be added first and deleted last.
pub(crate) fn is_of_foundation(rule: &Rule) -> bool {
    matches!(rule.action, Action::Lookup(LOCAL_TABLE | MAIN_TABLE))
}

/// What a rule of ours is the last to lead to, were the others `left` without it: this host would be cut off.
pub(crate) fn last_way(rule: &Rule, left: &[Rule]) -> Option<&'static str> {
    let Action::Lookup(table) = rule.action else { return None };
    let what = match table {
        LOCAL_TABLE => "this host itself",
        MAIN_TABLE => "the networks of this host",
        _ => return None,
    };
    (!left.iter().any(|other| is_plain(other, table))).then_some(what)
}

/// Whether a rule looks into the table for every packet, and takes whatever it finds.
fn is_plain(rule: &Rule, table: u32) -> bool {
    *rule == Rule { protocol: rule.protocol, ..Rule::lookup(rule.family, rule.priority, table) }
}

#[cfg(test)]
mod tests {
    use super::{Foundation, last_way};
    use crate::iproute::rule as text;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_core::numbering::Numbering;
    use ftr_netlink::Rule;

    fn lookup(priority: u32, table: u32) -> Rule {
        Rule::lookup(Family::V4, priority, table)
    }

    fn ours(base: &str, seen: &[Rule]) -> Vec<String> {
        let config = config(&CONFIG.replace("40000", base));
        let numbering = Numbering::of(&config);
        Foundation::of(&numbering, seen).rules(&numbering, Family::V4).iter().map(text).collect()
    }

    #[test]
    fn what_the_kernel_begins_with_is_enough() {
        let kernel = [lookup(0, 255), lookup(32766, 254), lookup(32767, 253)];
        assert_eq!(ours("40000", &kernel), [""; 0]);
        assert_eq!(ours("20000", &kernel), ["priority 20000 lookup 254 suppress_prefixlength 1 protocol 117"]);
    }

    #[test]
    fn where_local_was_moved_or_is_gone_ours_stands_before_all_of_ours() {
        let own = "priority 19999 lookup 255 protocol 117";
        for local in [
            vec![lookup(32765, 255)],
            vec![lookup(20000, 255)],
            vec![],
            vec![Rule { mark: 1, mask: 1, ..lookup(0, 255) }],
        ] {
            let seen: Vec<Rule> = local.into_iter().chain([lookup(32766, 254)]).collect();
            assert_eq!(ours("20000", &seen)[0], own, "{seen:?}");
        }
        assert_eq!(ours("20000", &[lookup(19999, 255)]).len(), 1);
        assert_eq!(ours("40000", &[lookup(32765, 255), lookup(32766, 254)]), [""; 0]);
        // One of ours is no reason not to have it.
        assert_eq!(ours("20000", &[Rule { protocol: 117, ..lookup(19999, 255) }])[0], own);
    }

    #[test]
    fn where_main_was_moved_or_is_gone_its_networks_come_before_ours() {
        let own = ["priority 39999 lookup 254 suppress_prefixlength 1 protocol 117"];
        assert_eq!(ours("40000", &[lookup(0, 255)]), own);
        assert_eq!(ours("40000", &[lookup(0, 255), lookup(50000, 254)]), own);
        assert_eq!(ours("40000", &[lookup(50000, 254), lookup(50001, 255)]).len(), 2);
        assert_eq!(ours("1", &[])[0], "priority 0 lookup 255 protocol 117");
    }

    #[test]
    fn the_last_way_to_this_host_is_known() {
        let main = Rule { suppress_prefixlength: Some(1), ..lookup(20000, 254) };
        let left = [lookup(0, 255), lookup(32766, 254)];
        assert_eq!((last_way(&main, &left), last_way(&lookup(9, 255), &left)), (None, None));
        assert_eq!(last_way(&main, &left[..1]), Some("the networks of this host"));
        assert_eq!(last_way(&lookup(9, 255), &left[1..]), Some("this host itself"));
        assert_eq!(last_way(&lookup(9, 4), &[]), None);
    }
}
