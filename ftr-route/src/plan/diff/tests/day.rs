//! Days of decisions, one after the other on one kernel: the records that the monitor's own simulation writes.
//!
//! One day is always played. `scripts/simulate` has the simulation write thousands into a directory, `FTR_DAYS`.

use std::collections::BTreeMap;
use std::fs;

use ftr_core::numbering::Numbering;
use ftr_core::record::{Active, Record};
use ftr_core::{Config, Family};
use ftr_netlink::{Address, Link};

use super::kernel::{Kernel, Look, Ways};
use crate::plan::balance;
use crate::plan::desired::{Goal, desired};
use crate::plan::uplink_state::tests::{address, config, link};
use crate::plan::uplink_state::{HostView, UplinkState, uplink_states};

/// Of a seed in which lines flap, canaries are tried and policies wait.
const DAY: &str = include_str!("../../../../../tests/fixtures/decisions.jsonl");

const CONFIG: &str = "\
uplinks:
- {interface: eth1, ip: 1.0.0.2, gateway: 1.0.0.1, ip6: '2001:db8:1::2', gateway6: '2001:db8:1::1'}
- {interface: eth2, ip: 2.0.0.2, gateway: 2.0.0.1, ip6: '2001:db8:2::2', gateway6: '2001:db8:2::1'}
- {interface: eth3, ip: 3.0.0.2, gateway: 3.0.0.1, ip6: '2001:db8:3::2', gateway6: '2001:db8:3::1'}
downlinks: {lan: eth0}
tests: {ips: [8.8.8.8, '2001:db8:f::1'], required_successful: 1, ping_retries: 1, interval: 1}
policies: [{name: a, uplinks: [eth2, eth1]}, {name: b, uplinks: eth3, otherwise: none}]
base_table: 1
base_priority: 40000
base_fwmark: 1
";

/// A kernel for each family, and what stays the same of it.
struct Host {
    config: Config,
    links: Vec<Link>,
    addresses: Vec<Address>,
    kernels: BTreeMap<u8, Kernel>,
}

impl Host {
    fn new() -> Self {
        let links = (1..=3).map(|i| link(i + 2, &format!("eth{i}"))).collect();
        let four = (1..=3).map(|i| address(i + 2, &format!("{i}.0.0.2"), None, 24));
        let six = (1..=3).map(|i| address(i + 2, &format!("2001:db8:{i}::2"), None, 64));
        Self { config: config(CONFIG), links, addresses: four.chain(six).collect(), kernels: BTreeMap::new() }
    }

    fn states(&self, family: Family) -> Vec<UplinkState> {
        let view = HostView { links: &self.links, addresses: &self.addresses, ..HostView::default() };
        uplink_states(&self.config, family, view)
    }

    fn goal(&self, active: &Active) -> Goal {
        let (members, unknown) = balance::asked(&self.config, active);
        assert!(unknown.is_empty(), "{active:?}");
        let policies = balance::policies(&self.config, active).unwrap_or_default();
        let resting = policies.iter().enumerate().filter(|(_, one)| one.is_none()).map(|(k, _)| k).collect();
        let carrying = members.iter().flatten().map(|member| member.uplink).collect();
        let policies = policies.into_iter().map(Option::unwrap_or_default).collect();
        Goal { balanced: members, carrying, policies, resting, ..Goal::default() }
    }

    /// Does what a record asks for, and looks after each change at where new connections go. How many changes it took.
    fn apply(&mut self, active: &Active) -> usize {
        let (family, states, goal) = (active.family, self.states(active.family), self.goal(active));
        let desired = desired(&self.config, family, &states, &goal);
        let numbering = Numbering::of(&self.config);
        let marks = (0..self.config.policies.len()).map(|k| numbering.policy_mark(k)).chain([0]);
        let looks: Vec<Look> = marks.map(|mark| Look { mark, ..Look::default() }).collect();
        let kernel = self.kernels.entry(family.number()).or_default();
        let plan = kernel.plan(&desired);
        assert!(plan.foreign.is_empty() && plan.conflicts.is_empty(), "{active:?}");
        let before = kernel.ways(family, &looks);
        let mut end = kernel.clone();
        end.make_all(&plan);
        let after = end.ways(family, &looks);
        // Before the first there was nothing that could be kept: what a policy refuses may go by others until its table is there.
        let is_first = kernel.rules.is_empty();
        let fine = |before: &Ways, now: &Ways, after: &Ways| {
            let known = now.iter().all(|way| before.contains(way) || after.contains(way));
            known && (before.is_empty() || after.is_empty() || !now.is_empty())
        };
        let mut count = 0;
        for operation in plan.stages.iter().flatten() {
            kernel.make(operation);
            count += 1;
            let now = kernel.ways(family, &looks);
            for ((before, now), after) in before.iter().zip(&now).zip(&after) {
                assert!(is_first || fine(before, now, after), "{active:?}: {now:?} between {before:?} and {after:?}");
            }
        }
        let goes = after.last().map_or(0, Ways::len);
        assert_eq!(goes, active.uplinks.len(), "new connections go by those that are asked for: {active:?}");
        assert!(kernel.plan(&desired).stages.iter().all(Vec::is_empty), "something is left to do: {active:?}");
        count
    }
}

/// Plays a day; how many decisions it had.
fn play(day: &str) -> usize {
    let (mut host, mut decisions) = (Host::new(), 0);
    for line in day.lines() {
        let Ok(Record::Active(active)) = Record::parse(line.as_bytes()) else { panic!("{line}") };
        let is_first = !host.kernels.contains_key(&active.family.number());
        let count = host.apply(&active);
        // Rules and tables of uplinks are there since the first: what is left are some routes of a few tables.
        assert!(is_first || count <= 24, "{count} changes for {active:?}");
        decisions += 1;
    }
    decisions
}

#[test]
fn simulated_days_open_no_hole() {
    assert!(play(DAY) > 50);
    let mut played = 1;
    for day in std::env::var_os("FTR_DAYS").into_iter().flat_map(|days| fs::read_dir(days).unwrap()) {
        play(&fs::read_to_string(day.unwrap().path()).unwrap());
        played += 1;
    }
    println!("{played} days");
}
