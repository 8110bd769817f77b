//! Who shall carry new connections, and what follows for policies and for what is given up.

use std::collections::BTreeSet;

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_netlink::Prefix;

use super::balance::{self, WeightedUplink};
use super::uplink_state::DeviceState;
use crate::snapshot::Snapshot;

/// The uplinks that carry new connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ActiveSet {
    /// As it is now.
    AsFound,
    /// These, and policies use what has not failed; where that is not known, what they use now.
    /// Those that are given up are known to whoever gives them up; else it is what is found.
    These {
        members: Vec<WeightedUplink>,
        failed: Option<Vec<usize>>,
        given_up: Option<BTreeSet<usize>>,
        /// What each policy may use, where whoever decides says so; none for one that is not in force.
        policies: Option<Vec<Option<BTreeSet<usize>>>>,
    },
    /// Those that the configuration lets, but for these.
    Eligible { failed: Vec<usize> },
}

impl ActiveSet {
    /// Who shall carry new connections; none where nothing about it shall change.
    pub(crate) fn members(&self, config: &Config, snapshot: &Snapshot) -> Option<Vec<WeightedUplink>> {
        match self {
            // What is in a table that is no longer the balanced one has to move with it; and what led by a device that is no
            // uplink any more leads by the others at once.
            Self::AsFound => match snapshot.moved_from(config) {
                Some(table) => Some(snapshot.carrying_by(config, table)),
                None if snapshot.carries_departed(config) => {
                    Some(snapshot.carrying(config)).filter(|others| !others.is_empty())
                }
                None => None,
            },
            Self::These { members, .. } => Some(members.clone()),
            Self::Eligible { failed } => Some(balance::eligible(config, snapshot.family, &snapshot.states, failed)),
        }
    }

    /// Who is asked for, whether they can carry anything or not.
    pub(crate) fn asked(&self, config: &Config, snapshot: &Snapshot) -> Vec<usize> {
        match self {
            Self::AsFound => Vec::new(),
            Self::These { members, .. } => members.iter().map(|member| member.uplink).collect(),
            Self::Eligible { failed } => balance::hoped(config, snapshot.family, &snapshot.states, failed),
        }
    }

    /// The uplinks that each policy may use.
    pub(crate) fn policies(&self, config: &Config, snapshot: &Snapshot) -> Vec<BTreeSet<usize>> {
        let failed = match self {
            Self::AsFound => None,
            Self::These { policies: Some(stated), .. } => {
                return stated.iter().map(|uplinks| uplinks.clone().unwrap_or_default()).collect();
            }
            Self::These { failed, .. } => failed.as_ref(),
            Self::Eligible { failed } => Some(failed),
        };
        let works = |k: usize, uplinks: &[usize]| match failed {
            Some(failed) => uplinks.iter().copied().filter(|uplink| !failed.contains(uplink)).collect(),
            None => snapshot.policy_as_found(config, k).unwrap_or_else(|| uplinks.iter().copied().collect()),
        };
        config.policies.iter().enumerate().map(|(k, policy)| works(k, &policy.uplinks)).collect()
    }

    /// The policies that are not in force. Where nobody says so, their tables tell of those that have hours.
    pub(crate) fn resting(&self, config: &Config, snapshot: &Snapshot) -> BTreeSet<usize> {
        let rests = |k: &usize| match self {
            Self::These { policies: Some(stated), .. } => stated.get(*k).is_some_and(Option::is_none),
            Self::AsFound | Self::These { policies: None, .. } => snapshot.rests_as_found(config, *k),
            Self::Eligible { .. } => false,
        };
        (0..config.policies.len()).filter(rests).collect()
    }

    /// The uplinks that are given up.
    pub(super) fn given_up(&self, config: &Config, snapshot: &Snapshot) -> BTreeSet<usize> {
        let (known, failed) = match self {
            Self::AsFound => (None, None),
            Self::These { given_up, failed, .. } => (given_up.as_ref(), failed.as_ref()),
            Self::Eligible { failed } => (None, Some(failed)),
        };
        let found = || {
            let mut found = snapshot.given_up_as_found(config);
            found.retain(|uplink| failed.is_none_or(|failed| failed.contains(uplink)));
            found
        };
        known.cloned().unwrap_or_else(found)
    }

    /// The uplinks whose IPv6 is down while one that carries new connections works.
    ///
    /// Where what comes from their prefixes is refused instead of translated, those alone that are given up, or whose cable
    /// is out: one that loses packets is better than nothing.
    pub(super) fn rescued(&self, config: &Config, snapshot: &Snapshot) -> BTreeSet<usize> {
        let failed = match self {
            Self::AsFound => None,
            Self::These { failed, .. } => failed.as_ref(),
            Self::Eligible { failed } => Some(failed),
        };
        let Some(failed) = failed else { return snapshot.rescued_as_found(config) };
        let has_egress = |uplink: &usize| snapshot.states.get(*uplink).is_some_and(|state| state.egress.is_some());
        let works = |uplink: &usize| !failed.contains(uplink) && has_egress(uplink);
        let members = self.members(config, snapshot).unwrap_or_default();
        if snapshot.family == Family::V4 || !members.iter().any(|member| works(&member.uplink)) {
            return BTreeSet::new();
        }
        let spared = match self {
            Self::These { .. } if !config.routing.ipv6_rescue.translates() => Some(self.given_up(config, snapshot)),
            _ => None,
        };
        let leads = |uplink: &usize| {
            has_egress(uplink)
                && snapshot.states.get(*uplink).is_some_and(|state| state.device > DeviceState::NoCarrier)
        };
        let is_dead = |uplink: &usize| {
            !works(uplink) && spared.as_ref().is_none_or(|dead| dead.contains(uplink) || !leads(uplink))
        };
        config.delegated().map(|(uplink, _)| uplink).filter(is_dead).collect()
    }

    /// The addresses of uplinks that are given up, or were until now.
    pub(crate) fn unsettled(&self, config: &Config, snapshot: &Snapshot) -> BTreeSet<Prefix> {
        let mut uplinks = self.given_up(config, snapshot);
        uplinks.extend(snapshot.given_up_as_found(config));
        let own = snapshot.addresses(config).into_iter().filter(|(uplink, _)| uplinks.contains(uplink));
        own.flat_map(|(_, prefixes)| prefixes).collect()
    }
}
