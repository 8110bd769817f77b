//! The kernel parameters that are ours to change, and what they can be: nothing else is put back, whatever a file says.
//!
//! The file belongs to the service's user, and root restores from it. So a path is never taken from there: it is taken
//! apart, and has to be one that [`crate::plan::sysctl`] could have made, from what the kernel had to what we set.

use ftr_core::Family;

use crate::plan::sysctl::{
    ADVERTISED, ANNOUNCE, FIELDS, FILTER, FORWARDING, IGNORE, LINKDOWN, Net, OWN, POLICY, REDIRECTS, REFLECT,
};

/// Whether this program can have changed a parameter from `found` to `set`.
pub(crate) fn is_ours(path: &str, found: &str, set: &str) -> bool {
    [Family::V4, Family::V6].into_iter().any(|family| {
        rule(family, path)
            .is_some_and(|rule| rule.sets.contains(&set) && number(found).is_some_and(|n| n <= rule.largest))
    })
}

/// What a parameter can be.
struct Rule {
    /// What we, or the kernel along with what we set, make of it.
    sets: &'static [&'static str],
    /// The largest number that the kernel has for it; 0 is the smallest.
    largest: u32,
}

/// Of devices of any name: one may have left the configuration since, and forwarding as a whole changes that of every device.
fn rule(family: Family, path: &str) -> Option<Rule> {
    let net = Net(family);
    let rule = |sets, largest| Some(Rule { sets, largest });
    let flag = || rule(&["0", "1"], 1);
    if path == net.forward() || path == net.device("all", REDIRECTS) {
        return flag();
    }
    if path == net.path(REFLECT) {
        return rule(&["1"], 1);
    }
    if path == net.path(POLICY) {
        return rule(&["0", "1", "3"], 3);
    }
    if path == net.path(FIELDS) {
        return rule(&["1"], 0xff);
    }
    let (device, key) = path.strip_prefix(&net.path("conf/"))?.split_once('/')?;
    if !is_device(device) || path != net.device(device, key) {
        return None;
    }
    match (key, family) {
        (LINKDOWN, _) => rule(&["1"], 1),
        (FORWARDING, _) | (OWN, Family::V6) => flag(),
        (FILTER, Family::V4) => rule(&["0", "2"], 2),
        (IGNORE, Family::V4) => rule(&["1"], 8),
        (ANNOUNCE, Family::V4) | (ADVERTISED, Family::V6) => rule(&["2"], 2),
        _ => None,
    }
}

/// A name that the kernel lets a device have (`dev_valid_name`).
fn is_device(name: &str) -> bool {
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    !matches!(name, "" | "." | "..") && name.len() < 16 && !name.contains(odd)
}

fn number(text: &str) -> Option<u32> {
    let is_plain = text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::is_ours;
    use crate::plan::sysctl::{Values, relevant, wanted};
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;

    #[test]
    fn nothing_of_elsewhere_is_ours() {
        for path in [
            "net/ipv4/../../../../etc/crontab",
            "net/ipv4/conf/../../../../../etc/forwarding",
            "net/ipv4/conf/../forwarding",
            "net/ipv4/conf/eth1/../../ip_forward",
            "net/ipv4/conf//forwarding",
            "net/ipv4//ip_forward",
            "/net/ipv4/ip_forward",
            "net/ipv4/ip_forward/",
            "net/ipv4/ip_forward\0",
            "net/ipv4/tcp_syncookies",
            "net/ipv4/conf/eth1/accept_source_route",
            "net/ipv6/conf/eth1/rp_filter",
            "net/ipv4/conf/a:b/forwarding",
            "net/ipv4/conf/sixteen-letters!/forwarding",
            "kernel/core_pattern",
            "",
        ] {
            assert!(!is_ours(path, "0", "1") && !is_ours(path, "1", "0"), "{path}");
        }
        for (found, set) in
            [("|/bin/sh", "1"), ("", "1"), ("2", "1"), ("-1", "1"), ("0", "7"), ("0 ", "1"), ("0\n1", "1")]
        {
            assert!(!is_ours("net/ipv4/ip_forward", found, set), "{found:?} {set:?}");
        }
        // A strict filter of somebody's own is never what we have set.
        assert!(!is_ours("net/ipv4/conf/eth0/rp_filter", "0", "1"));
    }

    #[test]
    fn all_that_is_set_is_ours() {
        let text = CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra");
        for (hash, all, own) in [("l3", "0", 0), ("l4", "1", 0x20), ("source", "0", 0x20)] {
            let config = config(&format!("{text}routing: {{hash: {hash}}}\n"));
            for family in [Family::V4, Family::V6] {
                let links = [link(2, "eth0"), link(3, "eth1"), link(4, "eth2")];
                let addresses = [
                    address(3, "1.0.0.2", None, 24),
                    address(4, "1.0.0.3", None, 24),
                    address(3, "2001:db8::7", None, 64),
                ]
                .map(|address| ftr_netlink::Address { flags: own, ..address });
                let host = HostView { links: &links, addresses: &addresses, ..HostView::default() };
                let states = uplink_states(&config, family, host);
                let value = |path: &str| {
                    let odd = if path.ends_with("all/rp_filter") { all } else { "9" };
                    (path.to_owned(), odd.to_owned())
                };
                let seen: Values = relevant(&config, family, &states).iter().map(|path| value(path)).collect();
                let settings = wanted(&config, family, &states, &seen);
                assert!(settings.len() > 3, "{settings:?}");
                for setting in settings {
                    assert!(is_ours(&setting.path, "0", &setting.value), "{setting:?}");
                }
            }
        }
        for (path, found, set) in [
            ("net/ipv4/conf/all/accept_redirects", "0", "1"),
            ("net/ipv4/conf/default/forwarding", "1", "0"),
            ("net/ipv6/conf/wlan0.7+x/forwarding", "0", "1"),
            ("net/ipv4/fib_multipath_hash_fields", "7", "1"),
        ] {
            assert!(is_ours(path, found, set), "{path}");
        }
    }
}
