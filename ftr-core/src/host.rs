//! What a host has, as far as a configuration is about it: its devices, their addresses, and the ways that lead
//! everywhere. `ftr-route detect -j` prints it as one JSON object, and `ftr-monitor` reads that.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Family, Prefix};

/// What a host has at one look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Every device but the host's own loop.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// The default routes of all tables: IPv4 first, in the order of tables and metrics, one entry for each nexthop.
    #[serde(default)]
    pub defaults: Vec<DefaultRoute>,
    /// The IPv6 prefixes that a provider has delegated to this host.
    #[serde(default)]
    pub delegated: Vec<Delegated>,
}

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// What kind of virtual device it is (`bridge`, `tun`, `wireguard`, …); none for hardware.
    #[serde(default)]
    pub kind: Option<String>,
    /// It is switched on.
    #[serde(default)]
    pub up: bool,
    /// It has a link partner.
    #[serde(default)]
    pub carrier: bool,
    /// It has exactly one peer.
    #[serde(default)]
    pub point_to_point: bool,
    /// How many PPP connections go through it.
    #[serde(default)]
    pub ppp_sessions: usize,
    /// Its addresses that are valid beyond the link.
    #[serde(default)]
    pub addresses: Vec<DeviceAddress>,
}

/// An address of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAddress {
    /// The address.
    pub address: IpAddr,
    /// How many bits name its network.
    pub length: u8,
    /// The far end's address on a point-to-point device.
    #[serde(default)]
    pub peer: Option<IpAddr>,
    /// It has no lifetime: somebody has stated it.
    #[serde(default)]
    pub permanent: bool,
    /// It is not the first of its IPv4 network, or a temporary one of IPv6.
    #[serde(default)]
    pub secondary: bool,
    /// The file of a DHCP client that names it, or a client that runs for its device and writes none.
    #[serde(default)]
    pub lease: Option<String>,
}

/// A default route, or one nexthop of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRoute {
    /// Its family.
    pub family: Family,
    /// The table that it stands in.
    pub table: u32,
    /// The device that it leads through.
    pub device: String,
    /// The router that it leads to; none where the device needs none.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// Who made it, in the word of `ip route`: `dhcp`, `ra`, `static`, `boot`, …
    pub protocol: String,
    /// Its metric.
    #[serde(default)]
    pub metric: u32,
    /// The route in the words of `ip route`.
    pub line: String,
}

/// A delegated prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegated {
    /// The prefix.
    pub prefix: Prefix,
    /// The route that tells of it, in the words of `ip route`.
    pub line: String,
}

impl Host {
    /// The device of a name.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// The device that has an address.
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<&Device> {
        self.devices.iter().find(|device| device.addresses.iter().any(|own| own.address == address))
    }

    /// The default routes through a device, in one family, the one that comes first ahead.
    pub fn defaults_of<'a>(&'a self, device: &'a str, family: Family) -> impl Iterator<Item = &'a DefaultRoute> {
        self.defaults.iter().filter(move |route| route.device == device && route.family == family)
    }
}

impl Device {
    /// Its addresses of a family.
    pub fn addresses_of(&self, family: Family) -> impl Iterator<Item = &DeviceAddress> {
        self.addresses.iter().filter(move |own| Family::of(own.address) == family)
    }
}

impl DeviceAddress {
    /// The network that is reachable directly because of it.
    #[must_use]
    pub fn network(&self) -> Option<Prefix> {
        Prefix::new(self.peer.unwrap_or(self.address), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::Host;

    /// What a later version adds, or leaves out, is no reason not to read the rest.
    #[test]
    fn what_is_not_known_is_ignored_and_what_is_missing_is_nothing() {
        let text = r#"{"devices":[{"name":"eth1","colour":"red","addresses":[{"address":"192.0.2.2","length":24}]}],
            "defaults":[{"family":4,"table":254,"device":"eth1","protocol":"dhcp","line":"default dev eth1"}]}"#;
        let host: Host = serde_json::from_str(text).unwrap();
        let eth1 = host.device("eth1").unwrap();
        assert_eq!(eth1.addresses[0].network().unwrap().to_string(), "192.0.2.0/24");
        assert_eq!(host.owner("192.0.2.2".parse().unwrap()), Some(eth1));
        assert_eq!(host.defaults_of("eth1", crate::Family::V4).count(), 1);
        assert!(!eth1.up && host.delegated.is_empty());
    }
}
