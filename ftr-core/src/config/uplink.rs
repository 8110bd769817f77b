//! `uplinks`: the ways to the internet.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_yaml::Value;

use super::ipv6::{self, Ipv6Kind};
use super::scalar;
use super::section::Section;
use super::target::is_host;
use super::tests_section::{self, Tests};
use crate::{Family, InterfaceName, Prefix};

/// A way to the internet: a device, and what leads through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The device, whose name is the uplink's name everywhere.
    pub name: InterfaceName,
    /// Where address and gateway come from.
    pub kind: UplinkKind,
    /// Where its IPv6 address and gateway come from; none where it has no IPv6.
    pub ipv6: Option<Ipv6Kind>,
    /// The IPv6 prefixes that its provider routes to us: what comes from them leaves by this uplink.
    pub prefixes6: Vec<Prefix>,
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

    /// Whether it leads anywhere in the family. Every uplink has IPv4.
    #[must_use]
    pub const fn has(&self, family: Family) -> bool {
        match family {
            Family::V4 => true,
            Family::V6 => self.ipv6.is_some(),
        }
    }
}

/// Where an uplink's address and gateway come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkKind {
    /// From the configuration.
    Static {
        /// The primary address, which new connections are translated to.
        ip: Ipv4Addr,
        /// The provider's router; none on a point-to-point device.
        gateway: Option<Ipv4Addr>,
    },
    /// From the kernel: a point-to-point device, whose address and peer come, change and go.
    Ppp,
    /// From the kernel: the address of the device, and the default route for it in the table main, as DHCP clients put
    /// them there.
    Dhcp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Static,
    Ppp,
    Dhcp,
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
    let words = &[("static", Type::Static), ("ppp", Type::Ppp), ("dhcp", Type::Dhcp)];
    let stated = section.has("type");
    let kind = section.optional("type", scalar::one_of(words));
    let kind = match kind {
        Some(Type::Ppp) => learned(section, UplinkKind::Ppp, "ppp"),
        Some(Type::Dhcp) => learned(section, UplinkKind::Dhcp, "dhcp"),
        Some(Type::Static) => fixed(section),
        None if !stated => fixed(section),
        // A wrong type is noted; ask for the addresses all the same, so that they do not look like unknown keys.
        None => {
            section.has("ip");
            section.has("gateway");
            None
        }
    };
    let ipv6 = ipv6::read(section);
    let prefixes6 = ipv6::read_prefixes(section, ipv6);
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
        prefixes6,
        weight,
        priority_group,
        default_route,
        metered,
        tests,
    })
}

fn fixed(section: &mut Section<'_>) -> Option<UplinkKind> {
    let ip = section.required("ip", "the address that the provider gave you", host);
    let gateway = section.required("gateway", "the address of the provider's router, or none", |value| {
        if is_none(value) { Ok(None) } else { host(value).map(Some) }
    });
    let (ip, gateway) = (ip?, gateway?);
    if gateway == Some(ip) {
        section.wrong(
            "gateway",
            format!("{ip} is the uplink's own address, allowed: the address of the provider's router"),
        );
        return None;
    }
    Some(UplinkKind::Static { ip, gateway })
}

/// Whether a gateway is said not to be needed, as on a tunnel.
pub(super) fn is_none(value: &Value) -> bool {
    scalar::text(value).is_ok_and(|text| text == "none")
}

fn learned(section: &mut Section<'_>, kind: UplinkKind, word: &str) -> Option<UplinkKind> {
    let mut kind = Some(kind);
    for key in ["ip", "gateway"] {
        if section.has(key) {
            section.wrong(
                key,
                format!("a {word} uplink learns it from the kernel, allowed: nothing here, or type: static"),
            );
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
