//! Events: what changed, for people.

use ftr_core::InterfaceName;
use ftr_core::record::{Check, Event, EventKind, Record};

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
