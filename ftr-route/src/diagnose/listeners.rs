//! Services of this host that wait for UDP packets on all addresses at once (proc(5), `/proc/net/udp`).
//!
//! The answer of such a service is a packet of its own to the kernel, which takes the address of the uplink that new
//! connections take, and not the one that was asked. Programs that tell the kernel which address to answer from are
//! known by name. A socket that is bound to a device looks here like one that is not.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::hazard::{Hazard, Kind};

/// The state of a socket that is not connected (`TCP_CLOSE`).
const UNCONNECTED: &str = "07";
/// DHCP, `NetBIOS`, multicast DNS and its like: for the network that they are asked from, not for the internet.
const LOCAL_PORTS: [u16; 10] = [67, 68, 137, 138, 546, 547, 1900, 3702, 5353, 5355];
/// Programs that answer from the address that was asked, or ask only.
const CAREFUL: [&str; 9] = [
    "avahi-daemon",
    "charon",
    "charon-systemd",
    "chronyd",
    "dnsmasq",
    "named",
    "systemd-network",
    "systemd-resolve",
    "tailscaled",
];

/// A socket that takes packets for every address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Socket {
    pub(super) port: u16,
    pub(super) inode: u64,
}

/// A service behind such a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listener {
    pub(super) port: u16,
    /// The name of its process; none where the system does not let us see it.
    pub(super) process: Option<String>,
}

/// The sockets of a list of the kernel that may be those of services: not from the ports that the kernel gives to
/// those who only ask.
pub(super) fn sockets(list: &str, given_out: &RangeInclusive<u16>) -> Vec<Socket> {
    let socket = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (address, port) = columns.next()?.split_once(':')?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?.parse().ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let everywhere = !address.is_empty() && address.bytes().all(|digit| digit == b'0');
        let service = !LOCAL_PORTS.contains(&port) && !given_out.contains(&port);
        (everywhere && state == UNCONNECTED && service).then_some(Socket { port, inode })
    };
    list.lines().skip(1).filter_map(socket).collect()
}

/// The ports that the kernel gives to those who do not ask for one (`net/ipv4/ip_local_port_range`).
pub(super) fn given_out(range: Option<&String>) -> RangeInclusive<u16> {
    let mut numbers = range.into_iter().flat_map(|text| text.split_ascii_whitespace()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last))) => first..=last,
        _ => 32768..=60999,
    }
}

/// The services behind sockets. A socket that no process holds is one of the kernel, such as a tunnel's, which
/// answers where it was asked; that can be told only if all processes could be looked at.
pub(super) fn listeners(sockets: &[Socket], holders: &BTreeMap<u64, String>, complete: bool) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = sockets
        .iter()
        .map(|socket| Listener { port: socket.port, process: holders.get(&socket.inode).cloned() })
        .filter(|listener| listener.process.is_some() || !complete)
        .collect();
    listeners.sort();
    listeners.dedup();
    listeners
}

/// Those that may answer from the wrong address; `addresses` are those of the uplinks.
pub(super) fn evaluate(listeners: &[Listener], addresses: &[&IpAddr]) -> Vec<Hazard> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let careful = |listener: &&Listener| listener.process.as_deref().is_some_and(|process| CAREFUL.contains(&process));
    let hazard = |listener: &Listener| {
        let port = listener.port;
        let object = match &listener.process {
            Some(process) => format!("{process}, UDP port {port}"),
            None => format!("UDP port {port}"),
        };
        let what = "waits on all addresses, so it may answer by another uplink than it was asked through";
        Hazard::new(Kind::WildcardListener, object, what, advice(listener, &addresses.join(" and ")))
    };
    listeners.iter().filter(|listener| !careful(listener)).map(hazard).collect()
}

fn advice(listener: &Listener, addresses: &str) -> String {
    match listener.process.as_deref() {
        Some("openvpn") => "write multihome into its configuration".to_owned(),
        Some("unbound") => "write interface-automatic: yes into the server section of unbound.conf".to_owned(),
        _ => format!("let it listen on {addresses} by name, and on the addresses of the local network"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Listener, Socket, evaluate, given_out, listeners, sockets};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::net::IpAddr;

    const LIST: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  122: 00000000:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0
  123: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0
  124: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0000000000000000 0
  125: 00000000:8001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4714 2 0000000000000000 0
  126: 00000000:0007 08080808:0035 01 00000000:00000000 00:00000000 00000000     0        0 4715 2 0000000000000000 0
";

    fn told(listeners: &[Listener]) -> Vec<String> {
        let addresses: [IpAddr; 2] = [[1, 0, 0, 2].into(), [2, 0, 0, 2].into()];
        evaluate(listeners, &addresses.iter().collect::<Vec<_>>()).iter().map(ToString::to_string).collect()
    }

    fn listener(port: u16, process: &str) -> Listener {
        Listener { port, process: Some(process.to_owned()) }
    }

    #[test]
    fn only_services_on_all_addresses_are_found() {
        let range = given_out(Some(&"32768\t60999".to_owned()));
        assert_eq!(sockets(LIST, &range), [Socket { port: 5060, inode: 4711 }]);
        assert_eq!(sockets(LIST, &given_out(Some(&"40000 50000".to_owned()))).len(), 2);
        let six = "head\n 1: 00000000000000000000000000000000:13C4 0:0 07 0:0 0:0 0 0 0 9 2 0 0\n";
        assert_eq!(sockets(six, &range), [Socket { port: 5060, inode: 9 }]);
    }

    #[test]
    fn a_socket_without_process_is_the_kernels_if_all_were_seen() {
        let sockets = [Socket { port: 51820, inode: 1 }, Socket { port: 5060, inode: 2 }];
        let holders = BTreeMap::from([(2, "asterisk".to_owned())]);
        assert_eq!(listeners(&sockets, &holders, true), [listener(5060, "asterisk")]);
        assert_eq!(listeners(&sockets, &holders, false).len(), 2);
    }

    #[test]
    fn a_service_is_told_where_to_listen() {
        let lines = told(&[listener(5060, "asterisk"), listener(53, "dnsmasq"), listener(1194, "openvpn")]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("warning: asterisk, UDP port 5060: "), "{lines:?}");
        assert!(lines[0].contains("listen on 1.0.0.2 and 2.0.0.2 by name"), "{lines:?}");
        assert!(lines[1].ends_with(": write multihome into its configuration"), "{lines:?}");
        assert_eq!(told(&[Listener { port: 7, process: None }]).len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s)([0-9A-F: ]|\n){0,200}") {
            sockets(&text, &(1..=9));
        }
    }
}
