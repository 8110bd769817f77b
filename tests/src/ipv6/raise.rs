//! Puts the IPv6 of a lab in place.

use super::{DELEGATED, FIRST_CLIENT, LAN, TARGETS, address, delegated, exchange, gateway, local, network};
use super::{servers, subnet, transit};
use crate::error::Result;
use crate::namespace::Namespace;
use crate::plan::{Kind6, Uplink};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

/// Makes a fresh namespace use addresses at once: nobody else can have them, and while the kernel still asks for
/// duplicates of a device's own address, a second or two, it finds no neighbours for packets that it forwards.
///
/// # Errors
/// When the kernel has no IPv6.
pub fn prepare(space: &Namespace) -> Result<()> {
    space.sysctl("net/ipv6/conf/default/accept_dad", "0")
}

/// Gives the LAN a network of its own, and one of each prefix that a provider delegates.
///
/// # Errors
/// When an address cannot be set.
pub fn lan(router: &Namespace, lan: &Namespace, uplinks: &[Uplink]) -> Result<()> {
    let with_prefix = uplinks.iter().filter(|uplink| uplink.wish.delegated);
    let networks = with_prefix.map(|uplink| subnet(uplink.number, DELEGATED)).chain([LAN]);
    let member = |network: Ipv6Addr, number: u16| Ipv6Addr::from_bits(network.to_bits() | u128::from(number));
    let mut hosts = String::new();
    for network in networks {
        router.ip(&format!("addr add {}/64 dev eth0", member(network, 1)))?;
        for number in 0..100 {
            // Writing to a String cannot fail.
            let _ = writeln!(hosts, "addr add {}/64 dev eth0", member(network, FIRST_CLIENT + number));
        }
    }
    lan.ip(&format!("{hosts}route add default via {}", member(LAN, 1))).map(drop)
}

/// Gives the internet its test addresses and servers.
///
/// # Errors
/// When an address cannot be set.
pub fn internet(internet: &Namespace) -> Result<()> {
    let all = TARGETS.map(IpAddr::V6).into_iter().chain(servers());
    let batch = all.fold(String::new(), |mut batch, address| {
        // Writing to a String cannot fail.
        let _ = writeln!(batch, "addr add {address}/128 dev lo");
        batch
    });
    internet.ip(&batch)?;
    internet.sysctl("net/ipv6/conf/all/forwarding", "1")
}

/// Makes a provider forward IPv6 for its own customer and count the packets of others.
///
/// # Errors
/// When an address or rule cannot be set.
pub fn provider(provider: &Namespace, internet: &Namespace, uplink: &Uplink) -> Result<()> {
    if uplink.wish.type6 == Kind6::None {
        return Ok(());
    }
    internet.ip(&format!(
        "addr add {}/64 dev p{}\nroute add {} via {}",
        exchange(uplink),
        uplink.number,
        network(uplink),
        transit(uplink)
    ))?;
    provider.ip(&format!("addr add {}/64 dev wan\nroute add default via {}", transit(uplink), exchange(uplink)))?;
    provider.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    // On the device that is yet to come it gives itself the one address that its customer shall know.
    provider.sysctl("net/ipv6/conf/default/addr_gen_mode", "1")?;
    provider.nft(&format!(
        "add chain inet guard forward6 {{ type filter hook forward priority -10; }}\n\
         add rule inet guard forward6 iifname \"access\" ip6 saddr != {} counter name foreign drop\n",
        network(uplink)
    ))
}

/// Sets the addresses that do not come by themselves at both ends of an uplink. Again after one of its devices was
/// down or deleted: the kernel forgets IPv6 addresses then.
///
/// # Errors
/// When an address or route cannot be set.
pub fn join(router: &Namespace, provider: &Namespace, uplink: &Uplink) -> Result<()> {
    let device = uplink.device();
    if uplink.wish.type6 == Kind6::Static {
        router.ip(&format!("addr replace {}/64 dev {device}", address(uplink)))?;
        serve(provider, uplink)?;
    }
    router.ip(&format!("addr replace {}/64 dev {device}", local(uplink)))?;
    if uplink.wish.delegated {
        provider.ip(&format!("route replace {} via {} dev access", delegated(uplink), local(uplink)))?;
    }
    Ok(())
}

/// Gives the provider's end its addresses.
///
/// # Errors
/// When an address cannot be set.
pub fn serve(provider: &Namespace, uplink: &Uplink) -> Result<()> {
    let (number, gateway) = (uplink.number, gateway(uplink));
    provider.ip(&format!("addr replace fe80::{number}:1/64 dev access\naddr replace {gateway}/64 dev access")).map(drop)
}
