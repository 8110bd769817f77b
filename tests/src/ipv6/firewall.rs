//! The firewall of the router's IPv6, for as long as `ftr-rules` prints that of IPv4 alone.

use super::{Kind6, LAN};
use crate::error::Result;
use crate::lab::Lab;
use crate::namespace::{feed, run};
use crate::router::Router;
use std::fmt::Write as _;

/// Loads the marks of IPv4, whose rules name no address, and hides the addresses of the LAN behind that of each uplink.
/// Those of delegated prefixes go as they are.
///
/// # Errors
/// When `ftr-rules` is missing, or ip6tables refuses something.
pub fn load(lab: &Lab, router: &Router) -> Result<()> {
    let mut rules = run(router.command(lab, "ftr-rules")?.args(["--table", "mangle"]))?;
    rules.push_str("*nat\n");
    for uplink in lab.uplinks.iter().filter(|uplink| uplink.wish.type6 != Kind6::None) {
        // Writing to a String cannot fail.
        let _ = writeln!(rules, "-A POSTROUTING -o {} -s {LAN}/64 -j MASQUERADE", uplink.device());
    }
    rules.push_str("COMMIT\n");
    feed(&mut lab.router.command("ip6tables-restore"), &rules).map(drop)
}
