//! What the kernel has now.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::stamp::Stamp;
use crate::{Family, InterfaceName, Prefix};

/// What the kernel has now, for one family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// When it was done.
    #[serde(flatten)]
    pub at: Stamp,
    /// For which family.
    pub family: Family,
    /// How many writes to the kernel it took; 0 where nothing differed.
    pub writes: u32,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// The uplinks that carry new connections.
    pub active: Vec<InterfaceName>,
    /// Address and gateway of every uplink that has them.
    #[serde(default)]
    pub uplinks: Vec<AppliedUplink>,
    /// The uplinks that were asked for and cannot carry anything in the family.
    #[serde(default)]
    pub no_way: Vec<NoWay>,
}

/// An uplink that has no egress, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoWay {
    /// Which uplink.
    pub uplink: InterfaceName,
    /// What is missing, as a check would say it: `no-interface`, `no-address`, `no-gateway`; `no-route` where the kernel
    /// has refused its route.
    pub reason: Reason,
}

/// Address and gateway of an uplink, as its table has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedUplink {
    /// Which uplink.
    pub uplink: InterfaceName,
    /// Its address, none while it has none.
    pub address: Option<IpAddr>,
    /// Its gateway, or the peer of a point-to-point device; none while it has none.
    pub gateway: Option<IpAddr>,
    /// The IPv6 prefixes that it has been delegated, where they are learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<Prefix>,
    /// The networks of devices inside that are of prefixes which were learned, those that are gone among them: hosts may have
    /// addresses of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<InsideNetwork>,
}

/// A network of a device inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsideNetwork {
    /// The network.
    pub prefix: Prefix,
    /// The device that has it, or had it.
    pub device: String,
    /// Since when its prefix is gone, as `mono`; absent while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<u64>,
}
