//! What the devices of a host are for, as far as that can be seen: which are uplinks, which lead to hosts inside. What the
//! host has goes in, roles come out; [`text`] makes a configuration of them.

mod kind;
pub(crate) mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ftr_core::host::{DefaultRoute, Device, DeviceAddress, Host};
use ftr_core::numbering::MAIN_TABLE;
use ftr_core::{Family, InterfaceName, Prefix};

use kind::Kind;

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Roles<'a> {
    pub(crate) uplinks: Vec<Uplink<'a>>,
    /// Devices of local networks.
    pub(crate) lan: Vec<Lan<'a>>,
    /// Devices that are neither, and why.
    pub(crate) others: Vec<(&'a str, String)>,
    /// Whether there are containers or virtual machines, which have rules of their own in the firewall.
    pub(crate) has_guests: bool,
    /// Tables of others, which ours must not be.
    pub(crate) tables: Vec<u32>,
}

/// A device that leads to the internet.
#[derive(Debug)]
pub(crate) struct Uplink<'a> {
    pub(crate) device: &'a str,
    pub(crate) source: Source,
    pub(crate) source6: Option<Source6>,
    pub(crate) prefixes6: Vec<Prefix>,
    /// What was seen of it, in words.
    pub(crate) seen: Vec<String>,
}

/// Where its address and gateway come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Dhcp,
    Ppp,
    Static { ip: Ipv4Addr, gateway: Option<Ipv4Addr> },
}

/// The same for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source6 {
    Advertised,
    Static { ip: Ipv6Addr, gateway: Option<Ipv6Addr> },
}

/// A device of a local network.
#[derive(Debug)]
pub(crate) struct Lan<'a> {
    pub(crate) device: &'a str,
    pub(crate) networks: Vec<String>,
}

/// Finds out what devices are for.
pub(crate) fn roles(host: &Host) -> Roles<'_> {
    let mut roles = Roles::default();
    let tables = host.defaults.iter().filter(|route| route.protocol != "ftr").map(|route| route.table);
    roles.tables = tables.collect();
    for device in &host.devices {
        evaluate(host, device, &mut roles);
    }
    // The one that carries traffic now comes first.
    let rank = |uplink: &Uplink<'_>| host.defaults.iter().position(|route| route.device == uplink.device);
    roles.uplinks.sort_by_key(|uplink| rank(uplink).unwrap_or(usize::MAX));
    prefixes(host, &mut roles);
    roles
}

fn evaluate<'a>(host: &'a Host, device: &'a Device, roles: &mut Roles<'a>) {
    let name = device.name.as_str();
    let mut other = |why: &str| roles.others.push((name, why.to_owned()));
    let kind = Kind::of(device);
    let default = host.defaults_of(name, Family::V4).next();
    let own = primary(device);
    if name.parse::<InterfaceName>().is_err() {
        return other("its name is one that firewall rules cannot have");
    }
    match (kind, default, own) {
        (Kind::Guests, None, _) => {
            roles.has_guests = true;
            other("of containers or virtual machines");
        }
        (Kind::Tunnel, ..) => other("a tunnel or VPN; if it is to be an uplink: ip, and gateway: none"),
        (Kind::Ppp, _, Some(_)) => {
            let seen = default.map(|route| route.line.clone()).into_iter().collect();
            roles.uplinks.push(uplink(host, device, Source::Ppp, seen));
        }
        (_, Some(route), Some(own)) => match source(route, own) {
            Ok((source, seen)) => roles.uplinks.push(uplink(host, device, source, seen)),
            Err(why) => other(&why),
        },
        (_, Some(route), None) => other(&format!("{}, but it has no IPv4 address", route.line)),
        (_, None, _) if host.defaults_of(name, Family::V6).next().is_some() => {
            other("leads to the internet over IPv6 alone, and an uplink needs IPv4");
        }
        // What is there is the modem, or the provider's network.
        (_, None, _) if device.ppp_sessions > 0 => other("a PPP connection goes through it"),
        // Hosts inside have their addresses from this router: a network that gives it one is somebody else's.
        (_, None, Some(own)) if own.lease.is_some() || !own.permanent => other(&format!(
            "has {}/{} by DHCP and no default route: if it is an uplink, let its client set one with a metric of its \
             own, then type: dhcp",
            own.address, own.length
        )),
        (_, None, Some(own)) if is_private(own.address) => roles.lan.push(lan(device)),
        (_, None, Some(own)) => {
            other(&format!(
                "has {}/{}, and no default route: an uplink without a gateway, or a DMZ",
                own.address, own.length
            ));
        }
        (_, None, None) if !device.up => other("switched off"),
        (_, None, None) if !device.carrier => other("no carrier"),
        (_, None, None) => other("no address"),
    }
}

/// The IPv4 address that a device has first.
fn primary(device: &Device) -> Option<&DeviceAddress> {
    let own = || device.addresses_of(Family::V4);
    own().find(|address| !address.secondary).or_else(|| own().next())
}

/// Where address and gateway come from, and what tells so.
fn source(route: &DefaultRoute, own: &DeviceAddress) -> Result<(Source, Vec<String>), String> {
    let IpAddr::V4(ip) = own.address else { return Err("no IPv4 address".to_owned()) };
    let held = format!("{ip}/{}", own.length);
    let by_lease = own.lease.as_ref().map(|file| format!("{held}, by DHCP ({file})"));
    let by_lifetime = (!own.permanent).then(|| format!("{held} for a time, as DHCP clients have it"));
    let by_route = (route.protocol == "dhcp").then(|| format!("{held}, with the route of a DHCP client"));
    let mut seen = vec![route.line.clone()];
    match by_lease.or(by_lifetime).or(by_route) {
        // Gateways are learned from the table main.
        Some(how) if route.table == MAIN_TABLE => {
            seen.push(how);
            return Ok((Source::Dhcp, seen));
        }
        Some(how) => seen.push(format!(
            "{how}; static here, because a gateway is learned only from a default route in the table main"
        )),
        None => seen.push(format!("{held}, without a lifetime or a lease")),
    }
    match route.gateway {
        None => Ok((Source::Static { ip, gateway: None }, seen)),
        Some(IpAddr::V4(gateway)) => Ok((Source::Static { ip, gateway: Some(gateway) }, seen)),
        Some(IpAddr::V6(_)) => Err(format!("{}: an IPv4 route by an IPv6 gateway", route.line)),
    }
}

fn uplink<'a>(host: &Host, device: &'a Device, source: Source, mut seen: Vec<String>) -> Uplink<'a> {
    if source == Source::Ppp {
        seen.extend(device.addresses_of(Family::V4).map(|own| {
            let peer = own.peer.map(|peer| format!(" peer {peer}")).unwrap_or_default();
            format!("{}{peer}", own.address)
        }));
    }
    let default = host.defaults_of(&device.name, Family::V6).next();
    seen.extend(default.map(|route| route.line.clone()));
    let source6 = default.and_then(|route| match source6(device, route) {
        Ok(source6) => Some(source6),
        Err(why) => {
            seen.push(why.to_owned());
            None
        }
    });
    Uplink { device: &device.name, source, source6, prefixes6: Vec::new(), seen }
}

fn source6(device: &Device, route: &DefaultRoute) -> Result<Source6, &'static str> {
    if route.protocol == "ra" && route.table == MAIN_TABLE {
        return Ok(Source6::Advertised);
    }
    let own = device.addresses_of(Family::V6).find(|own| own.permanent && !own.secondary && is_public(own.address));
    match (own.map(|own| own.address), route.gateway) {
        (Some(IpAddr::V6(ip)), Some(IpAddr::V6(gateway))) => Ok(Source6::Static { ip, gateway: Some(gateway) }),
        (Some(IpAddr::V6(ip)), None) => Ok(Source6::Static { ip, gateway: None }),
        _ => Err("its IPv6 is left out: it has no lasting public address"),
    }
}

fn lan(device: &Device) -> Lan<'_> {
    let networks = device.addresses.iter().map(|own| format!("{}/{}", own.address, own.length)).collect();
    Lan { device: &device.name, networks }
}

/// Gives the uplinks the prefixes that were delegated, where it is clear which is whose: there is one uplink with IPv6, or
/// one whose own address begins alike.
fn prefixes(host: &Host, roles: &mut Roles<'_>) {
    let lans: Vec<&str> = roles.lan.iter().map(|lan| lan.device).collect();
    let inside =
        host.devices.iter().filter(|device| lans.contains(&device.name.as_str())).flat_map(|device| &device.addresses);
    let inside = inside.filter(|own| is_public(own.address)).filter_map(DeviceAddress::network);
    let mut found: Vec<(Prefix, String)> =
        host.delegated.iter().map(|delegated| (delegated.prefix, delegated.line.clone())).collect();
    for prefix in inside {
        if !found.iter().any(|(known, _)| known.contains(prefix.address())) {
            found.push((prefix, format!("{prefix} in the local network")));
        }
    }
    for (prefix, line) in found {
        let alike = |uplink: &Uplink<'_>| {
            let device = host.device(uplink.device);
            let near = Prefix::new(prefix.address(), ALLOCATION);
            let own = device.into_iter().flat_map(|device| device.addresses_of(Family::V6));
            own.into_iter().any(|own| near.is_some_and(|near| near.contains(own.address)))
        };
        let with_ipv6: Vec<usize> = indices(&roles.uplinks, |uplink| uplink.source6.is_some());
        let near: Vec<usize> = indices(&roles.uplinks, |uplink| uplink.source6.is_some() && alike(uplink));
        let owner = match (with_ipv6.as_slice(), near.as_slice()) {
            ([only], _) | (_, [only]) => roles.uplinks.get_mut(*only),
            _ => None,
        };
        match owner {
            Some(uplink) => {
                uplink.prefixes6.push(prefix);
                uplink.seen.push(line);
            }
            None => roles.others.push(("IPv6", format!("{line}: prefix6 of the uplink that it came by"))),
        }
    }
}

/// Providers have prefixes of this length from their registry (RIPE 738), and delegate parts of them.
const ALLOCATION: u8 = 32;

fn indices(uplinks: &[Uplink<'_>], fits: impl Fn(&Uplink<'_>) -> bool) -> Vec<usize> {
    uplinks.iter().enumerate().filter(|(_, uplink)| fits(uplink)).map(|(index, _)| index).collect()
}

/// An address of hosts behind a router (RFC 1918).
const fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(_) => false,
    }
}

/// An address of the internet: none of one's own (RFC 4193).
const fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_private(),
        IpAddr::V6(address) => address.segments()[0] & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests;
