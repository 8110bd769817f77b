//! Policies whose connections go with them to a better uplink: which uplink takes those of each, whose are to be given up, and
//! when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::given_up::PAUSE_MS;
use super::health::Health;
use super::uplink::Policy;

/// What is noted of each policy in one family, by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Departures(BTreeMap<String, Noted>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Noted {
    /// The uplink that takes its connections; none where it is not in force, or has none.
    carrier: Option<usize>,
    /// The uplinks that it has left for better ones.
    left: BTreeMap<usize, Departure>,
}

/// The connections of a policy over one uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Departure {
    /// They are still to be given up.
    owed: bool,
    /// When they last were (`mono`, milliseconds).
    at: Option<u64>,
}

impl Departure {
    /// When they may be given up again.
    fn ends(self) -> u64 {
        self.at.map_or(0, |at| at.saturating_add(PAUSE_MS))
    }
}

impl Departures {
    /// The uplink that takes the connections of a policy so far.
    pub(super) fn carrier(&self, policy: &str) -> Option<usize> {
        self.0.get(policy)?.carrier
    }

    /// The policies that give up connections now (`mono`), each with an uplink; and notes that they do, and who takes their
    /// connections by this choice.
    ///
    /// What is dead is given up anyway, and what is drained may end. What was given up a short while ago is due later, if
    /// the policy goes by a better uplink then.
    pub(super) fn due(
        &mut self,
        policies: &[Policy],
        health: &[Health],
        chosen: &Choice,
        mono: u64,
    ) -> Vec<(usize, usize)> {
        let mut due = Vec::new();
        for (k, policy) in policies.iter().enumerate() {
            let carrier = chosen.first_of(k);
            let place = |uplink: usize| policy.uplinks.iter().position(|one| *one == uplink);
            let is_better = |than: usize| carrier.is_some_and(|now| place(now) < place(than));
            let noted = self.0.entry(policy.name.clone()).or_default();
            let before = std::mem::replace(&mut noted.carrier, carrier);
            if let Some(before) = before.filter(|before| policy.moves_all && is_better(*before)) {
                noted.left.entry(before).or_default().owed = true;
            }
            for (&uplink, departure) in &mut noted.left {
                let works = |one: &Health| one.up() == Some(true) && !one.leaves_in_peace(mono);
                departure.owed &= policy.moves_all && is_better(uplink) && health.get(uplink).is_some_and(works);
                if departure.owed && mono >= departure.ends() {
                    *departure = Departure { owed: false, at: Some(mono) };
                    due.push((k, uplink));
                }
            }
        }
        due
    }

    /// When those are due next that were given up a short while ago, and of which uplink; none where there are none.
    pub(super) fn next(&self) -> Option<(u64, usize)> {
        let left = self.0.values().flat_map(|noted| &noted.left);
        left.filter(|(_, one)| one.owed).map(|(&uplink, one)| (one.ends(), uplink)).min()
    }

    /// The same for another list of uplinks, in which one has that place, and for these policies alone.
    pub(super) fn moved(self, place: impl Fn(usize) -> Option<usize>, has: impl Fn(&str) -> bool) -> Self {
        let of = |noted: Noted| Noted {
            carrier: noted.carrier.and_then(&place),
            left: noted.left.into_iter().filter_map(|(uplink, one)| Some((place(uplink)?, one))).collect(),
        };
        Self(self.0.into_iter().filter(|(name, _)| has(name)).map(|(name, noted)| (name, of(noted))).collect())
    }
}

#[cfg(test)]
mod tests {
    use crate::decide::fixture::{check, config};
    use crate::decide::{Decider, Memory};
    use ftr_core::Config;
    use ftr_core::record::{Record, Stamp};

    fn of(uplinks: &str, more: &str) -> Config {
        let policy = format!("{{name: voip, uplinks: [{uplinks}], failback: hard, match: {{protocol: udp}}}}");
        config([""; 3], &format!("policies: [{policy}]\nrouting: {{{more}}}\n"))
    }

    /// The uplinks of the policy, and those whose connections it gives up, of each record that tells of them.
    fn told(records: Vec<Record>) -> Vec<[String; 2]> {
        let of = |record| if let Record::Active(active) = record { active.policies } else { None };
        let text =
            |names: &[ftr_core::InterfaceName]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let policies = records.into_iter().filter_map(of).flatten();
        policies.map(|policy| [text(&policy.uplinks), text(&policy.flush)]).collect()
    }

    fn handle(decider: &mut Decider, uplink: &str, up: bool, mono: u64) -> Vec<[String; 2]> {
        told(decider.handle(&Record::Check(check(uplink, up, mono))))
    }

    #[test]
    fn connections_that_are_to_go_along_do_so_after_a_restart_too() {
        let config = of("eth1, eth2", "hold_down: 0");
        let mut before = Decider::new(&config, None);
        for (uplink, up) in [("eth1", false), ("eth2", true), ("eth3", true)] {
            handle(&mut before, uplink, up, 1000);
        }
        let memory = serde_json::to_string(before.memory()).unwrap();
        let memory: Memory = serde_json::from_str(&memory).unwrap();
        let mut after = Decider::new(&config, Some(memory));
        let told: Vec<_> =
            ["eth1", "eth2", "eth3"].into_iter().flat_map(|uplink| handle(&mut after, uplink, true, 2000)).collect();
        assert_eq!(told, [["eth1 eth2", "eth2"]]);
    }

    #[test]
    fn a_reload_moves_no_policy_that_has_no_reason_to_move() {
        let mut decider = Decider::new(&of("eth1, eth2", "min_down: 5m"), None);
        for uplink in ["eth1", "eth2", "eth3"] {
            handle(&mut decider, uplink, true, 1000);
        }
        for (uplink, up, mono) in [("eth1", false, 2000), ("eth2", false, 3000), ("eth2", true, 4000)] {
            handle(&mut decider, uplink, up, mono);
        }
        assert_eq!(handle(&mut decider, "eth1", true, 5000), [["eth2", ""]], "both are held down");
        let at = Stamp { time: String::new(), mono: 6000 };
        assert_eq!(told(decider.reconfigure(&of("eth1, eth2", "min_down: 6m"), &at)), [["eth2", ""]]);
    }

    #[test]
    fn one_that_was_never_checked_takes_no_connections_from_one_that_works() {
        let two = Config { uplinks: of("eth1", "").uplinks.into_iter().take(2).collect(), ..of("eth1", "") };
        let mut decider = Decider::new(&two, None);
        for uplink in ["eth1", "eth2"] {
            handle(&mut decider, uplink, true, 1000);
        }
        let at = Stamp { time: String::new(), mono: 2000 };
        assert_eq!(told(decider.reconfigure(&of("eth3, eth1", ""), &at)), [["eth1", ""]]);
        assert_eq!(handle(&mut decider, "eth3", true, 3000), [["eth3 eth1", "eth1"]]);
    }
}
