//! What about this host goes badly with the configuration. Never an error: the host may change after us.

use std::net::{IpAddr, Ipv4Addr};

use ftr_core::Config;
use ftr_core::config::UplinkKind;
use ftr_core::layout::MAIN_PRIORITY;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{SockaddrIn, SockaddrStorage};

/// Lines `file: warning: …`.
pub(crate) fn of_this_host(config: &Config) -> Vec<String> {
    let mut found = far_gateways(config, &networks());
    if config.base_priority > MAIN_PRIORITY
        && std::fs::read_to_string("/proc/net/route").is_ok_and(|routes| has_default(&routes))
    {
        found.push(format!(
            "base_priority: warning: {} comes after the table main, which has a default route now: new connections take \
             that one; remove it, or use a base_priority below {MAIN_PRIORITY}",
            config.base_priority
        ));
    }
    found.into_iter().map(|line| format!("{}: {line}", config.file.display())).collect()
}

/// Each address of this host with its device and network mask.
fn networks() -> Vec<(String, Ipv4Addr, Ipv4Addr)> {
    let address = |storage: Option<SockaddrStorage>| storage?.as_sockaddr_in().map(SockaddrIn::ip);
    getifaddrs()
        .into_iter()
        .flatten()
        .filter_map(|one| Some((one.interface_name, address(one.address)?, address(one.netmask)?)))
        .collect()
}

/// A gateway outside the network of its uplink is reached all the same (`onlink`), but is more often a slip.
fn far_gateways(config: &Config, networks: &[(String, Ipv4Addr, Ipv4Addr)]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, uplink) in config.uplinks.iter().enumerate() {
        let UplinkKind::Static { gateway: Some(gateway), .. } = uplink.kind else { continue };
        let mut own = networks.iter().filter(|(device, ..)| device == uplink.name.as_str()).peekable();
        if own.peek().is_some()
            && !own.any(|(_, address, mask)| address.to_bits() & mask.to_bits() == gateway.to_bits() & mask.to_bits())
        {
            found.push(format!(
                "uplinks[{index}].gateway: warning: {} is outside every network of {}",
                IpAddr::V4(gateway),
                uplink.name
            ));
        }
    }
    found
}

/// Whether the kernel's list of the routes in main has a default that is up (columns: proc(5), `/proc/net/route`).
fn has_default(routes: &str) -> bool {
    const UP: u32 = 1;
    routes.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let destination = columns.next();
        let flags = columns.nth(1).and_then(|flags| u32::from_str_radix(flags, 16).ok());
        let mask = columns.nth(3);
        destination == Some("00000000") && mask == Some("00000000") && flags.is_some_and(|flags| flags & UP != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::fixture::config;

    #[test]
    fn a_default_in_main_is_seen() {
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
        let local = "eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let default = "eth1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
        assert!(!has_default(&format!("{head}{local}")));
        assert!(has_default(&format!("{head}{local}{default}")));
        assert!(!has_default(""));
    }

    #[test]
    fn a_gateway_outside_the_network_is_seen_only_where_the_network_is_known() {
        let known = |device: &str, address: &str, mask: &str| {
            (device.to_owned(), address.parse().unwrap(), mask.parse().unwrap())
        };
        let networks = [known("eth1", "192.0.2.1", "255.255.255.0"), known("eth2", "198.51.100.1", "255.255.255.0")];
        let found = far_gateways(&config([""; 3], ""), &networks);
        assert_eq!(found, ["uplinks[1].gateway: warning: 192.0.2.9 is outside every network of eth2"]);
    }
}
