//! Kernel parameters that routing over several uplinks needs (the kernel's `ip-sysctl` document).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use ftr_core::Family;
use ftr_core::config::{Config, Hash};
use serde::{Deserialize, Serialize};

use crate::standing::Standing;

/// Where the kernel shows its parameters.
const ROOT: &str = "/proc/sys";

/// A parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// Its path below `/proc/sys`: with slashes, for device names may have dots.
    pub(crate) path: String,
    pub(crate) value: String,
}

/// Values by path.
pub(crate) type Values = BTreeMap<String, String>;

const FORWARD: &str = "net/ipv4/ip_forward";
const FILTER_OF_ALL: &str = "net/ipv4/conf/all/rp_filter";
const POLICY: &str = "net/ipv4/fib_multipath_hash_policy";
const FIELDS: &str = "net/ipv4/fib_multipath_hash_fields";

/// The parameters that [`wanted`] looks at.
pub(crate) fn relevant(config: &Config, family: Family, standings: &[Standing]) -> Vec<String> {
    if family != Family::V4 {
        return Vec::new();
    }
    let mut paths: Vec<String> = present(standings).flat_map(|name| [linkdown(name), filter(name)]).collect();
    paths.extend([FORWARD, FILTER_OF_ALL].map(str::to_owned));
    if config.routing.hash.is_some() {
        paths.extend([POLICY, FIELDS].map(str::to_owned));
    }
    paths
}

/// The parameters that differ from what is wanted, in the order in which they should be set. One that the kernel does
/// not have is left out.
pub(crate) fn wanted(config: &Config, family: Family, standings: &[Standing], seen: &Values) -> Vec<Setting> {
    if family != Family::V4 {
        return Vec::new();
    }
    let mut settings = Vec::new();
    // Before anything else: what the kernel learns of a lost carrier without it, it does not relearn.
    settings.extend(present(standings).map(|name| (linkdown(name), "1")));
    // The larger of the device's value and that of `all` is in force, and 2 (loose) is larger than 1 (strict). Where
    // `all` is 0 no filter at all is better still: a loose one drops what comes in while the balanced table is empty.
    let loose = if seen.get(FILTER_OF_ALL).is_some_and(|all| all != "0") { "2" } else { "0" };
    settings.extend(present(standings).map(|name| (filter(name), loose)));
    settings.push((FORWARD.to_owned(), "1"));
    let policy = match config.routing.hash {
        None => None,
        Some(Hash::L3) => Some("0"),
        Some(Hash::L4) => Some("1"),
        Some(Hash::Source) => {
            settings.push((FIELDS.to_owned(), "1"));
            Some("3")
        }
    };
    settings.extend(policy.map(|policy| (POLICY.to_owned(), policy)));
    settings
        .into_iter()
        .filter(|(path, value)| seen.get(path).is_some_and(|seen| seen != value))
        .map(|(path, value)| Setting { path, value: value.to_owned() })
        .collect()
}

fn present(standings: &[Standing]) -> impl Iterator<Item = &str> {
    standings.iter().filter(|standing| standing.present).map(|standing| standing.name.as_str())
}

fn linkdown(device: &str) -> String {
    format!("net/ipv4/conf/{device}/ignore_routes_with_linkdown")
}

fn filter(device: &str) -> String {
    format!("net/ipv4/conf/{device}/rp_filter")
}

/// Reads these parameters; those that cannot be read are left out.
pub(crate) fn read(paths: impl IntoIterator<Item = String>) -> Values {
    let value = |path: String| {
        let value = fs::read_to_string(Path::new(ROOT).join(&path)).ok()?;
        Some((path, value.trim_end().to_owned()))
    };
    paths.into_iter().filter_map(value).collect()
}

/// Sets a parameter.
///
/// # Errors
/// The kernel does not have it, or does not let us.
pub(crate) fn write(setting: &Setting) -> io::Result<()> {
    fs::write(Path::new(ROOT).join(&setting.path), &setting.value)
}

#[cfg(test)]
mod tests {
    use super::{Setting, Values, relevant, wanted};
    use crate::standing::standings;
    use crate::standing::tests::{CONFIG, config, link};
    use ftr_core::Family;

    fn settings(text: &str, values: &[(&str, &str)]) -> Vec<String> {
        let config = config(text);
        let standings = standings(&config, Family::V4, &[link(3, "eth1")], &[]);
        let zeros = relevant(&config, Family::V4, &standings).into_iter().map(|path| (path, "0".to_owned()));
        let mut seen: Values = zeros.collect();
        seen.extend(values.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())));
        let line = |Setting { path, value }| format!("{path}={value}");
        wanted(&config, Family::V4, &standings, &seen).into_iter().map(line).collect()
    }

    #[test]
    fn linkdown_comes_first_and_absent_devices_are_left_out() {
        let expected = ["net/ipv4/conf/eth1/ignore_routes_with_linkdown=1", "net/ipv4/ip_forward=1"];
        assert_eq!(settings(CONFIG, &[]), expected);
    }

    #[test]
    fn the_filter_is_loose_only_where_it_cannot_be_off() {
        let all = |value| settings(CONFIG, &[("net/ipv4/conf/all/rp_filter", value)]);
        assert!(all("1").contains(&"net/ipv4/conf/eth1/rp_filter=2".to_owned()));
        let off = settings(CONFIG, &[("net/ipv4/conf/eth1/rp_filter", "1")]);
        assert!(off.contains(&"net/ipv4/conf/eth1/rp_filter=0".to_owned()));
    }

    #[test]
    fn the_hash_policy_is_set_only_where_configured() {
        let text = format!("{CONFIG}routing: {{hash: source}}\n");
        let lines = settings(&text, &[]);
        let fields = "net/ipv4/fib_multipath_hash_fields=1";
        let policy = "net/ipv4/fib_multipath_hash_policy=3";
        assert_eq!(lines[lines.len() - 2..], [fields, policy]);
        assert!(!settings(CONFIG, &[]).iter().any(|line| line.contains("hash")));
    }
}
