//! Kernel parameters that are against us (the kernel's `ip-sysctl` document).
//!
//! Some of them `ftr-route prepare` sets, so they are part of the difference as well; here people are told why.

use ftr_core::config::{Config, Ipv6Kind, Uplink};
use ftr_core::shell::quoted;
use ftr_core::{Family, InterfaceName};

use super::hazard::{Hazard, Kind};
use crate::plan::sysctl::{ADVERTISED, DISABLED, FILTER, FORWARDING, LINKDOWN, Net, Values};

const V4: Net = Net(Family::V4);
const V6: Net = Net(Family::V6);

/// The parameters that are looked at here.
pub(super) fn relevant(config: &Config) -> Vec<String> {
    let mut paths = vec![V4.forward(), V6.forward(), V4.device("all", FILTER)];
    paths.extend(devices(config).map(|device| V4.device(device, FORWARDING)));
    for Uplink { name, .. } in &config.uplinks {
        paths.extend([FILTER, LINKDOWN].map(|key| V4.device(name.as_str(), key)));
        paths.extend([FORWARDING, ADVERTISED, DISABLED, LINKDOWN].map(|key| V6.device(name.as_str(), key)));
    }
    paths
}

/// Uplinks, and the devices towards the people who are served.
fn devices(config: &Config) -> impl Iterator<Item = &str> {
    let inside = config.downlinks.lan.iter().chain(&config.downlinks.dmz);
    config.uplinks.iter().map(|uplink| &uplink.name).chain(inside).map(InterfaceName::as_str)
}

/// What is against us in one family.
pub(super) fn evaluate(config: &Config, family: Family, values: &Values) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let mut check = |kind, object: &str, path: String, bad: &dyn Fn(&str) -> bool, good: &str, what: &str| {
        if values.get(&path).is_some_and(|value| bad(value)) {
            hazards.push(Hazard::new(kind, object, what, format!("sysctl -w {}", quoted(&format!("{path}={good}")))));
        }
    };
    let is_off = |value: &str| value == "0";
    let net = Net(family);
    let forwards = !values.get(&net.forward()).is_some_and(|value| is_off(value));
    let serves = !config.downlinks.lan.is_empty() || !config.downlinks.dmz.is_empty();
    let what = format!("forwarding of {family} is off, so that nobody behind this router gets through");
    if serves {
        check(Kind::Forwarding, "router", net.forward(), &is_off, "1", &what);
    }
    if family == Family::V4 && serves && forwards {
        for device in devices(config) {
            let what = "what comes in by it is not forwarded";
            check(Kind::Forwarding, device, net.device(device, FORWARDING), &is_off, "1", what);
        }
    }
    for uplink in config.uplinks.iter().filter(|uplink| family == Family::V4 || uplink.ipv6.is_some()) {
        let name = uplink.name.as_str();
        let what = "new connections go on leaving by it while it has no carrier";
        let path = net.device(name, LINKDOWN);
        check(Kind::Linkdown, name, path, &is_off, "1", what);
        if family == Family::V4 {
            let all = values.get(&net.device("all", FILTER)).map_or("0", String::as_str);
            // The larger value is in force, and 2 is loose.
            let is_strict = |value: &str| value.max(all) == "1";
            let what = "the reverse path filter is strict and drops answers that come in by it";
            let good = if all == "0" { "0" } else { "2" };
            check(Kind::RpFilter, name, net.device(name, FILTER), &is_strict, good, what);
        } else {
            let what = "IPv6 is switched off on it";
            check(Kind::Ipv6Disabled, name, net.device(name, DISABLED), &|value| value == "1", "0", what);
            let forwards = values.get(&net.device(name, FORWARDING)).is_some_and(|value| value != "0");
            if uplink.ipv6 == Some(Ipv6Kind::Advertised) {
                let is_deaf = |value: &str| value == "0" || (forwards && value == "1");
                let what = "router advertisements are not taken by a device that forwards";
                check(Kind::AcceptRa, name, net.device(name, ADVERTISED), &is_deaf, "2", what);
            }
        }
    }
    hazards
}

#[cfg(test)]
mod tests {
    use super::{evaluate, relevant};
    use crate::plan::sysctl::Values;
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;

    fn told(family: Family, values: &[(&str, &str)]) -> Vec<String> {
        let text = CONFIG.replace("type: ppp", "type: ppp, type6: ra");
        let config = config(&text);
        let known = relevant(&config);
        let good = |path: &String| {
            let value = match path.rsplit('/').next().unwrap_or_default() {
                "rp_filter" | "disable_ipv6" => "0",
                "accept_ra" => "2",
                _ => "1",
            };
            (path.clone(), value.to_owned())
        };
        let mut all: Values = known.iter().map(good).collect();
        for (path, value) in values {
            assert!(known.iter().any(|known| known == path), "{path} is not read");
            all.insert((*path).to_owned(), (*value).to_owned());
        }
        evaluate(&config, family, &all).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_is_wrong_where_all_is_well() {
        assert_eq!(told(Family::V4, &[]), [""; 0]);
        assert_eq!(told(Family::V6, &[]), [""; 0]);
        let config = config(CONFIG);
        assert_eq!(evaluate(&config, Family::V4, &Values::new()), []);
    }

    #[test]
    fn a_strict_filter_may_come_from_all_devices_and_be_loosened_by_one() {
        let (all, one) = ("net/ipv4/conf/all/rp_filter", "net/ipv4/conf/eth1/rp_filter");
        assert_eq!(told(Family::V4, &[(all, "1")]).len(), 3);
        assert_eq!(told(Family::V4, &[(all, "1"), (one, "2")]).len(), 2);
        assert_eq!(told(Family::V4, &[(all, "2"), (one, "1")]), [""; 0]);
        let lines = told(Family::V4, &[(one, "1")]);
        assert!(lines[0].starts_with("warning: eth1: the reverse path filter is strict"), "{lines:?}");
        assert!(lines[0].ends_with("sysctl -w net/ipv4/conf/eth1/rp_filter=0"), "{lines:?}");
        assert!(told(Family::V4, &[(all, "1")])[0].ends_with("sysctl -w net/ipv4/conf/eth1/rp_filter=2"));
    }

    #[test]
    fn forwarding_is_asked_for_as_a_whole_and_by_device() {
        assert_eq!(told(Family::V4, &[("net/ipv4/ip_forward", "0"), ("net/ipv4/conf/eth0/forwarding", "0")]).len(), 1);
        let lines = told(Family::V4, &[("net/ipv4/conf/eth0/forwarding", "0")]);
        assert!(lines[0].ends_with("sysctl -w net/ipv4/conf/eth0/forwarding=1"), "{lines:?}");
        assert_eq!(told(Family::V6, &[("net/ipv6/conf/all/forwarding", "0")]).len(), 1);
    }

    #[test]
    fn advertisements_need_an_exception_only_while_forwarding() {
        let ra = ("net/ipv6/conf/ppp0/accept_ra", "1");
        assert!(told(Family::V6, &[ra])[0].ends_with("sysctl -w net/ipv6/conf/ppp0/accept_ra=2"));
        assert_eq!(told(Family::V6, &[ra, ("net/ipv6/conf/ppp0/forwarding", "0")]), [""; 0]);
    }

    #[test]
    fn ipv6_matters_only_on_uplinks_that_have_it() {
        assert_eq!(told(Family::V6, &[("net/ipv6/conf/eth1/disable_ipv6", "1")]), [""; 0]);
        assert_eq!(told(Family::V6, &[("net/ipv6/conf/ppp0/disable_ipv6", "1")]).len(), 1);
        assert_eq!(told(Family::V4, &[("net/ipv4/conf/eth2/ignore_routes_with_linkdown", "0")]).len(), 1);
    }
}
