//! `uplinks`: the ways to the internet.

use std::time::Duration;

use serde_json::{Value as Json, json};
use serde_yaml::Value;

use super::form::{
    Apart, DEVICE, FLAG, HOURS, List, Maybe, NUMBER, Needed, Scalar, Several, TEXT, Unless, Within, Word,
};
use super::hours::{self, Hours};
use super::ipv4::UplinkKind;
use super::ipv6::{self, AUTO_OR_PREFIXES, Ipv6Kind, Nat6, Prefixes6};
use super::key::{Keys as _, keys};
use super::quota::Quota;
use super::resolver::{RESOLVER, Resolver};
use super::scalar;
use super::section::Section;
use super::tests_section::{self, Tests};
use super::words::words;
use crate::{Family, InterfaceName};

keys! {
    /// A way to the internet: a device, and what leads through it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Uplink {
        /// The device, whose name is the uplink's name everywhere.
        "interface" => pub name: InterfaceName = InterfaceName::loopback(),
            Needed(DEVICE, "the name of the device");
        /// Where address and gateway come from.
        "" => pub kind: UplinkKind = UplinkKind::Ppp, Several;
        /// Where its IPv6 address and gateway come from; none where it has no IPv6.
        "" => pub ipv6: Option<Ipv6Kind> = None, Several;
        /// What becomes of the source address of IPv4 connections that leave by it.
        "nat" => pub nat: Nat = Nat::Masquerade, Unless(Nat::Masquerade, Word);
        /// The IPv6 prefixes that its provider routes to us: what comes from them leaves by this uplink. `auto`: those that a
        /// DHCP client has been delegated, followed as they change.
        "prefix6" => pub prefixes6: Prefixes6 = Prefixes6::default(), AUTO_OR_PREFIXES;
        /// What becomes of the source address of IPv6 connections that leave by it.
        "nat6" => pub nat6: Nat6 = Nat6::None, Unless(Nat6::None, Word);
        /// Whether the segments of TCP are kept small enough for it: needed on a line whose packets are smaller than those
        /// of the local network, such as `PPPoE`.
        "clamp_mss" => pub clamp_mss: Option<ClampMss> = None, CLAMP;
        /// Its name servers, which the router itself reaches by this uplink while it works; `auto` for those that its DHCP or
        /// PPP client has been told. `ftr-route dns` prints those of the uplinks that work.
        "dns" => pub dns: Vec<Resolver> = Vec::new(), List(RESOLVER);
        /// What people call it; without it, the name of the device.
        "description" => pub description: String = String::new(), TEXT;
        /// Its part of the new connections, beside the weights of the others.
        "weight" => pub weight: u16 = 1, Within(1, 256, "");
        /// Uplinks of the lowest-numbered group that has a working one carry new connections. Where any uplink states a
        /// group, one without it takes no new connections.
        "priority_group" => pub priority_group: Option<u32> = None, Maybe(NUMBER);
        /// Whether new outgoing connections may use it; incoming ones and policies always may.
        "default_route" => pub default_route: bool = true, FLAG;
        /// Whether what goes through it costs money: it is tested as seldom as its traffic allows.
        "metered" => pub metered: bool = false, FLAG;
        /// The hours in which it carries new connections, in local time; without them, always. Outside of them it is on
        /// standby: used where no other works.
        "active" => pub active: Vec<Hours> = Vec::new(), List(HOURS);
        /// How much may go through it in a billing period.
        "quota" => pub quota: Option<Quota> = None, Apart;
        /// How it is tested: each key that stands here overrides the one of the common section.
        "tests" => pub tests: Tests = Tests::usual(), Apart;
    }
}

impl Uplink {
    /// How long it may be left alone, from the start of one check to that of the next.
    #[must_use]
    pub const fn longest_interval(&self) -> Duration {
        if self.metered { self.tests.max_interval } else { self.tests.interval }
    }

    /// Whether its provider takes no global source but those of prefixes that the configuration states: what is learned may
    /// change at any time, and what is translated leaves with an address of the uplink.
    #[must_use]
    pub fn takes_stated_prefixes_alone(&self) -> bool {
        self.nat6 == Nat6::None && !self.prefixes6.auto && !self.prefixes6.is_empty()
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

words! {
    /// What becomes of the source address of IPv4 connections that leave by an uplink.
    pub enum Nat {
        /// It becomes the uplink's own.
        "masquerade" => Masquerade,
        /// Nothing: hosts inside have addresses of the provider.
        "none" => None,
    }
}

/// How small the segments of TCP are kept (RFC 879; `TCPMSS` in iptables-extensions(8)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClampMss {
    /// As the MTU of the route says.
    Route,
    /// So many bytes over IPv4, and 20 fewer over IPv6, whose header is longer.
    Bytes(u16),
}

/// The smallest segment that every host takes (RFC 9293, 3.7.1), and the largest that fits into a jumbo frame.
const SEGMENTS: Within<u16> = Within(536, 8960, "bytes");

const CLAMP: Scalar<Option<ClampMss>> = Scalar {
    allowed: "true for what the route's MTU says, false, or 536 to 8960 bytes",
    read: clamp,
    write: |clamp| {
        clamp.map_or(Json::Null, |clamp| match clamp {
            ClampMss::Route => json!(true),
            ClampMss::Bytes(bytes) => json!(bytes),
        })
    },
};

fn clamp(value: &Value) -> Result<Option<ClampMss>, String> {
    if let Ok(wanted) = scalar::boolean(value) {
        return Ok(wanted.then_some(ClampMss::Route));
    }
    scalar::within(SEGMENTS.0, SEGMENTS.1)(value)
        .map(|bytes| Some(ClampMss::Bytes(bytes)))
        .map_err(|what| format!("{what}, or true for what the route's MTU says"))
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
    let mut uplink = Uplink { tests: tests.clone(), ..Uplink::usual() };
    uplink.read(section);
    ipv6::check_prefixes(section, &uplink.prefixes6, uplink.nat6, uplink.ipv6);
    check_resolvers(section, &uplink);
    hours::check(section);
    tests_section::read_own(section, &mut uplink.tests);
    uplink.quota = section.section("quota").map(|mut below| {
        let mut quota = Quota::usual();
        quota.read(&mut below);
        below.finish();
        quota
    });
    if !section.has("description") {
        uplink.description = uplink.name.to_string();
    }
    (["interface", "type", "ip", "gateway"].iter().all(|key| !section.faulty(key))).then_some(uplink)
}

/// What they are told by, and what leads to them.
fn check_resolvers(section: &mut Section<'_>, uplink: &Uplink) {
    if ["type", "ip", "gateway", "type6", "ip6", "gateway6"].iter().any(|key| section.faulty(key)) {
        return;
    }
    let fixed = matches!(uplink.kind, UplinkKind::Static { .. }) && uplink.ipv6 != Some(Ipv6Kind::Advertised);
    if fixed && uplink.dns.contains(&Resolver::Learned) {
        section.wrong(
            "dns",
            "auto, but nobody tells it, allowed: addresses, or auto beside type: dhcp or ppp, or type6: ra",
        );
    }
    let mut addresses = uplink.dns.iter().filter_map(|resolver| resolver.address());
    if let Some(address) = addresses.find(|address| !uplink.has(Family::of(*address))) {
        section.wrong(
            "dns",
            format!("{address} without IPv6 on the uplink, allowed: beside ip6 and gateway6, or type6: ra"),
        );
    }
}

/// Reads names of uplinks as their indices. Where an uplink itself is wrong, its name may well be meant.
pub(super) fn read_indices(section: &mut Section<'_>, key: &'static str, uplinks: &[Option<Uplink>]) -> Vec<usize> {
    let whole = uplinks.iter().all(Option::is_some);
    let list = section.list(key, |value| {
        let name = scalar::text(value)?;
        match uplinks.iter().position(|uplink| uplink.as_ref().is_some_and(|one| one.name == *name)) {
            None if whole => Err("is no uplink of this file".to_owned()),
            index => Ok(index),
        }
    });
    let list: Vec<usize> = list.into_iter().flatten().collect();
    let twice = list.iter().enumerate().any(|(at, index)| list.iter().take(at).any(|earlier| earlier == index));
    if twice {
        section.wrong(key, "an uplink is named twice, allowed: each once");
    }
    list
}
