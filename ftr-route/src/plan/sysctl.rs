//! Kernel parameters that routing over several uplinks needs (the kernel's `ip-sysctl` document).

use std::collections::BTreeMap;

use ftr_core::config::{Config, Hash, Ipv6Kind, Uplink};
use ftr_core::{Family, InterfaceName, Prefix};
use serde::{Deserialize, Serialize};

use crate::plan::uplink_state::{Source, UplinkState};

/// A parameter and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setting {
    /// Its path below `/proc/sys`: with slashes, for device names may have dots.
    pub(crate) path: String,
    pub(crate) value: String,
}

/// Values by path.
pub(crate) type Values = BTreeMap<String, String>;

/// The parameters of one family that [`wanted`] looks at.
pub(crate) fn relevant(config: &Config, family: Family, states: &[UplinkState]) -> Vec<String> {
    let net = Net(family);
    let mut paths: Vec<String> = present(states).map(|name| net.device(name, LINKDOWN)).collect();
    match family {
        Family::V4 => {
            paths.extend(present(states).map(|name| net.device(name, FILTER)));
            paths.extend(neighbours(states).flat_map(|name| [IGNORE, ANNOUNCE].map(|key| net.device(name, key))));
            paths.extend(serving(config, states).map(|name| net.device(name, FORWARDING)));
            paths.extend([net.device("all", FILTER), net.forward()]);
        }
        Family::V6 => {
            paths.extend(advertised(config, states).map(|name| net.device(name, ADVERTISED)));
            paths.extend(present(states).map(|name| net.device(name, OWN)));
            paths.push(net.forward());
        }
    }
    paths.push(net.path(REFLECT));
    if config.routing.hash.is_some() {
        paths.extend([net.path(POLICY), net.path(FIELDS)]);
    }
    paths
}

/// The parameters of one family that differ from what is wanted, in the order in which they should be set. One that the
/// kernel does not have is left out.
pub(crate) fn wanted(config: &Config, family: Family, states: &[UplinkState], seen: &Values) -> Vec<Setting> {
    let net = Net(family);
    // Before anything else: what the kernel learns of a lost carrier without it, it does not relearn.
    let mut settings: Vec<(String, &str)> = present(states).map(|name| (net.device(name, LINKDOWN), "1")).collect();
    match family {
        Family::V4 => {
            // The larger of the device's value and that of `all` is in force, and 2 (loose) is larger than 1 (strict).
            // Where `all` is 0 no filter at all is better still: a loose one drops what comes in while the balanced
            // table is empty.
            let loose = if seen.get(&net.device("all", FILTER)).is_some_and(|all| all != "0") { "2" } else { "0" };
            settings.extend(present(states).map(|name| (net.device(name, FILTER), loose)));
            // Two uplinks in one network: each answers ARP for its own address only, and asks with it.
            let own = [(IGNORE, "1"), (ANNOUNCE, "2")];
            settings.extend(neighbours(states).flat_map(|name| own.map(|(key, value)| (net.device(name, key), value))));
        }
        Family::V6 => {
            // Before forwarding, which else makes the kernel forget what routers have advertised. Where it does not
            // listen to them at all somebody else does.
            let deaf = |path: &String| seen.get(path).is_some_and(|value| value == "0");
            let paths = advertised(config, states).map(|name| net.device(name, ADVERTISED));
            settings.extend(paths.filter(|path| !deaf(path)).map(|path| (path, "2")));
            // The kernel would rather send from any other device's address than from a deprecated one; and by an uplink
            // that has none it could not send at all.
            let own = |state: &UplinkState| match state.source {
                Source::Good => None,
                Source::Deprecated => Some((net.device(state.name.as_str(), OWN), "1")),
                Source::Elsewhere => Some((net.device(state.name.as_str(), OWN), "0")),
            };
            settings.extend(states.iter().filter_map(own));
        }
    }
    // A host that serves only itself is no router.
    if !config.downlinks.lan.is_empty() || !config.downlinks.dmz.is_empty() {
        settings.push((net.forward(), "1"));
        // As a whole it is that of every device. IPv6 has it by device for other purposes.
        if family == Family::V4 && seen.get(&net.forward()).is_some_and(|whole| whole == "1") {
            settings.extend(serving(config, states).map(|name| (net.device(name, FORWARDING), "1")));
        }
    }
    // An error that the router makes about a packet takes its mark over before its source is chosen: that of the uplink
    // by which it has to leave. The marks are a matter of the firewall.
    settings.push((net.path(REFLECT), "1"));
    let policy = match config.routing.hash {
        None => None,
        Some(Hash::L3) => Some("0"),
        Some(Hash::L4) => Some("1"),
        Some(Hash::Source) => {
            settings.push((net.path(FIELDS), "1"));
            Some("3")
        }
    };
    settings.extend(policy.map(|policy| (net.path(POLICY), policy)));
    settings
        .into_iter()
        .filter(|(path, value)| seen.get(path).is_some_and(|seen| seen != value))
        .map(|(path, value)| Setting { path, value: value.to_owned() })
        .collect()
}

pub(crate) const LINKDOWN: &str = "ignore_routes_with_linkdown";
pub(crate) const FORWARDING: &str = "forwarding";
pub(crate) const REDIRECTS: &str = "accept_redirects";
pub(crate) const FILTER: &str = "rp_filter";
pub(crate) const IGNORE: &str = "arp_ignore";
pub(crate) const ANNOUNCE: &str = "arp_announce";
pub(crate) const ADVERTISED: &str = "accept_ra";
pub(crate) const DISABLED: &str = "disable_ipv6";
pub(crate) const OWN: &str = "use_oif_addrs_only";
pub(crate) const REFLECT: &str = "fwmark_reflect";
pub(crate) const POLICY: &str = "fib_multipath_hash_policy";
pub(crate) const FIELDS: &str = "fib_multipath_hash_fields";

/// The parameters of a family.
#[derive(Clone, Copy)]
pub(crate) struct Net(pub(crate) Family);

impl Net {
    pub(crate) fn path(self, key: &str) -> String {
        format!("net/ipv{}/{key}", self.0.number())
    }

    pub(crate) fn device(self, device: &str, key: &str) -> String {
        self.path(&format!("conf/{device}/{key}"))
    }

    pub(crate) fn forward(self) -> String {
        match self.0 {
            Family::V4 => self.path("ip_forward"),
            Family::V6 => self.device("all", FORWARDING),
        }
    }
}

/// Whether the kernel changes others along with this parameter: see [`carried`].
pub(crate) fn carries(path: &str) -> bool {
    [Family::V4, Family::V6].into_iter().any(|family| path == Net(family).forward())
}

/// What a parameter becomes when a setting is made: forwarding as a whole sets that of every device and of those to come,
/// and for IPv4 turns redirects off, or on again. None where it has nothing to do with the setting.
pub(crate) fn carried(setting: &Setting, path: &str) -> Option<String> {
    let net = [Family::V4, Family::V6].into_iter().map(Net).find(|net| net.forward() == setting.path)?;
    if path == setting.path {
        return None;
    }
    if net.0 == Family::V4 && path == net.device("all", REDIRECTS) {
        return Some(if setting.value == "0" { "1" } else { "0" }.to_owned());
    }
    let (device, key) = path.strip_prefix(&net.path("conf/"))?.rsplit_once('/')?;
    // `all` of IPv4 is the whole by another name.
    (key == FORWARDING && device != "all").then(|| setting.value.clone())
}

/// Whether a parameter is of this family.
pub(crate) fn is_of(family: Family, path: &str) -> bool {
    path.starts_with(&Net(family).path(""))
}

/// The devices of the family's uplinks that are there.
fn present(states: &[UplinkState]) -> impl Iterator<Item = &str> {
    let there = states.iter().filter(|state| state.is_present() && state.configured);
    there.map(|state| state.name.as_str())
}

/// The devices that packets have to be forwarded from: those of uplinks, and towards the people who are served.
fn serving<'a>(config: &'a Config, states: &'a [UplinkState]) -> impl Iterator<Item = &'a str> {
    let inside = config.downlinks.lan.iter().chain(&config.downlinks.dmz);
    present(states).chain(inside.map(InterfaceName::as_str))
}

/// Those that have a network in common with another uplink.
fn neighbours(states: &[UplinkState]) -> impl Iterator<Item = &str> {
    let shares = |one: &UplinkState| {
        let others = states.iter().filter(|other| other.name != one.name).flat_map(|other| &other.networks);
        others.clone().any(|network| one.networks.iter().any(|own| overlap(*own, *network)))
    };
    states.iter().filter(move |state| shares(state)).map(|state| state.name.as_str())
}

fn overlap(one: Prefix, other: Prefix) -> bool {
    one.contains(other.address()) || other.contains(one.address())
}

/// Those that learn from router advertisements.
fn advertised<'a>(config: &'a Config, states: &'a [UplinkState]) -> impl Iterator<Item = &'a str> {
    let learns = |uplink: &Uplink| uplink.ipv6 == Some(Ipv6Kind::Advertised);
    let names = config.uplinks.iter().filter(move |uplink| learns(uplink)).map(|uplink| uplink.name.as_str());
    names.filter(|name| present(states).any(|present| present == *name))
}

#[cfg(test)]
mod tests {
    use super::{Setting, Values, relevant, wanted};
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;
    use ftr_netlink::{Address, Nexthop, Route, RouteKind};

    fn settings(text: &str, values: &[(&str, &str)]) -> Vec<String> {
        let config = config(text);
        let host = HostView { links: &[link(3, "eth1")], ..HostView::default() };
        let states = uplink_states(&config, Family::V4, host);
        let zeros = relevant(&config, Family::V4, &states).into_iter().map(|path| (path, "0".to_owned()));
        let mut seen: Values = zeros.collect();
        seen.extend(values.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())));
        let line = |Setting { path, value }| format!("{path}={value}");
        wanted(&config, Family::V4, &states, &seen).into_iter().map(line).collect()
    }

    #[test]
    fn linkdown_comes_first_and_absent_devices_are_left_out() {
        let expected =
            ["net/ipv4/conf/eth1/ignore_routes_with_linkdown=1", "net/ipv4/ip_forward=1", "net/ipv4/fwmark_reflect=1"];
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
    fn where_the_only_ipv6_address_is_deprecated_no_other_devices_is_taken_for_it() {
        let config = config(&CONFIG.replace("gateway: 1.0.0.1", "gateway: 1.0.0.1, type6: ra"));
        let own = |device: u32, flags: u32, value: &str| {
            let links = [link(2, "eth0"), link(3, "eth1")];
            let addresses = [Address { flags, ..address(device, "2001:db8::7", None, 64) }];
            let nexthops = vec![Nexthop::new(Some("fe80::1".parse().unwrap()), 3)];
            let defaults = [Route { nexthops, ..Route::default(Family::V6, 254, RouteKind::Unicast) }];
            let host = HostView { links: &links, addresses: &addresses, defaults: &defaults, ..HostView::default() };
            let states = uplink_states(&config, Family::V6, host);
            let path = "net/ipv6/conf/eth1/use_oif_addrs_only".to_owned();
            assert!(relevant(&config, Family::V6, &states).contains(&path));
            let seen = Values::from([(path, value.to_owned())]);
            wanted(&config, Family::V6, &states, &seen).into_iter().map(|it| it.value).collect::<Vec<_>>()
        };
        // IFA_F_DEPRECATED of if_addr.h.
        assert_eq!(own(3, 0x20, "0"), ["1"]);
        assert!(own(3, 0, "0").is_empty() && own(3, 0, "1").is_empty(), "left as it is");
        assert_eq!(own(2, 0, "1"), ["0"], "it has none, and could not send at all");
    }

    #[test]
    fn forwarding_by_device_is_set_where_the_whole_does_not_set_it() {
        let text = CONFIG.replace("{lan: eth0}", "{lan: eth0, dmz: [dmz0]}");
        let [uplink, lan] = ["net/ipv4/conf/eth1/forwarding=1", "net/ipv4/conf/eth0/forwarding=1"].map(str::to_owned);
        let whole = settings(&text, &[]);
        assert!(!whole.contains(&uplink) && !whole.contains(&lan), "{whole:?}");
        let lines = settings(&text, &[("net/ipv4/ip_forward", "1"), ("net/ipv4/conf/dmz0/forwarding", "1")]);
        assert!(lines.contains(&uplink) && lines.contains(&lan), "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.contains("forward")).count(), 2);
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
