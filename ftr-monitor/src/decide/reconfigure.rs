//! Another configuration while it runs: what is known of an uplink stays with its name.

use ftr_core::record::{Active, Check, Event, EventKind, Record, Stamp};
use ftr_core::{Config, Family, InterfaceName};

use super::choice::Choice;
use super::health::Health;
use super::uplink::Uplink;
use super::{Decider, Memory};

impl Memory {
    /// The same for another list of uplinks than that of `names`: what is known of one goes with its name. One that is new
    /// has carried nothing so far, where it is known of any whether it has. What people want of one that is gone, or has lost a
    /// family, holds if it comes back: a configuration that nobody confirms is undone.
    pub(crate) fn moved(mut self, names: &[String], config: &Config) -> Self {
        let uplinks = Uplink::all(config);
        let old = |uplink: &Uplink| names.iter().position(|name| name == uplink.name.as_str());
        let place =
            |old: usize| uplinks.iter().position(|one| names.get(old).is_some_and(|name| name == one.name.as_str()));
        let has = |uplink: &Uplink, number: u8| number == Family::V4.number() || uplink.has(Family::V6);
        let is_there = |name: &str, number: u8| uplinks.iter().any(|one| one.name.as_str() == name && has(one, number));
        for (number, known) in &self.uplinks {
            for (name, one) in names.iter().zip(known).filter(|(name, _)| !is_there(name, *number)) {
                let lasting = one.lasting();
                lasting.map(|lasting| self.away.entry(name.clone()).or_default().insert(*number, lasting));
            }
        }
        let mut before = std::mem::take(&mut self.uplinks);
        for number in config.families().into_iter().map(Family::number) {
            let known = before.remove(&number).unwrap_or_default();
            if known.is_empty() && !self.away.values().any(|away| away.contains_key(&number)) {
                continue;
            }
            let routing = known.iter().any(|one| one.routing.is_some()).then_some(false);
            let of = |uplink: &Uplink| {
                let before = Some(uplink).filter(|one| has(one, number)).and_then(old).and_then(|old| known.get(old));
                let away = || self.away.get(uplink.name.as_str())?.get(&number).copied();
                before.cloned().unwrap_or_else(|| Health::of_returned(routing, away().unwrap_or_default()))
            };
            self.uplinks.insert(number, uplinks.iter().map(of).collect());
        }
        for (name, away) in &mut self.away {
            away.retain(|number, _| !is_there(name, *number));
        }
        self.away.retain(|_, away| !away.is_empty());
        for owed in self.owed.values_mut() {
            *owed = owed.iter().copied().filter_map(place).collect();
        }
        let has = |name: &str| config.policies.iter().any(|policy| policy.name == name);
        self.departures = self.departures.into_iter().map(|(number, one)| (number, one.moved(place, has))).collect();
        self.prefixes.retain(|name, _| uplinks.iter().any(|uplink| uplink.name.as_str() == name));
        self
    }
}

impl Decider {
    /// Goes on with another configuration, and decides anew for every family in which something was decided. An uplink that
    /// is new carries nothing before its first check; the connections of one that is gone are given up.
    pub(crate) fn reconfigure(&mut self, config: &Config, at: &Stamp) -> Vec<Record> {
        let zone = self.zone.clone();
        let before = std::mem::replace(self, Self::new(config, None).in_zone(config, zone));
        let old: Vec<String> = before.uplinks.iter().map(|uplink| uplink.name.to_string()).collect();
        let now: Vec<InterfaceName> = self.uplinks.iter().map(|uplink| uplink.name.clone()).collect();
        let place = |index: usize| now.iter().position(|name| old.get(index).is_some_and(|old| old == name.as_str()));
        (self.first, self.latest) = (before.first, before.latest);
        self.memory = before.memory.clone().moved(&old, config);
        self.memory.uplinks.values_mut().flatten().for_each(|one| one.is_looked_at(at.mono));
        self.meter.go_on(before.meter);
        self.networks = before.networks;
        self.timetable.look(at);
        for number in self.memory.uplinks.keys() {
            let Some(last) = before.last.get(number) else { continue };
            let mut shares: Vec<(usize, u16)> =
                last.shares.iter().filter_map(|(uplink, weight)| Some((place(*uplink)?, *weight))).collect();
            shares.sort_unstable();
            let mut failed: Vec<usize> = last.failed.iter().copied().filter_map(place).collect();
            failed.sort_unstable();
            self.last.insert(*number, Choice { shares, failed, policies: Vec::new() });
        }
        let gone: Vec<&InterfaceName> =
            before.uplinks.iter().map(|one| &one.name).filter(|one| !now.contains(one)).collect();
        let carried = |family: Family, index: usize| {
            let known =
                before.memory.uplinks.get(&family.number()).filter(|_| before.last.contains_key(&family.number()));
            known.and_then(|known| known.get(index)).is_some_and(|one| one.routing == Some(true))
        };
        let mut out = Vec::new();
        for family in [Family::V4, Family::V6] {
            if let Some(active) = self.anew(family, &gone, at) {
                out.push(Record::Active(active));
                out.extend(self.report_roles(family, at));
            }
            for (_, uplink) in before.uplinks.iter().enumerate().filter(|(index, _)| carried(family, *index)) {
                if !self.uplinks.iter().any(|one| one.name == uplink.name && one.has(family)) {
                    out.push(self.report_gone(uplink, family, at));
                }
            }
        }
        out
    }

    /// Whose role is another one.
    fn report_roles(&mut self, family: Family, at: &Stamp) -> Vec<Record> {
        let (roles, active) = (self.roles(family), self.active_names(family));
        let word = |routing: bool| Some(if routing { "routing" } else { "standby" }.to_owned());
        let told = roles.into_iter().filter_map(|(index, routing)| {
            let as_if = Check::without_questions(at.clone(), self.name(index)?.clone(), family, true, None);
            Some(self.event(EventKind::Role, index, &as_if, (word(!routing), word(routing)), &active))
        });
        told.collect()
    }

    /// That one carries nothing of a family any more, because the configuration no longer has it there.
    fn report_gone(&mut self, uplink: &Uplink, family: Family, at: &Stamp) -> Record {
        Record::Event(Event {
            uplink: Some(uplink.name.clone()),
            family: Some(family),
            description: uplink.description.clone(),
            from: Some("routing".to_owned()),
            to: Some("standby".to_owned()),
            active: self.active_names(family),
            failed: self.failed(family),
            ..Event::new(self.number(), EventKind::Role, at.clone())
        })
    }

    /// The active set of a family, whether it is another one or not: weights may be others.
    fn anew(&mut self, family: Family, gone: &[&InterfaceName], at: &Stamp) -> Option<Active> {
        self.last.get(&family.number())?;
        let elected = self.election(at, family, "the configuration has changed");
        let as_before = || Some(self.record(at, family, self.last.get(&family.number())?));
        let reason = "the configuration has changed".to_owned();
        let mut active = Active { reason, ..elected.or_else(as_before)? };
        for name in gone {
            active.failed.push((*name).clone());
            active.flush.push((*name).clone());
        }
        Some(active)
    }
}

#[cfg(test)]
mod tests {
    use super::Decider;
    use crate::decide::fixture::{check, config};
    use ftr_core::record::{Active, Event, EventKind, Record, Stamp};
    use ftr_core::{Config, Family};
    use jiff::tz::TimeZone;
    use std::path::Path;

    fn of(uplinks: &[&str]) -> Config {
        let line = |name: &&str| format!("- {{interface: {name}, ip: 192.0.2.{}, gateway: 192.0.2.99}}\n", &name[3..]);
        let uplinks: String = uplinks.iter().map(line).collect();
        let text = format!("uplinks:\n{uplinks}downlinks: {{lan: eth0}}\ntests: {{ips: [198.51.100.1]}}\n");
        Config::parse(Path::new("test"), &text).unwrap()
    }

    fn at(mono: u64) -> Stamp {
        Stamp { time: String::new(), mono }
    }

    fn sets(records: Vec<Record>) -> Vec<[Vec<String>; 3]> {
        let set = |record| if let Record::Active(active) = record { Some(active) } else { None };
        let words = |active: Active| {
            let text = |names: &[ftr_core::InterfaceName]| names.iter().map(ToString::to_string).collect();
            let uplinks = active.uplinks.iter().map(|share| format!("{}*{}", share.uplink, share.weight)).collect();
            [uplinks, text(&active.failed), text(&active.flush)]
        };
        records.into_iter().filter_map(set).map(words).collect()
    }

    /// eth1 and eth3 work, eth2 does not.
    fn decider() -> Decider {
        let mut decider = Decider::new(&of(&["eth1", "eth2", "eth3"]), None);
        for (uplink, up) in [("eth1", true), ("eth2", false), ("eth3", true)] {
            decider.handle(&Record::Check(check(uplink, up, 0)));
        }
        decider.confirm_all();
        decider
    }

    #[test]
    fn what_is_known_goes_with_the_name_and_a_new_one_is_not_used_before_its_first_check() {
        let mut decider = decider();
        let records = decider.reconfigure(&of(&["eth4", "eth3", "eth2", "eth1"]), &at(10));
        assert_eq!(sets(records), [[vec!["eth3*1".to_owned(), "eth1*1".to_owned()], vec!["eth2".to_owned()], vec![]]]);
        let records = decider.handle(&Record::Check(check("eth4", true, 20)));
        let Some(Record::Active(active)) = records.first() else { panic!("{records:?}") };
        assert_eq!(active.uplinks.len(), 3);
        assert!(decider.handle(&Record::Check(check("eth2", false, 30))).is_empty(), "no verdict is news again");
    }

    #[test]
    fn what_is_remembered_goes_with_the_name_too() {
        let mut before = decider();
        before.drain(2, &[Family::V4], None, &at(5));
        let names = ["eth1", "eth2", "eth3"].map(str::to_owned);
        let config = of(&["eth4", "eth3", "eth2"]);
        let memory = before.memory().clone().moved(&names, &config);
        let after = Decider::new(&config, Some(memory));
        let known: Vec<_> =
            after.health().map(|(_, uplink, one)| (uplink.name.as_str(), one.up(), one.is_drained(6))).collect();
        assert_eq!(known, [("eth4", None, false), ("eth3", Some(true), true), ("eth2", Some(false), false)]);
        let same = before.memory().clone().moved(&names, &of(&["eth1", "eth2", "eth3"]));
        assert_eq!(same, *before.memory());
    }

    #[test]
    fn what_people_want_of_one_holds_where_it_comes_back_also_after_a_restart() {
        let mut decider = decider();
        decider.drain(2, &[Family::V4], None, &at(5));
        decider.reconfigure(&of(&["eth1", "eth2"]), &at(10));
        let written = serde_json::to_string(decider.memory()).unwrap();
        let three = of(&["eth3", "eth1", "eth2"]);
        let names = ["eth1", "eth2"].map(str::to_owned);
        let memory: super::Memory = serde_json::from_str(&written).unwrap();
        let mut restarted = Decider::new(&three, Some(memory.moved(&names, &three)));
        decider.reconfigure(&three, &at(20));
        for decider in [&mut decider, &mut restarted] {
            for (uplink, up) in [("eth1", true), ("eth2", false), ("eth3", true)] {
                decider.handle(&Record::Check(check(uplink, up, 30)));
            }
            let active: Vec<String> = decider.active_names(Family::V4).iter().map(ToString::to_string).collect();
            assert_eq!((active, decider.memory().away.len()), (vec!["eth1".to_owned()], 0));
        }
        let mut calm = self::decider();
        calm.reconfigure(&of(&["eth1", "eth2"]), &at(10));
        assert_eq!(calm.memory().away.len(), 0, "of one that has never gone down there is nothing to know");
    }

    #[test]
    fn what_people_want_of_one_family_holds_where_it_comes_back() {
        let with = |has: [bool; 3]| {
            let ipv6 = |has: bool| if has { ", ip6: '2001:db8::2', gateway6: '2001:db8::1'" } else { "" };
            config(has.map(ipv6), "")
        };
        for between in [[false, true, false], [false; 3]] {
            let mut decider = Decider::new(&with([true, true, false]), None);
            let both = [Family::V4, Family::V6];
            for uplink in ["eth1", "eth2", "eth3"] {
                decider.handle(&Record::Check(check(uplink, true, 0)));
            }
            decider.drain(0, &both, None, &at(5));
            decider.reconfigure(&with(between), &at(10));
            decider.reconfigure(&with([true, true, false]), &at(20));
            for uplink in ["eth1", "eth2", "eth3"] {
                decider.handle(&Record::Check(check(uplink, true, 30)));
            }
            let names = |family| decider.active_names(family).iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(both.map(names), [vec!["eth2", "eth3"], vec!["eth2"]], "{between:?}");
            assert_eq!(decider.memory().away.len(), 0);
        }
    }

    #[test]
    fn connections_of_one_that_is_gone_are_given_up_and_it_is_out_of_use() {
        let records = decider().reconfigure(&of(&["eth2", "eth3"]), &at(10));
        let gone = vec!["eth1".to_owned()];
        assert_eq!(sets(records), [[vec!["eth3*1".to_owned()], vec!["eth2".to_owned(), gone[0].clone()], gone]]);
    }

    #[test]
    fn who_carries_no_longer_or_from_now_on_is_told_and_nothing_else() {
        let roles = |records: Vec<Record>| -> Vec<String> {
            let role = |record| match record {
                Record::Event(event) if event.kind == ftr_core::record::EventKind::Role => {
                    Some(format!("{} {}", event.uplink.unwrap(), event.to.unwrap()))
                }
                _ => None,
            };
            records.into_iter().filter_map(role).collect()
        };
        let mut decider = decider();
        assert_eq!(roles(decider.reconfigure(&of(&["eth1", "eth3", "eth2"]), &at(10))), [""; 0]);
        assert_eq!(roles(decider.reconfigure(&of(&["eth3", "eth2", "eth4"]), &at(20))), ["eth1 standby"]);
        assert_eq!(roles(decider.handle(&Record::Check(check("eth4", true, 30)))), ["eth4 routing"]);
        let mut first = of(&["eth2", "eth3", "eth4"]);
        first.uplinks[2].priority_group = Some(2);
        assert_eq!(roles(decider.reconfigure(&first, &at(40))), ["eth3 standby"]);
    }

    #[test]
    fn who_carried_and_has_lost_ipv6_alone_is_told_even_if_nobody_has_any() {
        let with = |has: [bool; 3]| {
            let ipv6 = |has: bool| if has { ", ip6: '2001:db8::2', gateway6: '2001:db8::1'" } else { "" };
            config(has.map(ipv6), "")
        };
        let mut decider = Decider::new(&with([true, true, false]), None);
        for uplink in ["eth1", "eth2", "eth3"] {
            decider.handle(&Record::Check(check(uplink, true, 0)));
        }
        let mut roles = |has| {
            let role = |record| match record {
                Record::Event(Event { kind: EventKind::Role, uplink, family, to, active, .. }) => {
                    Some((uplink.unwrap().to_string(), family.unwrap().number(), to.unwrap(), active.len()))
                }
                _ => None,
            };
            decider.reconfigure(&with(has), &at(10)).into_iter().filter_map(role).collect::<Vec<_>>()
        };
        assert_eq!(roles([true, false, false]), [("eth2".to_owned(), 6, "standby".to_owned(), 1)]);
        assert_eq!(roles([false; 3]), [("eth1".to_owned(), 6, "standby".to_owned(), 0)]);
        assert_eq!(roles([false; 3]), []);
    }

    #[test]
    fn weights_reach_the_kernel_although_the_set_is_the_same() {
        let mut decider = Decider::new(&config([""; 3], ""), None);
        for uplink in ["eth1", "eth2", "eth3"] {
            decider.handle(&Record::Check(check(uplink, true, 0)));
        }
        let records = decider.reconfigure(&of(&["eth1", "eth2", "eth3"]), &at(10));
        assert_eq!(sets(records)[0][0], ["eth1*1", "eth2*1", "eth3*1"], "they were 1, 2, 3");
    }

    #[test]
    fn hours_are_of_the_zone_that_the_host_has_by_then() {
        let config = config([", active: 00:00-01:00", "", ""], "");
        let mut decider = Decider::new(&config, None);
        for uplink in ["eth1", "eth2", "eth3"] {
            decider.handle(&Record::Check(check(uplink, true, 0)));
        }
        // Shortly after the beginning of 1970.
        let at = check("eth1", true, 10).at;
        assert_eq!(sets(decider.reconfigure(&config, &at))[0][0], ["eth1*1", "eth2*2", "eth3*3"]);
        decider.move_to(TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!(sets(decider.reconfigure(&config, &at))[0][0], ["eth2*2", "eth3*3"]);
    }

    #[test]
    fn before_anything_is_decided_nothing_is() {
        let mut decider = Decider::new(&of(&["eth1", "eth2"]), None);
        assert!(decider.reconfigure(&of(&["eth2", "eth1"]), &at(10)).is_empty());
        decider.handle(&Record::Check(check("eth1", true, 20)));
        assert_eq!(decider.handle(&Record::Check(check("eth2", true, 30))).len(), 1);
    }
}
