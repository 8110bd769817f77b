//! What the router's kernel really has, read with `ip` and not with the programs under test.

use crate::error::{Result, malformed};
use crate::family::Family;
use crate::lab::Lab;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Deserialize)]
struct Route {
    dst: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    dev: Option<String>,
    #[serde(default)]
    metric: u32,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    nexthops: Vec<Nexthop>,
}

#[derive(Debug, Deserialize)]
struct Nexthop {
    dev: String,
    weight: u32,
    #[serde(default)]
    flags: Vec<String>,
}

/// The uplinks that carry new connections, with their weights: the living nexthops of the first default in the
/// balanced table.
///
/// # Errors
/// When `ip` fails or answers something unknown.
pub fn balanced(lab: &Lab, family: Family) -> Result<BTreeMap<String, u32>> {
    let table = lab.uplinks.len() + 1;
    // A table that was never written to is an error for `ip`, and an empty one here.
    let text = lab
        .router
        .sh(&format!("routes=$(ip -j -{family} route show table {table} 2>/dev/null) && echo $routes || echo '[]'"))?;
    first_default(&text)
}

fn first_default(text: &str) -> Result<BTreeMap<String, u32>> {
    let text = if text.trim().is_empty() { "[]" } else { text };
    let routes: Vec<Route> = serde_json::from_str(text).map_err(|error| malformed("answer of ip", &error))?;
    let usable = |route: &&Route| route.dst == "default" && route.kind.as_deref().is_none_or(|kind| kind == "unicast");
    let Some(first) = routes.iter().filter(usable).min_by_key(|route| route.metric) else {
        return Ok(BTreeMap::new());
    };
    let alive = |flags: &[String]| !flags.iter().any(|flag| flag == "dead" || flag == "linkdown");
    let single = first.dev.iter().filter(|_| alive(&first.flags)).map(|device| (device.clone(), 1));
    let several = first.nexthops.iter().filter(|hop| alive(&hop.flags)).map(|hop| (hop.dev.clone(), hop.weight));
    Ok(single.chain(several).collect())
}

/// Everything that routes on the router, for the reader of a failed test.
#[must_use]
pub fn picture(lab: &Lab) -> String {
    let mut text = String::new();
    for line in [
        "ip -br addr",
        "ip rule",
        "ip route show table all | grep -v 'table local'",
        "ip -6 rule",
        "iptables-save -t mangle | grep ^-A",
    ] {
        let shown = lab.router.sh(line).unwrap_or_else(|error| error.to_string());
        // Writing to a String cannot fail.
        let _ = write!(text, "--- {line}\n{shown}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_metric_counts_and_dead_legs_do_not() {
        let text = r#"[
            {"dst":"default","gateway":"1.0.0.1","dev":"eth1","metric":100,"flags":[]},
            {"dst":"default","flags":[],"nexthops":[
                {"gateway":"1.0.0.1","dev":"eth1","weight":1,"flags":[]},
                {"gateway":"2.0.0.1","dev":"eth2","weight":2,"flags":["dead","linkdown"]}]}]"#;
        assert_eq!(first_default(text).unwrap(), BTreeMap::from([("eth1".to_owned(), 1)]));
        assert_eq!(first_default("").unwrap(), BTreeMap::new());
    }

    #[test]
    fn an_unreachable_default_carries_nothing() {
        let text = r#"[{"type":"unreachable","dst":"default","dev":"lo","metric":4278198272,"flags":[]}]"#;
        assert_eq!(first_default(text).unwrap(), BTreeMap::new());
    }
}
