//! `uplinks`: the ways to the internet.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_yaml::Value;

use super::scalar;
use super::section::Section;
use super::target::is_host;
use super::tests_section::{self, Tests};
use crate::InterfaceName;

/// A way to the internet: a device, and what leads through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The device, whose name is the uplink's name everywhere.
    pub name: InterfaceName,
    /// Where address and gateway come from.
    pub kind: UplinkKind,
    /// Where its IPv6 address and gateway come from; none where it has no IPv6.
    pub ipv6: Option<Ipv6Kind>,
    /// What people call it.
    pub description: String,
    /// Its part of the new connections: 1 to 256.
    pub weight: u16,
    /// The group it is in, where one is stated: see [`super::Config::group`].
    pub priority_group: Option<u32>,
    /// Whether new connections may use it at all.
    pub default_route: bool,
    /// Whether what goes through it costs money: it is tested as seldom as its traffic allows.
    pub metered: bool,
    /// How it is tested.
    pub tests: Tests,
}

impl Uplink {
    /// How long it may be left alone, from the start of one check to that of the next.
    #[must_use]
    pub const fn longest_interval(&self) -> Duration {
        if self.metered { self.tests.max_interval } else { self.tests.interval }
    }
}

/// Where an uplink's address and gateway come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkKind {
    /// From the configuration.
    Static {
        /// The primary address, which new connections are translated to.
        ip: Ipv4Addr,
        /// The provider's router.
        gateway: Ipv4Addr,
    },
    /// From the kernel: a point-to-point device, whose address and peer come, change and go.
    Ppp,
}

/// Where an uplink's IPv6 address and gateway come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Kind {
    /// From the configuration.
    Static {
        /// The address.
        ip: Ipv6Addr,
        /// The provider's router, often a link-local address.
        gateway: Ipv6Addr,
    },
    /// From router advertisements, as the kernel takes them.
    Advertised,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Static,
    Ppp,
}

/// Reads the list, none for an uplink that is wrong; `tests` is what an uplink's own `tests` overrides.
pub(super) fn read(root: &mut Section<'_>, tests: &Tests) -> Vec<Option<Uplink>> {
    let mut names = Vec::new();
    root.sections("uplinks", |mut section| {
        let uplink = one(&mut section, tests);
        if let Some(Uplink { name, .. }) = &uplink {
            if names.contains(name) {
                section.wrong("interface", format!("{name} is another uplink already, allowed: each device once"));
            }
            names.push(name.clone());
        }
        section.finish();
        uplink
    })
}

fn one(section: &mut Section<'_>, tests: &Tests) -> Option<Uplink> {
    let name = section.required("interface", "the name of the device", scalar::parsed::<InterfaceName>);
    let words = &[("static", Type::Static), ("ppp", Type::Ppp)];
    let stated = section.has("type");
    let kind = section.optional("type", scalar::one_of(words));
    let kind = match kind {
        Some(Type::Ppp) => ppp(section),
        Some(Type::Static) => fixed(section),
        None if !stated => fixed(section),
        // A wrong type is noted; ask for the addresses all the same, so that they do not look like unknown keys.
        None => {
            section.has("ip");
            section.has("gateway");
            None
        }
    };
    let ipv6 = ipv6(section);
    let description = section.optional("description", scalar::text);
    let weight = section.optional("weight", scalar::within(1, 256)).unwrap_or(1);
    let priority_group = section.optional("priority_group", scalar::number::<u32>);
    let default_route = section.optional("default_route", scalar::boolean).unwrap_or(true);
    let metered = section.optional("metered", scalar::boolean).unwrap_or(false);
    let tests = tests_section::read_own(section, tests);
    let name = name?;
    Some(Uplink {
        description: description.unwrap_or_else(|| name.to_string()),
        name,
        kind: kind?,
        ipv6,
        weight,
        priority_group,
        default_route,
        metered,
        tests,
    })
}

fn fixed(section: &mut Section<'_>) -> Option<UplinkKind> {
    let ip = section.required("ip", "the address that the provider gave you", host);
    let gateway = section.required("gateway", "the address of the provider's router", host);
    let (ip, gateway) = (ip?, gateway?);
    if ip == gateway {
        section.wrong(
            "gateway",
            format!("{gateway} is the uplink's own address, allowed: the address of the provider's router"),
        );
        return None;
    }
    Some(UplinkKind::Static { ip, gateway })
}

/// None where the uplink has no IPv6, or what is stated of it is wrong (which is noted).
fn ipv6(section: &mut Section<'_>) -> Option<Ipv6Kind> {
    let advertised = section.optional("type6", scalar::one_of(&[("static", false), ("ra", true)]));
    let stated = section.has("ip6") || section.has("gateway6");
    if advertised == Some(true) {
        for key in ["ip6", "gateway6"] {
            if section.has(key) {
                section.wrong(key, "router advertisements tell it, allowed: nothing here, or type6: static");
            }
        }
        return (!stated).then_some(Ipv6Kind::Advertised);
    }
    if !stated && advertised.is_none() {
        return None;
    }
    let ip = section.required("ip6", "the IPv6 address that the provider gave you", host6);
    let gateway = section.required("gateway6", "the IPv6 address of the provider's router", host6);
    let (ip, gateway) = (ip?, gateway?);
    if ip.is_unicast_link_local() {
        section.wrong("ip6", format!("{ip} is valid on its link only, allowed: a global address"));
        return None;
    }
    Some(Ipv6Kind::Static { ip, gateway })
}

fn host6(value: &Value) -> Result<Ipv6Addr, String> {
    let text = scalar::text(value)?;
    text.parse()
        .ok()
        .filter(|address: &Ipv6Addr| !address.is_unspecified() && !address.is_loopback() && !address.is_multicast())
        .ok_or_else(|| format!("{text:?} is not the address of a host, allowed: an IPv6 address such as 2001:db8::1"))
}

fn ppp(section: &mut Section<'_>) -> Option<UplinkKind> {
    let mut kind = Some(UplinkKind::Ppp);
    for key in ["ip", "gateway"] {
        if section.has(key) {
            section.wrong(key, "a ppp uplink learns it from the kernel, allowed: nothing here, or type: static");
            kind = None;
        }
    }
    kind
}

fn host(value: &Value) -> Result<Ipv4Addr, String> {
    let text = scalar::text(value)?;
    text.parse()
        .ok()
        .filter(|&address| is_host(address))
        .ok_or_else(|| format!("{text:?} is not the address of a host, allowed: an IPv4 address such as 192.0.2.1"))
}
