//! Active sets on their way to the route program, which may not read at the moment, and may die over them.

use std::collections::BTreeMap;

use ftr_core::Family;
use ftr_core::newest::Newest;
use ftr_core::record::Active;

/// The newest active set of each family, until the route program has said that it is carried out.
///
/// What a set gives up stays with it until then: if that program dies or is killed in between, its successor is told again.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    unsent: Newest,
    /// The latest that was sent, per family.
    sent: BTreeMap<u8, Active>,
    /// Sets that were sent and not confirmed, and whether the route program has passed them on, as it does with every
    /// record that it has read.
    owed: BTreeMap<u8, bool>,
}

impl Orders {
    /// Takes a set in.
    pub(crate) fn put(&mut self, active: Active) {
        self.unsent.put(active);
    }

    /// The next set to send.
    pub(crate) fn take(&mut self) -> Option<Active> {
        let active = self.unsent.take_first()?;
        let family = active.family.number();
        self.owed.insert(family, false);
        self.sent.insert(family, active.clone());
        Some(active)
    }

    /// The route program has passed this set on, so it has read it.
    pub(crate) fn read(&mut self, active: &Active) {
        let family = active.family.number();
        // One that a newer one has superseded meanwhile is no answer that anybody waits for.
        let is_newest =
            !self.unsent.has(active.family) && self.sent.get(&family).is_some_and(|sent| sent.at == active.at);
        if let (true, Some(read)) = (is_newest, self.owed.get_mut(&family)) {
            *read = true;
        }
    }

    /// The route program has told what the kernel has now. That answers a set only if it had read it: whether it does, so
    /// that what the set gives up has been done.
    pub(crate) fn applied(&mut self, family: Family) -> bool {
        let number = family.number();
        let is_answered = !self.unsent.has(family) && self.owed.get(&number) == Some(&true);
        if is_answered {
            self.owed.remove(&number);
            if let Some(sent) = self.sent.get_mut(&number) {
                sent.settle();
            }
        }
        is_answered
    }

    /// Whether a set was sent that is not confirmed.
    pub(crate) fn is_owed(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether every set is confirmed.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_owed() && [Family::V4, Family::V6].iter().all(|family| !self.unsent.has(*family))
    }

    /// Forgets the families that no uplink has any more.
    pub(crate) fn keep_only(&mut self, families: &[Family]) {
        for gone in [Family::V4, Family::V6].into_iter().filter(|family| !families.contains(family)) {
            self.unsent.take(gone);
            self.sent.remove(&gone.number());
            self.owed.remove(&gone.number());
        }
    }

    /// Everything is to be sent again: to a new reader that knows nothing, or to hear whether the old one lives.
    pub(crate) fn start_over(&mut self) {
        for active in std::mem::take(&mut self.sent).into_values() {
            self.unsent.put_back(active);
        }
        self.owed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::Orders;
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};
    use ftr_core::Family;
    use ftr_core::record::{Active, Record};

    /// The active sets of eth1 going down, then eth2.
    fn two_failures() -> Vec<Active> {
        let mut decider = Decider::new(&config([""; 3], ""), None);
        let checks = [("eth1", true), ("eth2", true), ("eth3", true), ("eth1", false), ("eth2", false)];
        let records = checks.into_iter().flat_map(|(uplink, up)| decider.handle(&Record::Check(check(uplink, up, 0))));
        records.filter_map(|record| if let Record::Active(active) = record { Some(active) } else { None }).collect()
    }

    fn flushed(orders: &mut Orders) -> Vec<String> {
        orders.take().unwrap().flush.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_newer_set_replaces_an_unsent_one_and_brings_along_its_flush() {
        let actives = two_failures();
        let mut orders = Orders::default();
        actives.iter().cloned().for_each(|active| orders.put(active));
        let sent = orders.take().unwrap();
        assert_eq!(sent.uplinks.len(), 1);
        assert_eq!(sent.flush.iter().map(ftr_core::InterfaceName::as_str).collect::<Vec<_>>(), ["eth1", "eth2"]);
        assert_eq!(orders.take(), None);
    }

    #[test]
    fn a_flush_is_told_again_until_it_is_confirmed() {
        let actives = two_failures();
        let mut orders = Orders::default();
        orders.put(actives[1].clone());
        assert_eq!(flushed(&mut orders), ["eth1"]);
        // An answer of before, or to an event of the kernel: the set was not read yet.
        assert!(!orders.applied(Family::V4));
        assert!(orders.is_owed());
        orders.start_over();
        assert_eq!(flushed(&mut orders), ["eth1"], "the successor of a killed reader is told again");
        orders.read(&actives[1]);
        assert!(orders.applied(Family::V4));
        assert!(!orders.is_owed());
        orders.start_over();
        assert_eq!(flushed(&mut orders), [""; 0], "nothing is flushed a second time");
    }
}
