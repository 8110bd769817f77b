//! IPv6 beside IPv4 in a lab: addresses of the documentation prefix (RFC 3849), unique local ones in the LAN (RFC 4193).
//!
//! The numbers of uplinks are written in decimal, so no letter of these prefixes is ever one of them.

pub mod advertiser;
pub mod raise;

use crate::plan::Uplink;
use std::net::{IpAddr, Ipv6Addr};

/// The test addresses of the internet.
pub const TARGETS: [Ipv6Addr; 6] = [target(1), target(2), target(3), target(4), target(5), target(6)];

/// The network of the LAN, whose addresses mean nothing to the internet.
pub const LAN: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0);

/// The first of the client's addresses in a network.
const FIRST_CLIENT: u16 = 0x100;

/// Which of a provider's networks is delegated to the router.
const DELEGATED: u16 = 0x100;

const fn target(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, number)
}

/// Where the servers of the internet listen.
#[must_use]
pub fn servers() -> Vec<IpAddr> {
    let server = |number| Ipv6Addr::new(0x2001, 0xdb8, 0xf, 1, 0, 0, 0, number);
    (1..=u16::from(crate::plan::SERVERS)).map(|number| server(number).into()).collect()
}

/// The first `count` client addresses of the LAN, at most 100: its own, or those of the prefix that came with the uplink
/// of this number.
#[must_use]
pub fn clients(delegated: Option<u8>, count: u8) -> Vec<IpAddr> {
    let network = delegated.map_or(LAN, |number| subnet(number, DELEGATED)).to_bits();
    let client = |number: u16| Ipv6Addr::from_bits(network | u128::from(FIRST_CLIENT + number));
    (0..u16::from(count.min(100))).map(|number| client(number).into()).collect()
}

/// The group of an address that reads as the number of an uplink.
fn group(number: u8) -> u16 {
    let number = u16::from(number);
    (number / 100) << 8 | (number / 10 % 10) << 4 | (number % 10)
}

/// One of the networks of a provider.
fn subnet(uplink: u8, number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, group(uplink), number, 0, 0, 0, 0)
}

/// Whether an address is of the networks of the uplink's provider.
#[must_use]
pub fn owns(uplink: &Uplink, address: Ipv6Addr) -> bool {
    address.segments()[..3] == subnet(uplink.number, 0).segments()[..3]
}

/// The router's address on the uplink.
#[must_use]
pub fn address(uplink: &Uplink) -> String {
    format!("2001:db8:{}::2", uplink.number)
}

/// The provider's address on the uplink.
#[must_use]
pub fn gateway(uplink: &Uplink) -> String {
    format!("2001:db8:{}::1", uplink.number)
}

/// The router's address that is valid on the uplink alone, of our own making beside the kernel's.
#[must_use]
pub fn local(uplink: &Uplink) -> String {
    format!("fe80::{}:2", uplink.number)
}

/// The networks that the provider has, and accepts as source.
#[must_use]
pub fn network(uplink: &Uplink) -> String {
    format!("2001:db8:{}::/48", uplink.number)
}

/// The prefix that the provider routes to the router, where it delegates one.
#[must_use]
pub fn delegated(uplink: &Uplink) -> String {
    format!("{}/56", subnet(uplink.number, DELEGATED))
}

/// The provider's side of its link to the internet.
#[must_use]
pub fn transit(uplink: &Uplink) -> String {
    format!("2001:db8:e:{}::2", uplink.number)
}

/// The internet's side of that link.
fn exchange(uplink: &Uplink) -> String {
    format!("2001:db8:e:{}::1", uplink.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{alike, uplinks};

    #[test]
    fn every_address_is_one_and_no_target_lies_in_an_uplink_network() {
        for uplink in uplinks(&alike(64)) {
            for text in [address(&uplink), gateway(&uplink), local(&uplink), transit(&uplink), exchange(&uplink)] {
                let address: Ipv6Addr = text.parse().unwrap();
                assert!(TARGETS.iter().all(|target| target.segments()[..4] != address.segments()[..4]), "{text}");
            }
        }
    }

    #[test]
    fn addresses_name_their_uplink_as_it_is_written() {
        let all = uplinks(&alike(126));
        let owner = |text: &str| {
            let address = text.parse().unwrap();
            all.iter().filter(|uplink| owns(uplink, address)).map(|uplink| uplink.number).collect::<Vec<_>>()
        };
        assert_eq!(owner("2001:db8:120::2"), [120]);
        assert_eq!(owner("2001:db8:16:1::7"), [16]);
        assert_eq!(owner("2001:db8:f::1"), [0; 0]);
        for uplink in &all {
            let IpAddr::V6(client) = clients(Some(uplink.number), 1)[0] else { panic!("{uplink:?}") };
            assert!(owns(uplink, client) && owns(uplink, address(uplink).parse().unwrap()));
        }
        assert_eq!(clients(None, 2)[1], "fd00::101".parse::<IpAddr>().unwrap());
    }
}
