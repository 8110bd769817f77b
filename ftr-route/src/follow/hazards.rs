//! Which hazards are there, and what records tell of them.

use std::collections::BTreeMap;

use ftr_core::record::{self, Stamp};

use crate::diagnose::hazard::{Hazard, Kind};

/// The hazards that are there.
#[derive(Debug, Default)]
pub(super) struct Hazards(BTreeMap<(Kind, String), Present>);

/// A hazard, and when it was first seen.
#[derive(Debug)]
struct Present {
    hazard: Hazard,
    since: String,
}

impl Hazards {
    /// Takes in all that a look has found, and tells which have appeared, are others than before, or have gone.
    pub(super) fn take(&mut self, found: Vec<Hazard>, at: &Stamp) -> Vec<record::Hazard> {
        let mut before = std::mem::take(&mut self.0);
        let mut records = Vec::new();
        for (key, hazard) in united(found) {
            let known = before.remove(&key);
            let is_news = known.as_ref().is_none_or(|known| known.hazard != hazard);
            let since = known.map_or_else(|| at.time.clone(), |known| known.since);
            let present = Present { hazard, since };
            if is_news {
                records.push(present.record(at, false));
            }
            self.0.insert(key, present);
        }
        records.extend(before.into_values().map(|gone| gone.record(at, true)));
        records
    }
}

impl Present {
    fn record(&self, at: &Stamp, gone: bool) -> record::Hazard {
        let Hazard { kind, object, loses_traffic, what, advice } = self.hazard.clone();
        let since = self.since.clone();
        record::Hazard { at: at.clone(), kind: kind.to_string(), object, what, advice, since, loses_traffic, gone }
    }
}

/// The hazards by kind and object: of several about one, both families' for instance, one says it all.
fn united(found: Vec<Hazard>) -> BTreeMap<(Kind, String), Hazard> {
    let mut all: BTreeMap<(Kind, String), Hazard> = BTreeMap::new();
    for hazard in found {
        let key = (hazard.kind, hazard.object.clone());
        match all.get_mut(&key) {
            None => {
                all.insert(key, hazard);
            }
            Some(one) => {
                for (text, more) in [(&mut one.what, hazard.what), (&mut one.advice, hazard.advice)] {
                    if *text != more {
                        *text = format!("{text}; {more}");
                    }
                }
                one.loses_traffic |= hazard.loses_traffic;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Hazards;
    use crate::diagnose::hazard::{Hazard, Kind};
    use ftr_core::record::Stamp;

    fn hazard(kind: Kind, object: &str, what: &str) -> Hazard {
        let text = |text: &str| text.to_owned();
        Hazard { kind, object: text(object), loses_traffic: false, what: text(what), advice: text("do") }
    }

    /// What is told of each: kind, object, what, since, and whether it has gone.
    fn told(it: &mut Hazards, time: &str, found: &[Hazard]) -> Vec<String> {
        let records = it.take(found.to_vec(), &Stamp { time: time.to_owned(), mono: 0 });
        let line = |one: ftr_core::record::Hazard| {
            assert_eq!(one.at.time, time);
            format!(
                "{} {} {} {} {}",
                one.kind,
                one.object,
                one.what,
                one.since,
                if one.gone { "gone" } else { "there" }
            )
        };
        records.into_iter().map(line).collect()
    }

    #[test]
    fn what_appears_changes_and_goes_is_told_once() {
        let mut it = Hazards::default();
        let [filter, rule] = [hazard(Kind::RpFilter, "eth1", "a"), hazard(Kind::ForeignRule, "rule 7", "b")];
        assert_eq!(told(&mut it, "1", &[]), [""; 0]);
        assert_eq!(told(&mut it, "2", std::slice::from_ref(&filter)), ["rp-filter eth1 a 2 there"]);
        assert_eq!(told(&mut it, "3", &[filter.clone(), rule.clone()]), ["foreign-rule rule 7 b 3 there"]);
        assert_eq!(told(&mut it, "4", &[rule.clone(), filter]), [""; 0]);
        let other = hazard(Kind::RpFilter, "eth1", "c");
        assert_eq!(told(&mut it, "5", &[other, rule]), ["rp-filter eth1 c 2 there"]);
        assert_eq!(told(&mut it, "6", &[]), ["foreign-rule rule 7 b 3 gone", "rp-filter eth1 c 2 gone"]);
    }

    #[test]
    fn several_of_one_kind_about_one_object_are_one() {
        let mut it = Hazards::default();
        let all = ["a", "b"].map(|what| hazard(Kind::Forwarding, "router", what));
        assert_eq!(told(&mut it, "1", &all), ["forwarding router a; b 1 there"]);
        assert_eq!(told(&mut it, "2", &all[1..]), ["forwarding router b 1 there"]);
    }
}
