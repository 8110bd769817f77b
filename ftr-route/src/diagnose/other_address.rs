//! Whether MASQUERADE gives packets the address that the route of their uplink names.
//!
//! It asks for no route's source, and takes what a route would get that names none. That is another one where the route
//! names a second address of a network, or one in no network with the gateway that stands behind another.

use std::net::IpAddr;

use ftr_core::Family;
use ftr_core::config::{Config, Uplink, UplinkKind};
use ftr_core::shell;
use ftr_firewall::Translation;
use ftr_netlink::{Address, Prefix};

use super::hazard::{Hazard, Kind};
use super::networks::Networks;
use crate::plan::given_up::translates;
use crate::plan::uplink_state::UplinkState;

/// The uplinks where it does not.
pub(super) fn evaluate(
    config: &Config,
    family: Family,
    states: &[UplinkState],
    translations: &[Translation],
    networks: &[Networks],
) -> Vec<Hazard> {
    let lan = |device: &str| config.downlinks.lan.iter().any(|name| name.as_str() == device);
    let lan: Vec<Prefix> =
        networks.iter().filter(|one| lan(&one.device)).flat_map(|one| one.prefixes.iter().copied()).collect();
    let overlaps =
        |source: Prefix| lan.iter().any(|one| one.contains(source.address()) || source.contains(one.address()));
    let hazard = |(uplink, state): (&Uplink, &UplinkState)| {
        let egress = state.egress.as_ref()?;
        let (source, masquerade) = (egress.source?, state.masquerade.as_ref()?);
        let rules = || {
            translations.iter().filter(|rule| {
                rule.family.is_none_or(|only| only == family)
                    && rule.output.as_deref().is_none_or(|only| only == uplink.name.as_str())
                    && rule.source.is_none_or(overlaps)
            })
        };
        let is_stated = || rules().any(|rule| rule.to == Some(source));
        let differs = masquerade.local != source && rules().any(|rule| rule.masquerades) && !is_stated();
        if !differs || !translates(uplink, family) {
            return None;
        }
        let local = masquerade.local;
        let holds = |address: IpAddr| masquerade.network().is_some_and(|network| network.contains(address));
        let is_near = egress.gateway.is_some_and(holds);
        let what = format!(
            "MASQUERADE gives what leaves by it {local}, and not {source}, which its default route names: providers drop \
             what comes from an address that they did not give"
        );
        // The kernel prefers an address in the gateway's network, and first ones of a network. Else it goes by their order.
        let advice = if is_near || holds(source) {
            stated(config, uplink, source, egress.gateway)
        } else {
            format!("have {local} added after {source}, or {}", put_behind(uplink, masquerade))
        };
        Some(Hazard::new(Kind::OtherAddress, uplink.name.as_str(), what, advice).with_loss(!is_near))
    };
    config.uplinks.iter().zip(states).filter_map(hazard).collect()
}

/// How `ftr-rules` comes to print a rule with the address.
fn stated(config: &Config, uplink: &Uplink, source: IpAddr, gateway: Option<IpAddr>) -> String {
    let load = "load what ftr-rules --table nat prints";
    if matches!(uplink.kind, UplinkKind::Static { .. }) {
        return load.to_owned();
    }
    let gateway = gateway.map_or_else(|| "none".to_owned(), |gateway| gateway.to_string());
    let (name, file) = (&uplink.name, config.file.display());
    format!(
        "if the address stays, set type: static, ip: {source} and gateway: {gateway} for {name} in {file}, and {load} then; \
         else let the route name the other one"
    )
}

/// The commands that make an address the last one of its device.
fn put_behind(uplink: &Uplink, address: &Address) -> String {
    let (local, length) = (address.local, address.prefix_length);
    let command = |verb: &str| {
        let address = match address.peer {
            Some(peer) => vec![local.to_string(), "peer".to_owned(), format!("{peer}/{length}")],
            None => vec![format!("{local}/{length}")],
        };
        let words = ["ip", "address", verb].map(str::to_owned).into_iter().chain(address);
        shell::line(words.chain(["dev".to_owned(), uplink.name.to_string()]))
    };
    format!("{}; {}", command("del"), command("add"))
}

#[cfg(test)]
mod tests {
    use super::evaluate;
    use crate::diagnose::networks::Networks;
    use crate::plan::uplink_state::tests::{CONFIG, address, config, link};
    use crate::plan::uplink_state::{HostView, uplink_states};
    use ftr_core::Family;
    use ftr_firewall::Translation;
    use ftr_netlink::{Nexthop, Route, RouteKind};

    /// What is said of eth2, where it has these addresses and a default route by 2.0.0.1 that names one of them.
    fn told(kind: &str, addresses: &[(&str, u8)], source: &str, rules: &[Translation]) -> Vec<String> {
        let config = config(&CONFIG.replace("ip: 2.0.0.2, gateway: 2.0.0.1", kind));
        let links = [link(4, "eth2")];
        let mut own: Vec<_> = addresses.iter().map(|(text, length)| address(4, text, None, *length)).collect();
        // As the kernel marks what shares the network of one before it.
        for i in 1..own.len() {
            let (before, after) = own.split_at_mut(i);
            let is_second = before.iter().any(|one| one.network() == after[0].network());
            after[0].flags |= u32::from(is_second);
        }
        let defaults = [Route {
            nexthops: vec![Nexthop::new("2.0.0.1".parse().ok(), 4)],
            source: source.parse().ok(),
            ..Route::default(Family::V4, 254, RouteKind::Unicast)
        }];
        let host = HostView { links: &links, addresses: &own, defaults: &defaults, ..HostView::default() };
        let states = uplink_states(&config, Family::V4, host);
        let lan = Networks {
            device: "eth0".to_owned(),
            prefixes: vec!["10.0.0.0/24".parse().unwrap()],
            ..Networks::default()
        };
        let hazards = evaluate(&config, Family::V4, &states, rules, &[lan]);
        hazards.iter().map(|one| format!("{} {} {}", one.loses_traffic, one.what, one.advice)).collect()
    }

    fn masquerade(output: &str) -> Translation {
        Translation { output: Some(output.to_owned()), masquerades: true, ..Translation::default() }
    }

    #[test]
    fn an_address_before_that_of_the_lease_is_put_behind_it() {
        let rules = [masquerade("eth2")];
        let lease = [("192.168.100.2", 24), ("2.0.0.2", 32)];
        let line = told("type: dhcp", &lease, "2.0.0.2", &rules).concat();
        assert!(line.starts_with("true MASQUERADE gives what leaves by it 192.168.100.2, and not 2.0.0.2"), "{line}");
        let cure = ", or ip address del 192.168.100.2/24 dev eth2; ip address add 192.168.100.2/24 dev eth2";
        assert!(line.ends_with(cure), "{line}");
        assert_eq!(told("type: dhcp", &[lease[1], lease[0]], "2.0.0.2", &rules), [""; 0]);
        // In a network with the gateway it is found wherever it stands.
        assert_eq!(told("type: dhcp", &[lease[0], ("2.0.0.2", 24)], "2.0.0.2", &rules), [""; 0]);
    }

    #[test]
    fn a_second_address_has_to_be_stated() {
        let second = [("2.0.0.2", 24), ("2.0.0.9", 24)];
        let line = told("type: dhcp", &second, "2.0.0.9", &[masquerade("eth2")]).concat();
        assert!(line.starts_with("false MASQUERADE gives what leaves by it 2.0.0.2, and not 2.0.0.9"), "{line}");
        assert!(line.contains("set type: static, ip: 2.0.0.9 and gateway: 2.0.0.1 for eth2 in test"), "{line}");
        let own = told("ip: 2.0.0.9, gateway: 2.0.0.1", &second, "2.0.0.9", &[masquerade("eth2")]).concat();
        assert!(own.ends_with("did not give load what ftr-rules --table nat prints"), "{own}");
    }

    #[test]
    fn nothing_is_said_where_no_masquerade_meets_the_lan() {
        let lease = [("192.168.100.2", 24), ("2.0.0.2", 32)];
        let states = |to: &str| Translation { masquerades: false, to: to.parse().ok(), ..masquerade("eth2") };
        let docker = Translation { output: None, source: "172.17.0.0/16".parse().ok(), ..masquerade("") };
        for rules in [vec![], vec![masquerade("eth1")], vec![masquerade("eth2"), states("2.0.0.2")], vec![docker]] {
            assert_eq!(told("type: dhcp", &lease, "2.0.0.2", &rules), [""; 0], "{rules:?}");
        }
        assert_eq!(told("type: dhcp, nat: none", &lease, "2.0.0.2", &[masquerade("eth2")]), [""; 0]);
    }
}
