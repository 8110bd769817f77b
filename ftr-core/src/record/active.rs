//! Who shall carry new connections.

use serde::{Deserialize, Serialize};

use super::stamp::Stamp;
use crate::{Family, InterfaceName};

/// Who shall carry new connections of one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// When it was decided.
    #[serde(flatten)]
    pub at: Stamp,
    /// For which family.
    pub family: Family,
    /// The uplinks, with the weight of each.
    pub uplinks: Vec<Share>,
    /// Every configured uplink that is down now, eligible for balancing or not.
    #[serde(default)]
    pub failed: Vec<InterfaceName>,
    /// Uplinks whose connections this very transition deletes.
    #[serde(default)]
    pub flush: Vec<InterfaceName>,
    /// Which uplinks each policy uses, the one that takes its connections first. A policy that is not among them is not
    /// in force. None where the writer leaves it to the reader: every uplink that has not failed may be used then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Vec<PolicyUplinks>>,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
}

impl Active {
    /// What was to be given up has been: nothing of it is asked for any more.
    pub fn settle(&mut self) {
        self.flush.clear();
        self.policies.iter_mut().flatten().for_each(|policy| policy.flush.clear());
    }

    /// Takes over what an older record wanted policies to give up, where they have not returned to it.
    pub(crate) fn take_over(&mut self, older: Option<Vec<PolicyUplinks>>) {
        for older in older.into_iter().flatten() {
            let same = self.policies.iter_mut().flatten().find(|policy| policy.policy == older.policy);
            let Some(policy) = same else { continue };
            let first = policy.uplinks.first();
            let still: Vec<_> = older.flush.into_iter().filter(|uplink| first != Some(uplink)).collect();
            policy.flush.extend(still);
            policy.flush.sort_unstable();
            policy.flush.dedup();
        }
    }

    /// Whether connections of an uplink that an older record wanted given up still are to be: not of one that carries new
    /// connections again, for it has some that nobody wants to lose.
    #[must_use]
    pub fn still_gives_up(&self, uplink: &InterfaceName) -> bool {
        self.failed.contains(uplink) || !self.uplinks.iter().any(|share| share.uplink == *uplink)
    }
}

/// One uplink's part of the new connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which uplink.
    pub uplink: InterfaceName,
    /// Its weight: 1 to 256.
    pub weight: u16,
}

/// The uplinks that a policy uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyUplinks {
    /// The policy's name.
    pub policy: String,
    /// Its uplinks that may be used, the one that takes its connections first.
    #[serde(default)]
    pub uplinks: Vec<InterfaceName>,
    /// Uplinks whose connections of this policy are given up now, because a better one takes them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flush: Vec<InterfaceName>,
}
