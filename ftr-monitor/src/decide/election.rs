//! Elections: what is known of the uplinks of a family in, its active set out.

use ftr_core::record::{Active, PolicyUplinks, Share, Stamp};
use ftr_core::{Family, InterfaceName};

use super::choice::{self, Choice, Member};
use super::health::Health;
use super::uplink::Uplink;
use super::{Decider, flush};

impl Decider {
    /// The active set, if it or the set of the failed is another than was last said, or connections are to be given up;
    /// for this cause.
    pub(super) fn election(&mut self, at: &Stamp, family: Family, cause: &str) -> Option<Active> {
        let number = family.number();
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        let waited = at.mono.saturating_sub(self.first.unwrap_or(at.mono)) >= patience;
        let health = self.memory.uplinks.get(&number)?;
        let has = |i: usize| self.uplinks.get(i).is_some_and(|uplink| uplink.has(family));
        let is_first = !self.last.contains_key(&number);
        if is_first && !waited && health.iter().enumerate().any(|(i, one)| has(i) && !one.heard) {
            return None;
        }
        self.looked.insert(number, at.mono);
        let health = self.memory.uplinks.get_mut(&number)?;
        for (i, one) in health.iter_mut().enumerate() {
            let is_used_up = self.uplinks.get(i).is_some_and(|uplink| self.meter.is_used_up(&uplink.name));
            one.reserve = is_used_up || !self.timetable.is_on(i);
        }
        // Before anything was said, what is remembered of the roles tells who carried new connections last.
        let remembered = || (0..health.len()).filter(|&i| health.get(i).is_some_and(|one| one.routing == Some(true)));
        let last = self.last.get(&number);
        let before = last.map_or_else(|| remembered().collect(), Choice::active);
        let (chosen, canaries) = self.choose(family, &before, at.mono);
        let active = chosen.active();
        let health = self.memory.uplinks.get_mut(&number)?;
        for &i in &active {
            // One that carries because nothing works has shown nothing.
            if let Some(one) = health.get_mut(i).filter(|one| one.up() == Some(true)) {
                one.trial.chosen(canaries.contains(&i), at.mono);
            }
        }
        let given_up = flush::due(health, (&before, &active), self.flush, at.mono);
        let departures = self.memory.departures.entry(number).or_default();
        let departed = departures.due(&self.policies, health, &chosen, at.mono);
        if given_up.is_empty() && departed.is_empty() && last == Some(&chosen) {
            return None;
        }
        let rescued = active.iter().any(|&i| health.get(i).is_some_and(|one| one.up() == Some(true)));
        let reason = match (last, rescued) {
            (None, _) => "start".to_owned(),
            (_, false) => format!("{cause}, and none that may carry them works"),
            _ => cause.to_owned(),
        };
        let mut record = Active { reason, ..self.record(at, family, &chosen) };
        self.give_up_of_policies(&departed, &mut record);
        let health = self.memory.uplinks.get_mut(&number)?;
        // What nobody has confirmed is asked for once more, unless it carries connections again that nobody wants to lose.
        let owed = self.memory.owed.entry(number).or_default();
        owed.retain(|&uplink| self.uplinks.get(uplink).is_some_and(|uplink| record.still_gives_up(&uplink.name)));
        owed.extend(given_up);
        if !rescued {
            flush::take_back(health, &std::mem::take(owed));
        }
        record.flush = owed.iter().filter_map(|&uplink| self.uplinks.get(uplink)).map(|one| one.name.clone()).collect();
        self.last.insert(number, chosen);
        Some(record)
    }

    /// Who is to carry new connections, and which of them are canaries.
    fn choose(&self, family: Family, before: &[usize], now: u64) -> (Choice, Vec<usize>) {
        let health = self.memory.uplinks.get(&family.number()).map_or(&[][..], Vec::as_slice);
        let members: Vec<Member> = health
            .iter()
            .zip(&self.uplinks)
            .enumerate()
            .map(|(i, (one, uplink))| Member {
                works: one.up() == Some(true),
                preference: one.preference(self.hold, now).of_member(before.contains(&i)),
                weight: uplink.weight,
                on_trial: self.canary.is_some_and(|canary| one.trial.is_on(canary, now)),
            })
            .collect();
        let candidates = self.candidates.iter().find(|one| one.0 == family).map(|one| one.1.as_slice());
        let percent = self.canary.map(|canary| canary.percent);
        let all_down = (self.all_down, before);
        let (shares, canaries) = choice::shares(candidates.unwrap_or_default(), &members, all_down, percent);
        let failed = down(health);
        let policies = self.policies.iter().enumerate().map(|(k, policy)| {
            // One that nobody has heard of yet is no better than one that works.
            let up = |i: usize| health.get(i).and_then(Health::up);
            let is_any = policy.uplinks.iter().any(|&i| up(i) == Some(true));
            let has = |i: usize| self.uplinks.get(i).is_some_and(|uplink| uplink.has(family));
            let usable = |i: usize| has(i) && up(i).unwrap_or(!is_any);
            let hold = policy.delay.map_or(self.hold, |delay| self.hold.with_delay(delay));
            let noted = self.memory.departures.get(&family.number());
            let carries = noted.and_then(|noted| noted.carrier(&policy.name));
            let preference =
                |i: usize| health.get(i).map(|one| one.preference(hold, now).of_member(carries == Some(i)));
            self.timetable.is_in_force(k).then(|| choice::of_policy(&policy.uplinks, usable, preference))
        });
        (Choice { shares, failed, policies: policies.collect() }, canaries)
    }

    /// Has policies give up their connections over these uplinks.
    fn give_up_of_policies(&self, departed: &[(usize, usize)], record: &mut Active) {
        for &(k, uplink) in departed {
            let Some(policy) = self.policies.get(k) else { continue };
            let mut stated = record.policies.iter_mut().flatten();
            if let Some(stated) = stated.find(|stated| stated.policy == policy.name) {
                stated.flush.extend(names(&self.uplinks, &[uplink]));
            }
        }
    }

    /// What is chosen, by name.
    pub(super) fn record(&self, at: &Stamp, family: Family, chosen: &Choice) -> Active {
        let one = |&(i, weight): &(usize, u16)| {
            Some(Share { uplink: self.uplinks.get(i).map(|uplink| uplink.name.clone())?, weight })
        };
        let policies = self.policies.iter().zip(&chosen.policies).filter_map(|(policy, uplinks)| {
            let uplinks = names(&self.uplinks, uplinks.as_ref()?);
            Some(PolicyUplinks { policy: policy.name.clone(), uplinks, flush: Vec::new() })
        });
        Active {
            at: at.clone(),
            family,
            uplinks: chosen.shares.iter().filter_map(one).collect(),
            failed: names(&self.uplinks, &chosen.failed),
            flush: Vec::new(),
            policies: (!self.policies.is_empty()).then(|| policies.collect()),
            reason: String::new(),
        }
    }

    /// The uplinks whose role changed with what was last said, and whether each carries new connections now.
    pub(super) fn roles(&mut self, family: Family) -> Vec<(usize, bool)> {
        let Some(active) = self.last.get(&family.number()).map(Choice::active) else { return Vec::new() };
        let Some(health) = self.memory.uplinks.get_mut(&family.number()) else { return Vec::new() };
        health
            .iter_mut()
            .enumerate()
            .filter_map(|(index, one)| {
                let routing = active.contains(&index);
                let before = one.routing.replace(routing);
                before.filter(|&before| before != routing).map(|_| (index, routing))
            })
            .collect()
    }

    /// Who does not work.
    pub(super) fn failed(&self, family: Family) -> Vec<InterfaceName> {
        self.memory.uplinks.get(&family.number()).map(|health| names(&self.uplinks, &down(health))).unwrap_or_default()
    }

    /// Who carries new connections as was last said.
    pub(super) fn active_names(&self, family: Family) -> Vec<InterfaceName> {
        self.active(family).unwrap_or_default()
    }

    /// The same; none before the first decision.
    pub(crate) fn active(&self, family: Family) -> Option<Vec<InterfaceName>> {
        self.last.get(&family.number()).map(|last| names(&self.uplinks, &last.active()))
    }
}

fn down(health: &[Health]) -> Vec<usize> {
    health.iter().enumerate().filter(|(_, one)| one.up() == Some(false)).map(|(i, _)| i).collect()
}

fn names(uplinks: &[Uplink], indexes: &[usize]) -> Vec<InterfaceName> {
    indexes.iter().filter_map(|&i| uplinks.get(i)).map(|uplink| uplink.name.clone()).collect()
}
