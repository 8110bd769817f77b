//! The firewall of the router: what `ftr-rules` prints, loaded as its user would.

use crate::error::Result;
use crate::lab::Lab;
use crate::namespace::{feed, run};
use crate::router::Router;
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

impl Firewall {
    /// Loads the rules of the router's configuration.
    ///
    /// # Errors
    /// When `ftr-rules` is missing or refuses the configuration, or the rules are refused.
    pub fn load(self, lab: &Lab, router: &Router) -> Result<()> {
        let rules = |arguments: &[&str]| run(router.command(lab, "ftr-rules")?.args(arguments));
        match self {
            Self::Iptables => {
                feed(&mut lab.router.command("iptables-restore"), &rules(&[])?)?;
                if lab.ipv6 {
                    feed(&mut lab.router.command("ip6tables-restore"), &rules(&["-6"])?)?;
                }
                Ok(())
            }
            Self::Nft => lab.router.nft(&rules(&["--backend", "nft"])?),
        }
    }
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
