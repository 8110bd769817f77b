//! The firewalls that the router can have.

use serde::Deserialize;
use std::fmt;

/// The programs that load rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firewall {
    /// `iptables-restore`, and where the lab has IPv6 `ip6tables-restore`.
    #[default]
    Iptables,
    /// `nft -f`, both families at once.
    Nft,
}

/// As in a scenario, and as `ftr-rules --backend` takes it.
impl fmt::Display for Firewall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iptables => "iptables",
            Self::Nft => "nft",
        })
    }
}
