//! Who has which numbers: given once, by name, and kept while others come and go.
//!
//! The first configuration has them in file order. From then on whoever is known by name keeps its own, whoever is new has
//! the lowest that nobody has or had, and those of one that is gone are left alone for as long as others are free: its
//! connections may still have its mark.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How many that are gone are remembered. Numbers of those that left before are free again.
const MOST_GONE: usize = 256;

/// The numbers of one uplink or policy, each counted from the first of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers {
    /// Of its table, counted from `base_table`.
    pub table: u32,
    /// Of its mark, counted from `base_fwmark` in steps.
    pub mark: u32,
    /// 0 while it is in the configuration; else the higher the later it left.
    #[serde(default)]
    gone: u32,
}

/// Whose numbers are whose, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    uplinks: BTreeMap<String, Numbers>,
    policies: BTreeMap<String, Numbers>,
    /// Of the table of new connections.
    balanced: u32,
}

/// The names of a configuration, in file order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) uplinks: &'a [&'a str],
    pub(crate) policies: &'a [&'a str],
}

/// Which numbers there are at all.
#[derive(Clone, Copy)]
pub(crate) struct Fits<'a> {
    pub(crate) table: &'a dyn Fn(u32) -> bool,
    pub(crate) mark: &'a dyn Fn(u32) -> bool,
}

impl Assignment {
    /// By position: uplinks, the table of new connections, policies.
    pub(crate) fn by_position(names: Names<'_>) -> Self {
        let count = index(names.uplinks.len());
        let uplinks = (0..).zip(names.uplinks).map(|(i, name)| (*name, Numbers { table: i, mark: i, gone: 0 }));
        let policies = (count..).zip(names.policies);
        let policies = policies.map(|(k, name)| (*name, Numbers { table: k.saturating_add(1), mark: k, gone: 0 }));
        Self {
            uplinks: uplinks.map(|(name, numbers)| (name.to_owned(), numbers)).collect(),
            policies: policies.map(|(name, numbers)| (name.to_owned(), numbers)).collect(),
            balanced: count,
        }
    }

    /// What follows when a configuration with these names comes after the one before. One that contradicts itself is as
    /// good as none.
    pub(crate) fn next(before: Option<&Self>, names: Names<'_>, fits: Fits<'_>) -> Self {
        let Some(before) = before.filter(|before| before.is_sound(fits)) else { return Self::by_position(names) };
        let mut next = before.clone();
        let mut latest = next.all().map(|numbers| numbers.gone).max().unwrap_or(0);
        leave(&mut next.uplinks, names.uplinks, &mut latest);
        leave(&mut next.policies, names.policies, &mut latest);
        while next.all().filter(|numbers| numbers.gone > 0).count() > MOST_GONE && next.forget_first() {}
        for name in names.uplinks {
            if !next.uplinks.contains_key(*name) {
                let Some(numbers) = next.give(fits) else { return Self::by_position(names) };
                next.uplinks.insert((*name).to_owned(), numbers);
            }
        }
        for name in names.policies {
            if !next.policies.contains_key(*name) {
                let Some(numbers) = next.give(fits) else { return Self::by_position(names) };
                next.policies.insert((*name).to_owned(), numbers);
            }
        }
        next
    }

    /// The numbers of an uplink of the configuration.
    #[must_use]
    pub fn uplink(&self, name: &str) -> Option<Numbers> {
        self.uplinks.get(name).copied().filter(|numbers| numbers.gone == 0)
    }

    /// Those of a policy.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<Numbers> {
        self.policies.get(name).copied().filter(|numbers| numbers.gone == 0)
    }

    /// The number of the table of new connections.
    #[must_use]
    pub const fn balanced(&self) -> u32 {
        self.balanced
    }

    fn all(&self) -> impl Iterator<Item = Numbers> {
        self.uplinks.values().chain(self.policies.values()).copied()
    }

    fn tables(&self) -> impl Iterator<Item = u32> {
        self.all().map(|numbers| numbers.table).chain([self.balanced])
    }

    fn marks(&self) -> impl Iterator<Item = u32> {
        self.all().map(|numbers| numbers.mark)
    }

    /// Whether each number is there, and is one's alone.
    fn is_sound(&self, fits: Fits<'_>) -> bool {
        let are_apart = |mut numbers: Box<dyn Iterator<Item = u32> + '_>| {
            let mut seen = BTreeSet::new();
            numbers.all(|number| seen.insert(number))
        };
        self.all().count() <= 4 * MOST_GONE
            && self.tables().all(fits.table)
            && self.marks().all(fits.mark)
            && are_apart(Box::new(self.tables()))
            && are_apart(Box::new(self.marks()))
    }

    /// Numbers for one that is new. Where none are free, those of whoever has been gone for longest.
    fn give(&mut self, fits: Fits<'_>) -> Option<Numbers> {
        loop {
            let table = lowest(&self.tables().collect(), fits.table);
            let mark = lowest(&self.marks().collect(), fits.mark);
            if let (Some(table), Some(mark)) = (table, mark) {
                return Some(Numbers { table, mark, gone: 0 });
            }
            if !self.forget_first() {
                return None;
            }
        }
    }

    /// Forgets the one that has been gone for longest; whether there was one.
    fn forget_first(&mut self) -> bool {
        let first = self.all().map(|numbers| numbers.gone).filter(|gone| *gone > 0).min();
        let Some(first) = first else { return false };
        self.uplinks.retain(|_, numbers| numbers.gone != first);
        self.policies.retain(|_, numbers| numbers.gone != first);
        true
    }
}

/// Notes who is not among the names any more, and who is again.
fn leave(all: &mut BTreeMap<String, Numbers>, names: &[&str], latest: &mut u32) {
    for (name, numbers) in all {
        if names.contains(&name.as_str()) {
            numbers.gone = 0;
        } else if numbers.gone == 0 {
            *latest = latest.saturating_add(1);
            numbers.gone = *latest;
        }
    }
}

/// The lowest number that nobody has.
fn lowest(taken: &BTreeSet<u32>, fits: &dyn Fn(u32) -> bool) -> Option<u32> {
    // Beside those that are taken a few are the kernel's.
    const KERNELS: usize = 8;
    (0..=index(taken.len() + KERNELS)).find(|number| !taken.contains(number) && fits(*number))
}

fn index(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
