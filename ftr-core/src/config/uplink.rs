//! `uplinks`: the ways to the internet.

use std::net::Ipv4Addr;

use serde_yaml::Value;

use super::scalar;
use super::section::Section;
use super::tests_section::{self, Tests, is_host};
use crate::InterfaceName;

/// A way to the internet: a device, and what leads through it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The device, whose name is the uplink's name everywhere.
    pub name: InterfaceName,
    /// Where address and gateway come from.
    pub kind: UplinkKind,
    /// What people call it.
    pub description: String,
    /// Its part of the new connections: 1 to 256.
    pub weight: u16,
    /// The group it is in, where one is stated: see [`super::Config::group`].
    pub priority_group: Option<u32>,
    /// Whether new connections may use it at all.
    pub default_route: bool,
    /// How it is tested.
    pub tests: Tests,
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
    let description = section.optional("description", scalar::text);
    let weight = section.optional("weight", scalar::within(1, 256)).unwrap_or(1);
    let priority_group = section.optional("priority_group", scalar::number::<u32>);
    let default_route = section.optional("default_route", scalar::boolean).unwrap_or(true);
    let tests = tests_section::read_own(section, tests);
    let name = name?;
    Some(Uplink {
        description: description.unwrap_or_else(|| name.to_string()),
        name,
        kind: kind?,
        weight,
        priority_group,
        default_route,
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
