//! The heart of ftr: check records in, active sets and events out. No clock, no input, no output.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ftr_core::config::{ConnectionsOnDown, Failback, WhenAllDown};
use ftr_core::record::{Active, Applied, Check, Event, EventKind, Reason, Record, Share};
use ftr_core::{Config, Family, InterfaceName};
use serde::{Deserialize, Serialize};

use crate::elect::{Candidate, Ipv6, candidates, elect};
use crate::judge::{Change, Judged};

/// How far `mono` may go backwards between two records before it means a reboot: records of several writers may be
/// somewhat out of order.
const BACKWARDS_MS: u64 = 10_000;

/// Decides who carries traffic, from one check to the next.
#[derive(Clone, Debug)]
pub(crate) struct Decider {
    uplinks: Vec<Candidate>,
    descriptions: Vec<String>,
    fall_rise: Vec<(u32, u32)>,
    /// How long the first verdicts of all uplinks are waited for.
    patience: Duration,
    all_down: WhenAllDown,
    flush: flush::Policy,
    memory: Memory,
    /// `mono` of the first and of the latest record.
    first: Option<u64>,
    latest: u64,
    /// What was last said, per family; none while first verdicts are awaited.
    said: BTreeMap<u8, (Vec<usize>, Vec<usize>)>,
}

/// What outlives a restart, where it is still true (same boot, same network namespace, same configuration).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Memory {
    /// The number of the next event.
    seq: u64,
    /// What is known of each uplink, per family number, in file order.
    judged: BTreeMap<u8, Vec<Judged>>,
    /// Whose connections were to be given up, per family number, and nobody has said yet that it is done.
    #[serde(default)]
    owed: BTreeMap<u8, BTreeSet<usize>>,
}

impl Decider {
    /// A decider that knows nothing yet, or what `memory` holds.
    pub(crate) fn new(config: &Config, memory: Option<Memory>) -> Self {
        let count = config.uplinks.len();
        let fits = |memory: &Memory| memory.judged.values().all(|judged| judged.len() == count);
        let check_takes = config.uplinks.iter().map(|uplink| uplink.tests.deadline()).max().unwrap_or_default();
        Self {
            uplinks: candidates(config),
            descriptions: config.uplinks.iter().map(|uplink| uplink.description.clone()).collect(),
            fall_rise: config.uplinks.iter().map(|uplink| (uplink.tests.fall, uplink.tests.rise)).collect(),
            patience: check_takes + Duration::from_secs(1),
            all_down: config.routing.when_all_down,
            flush: flush::Policy {
                on_down: config.routing.connections_on_down == ConnectionsOnDown::Flush,
                on_failback: config.routing.failback == Failback::Hard,
            },
            memory: memory.filter(fits).unwrap_or_default(),
            first: None,
            latest: 0,
            said: BTreeMap::new(),
        }
    }

    /// What to remember over a restart.
    pub(crate) const fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What is known of each uplink, for each family that it has.
    pub(crate) fn judged(&self) -> impl Iterator<Item = (u8, &InterfaceName, &str, u16, &Judged)> {
        self.memory.judged.iter().flat_map(move |(&family, judged)| {
            let all = judged.iter().zip(self.uplinks.iter().zip(&self.descriptions));
            let has = move |uplink: &Candidate| family == Family::V4.number() || uplink.has(Family::V6);
            all.filter(move |(_, (uplink, _))| has(uplink)).map(move |(judged, (uplink, description))| {
                (family, &uplink.name, description.as_str(), uplink.weight, judged)
            })
        })
    }

    /// Takes a record into account: first the active set that follows from it, if it changed or connections are to be
    /// given up, then the events.
    ///
    /// Records of other types, and of uplinks that the configuration does not have, change nothing.
    pub(crate) fn hear(&mut self, record: &Record) -> Vec<Record> {
        match record {
            Record::Check(check) => self.hear_check(check),
            Record::Applied(applied) => self.hear_applied(applied),
            _ => Vec::new(),
        }
    }

    /// What the last set of the family flushes has been done: it is not asked for again. Whether there was anything.
    pub(crate) fn confirm(&mut self, family: Family) -> bool {
        self.memory.owed.remove(&family.number()).is_some_and(|owed| !owed.is_empty())
    }

    /// The same for all families.
    pub(crate) fn confirm_all(&mut self) {
        self.memory.owed.clear();
    }

    fn hear_check(&mut self, check: &Check) -> Vec<Record> {
        let Some(place) = self.uplinks.iter().position(|uplink| uplink.name == check.uplink) else { return Vec::new() };
        self.notice_reboot(check.at.mono);
        let mut out = self.judge(place, check);
        if check.family == Family::V4 && self.uplinks.get(place).is_some_and(|uplink| uplink.ipv6 == Ipv6::Untested) {
            let like = Check { family: Family::V6, address: None, gateway: None, ..check.clone() };
            // What was not tested is no news.
            let news = |record: &Record| matches!(record, Record::Event(Event { kind: EventKind::State, .. }));
            out.extend(self.judge(place, &like).into_iter().filter(|record| !news(record)));
        }
        out
    }

    /// Uplinks that the kernel has no route through count as down until it has one.
    fn hear_applied(&mut self, applied: &Applied) -> Vec<Record> {
        let Some(judged) = self.memory.judged.get_mut(&applied.family.number()) else { return Vec::new() };
        let mut turned = Vec::new();
        for (place, (one, uplink)) in judged.iter_mut().zip(&self.uplinks).enumerate() {
            let missing = applied.no_way.iter().any(|no_way| no_way.uplink == uplink.name);
            let mut ways = applied.uplinks.iter().filter(|way| way.uplink == uplink.name);
            let found = ways.any(|way| way.address.is_some() || way.gateway.is_some());
            if missing || found {
                turned.extend(
                    one.hear_of_route(!missing, applied.at.mono).map(|turn| (place, uplink.name.clone(), turn)),
                );
            }
        }
        let concluded = turned.into_iter().flat_map(|(place, uplink, turn)| {
            let up = turn.from == Some(false);
            let reason = (!up).then_some(Reason::NoRoute);
            let as_if = Check::without_questions(applied.at.clone(), uplink, applied.family, up, reason);
            self.conclude(place, &as_if, &Change { turn: Some(turn), ..Change::default() })
        });
        concluded.collect()
    }

    fn judge(&mut self, place: usize, check: &Check) -> Vec<Record> {
        let count = self.uplinks.len();
        let (fall, rise) = self.fall_rise.get(place).copied().unwrap_or((1, 1));
        let judged = self.memory.judged.entry(check.family.number()).or_insert_with(|| vec![Judged::default(); count]);
        let Some(one) = judged.get_mut(place) else { return Vec::new() };
        let change = one.hear(check, fall, rise);
        let up = one.up().unwrap_or(check.up);
        let reason = if up { check.reason } else { one.reason() };
        self.conclude(place, &Check { up, reason, ..check.clone() }, &change)
    }

    /// What follows from the state of an uplink, which a record may have changed.
    fn conclude(&mut self, place: usize, check: &Check, change: &Change) -> Vec<Record> {
        let active = self.election(check);
        let roles = self.roles(check.family);
        let carriers = self.carriers(check.family);
        let mut out: Vec<Record> = active.into_iter().map(Record::Active).collect();
        self.tell_changes(place, check, change, &carriers, &mut out);
        for (place, routing) in roles {
            let words = |routing: bool| Some(if routing { "routing" } else { "standby" }.to_owned());
            out.push(self.event(EventKind::Role, place, check, (words(!routing), words(routing)), &carriers));
        }
        out
    }

    /// After a reboot nothing that was known holds.
    fn notice_reboot(&mut self, mono: u64) {
        if mono.saturating_add(BACKWARDS_MS) < self.latest {
            self.memory.judged.clear();
            self.memory.owed.clear();
            self.said.clear();
            self.first = None;
            self.latest = mono;
        }
        self.first.get_or_insert(mono);
        self.latest = self.latest.max(mono);
    }

    /// The active set, if it or the set of the failed is another than was last said, or connections are to be given up.
    fn election(&mut self, check: &Check) -> Option<Active> {
        let family = check.family.number();
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        let waited = check.at.mono.saturating_sub(self.first.unwrap_or(check.at.mono)) >= patience;
        let judged = self.memory.judged.get_mut(&family)?;
        let has = |i: usize| self.uplinks.get(i).is_some_and(|uplink| uplink.has(check.family));
        if !waited && judged.iter().enumerate().any(|(i, one)| has(i) && !one.heard) {
            return None;
        }
        let up: Vec<bool> = judged.iter().map(|one| one.up() == Some(true)).collect();
        let failed: Vec<usize> =
            judged.iter().enumerate().filter(|(_, one)| one.up() == Some(false)).map(|(i, _)| i).collect();
        let said = self.said.get(&family);
        // Before anything was said, what is remembered of the roles tells who carried new connections last.
        let remembered = || (0..judged.len()).filter(|&i| judged.get(i).is_some_and(|one| one.routing == Some(true)));
        let before = said.map_or_else(|| remembered().collect(), |said| said.0.clone());
        let active = elect(&self.uplinks, check.family, &up, self.all_down, &before);
        let given_up = flush::due(judged, (&before, &active), self.flush);
        if given_up.is_empty() && said.is_some_and(|said| said.0 == active && said.1 == failed) {
            return None;
        }
        let rescued = active.iter().any(|&i| up.get(i) == Some(&true));
        let reason = match (said, rescued) {
            (None, _) => "start".to_owned(),
            (_, false) => format!("{} {}, and none that may carry them works", check.uplink, word(check.up)),
            _ => format!("{} {}", check.uplink, word(check.up)),
        };
        // What nobody has confirmed is asked for once more, unless it carries connections again that nobody wants to lose.
        let owed = self.memory.owed.entry(family).or_default();
        owed.retain(|uplink| failed.contains(uplink) || !active.contains(uplink));
        owed.extend(given_up);
        if !rescued {
            flush::take_back(judged, &std::mem::take(owed));
        }
        let flush: Vec<usize> = owed.iter().copied().collect();
        let record = Active {
            at: check.at.clone(),
            family: check.family,
            uplinks: self.shares(&active),
            failed: self.names(&failed),
            flush: self.names(&flush),
            reason,
        };
        self.said.insert(family, (active, failed));
        Some(record)
    }

    /// The uplinks whose role changed with what was last said, and whether each carries new connections now.
    fn roles(&mut self, family: Family) -> Vec<(usize, bool)> {
        let Some((active, _)) = self.said.get(&family.number()) else { return Vec::new() };
        let Some(judged) = self.memory.judged.get_mut(&family.number()) else { return Vec::new() };
        judged
            .iter_mut()
            .enumerate()
            .filter_map(|(place, one)| {
                let routing = active.contains(&place);
                let before = one.routing.replace(routing);
                before.filter(|&before| before != routing).map(|_| (place, routing))
            })
            .collect()
    }

    fn tell_changes(
        &mut self,
        place: usize,
        check: &Check,
        change: &Change,
        carriers: &[InterfaceName],
        out: &mut Vec<Record>,
    ) {
        // An uplink that works from the start is no news.
        if let Some(turn) = change.turn.filter(|turn| turn.from.is_some() || !check.up) {
            out.push(self.event(
                EventKind::State,
                place,
                check,
                (turn.from.map(|up| word(up).to_owned()), Some(word(check.up).to_owned())),
                carriers,
            ));
        }
        let moved =
            [(EventKind::Address, change.address, check.address), (EventKind::Gateway, change.gateway, check.gateway)];
        for (kind, before, now) in moved {
            if let Some(before) = before {
                let change = (Some(before.to_string()), now.map(|now| now.to_string()));
                out.push(self.event(kind, place, check, change, carriers));
            }
        }
    }

    fn event(
        &mut self,
        kind: EventKind,
        place: usize,
        check: &Check,
        (from, to): (Option<String>, Option<String>),
        carriers: &[InterfaceName],
    ) -> Record {
        self.memory.seq += 1;
        let verdict = kind == EventKind::State;
        Record::Event(Event {
            seq: self.memory.seq,
            kind,
            at: check.at.clone(),
            uplink: self.uplinks.get(place).map_or_else(|| check.uplink.clone(), |uplink| uplink.name.clone()),
            family: check.family,
            description: self.descriptions.get(place).cloned().unwrap_or_default(),
            from,
            to,
            reason: check.reason.filter(|_| verdict),
            answered: if verdict { check.answered } else { 0 },
            required: if verdict { check.required } else { 0 },
            asked: if verdict { check.asked } else { 0 },
            questions: if verdict { check.questions } else { 0 },
            replies: if verdict { check.replies } else { 0 },
            active: carriers.to_vec(),
        })
    }

    /// Who carries new connections as was last said.
    fn carriers(&self, family: Family) -> Vec<InterfaceName> {
        self.said.get(&family.number()).map(|(active, _)| self.names(active)).unwrap_or_default()
    }

    fn names(&self, places: &[usize]) -> Vec<InterfaceName> {
        places.iter().filter_map(|&i| self.uplinks.get(i)).map(|uplink| uplink.name.clone()).collect()
    }

    fn shares(&self, places: &[usize]) -> Vec<Share> {
        let chosen = places.iter().filter_map(|&i| self.uplinks.get(i));
        chosen.map(|uplink| Share { uplink: uplink.name.clone(), weight: uplink.weight }).collect()
    }
}

const fn word(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

mod flush;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
