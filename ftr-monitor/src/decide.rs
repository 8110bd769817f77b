//! The heart of ftr: check records in, active sets and events out. No clock, no input, no output.

mod calendar;
mod choice;
mod damping;
mod departures;
mod election;
#[cfg(test)]
pub(crate) mod fixture;
mod flush;
mod given_up;
pub(crate) mod health;
mod hours;
mod later;
mod networks;
mod operator;
mod preference;
mod quota;
mod reboot;
mod reconfigure;
mod tell;
mod trial;
pub(crate) mod uplink;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ftr_core::config::{ConnectionsOnDown, FailbackMode, WhenAllDown};
use ftr_core::election::{Candidate, candidates};
use ftr_core::record::{Applied, Check, Event, EventKind, Hazard, Held, Reason, Record};
use ftr_core::{Config, Family, InterfaceName, Prefix};
use serde::{Deserialize, Serialize};

use calendar::Calendar;
use choice::Choice;
use damping::Rule;
use departures::Departures;
use health::{Change, Health, Lasting};
use hours::Timetable;
use jiff::tz::TimeZone;
pub(crate) use quota::Usage;
use quota::{Meter, News};
use trial::Canary;
use uplink::{Ipv6, Policy, Uplink};

/// Decides who carries traffic, from one check to the next.
#[derive(Clone, Debug)]
pub(crate) struct Decider {
    uplinks: Vec<Uplink>,
    /// Those that may carry new connections, per family.
    candidates: [(Family, Vec<Candidate>); 2],
    /// How long the first verdicts of all uplinks are waited for.
    patience: Duration,
    all_down: WhenAllDown,
    flush: flush::Policy,
    policies: Vec<Policy>,
    /// When an uplink that went down is trusted again.
    hold: Rule,
    canary: Option<Canary>,
    timetable: Timetable,
    /// Where local time is that of.
    zone: TimeZone,
    pub(crate) meter: Meter,
    pub(crate) networks: networks::Known,
    memory: Memory,
    /// `mono` of the first and of the latest record.
    first: Option<u64>,
    latest: u64,
    /// What was last said, per family; none while first verdicts are awaited.
    last: BTreeMap<u8, Choice>,
    /// When that was last looked at.
    looked: BTreeMap<u8, u64>,
}

/// What outlives a restart, where it is still true (same boot, same network namespace; of an uplink of the same name).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The number of the next event.
    seq: u64,
    /// What is known of each uplink, per family number, in file order.
    #[serde(rename = "judged")]
    uplinks: BTreeMap<u8, Vec<Health>>,
    /// Whose connections were to be given up, per family number, and nobody has said yet that it is done.
    #[serde(default)]
    owed: BTreeMap<u8, BTreeSet<usize>>,
    /// Which uplink takes the connections of each policy, and which ones they are to leave, per family number.
    #[serde(default)]
    departures: BTreeMap<u8, Departures>,
    /// The prefixes that uplinks have been delegated, by name.
    #[serde(default)]
    prefixes: BTreeMap<String, Vec<Prefix>>,
    /// What of uplinks that the configuration has no longer holds where they come back, by name and per family number.
    #[serde(default)]
    away: BTreeMap<String, BTreeMap<u8, Lasting>>,
    /// It is of single cycles, and no daemon.
    #[serde(default)]
    cycles: bool,
    /// What works against several uplinks, as the latest cycle has found it.
    #[serde(default)]
    pub(crate) hazards: Vec<Hazard>,
}

impl Memory {
    /// Whether single cycles go on from it, so that it holds while nothing runs.
    pub(crate) const fn is_of_cycles(&self) -> bool {
        self.cycles
    }
}

impl Decider {
    /// A decider that knows nothing yet, or what `memory` holds.
    pub(crate) fn new(config: &Config, memory: Option<Memory>) -> Self {
        let count = config.uplinks.len();
        let fits = |memory: &Memory| memory.uplinks.values().all(|health| health.len() == count);
        let memory = memory.filter(fits).unwrap_or_default();
        // A daemon hears of them from a program that runs.
        let hazards = if memory.cycles { memory.hazards.clone() } else { Vec::new() };
        let failback = config.routing.failback;
        let lasts = u64::try_from(failback.canary_for.as_millis()).unwrap_or(u64::MAX);
        let check_takes = config.uplinks.iter().map(|uplink| uplink.tests.deadline()).max().unwrap_or_default();
        Self {
            uplinks: Uplink::all(config),
            candidates: [Family::V4, Family::V6].map(|family| (family, candidates(config, family))),
            patience: check_takes + Duration::from_secs(1),
            all_down: config.routing.when_all_down,
            flush: flush::Policy {
                on_down: config.routing.connections_on_down == ConnectionsOnDown::Flush,
                on_failback: failback.mode == FailbackMode::Hard,
                delay: u64::try_from(config.routing.flush_delay.as_millis()).unwrap_or(u64::MAX),
            },
            policies: Policy::all(config),
            hold: Rule::of(&config.routing),
            canary: failback.canary.map(|percent| Canary { percent, lasts }),
            timetable: timetable(config, TimeZone::UTC),
            zone: TimeZone::UTC,
            meter: meter(config),
            networks: networks::Known::default(),
            memory: Memory { cycles: false, hazards, ..memory },
            first: None,
            latest: 0,
            last: BTreeMap::new(),
            looked: BTreeMap::new(),
        }
    }

    /// The same, with hours in this zone. Without it they are those of UTC.
    pub(crate) fn in_zone(mut self, config: &Config, zone: TimeZone) -> Self {
        self.timetable = timetable(config, zone.clone());
        self.zone = zone;
        self
    }

    /// From now on hours and quotas are those of this zone.
    pub(crate) fn move_to(&mut self, zone: TimeZone) {
        self.timetable.move_to(Calendar::new(zone.clone()));
        self.zone = zone;
    }

    /// The same, going on from what was used of quotas before; in this boot.
    pub(crate) fn with_usage(mut self, usage: Usage, boot: String) -> Self {
        self.meter.recall(usage, boot);
        self
    }

    /// From now on each cycle is a process of its own.
    pub(crate) const fn in_cycles(mut self) -> Self {
        self.memory.cycles = true;
        self
    }

    /// These hazards are there, as a cycle has found.
    pub(crate) fn find_hazards(&mut self, now: Vec<Hazard>) {
        self.memory.hazards = now;
    }

    /// What to remember over a restart.
    pub(crate) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What is known of each uplink, for each family that it has.
    pub(crate) fn health(&self) -> impl Iterator<Item = (u8, &Uplink, &Health)> {
        self.memory.uplinks.iter().flat_map(move |(&family, health)| {
            let has = move |uplink: &Uplink| family == Family::V4.number() || uplink.has(Family::V6);
            let all = self.uplinks.iter().zip(health).filter(move |(uplink, _)| has(uplink));
            all.map(move |(uplink, health)| (family, uplink, health))
        })
    }

    /// For how long an uplink that works is not trusted yet, at `now`; none where it is.
    pub(crate) fn held(&self, health: &Health, now: u64) -> Option<Held> {
        health.held(self.hold, now)
    }

    /// Takes a record into account: first the active set that follows from it, if it changed or connections are to be
    /// given up, then the events.
    ///
    /// Records of other types, and of uplinks that the configuration does not have, change nothing.
    pub(crate) fn handle(&mut self, record: &Record) -> Vec<Record> {
        match record {
            Record::Check(check) => self.handle_check(check),
            Record::Applied(applied) => {
                self.networks.take(applied);
                let mut out = self.handle_applied(applied);
                out.extend(self.report_prefixes(applied));
                out
            }
            _ => Vec::new(),
        }
    }

    /// What the last set of the family flushes has been done: it is not asked for again. Whether there was anything.
    ///
    /// Where some could carry nothing, those are told that carry new connections now. If none of them works, the route program
    /// has given up nothing, so it is asked for again.
    pub(crate) fn confirm(&mut self, family: Family, carrying: Option<&[InterfaceName]>) -> bool {
        let Some(owed) = self.memory.owed.remove(&family.number()).filter(|owed| !owed.is_empty()) else {
            return false;
        };
        let Some(health) = self.memory.uplinks.get_mut(&family.number()) else { return true };
        let works = |one: &Health| one.up() == Some(true);
        let all = || health.iter().zip(&self.uplinks);
        if carrying.is_some_and(|these| !all().any(|(one, uplink)| works(one) && these.contains(&uplink.name))) {
            flush::take_back(health, &owed);
        }
        true
    }

    /// The same by what the route program has answered.
    pub(crate) fn confirm_by(&mut self, answer: &Applied) -> bool {
        let carrying = (!answer.no_way.is_empty()).then_some(&*answer.active);
        self.confirm(answer.family, carrying)
    }

    /// The same for all families.
    #[cfg(test)]
    pub(crate) fn confirm_all(&mut self) {
        self.memory.owed.clear();
    }

    /// The number of the next event, once.
    pub(crate) const fn number(&mut self) -> u64 {
        // What was remembered may have been any number.
        self.memory.seq = self.memory.seq.wrapping_add(1);
        self.memory.seq
    }

    fn handle_check(&mut self, check: &Check) -> Vec<Record> {
        let Some(index) = self.uplinks.iter().position(|uplink| uplink.name == check.uplink) else { return Vec::new() };
        self.notice_reboot(check.at.mono);
        let mut out = self.evaluate(index, check);
        if check.family == Family::V4 && self.uplinks.get(index).is_some_and(|uplink| uplink.ipv6 == Ipv6::Untested) {
            let like = Check { family: Family::V6, address: None, gateway: None, ..check.clone() };
            // What was not tested is no news.
            let news = |record: &Record| matches!(record, Record::Event(Event { kind: EventKind::State, .. }));
            out.extend(self.evaluate(index, &like).into_iter().filter(|record| !news(record)));
        }
        out.extend(self.count(index, check));
        // What is due by now, with what the check says.
        out.extend(self.look_again(&check.at));
        out
    }

    /// Uplinks that the kernel has no route through count as down until it has one.
    fn handle_applied(&mut self, applied: &Applied) -> Vec<Record> {
        let Some(health) = self.memory.uplinks.get_mut(&applied.family.number()) else { return Vec::new() };
        let hold = self.hold;
        let mut turned = Vec::new();
        for (index, (one, uplink)) in health.iter_mut().zip(&self.uplinks).enumerate() {
            let missing = applied.no_way.iter().any(|no_way| no_way.uplink == uplink.name);
            let mut ways = applied.uplinks.iter().filter(|way| way.uplink == uplink.name);
            let found = ways.any(|way| way.address.is_some() || way.gateway.is_some());
            if missing || found {
                let turn = one.handle_route(!missing, applied.at.mono);
                one.note(turn, hold, applied.at.mono);
                turned.extend(turn.map(|turn| (index, uplink.name.clone(), turn)));
            }
        }
        let concluded = turned.into_iter().flat_map(|(index, uplink, turn)| {
            let up = turn.from == Some(false);
            let reason = (!up).then_some(Reason::NoRoute);
            let as_if = Check::without_questions(applied.at.clone(), uplink, applied.family, up, reason);
            self.conclude(index, &as_if, &Change { turn: Some(turn), ..Change::default() })
        });
        concluded.collect()
    }

    fn evaluate(&mut self, index: usize, check: &Check) -> Vec<Record> {
        let count = self.uplinks.len();
        let (fall, rise) = self.uplinks.get(index).map_or((1, 1), |uplink| uplink.fall_rise);
        let health = self.memory.uplinks.entry(check.family.number()).or_insert_with(|| vec![Health::default(); count]);
        let Some(one) = health.get_mut(index) else { return Vec::new() };
        let change = one.handle(check, fall, rise);
        one.note(change.turn, self.hold, check.at.mono);
        let up = one.up().unwrap_or(check.up);
        let reason = if up { check.reason } else { one.reason() };
        self.conclude(index, &Check { up, reason, ..check.clone() }, &change)
    }

    /// What follows from the state of an uplink, which a record may have changed.
    fn conclude(&mut self, index: usize, check: &Check, change: &Change) -> Vec<Record> {
        let held = self.health_of(check.family, index).and_then(|one| one.held(self.hold, check.at.mono));
        let held = held.map_or_else(String::new, |held| format!(", {held}"));
        let cause = format!("{} {}{held}", check.uplink, word(check.up));
        self.settle(index, check, change, &cause)
    }

    /// Elects anew for this cause, and says what changed.
    fn settle(&mut self, index: usize, check: &Check, change: &Change, cause: &str) -> Vec<Record> {
        let undrained = self.end_drains(check.family, &check.at);
        let elected = self.election(&check.at, check.family, cause);
        let roles = self.roles(check.family);
        let active = self.active_names(check.family);
        let mut out: Vec<Record> = elected.into_iter().map(Record::Active).collect();
        self.report_changes(index, check, change, &active, &mut out);
        for (index, routing) in roles {
            let role = |routing: bool| Some(if routing { "routing" } else { "standby" }.to_owned());
            out.push(self.event(EventKind::Role, index, check, (role(!routing), role(routing)), &active));
        }
        out.extend(undrained);
        out
    }

    /// Counts what has gone through the device of an uplink that has a quota.
    fn count(&mut self, index: usize, check: &Check) -> Vec<Record> {
        let Some(bytes) = check.device_bytes else { return Vec::new() };
        let Some(news) = self.meter.take(&check.uplink, bytes, &check.at, &Calendar::new(self.zone.clone())) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        let cause = match news {
            News::Used(..) => format!("{} has used its quota", check.uplink),
            News::Renewed => format!("{} has a new quota", check.uplink),
        };
        for family in [Family::V4, Family::V6] {
            if self.last.contains_key(&family.number()) {
                let up = self.health_of(family, index).and_then(Health::up) == Some(true);
                let as_if = Check::without_questions(check.at.clone(), check.uplink.clone(), family, up, None);
                out.extend(self.settle(index, &as_if, &Change::default(), &cause));
            }
        }
        if let News::Used(before, now) = news {
            let percent = |percent: u8| Some(format!("{percent}%"));
            let event = self.event(EventKind::Quota, index, check, (percent(before), percent(now)), &[]);
            let Record::Event(event) = event else { return out };
            out.push(Record::Event(Event { family: None, ..event }));
        }
        out
    }

    fn health_of(&self, family: Family, index: usize) -> Option<&Health> {
        self.memory.uplinks.get(&family.number())?.get(index)
    }

    /// After a reboot nothing that was known holds.
    fn notice_reboot(&mut self, mono: u64) {
        if reboot::is_between(self.latest, mono) {
            self.memory.uplinks.clear();
            self.memory.owed.clear();
            self.last.clear();
            self.looked.clear();
            self.memory.departures.clear();
            self.first = None;
            self.latest = mono;
        }
        self.first.get_or_insert(mono);
        self.latest = self.latest.max(mono);
    }
}

fn meter(config: &Config) -> Meter {
    let quotas = config.uplinks.iter().filter_map(|uplink| Some((uplink.name.clone(), uplink.quota?)));
    Meter::new(quotas.collect())
}

fn timetable(config: &Config, zone: TimeZone) -> Timetable {
    let uplinks = config.uplinks.iter().map(|uplink| uplink.active.clone()).collect();
    let policies = config.policies.iter().map(|policy| policy.active.clone()).collect();
    Timetable::new(uplinks, policies, Calendar::new(zone))
}

const fn word(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod play;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
