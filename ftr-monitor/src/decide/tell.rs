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
