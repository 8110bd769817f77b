//! `uplinks`: the ways to the internet.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_yaml::Value;

use super::ipv6::{self, Ipv6Kind, Nat6};
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
    /// What becomes of the source address of its IPv4 connections.
    pub nat: Nat,
    /// The IPv6 prefixes that its provider routes to us: what comes from them leaves by this uplink.
    pub prefixes6: Vec<Prefix>,
    /// What becomes of the source address of its IPv6 connections.
    pub nat6: Nat6,
    /// Whether the segments of TCP are kept small enough for it.
    pub clamp_mss: Option<ClampMss>,
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

    /// How long nothing may be heard of it before a probe that tests it counts as hung, and what was heard as outdated.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.longest_interval() * 3 + self.tests.longest()
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

/// What becomes of the source address of IPv4 connections that leave by an uplink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nat {
    /// It becomes the uplink's own.
    #[default]
    Masquerade,
    /// Nothing: hosts inside have addresses of the provider.
    None,
}

/// How small the segments of TCP are kept (RFC 879; `TCPMSS` in iptables-extensions(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClampMss {
    /// As the MTU of the route says.
    Route,
    /// So many bytes over IPv4, and 20 fewer over IPv6, whose header is longer.
    Bytes(u16),
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
                section.wrong(
                    "interface",
                    format!(
                        "{name} is another uplink already, allowed: each device once; for several providers on one \
                         cable make a device for each: ip link add link {name} name NAME type macvlan (or a VLAN)"
                    ),
                );
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
    let nat = section.optional("nat", scalar::one_of(&[("masquerade", Nat::Masquerade), ("none", Nat::None)]));
    let ipv6 = ipv6::read(section);
    let prefixes6 = ipv6::read_prefixes(section, ipv6);
    let nat6 = ipv6::read_nat(section, ipv6, &prefixes6);
    let clamp_mss = section.optional("clamp_mss", clamp).flatten();
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
        nat: nat.unwrap_or_default(),
        prefixes6,
        nat6,
        clamp_mss,
        weight,
        priority_group,
        default_route,
        metered,
        tests,
    })
}

/// The smallest segment that every host takes (RFC 9293, 3.7.1), and the largest that fits into a jumbo frame.
const SEGMENTS: std::ops::RangeInclusive<u16> = 536..=8960;

fn clamp(value: &Value) -> Result<Option<ClampMss>, String> {
    if let Ok(wanted) = scalar::boolean(value) {
        return Ok(wanted.then_some(ClampMss::Route));
    }
    scalar::within(*SEGMENTS.start(), *SEGMENTS.end())(value)
        .map(|bytes| Some(ClampMss::Bytes(bytes)))
        .map_err(|what| format!("{what}, or true for what the route's MTU says"))
}

/// Reads names of uplinks as their places. Where an uplink itself is wrong, its name may well be meant.
pub(super) fn read_places(section: &mut Section<'_>, key: &'static str, uplinks: &[Option<Uplink>]) -> Vec<usize> {
    let whole = uplinks.iter().all(Option::is_some);
    let list = section.list(key, |value| {
        let name = scalar::text(value)?;
        match uplinks.iter().position(|uplink| uplink.as_ref().is_some_and(|one| one.name == *name)) {
            None if whole => Err(format!("{name:?} is no uplink of this file")),
            place => Ok(place),
        }
    });
    let list: Vec<usize> = list.into_iter().flatten().collect();
    let twice = list.iter().enumerate().any(|(at, place)| list.iter().take(at).any(|earlier| earlier == place));
    if twice {
        section.wrong(key, "an uplink is named twice, allowed: each once");
    }
    list
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
