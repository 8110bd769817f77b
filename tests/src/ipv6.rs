//! IPv6 beside IPv4 in a lab: addresses of the documentation prefix (RFC 3849) and a default route an uplink.
//!
//! The numbers of uplinks are written in decimal, so no letter of these prefixes is ever one of them.

use crate::error::Result;
use crate::namespace::Namespace;
use crate::plan::Uplink;
use std::fmt::Write as _;
use std::net::Ipv6Addr;

/// The test addresses of the internet.
pub const TARGETS: [Ipv6Addr; 6] = [target(1), target(2), target(3), target(4), target(5), target(6)];

/// The metric of the first uplink's default route on the router, less one.
const METRIC: u16 = 1024;

const fn target(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, number)
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

/// The network that the provider accepts as source.
#[must_use]
pub fn network(uplink: &Uplink) -> String {
    format!("2001:db8:{}::/64", uplink.number)
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

/// Makes a fresh namespace use addresses at once: nobody else can have them, and while the kernel still asks for
/// duplicates of a device's own address, a second or two, it finds no neighbours for packets that it forwards.
///
/// # Errors
/// When the kernel has no IPv6.
pub fn prepare(space: &Namespace) -> Result<()> {
    space.sysctl("net/ipv6/conf/default/accept_dad", "0")
}

/// Gives the internet its test addresses.
///
/// # Errors
/// When an address cannot be set.
pub fn raise_internet(internet: &Namespace) -> Result<()> {
    let batch = TARGETS.iter().fold(String::new(), |mut batch, target| {
        // Writing to a String cannot fail.
        let _ = writeln!(batch, "addr add {target}/128 dev lo");
        batch
    });
    internet.ip(&batch)?;
    internet.sysctl("net/ipv6/conf/all/forwarding", "1")
}

/// Makes a provider forward IPv6 for its own customer and count the packets of others.
///
/// # Errors
/// When an address or rule cannot be set.
pub fn raise_provider(provider: &Namespace, internet: &Namespace, uplink: &Uplink) -> Result<()> {
    internet.ip(&format!(
        "addr add {}/64 dev p{}\nroute add {} via {}",
        exchange(uplink),
        uplink.number,
        network(uplink),
        transit(uplink)
    ))?;
    provider.ip(&format!("addr add {}/64 dev wan\nroute add default via {}", transit(uplink), exchange(uplink)))?;
    provider.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    provider.nft(&format!(
        "add chain inet guard forward6 {{ type filter hook forward priority -10; }}\n\
         add rule inet guard forward6 iifname \"access\" ip6 saddr != {} counter name foreign drop\n",
        network(uplink)
    ))
}

/// Sets the addresses at both ends of an uplink and the router's default route. Again after the router's device was
/// down or deleted: the kernel forgets IPv6 addresses then.
///
/// # Errors
/// When an address or route cannot be set.
pub fn join(router: &Namespace, provider: &Namespace, uplink: &Uplink) -> Result<()> {
    let device = uplink.device();
    provider.ip(&format!("addr replace {}/64 dev access", gateway(uplink)))?;
    router.ip(&format!(
        "addr replace {}/64 dev {device}\nroute replace default via {} dev {device} metric {}",
        address(uplink),
        gateway(uplink),
        METRIC + u16::from(uplink.number)
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{alike, uplinks};

    #[test]
    fn every_address_is_one_and_no_target_lies_in_an_uplink_network() {
        for uplink in uplinks(&alike(64)) {
            for text in [address(&uplink), gateway(&uplink), transit(&uplink), exchange(&uplink)] {
                let address: Ipv6Addr = text.parse().unwrap();
                assert!(TARGETS.iter().all(|target| target.segments()[..4] != address.segments()[..4]), "{text}");
            }
        }
    }
}
