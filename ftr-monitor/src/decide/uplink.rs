//! What the configuration says of an uplink, as far as decisions go by it.

use std::time::Duration;

use ftr_core::config::FailbackMode;
use ftr_core::{Config, Family, InterfaceName, config};

#[derive(Clone, Debug)]
pub(crate) struct Uplink {
    pub(crate) name: InterfaceName,
    pub(crate) description: String,
    pub(crate) weight: u16,
    /// How many failed checks in a row turn it down, and how many good ones up.
    pub(super) fall_rise: (u32, u32),
    pub(super) ipv6: Ipv6,
}

/// What the configuration says of a policy.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) name: String,
    pub(crate) uplinks: Vec<usize>,
    /// How long an uplink has to work that was down, in milliseconds; none: as for all connections.
    pub(crate) delay: Option<u64>,
    /// Its connections go with it to a better uplink.
    pub(crate) moves_all: bool,
}

impl Policy {
    /// All of a configuration, in file order.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let one = |policy: &config::Policy| Self {
            name: policy.name.clone(),
            uplinks: policy.uplinks.clone(),
            delay: policy.failback_delay.map(millis),
            moves_all: policy.failback == FailbackMode::Hard,
        };
        config.policies.iter().map(one).collect()
    }
}

/// What an uplink has of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ipv6 {
    None,
    /// The configuration has no IPv6 host to ask: it is taken to work while IPv4 does.
    Untested,
    Tested,
}

impl Uplink {
    /// All of a configuration, in file order.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let one = |uplink: &config::Uplink| Self {
            name: uplink.name.clone(),
            description: uplink.description.clone(),
            weight: uplink.weight,
            fall_rise: (uplink.tests.fall, uplink.tests.rise),
            ipv6: match uplink.ipv6 {
                None => Ipv6::None,
                Some(_) if uplink.tests.targets.iter().any(|target| target.family() == Family::V6) => Ipv6::Tested,
                Some(_) => Ipv6::Untested,
            },
        };
        config.uplinks.iter().map(one).collect()
    }

    /// Whether it leads anywhere in the family.
    pub(super) fn has(&self, family: Family) -> bool {
        family == Family::V4 || self.ipv6 != Ipv6::None
    }
}
