//! What people say of an uplink: that it is to be drained, or trusted.

use ftr_core::record::{Check, EventKind, Record, Stamp};
use ftr_core::{Family, InterfaceName};

use super::Decider;
use super::damping::Damping;
use super::health::{Change, Drain, Health};
use super::trial::Trial;

impl Decider {
    /// No new connections for an uplink, in these families, until then (`mono`, milliseconds), or until people say
    /// otherwise. Those that it has may end: none is given up for it. Where nothing else works it is used all the same.
    pub(crate) fn drain(&mut self, index: usize, families: &[Family], until: Option<u64>, at: &Stamp) -> Vec<Record> {
        let drain = |one: &mut Health| {
            let was = one.is_drained(at.mono);
            one.drained = Some(Drain { until });
            !was
        };
        self.tell_each(index, families, at, "is drained", Some(("undrained", "drained")), drain)
    }

    /// New connections again.
    pub(crate) fn undrain(&mut self, index: usize, families: &[Family], at: &Stamp) -> Vec<Record> {
        let undrain = |one: &mut Health| {
            let was = one.is_drained(at.mono);
            one.drained = None;
            was
        };
        self.tell_each(index, families, at, "is no longer drained", Some(("drained", "undrained")), undrain)
    }

    /// Ends a hold-down: how often the uplink went down of late is forgotten.
    pub(crate) fn trust(&mut self, index: usize, families: &[Family], at: &Stamp) -> Vec<Record> {
        let trust = |one: &mut Health| {
            let is_news = one.damping != Damping::default();
            one.damping.forgive();
            one.trial = Trial::default();
            is_news
        };
        self.tell_each(index, families, at, "is trusted again", None, trust)
    }

    /// The name of an uplink.
    pub(crate) fn name(&self, index: usize) -> Option<&InterfaceName> {
        self.uplinks.get(index).map(|uplink| &uplink.name)
    }

    /// Does it for each family, and decides anew where it changes anything.
    fn tell_each(
        &mut self,
        index: usize,
        families: &[Family],
        at: &Stamp,
        what: &str,
        event: Option<(&str, &str)>,
        change: impl Fn(&mut Health) -> bool,
    ) -> Vec<Record> {
        let Some(uplink) = self.uplinks.get(index).cloned() else { return Vec::new() };
        let mut out = Vec::new();
        for &family in families.iter().filter(|family| uplink.has(**family)) {
            let count = self.uplinks.len();
            let health = self.memory.uplinks.entry(family.number()).or_insert_with(|| vec![Health::default(); count]);
            let Some(one) = health.get_mut(index) else { continue };
            let up = one.up() == Some(true);
            if !change(one) {
                continue;
            }
            let as_if = Check::without_questions(at.clone(), uplink.name.clone(), family, up, None);
            out.extend(self.settle(index, &as_if, &Change::default(), &format!("{} {what}", uplink.name)));
            let active = self.active_names(family);
            out.extend(event.map(|(from, to)| {
                self.event(EventKind::Drain, index, &as_if, (Some(from.to_owned()), Some(to.to_owned())), &active)
            }));
        }
        out
    }

    /// Ends what is over, and says so.
    pub(super) fn end_drains(&mut self, family: Family, at: &Stamp) -> Vec<Record> {
        let Some(health) = self.memory.uplinks.get_mut(&family.number()) else { return Vec::new() };
        let mut ended = Vec::new();
        for (i, one) in health.iter_mut().enumerate() {
            if one.drained.is_some() && !one.is_drained(at.mono) {
                one.drained = None;
                ended.push(i);
            }
        }
        let active = self.active_names(family);
        let told = ended.into_iter().filter_map(|index| {
            let up = self.health_of(family, index)?.up() == Some(true);
            let name = self.uplinks.get(index)?.name.clone();
            let as_if = Check::without_questions(at.clone(), name, family, up, None);
            let change = (Some("drained".to_owned()), Some("undrained".to_owned()));
            Some(self.event(EventKind::Drain, index, &as_if, change, &active))
        });
        told.collect()
    }
}
