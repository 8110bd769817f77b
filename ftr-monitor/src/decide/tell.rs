//! Events: what changed, for people.

use ftr_core::record::{Applied, Check, Event, EventKind, Record};
use ftr_core::{Family, InterfaceName, Prefix};

use super::health::Change;
use super::{Decider, word};

impl Decider {
    pub(super) fn report_changes(
        &mut self,
        index: usize,
        check: &Check,
        change: &Change,
        active: &[InterfaceName],
        out: &mut Vec<Record>,
    ) {
        // An uplink that works from the start is no news.
        if let Some(turn) = change.turn.filter(|turn| turn.from.is_some() || !check.up) {
            out.push(self.event(
                EventKind::State,
                index,
                check,
                (turn.from.map(|up| word(up).to_owned()), Some(word(check.up).to_owned())),
                active,
            ));
        }
        let moved =
            [(EventKind::Address, change.address, check.address), (EventKind::Gateway, change.gateway, check.gateway)];
        for (kind, before, now) in moved {
            if let Some(before) = before {
                let change = (Some(before.to_string()), now.map(|now| now.to_string()));
                out.push(self.event(kind, index, check, change, active));
            }
        }
    }

    /// Prefixes that were delegated, or are no longer. What is known since an earlier run is no news, and the first that is known
    /// is: firewall rules were loaded without it.
    pub(super) fn report_prefixes(&mut self, applied: &Applied) -> Vec<Record> {
        if applied.family == Family::V4 {
            return Vec::new();
        }
        let text = |prefixes: &[Prefix]| {
            let all: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            (!all.is_empty()).then(|| all.join(", "))
        };
        let mut out = Vec::new();
        for now in &applied.uplinks {
            let Some(index) = self.uplinks.iter().position(|uplink| uplink.name == now.uplink) else { continue };
            let known = self.memory.prefixes.entry(now.uplink.to_string()).or_default();
            if *known == now.prefixes {
                continue;
            }
            let change = (text(known), text(&now.prefixes));
            known.clone_from(&now.prefixes);
            let active = self.active_names(Family::V6);
            let like = Check::without_questions(applied.at.clone(), now.uplink.clone(), Family::V6, true, None);
            out.push(self.event(EventKind::Prefix, index, &like, change, &active));
        }
        out
    }

    pub(super) fn event(
        &mut self,
        kind: EventKind,
        index: usize,
        check: &Check,
        (from, to): (Option<String>, Option<String>),
        active: &[InterfaceName],
    ) -> Record {
        let event = Event {
            failed: self.failed(check.family),
            uplink: Some(self.uplinks.get(index).map_or_else(|| check.uplink.clone(), |uplink| uplink.name.clone())),
            family: Some(check.family),
            description: self.uplinks.get(index).map(|uplink| uplink.description.clone()).unwrap_or_default(),
            from,
            to,
            active: active.to_vec(),
            ..Event::new(self.number(), kind, check.at.clone())
        };
        if kind != EventKind::State {
            return Record::Event(event);
        }
        let Check { reason, answered, required, asked, questions, replies, .. } = *check;
        let held = self.health_of(check.family, index).and_then(|one| self.held(one, check.at.mono));
        Record::Event(Event { reason, answered, required, asked, questions, replies, held, ..event })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Decider;
    use ftr_core::Config;
    use ftr_core::record::{Event, Record};

    const CONFIG: &str = "\
uplinks:
- {interface: eth1, ip: 192.0.2.2, gateway: 192.0.2.1, type6: ra}
- {interface: eth2, type: dhcp, type6: ra, prefix6: auto}
tests: {ips: [203.0.113.1, '2001:db8:f::1']}
";

    /// The events that follow from what `ftr-route` has applied with these prefixes of eth2: from, to.
    fn told(decider: &mut Decider, family: u8, prefixes: &str) -> Vec<String> {
        let line = format!(
            r#"{{"type":"applied","time":"t","mono":9,"family":{family},"writes":1,"took_us":1,"active":[],
                "uplinks":[{{"uplink":"eth2","address":null,"gateway":null,"prefixes":[{prefixes}]}}]}}"#
        );
        let records = decider.handle(&Record::parse(line.replace('\n', " ").as_bytes()).unwrap());
        let word = |word: Option<String>| word.unwrap_or_else(|| "none".to_owned());
        let event = |record| match record {
            Record::Event(Event { kind, uplink: Some(uplink), from, to, .. }) => {
                Some(format!("{kind} {uplink}: {}; {}", word(from), word(to)))
            }
            _ => None,
        };
        records.into_iter().filter_map(event).collect()
    }

    #[test]
    fn a_prefix_that_comes_changes_or_goes_is_told_once() {
        let mut decider = Decider::new(&Config::parse(Path::new("f"), CONFIG).unwrap(), None);
        let (one, both) = (r#""2001:db8:2::/56""#, r#""2001:db8:2::/56","2001:db8:3::/56""#);
        assert_eq!(told(&mut decider, 6, one), ["prefix eth2: none; 2001:db8:2::/56"]);
        assert_eq!(told(&mut decider, 6, one), [""; 0]);
        assert_eq!(told(&mut decider, 4, ""), [""; 0], "IPv4 has none");
        assert_eq!(told(&mut decider, 6, both), ["prefix eth2: 2001:db8:2::/56; 2001:db8:2::/56, 2001:db8:3::/56"]);
        assert_eq!(told(&mut decider, 6, ""), ["prefix eth2: 2001:db8:2::/56, 2001:db8:3::/56; none"]);
    }
}
