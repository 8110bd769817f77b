//! The addresses and names of a lab: pure, so that tests, configuration and topology agree.

use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The test addresses of the internet, those of the original's example configuration.
pub const TARGETS: [Ipv4Addr; 6] = [
    Ipv4Addr::new(8, 8, 8, 8),
    Ipv4Addr::new(8, 8, 4, 4),
    Ipv4Addr::new(208, 67, 222, 222),
    Ipv4Addr::new(208, 67, 220, 220),
    Ipv4Addr::new(4, 2, 2, 2),
    Ipv4Addr::new(4, 2, 2, 3),
];

/// How many server addresses the internet has. With the kernel's default hash of addresses alone, many pairs of client
/// and server are what spreads connections. A program of the router has no address before its uplink is chosen, so there
/// the servers have to do: of 16 none went by an uplink of a quarter of the weight on one boot in a hundred.
pub const SERVERS: u8 = 48;

/// The first of the client's addresses in the LAN.
const FIRST_CLIENT: u8 = 100;

/// Where the servers of the internet listen (192.0.2.0/24, RFC 5737).
#[must_use]
pub fn servers() -> Vec<Ipv4Addr> {
    (1..=SERVERS).map(|last| Ipv4Addr::new(192, 0, 2, last)).collect()
}

/// The first `count` client addresses of the LAN, at most 100.
#[must_use]
pub fn clients(count: u8) -> Vec<Ipv4Addr> {
    (0..count.min(100)).map(|n| Ipv4Addr::new(192, 168, 1, FIRST_CLIENT + n)).collect()
}

/// What an uplink is, and how it gets its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An Ethernet device with a fixed address.
    #[default]
    Static,
    /// A point-to-point device whose addresses come and go with it.
    Ppp,
    /// An Ethernet device whose address and gateway a DHCP client brings.
    Dhcp,
    /// One of several devices on one cable, which leads to a switch that the providers share.
    Macvlan,
    /// A point-to-point device with a fixed address, which needs no gateway.
    Tunnel,
    /// An Ethernet device without address resolution (`NOARP`), as LTE modems have it, which needs no gateway either.
    Modem,
}

/// A DHCP client that people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DhcpClient {
    /// Its routes have a metric of their own for each device.
    #[default]
    Dhcpcd,
    /// That of busybox, with Debian's script: the default route has no metric, so there is room for one.
    Udhcpc,
}

/// How an uplink's IPv6 comes, where the lab has any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind6 {
    /// A fixed address and gateway.
    #[default]
    Static,
    /// The kernel takes both from router advertisements.
    Ra,
    /// The provider has none.
    None,
}

/// What a scenario says of an uplink; everything may be left out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// `static`, `ppp`, `dhcp`, `macvlan`, `tunnel` or `modem`.
    #[serde(rename = "type", default)]
    pub kind: Kind,
    /// The client of a `dhcp` uplink.
    #[serde(default)]
    pub client: DhcpClient,
    /// The router's address, where it is not the usual one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Ipv4Addr>,
    /// The length of its network's prefix, 24 when absent; with 32 the gateway is outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u8>,
    /// The provider's address, where it is not the usual one. Uplinks may have the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ipv4Addr>,
    /// Whether the provider translates the router's address to i.0.0.2, as a modem does that is a router itself.
    #[serde(default)]
    pub translated: bool,
    /// `static`, `ra` or `none`, where the lab has IPv6.
    #[serde(default)]
    pub type6: Kind6,
    /// Whether the provider routes an IPv6 prefix to the router.
    #[serde(default)]
    pub delegated: bool,
    /// Whether the configuration leaves IPv6 sources as they are where they leave by it.
    #[serde(default)]
    pub native: bool,
    /// The weight for balancing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u16>,
    /// The priority group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_group: Option<u32>,
    /// Whether new connections may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_route: Option<bool>,
    /// Its name servers.
    #[serde(default)]
    pub dns: Vec<String>,
}

/// One uplink with its provider.
#[derive(Debug, Clone)]
pub struct Uplink {
    /// Counts from 1.
    pub number: u8,
    /// What was asked for.
    pub wish: Wish,
}

impl Uplink {
    /// The router's device: `eth1`, `ppp1` for a point-to-point one, `tun1` for a tunnel, `wwan1` for a modem.
    #[must_use]
    pub fn device(&self) -> String {
        let kind = match self.wish.kind {
            Kind::Static | Kind::Dhcp | Kind::Macvlan => "eth",
            Kind::Modem => "wwan",
            Kind::Ppp => "ppp",
            Kind::Tunnel => "tun",
        };
        format!("{kind}{}", self.number)
    }

    /// Whether it has one end, one far end, and nobody else.
    #[must_use]
    pub fn is_line(&self) -> bool {
        matches!(self.wish.kind, Kind::Ppp | Kind::Tunnel)
    }

    /// The router's address on the uplink.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.wish.address.unwrap_or(Ipv4Addr::new(self.number, 0, 0, 2))
    }

    /// The length of the prefix that the router's address has.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.wish.prefix.unwrap_or(24)
    }

    /// The provider's address on the uplink.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.wish.gateway.unwrap_or(Ipv4Addr::new(self.number, 0, 0, 1))
    }

    /// Whether an address is of the network that uplinks of this number have without further wishes.
    #[must_use]
    pub fn is_usual(&self, address: Ipv4Addr) -> bool {
        address.octets()[..3] == [self.number, 0, 0]
    }

    /// The network that the provider accepts as source.
    #[must_use]
    pub fn network(&self) -> String {
        let address = self.address();
        if self.is_usual(address) { format!("{}.0.0.0/24", self.number) } else { format!("{address}/32") }
    }

    /// The address that the internet sees.
    #[must_use]
    pub fn seen_as(&self) -> Ipv4Addr {
        if self.wish.translated { Ipv4Addr::new(self.number, 0, 0, 2) } else { self.address() }
    }

    /// The network that the internet sends back to the provider.
    #[must_use]
    pub fn seen_network(&self) -> String {
        if self.wish.translated { format!("{}.0.0.0/24", self.number) } else { self.network() }
    }

    /// The provider's side of its link to the internet.
    #[must_use]
    pub fn transit(&self) -> Ipv4Addr {
        Ipv4Addr::new(100, 64, self.number, 2)
    }

    /// The internet's side of that link.
    #[must_use]
    pub fn exchange(&self) -> Ipv4Addr {
        Ipv4Addr::new(100, 64, self.number, 1)
    }
}

/// The uplinks of a lab, numbered from 1 in order.
#[must_use]
pub fn uplinks(wishes: &[Wish]) -> Vec<Uplink> {
    (1..).zip(wishes).map(|(number, wish)| Uplink { number, wish: wish.clone() }).collect()
}

/// Three static uplinks with weights 1, 2, 1: the lab of all figures that are published.
#[must_use]
pub fn three() -> Vec<Wish> {
    [1, 2, 1].map(|weight| Wish { weight: Some(weight), ..Wish::default() }).to_vec()
}

/// `count` static uplinks of the same weight.
#[must_use]
pub fn alike(count: u8) -> Vec<Wish> {
    vec![Wish { weight: Some(1), ..Wish::default() }; usize::from(count)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_its_own_has_a_network_of_its_own() {
        let wish = |last| Wish { address: Some(Ipv4Addr::new(10, 99, 0, last)), ..Wish::default() };
        let all = uplinks(&[wish(2), wish(3)]);
        assert_eq!((all[1].network().as_str(), all[1].gateway()), ("10.99.0.3/32", Ipv4Addr::new(2, 0, 0, 1)));
    }

    #[test]
    fn no_test_address_lies_in_an_uplink_network() {
        for uplink in uplinks(&alike(32)) {
            for target in TARGETS {
                assert_ne!(target.octets()[..3], uplink.gateway().octets()[..3]);
            }
        }
    }
}
