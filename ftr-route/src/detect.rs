//! `detect`: what this host has that a configuration is about. Nothing is configured for it, and nothing is changed.

use ftr_core::host::{DefaultRoute, Delegated, Device, DeviceAddress, Host};
use ftr_core::numbering::{LOCAL_TABLE, MAIN_TABLE, PROTOCOL};
use ftr_core::{Exit, Family};
use ftr_netlink::{Address, Link, Nexthop, Route, RouteKind};
use ftr_tool::cli::{Common, Failure};

use crate::answer::answer;
use crate::kernel::{Kernel, ppp};
use crate::leases::{self, Client, Lease};
use crate::plan::learned::{DHCP, RA, refused};

/// The words of `ip route` for who makes routes (`rt_protos` of iproute2), as far as they tell something here.
const PROTOCOLS: [(u8, &str); 11] = [
    (1, "redirect"),
    (2, "kernel"),
    (3, "boot"),
    (4, "static"),
    (RA, "ra"),
    (11, "zebra"),
    (12, "bird"),
    (DHCP, "dhcp"),
    (42, "babel"),
    (186, "bgp"),
    (PROTOCOL, "ftr"),
];

/// Prints what there is: for people in the words of ip(8), or as one JSON object.
pub(crate) fn run(common: &Common, families: &[Family]) -> Result<Exit, Failure> {
    let mut kernel = Kernel::open()?;
    let links = kernel.links()?;
    let (mut addresses, mut routes) = (Vec::new(), Vec::new());
    for family in families {
        // Without IPv6 the kernel answers for every family that it has.
        addresses.extend(kernel.addresses(*family)?.into_iter().filter(|address| address.family() == *family));
        routes.extend(kernel.all_routes(*family)?);
    }
    let host = Seen {
        links: &links,
        addresses: &addresses,
        routes: &routes,
        leases: &leases::read(),
        clients: &leases::clients(),
        ppp: &ppp::carriers(),
    }
    .host();
    if common.quiet {
        return Ok(Exit::Yes);
    }
    if common.json {
        answer([serde_json::to_string(&host).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?])?;
    } else {
        answer(lines(&host))?;
    }
    Ok(Exit::Yes)
}

/// What was read.
struct Seen<'a> {
    links: &'a [Link],
    addresses: &'a [Address],
    routes: &'a [Route],
    leases: &'a [Lease],
    clients: &'a [Client],
    /// The devices that PPP connections go through.
    ppp: &'a [String],
}

impl Seen<'_> {
    fn host(&self) -> Host {
        let devices =
            self.links.iter().filter(|link| !link.flags.is_loopback()).map(|link| self.device(link)).collect();
        let leads = |route: &&Route| {
            route.destination.is_none() && route.kind == RouteKind::Unicast && route.table != LOCAL_TABLE
        };
        let mut routes: Vec<&Route> = self.routes.iter().filter(leads).collect();
        // Main first, for that is where hosts have theirs; ours last, for they repeat what others say.
        routes.sort_by_key(|route| {
            (route.family, route.protocol == PROTOCOL, route.table != MAIN_TABLE, route.table, route.metric)
        });
        let each = |route: &&Route| -> Vec<DefaultRoute> {
            route.nexthops.iter().filter_map(|nexthop| self.default_route(route, nexthop)).collect()
        };
        let delegated = self.routes.iter().filter_map(delegated).collect();
        Host { devices, defaults: routes.iter().flat_map(each).collect(), delegated }
    }

    fn device(&self, link: &Link) -> Device {
        let own = self.addresses.iter().filter(|address| address.index == link.index);
        let usable = own.filter(|address| address.is_global() && !address.is_tentative() && !address.is_deprecated());
        let address = |address: &Address| DeviceAddress {
            address: address.local,
            length: address.prefix_length,
            peer: address.peer,
            permanent: address.is_permanent(),
            secondary: address.is_secondary(),
            lease: self.lease(link, address),
        };
        Device {
            name: link.name.clone(),
            kind: link.kind.clone(),
            up: link.flags.is_up(),
            carrier: link.flags.has_carrier(),
            point_to_point: link.flags.is_point_to_point(),
            ppp_sessions: self.ppp.iter().filter(|device| **device == link.name).count(),
            addresses: usable.map(address).collect(),
        }
    }

    /// What tells that an address is leased, beside its lifetime.
    fn lease(&self, link: &Link, address: &Address) -> Option<String> {
        let lease = self.leases.iter().find(|lease| lease.names(address.local));
        let client = || self.clients.iter().find(|client| address.local.is_ipv4() && client.device == link.name);
        lease.map(|lease| lease.file.clone()).or_else(|| client().map(|client| client.name.to_owned()))
    }

    /// None where its device is gone meanwhile.
    fn default_route(&self, route: &Route, nexthop: &Nexthop) -> Option<DefaultRoute> {
        let device = self.links.iter().find(|link| link.index == nexthop.index)?.name.clone();
        let protocol = protocol(route.protocol);
        let mut words = vec!["default".to_owned()];
        words.extend(nexthop.gateway.map(|gateway| format!("via {gateway}")));
        words.push(format!("dev {device} proto {protocol}"));
        words.extend(route.source.map(|source| format!("src {source}")));
        words.extend((route.metric != 0).then(|| format!("metric {}", route.metric)));
        words.extend((route.table != MAIN_TABLE).then(|| format!("table {}", route.table)));
        Some(DefaultRoute {
            family: route.family,
            table: route.table,
            device,
            gateway: nexthop.gateway,
            protocol,
            metric: route.metric,
            line: words.join(" "),
        })
    }
}

fn protocol(number: u8) -> String {
    let known = PROTOCOLS.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| number.to_string(), |(_, word)| (*word).to_owned())
}

/// A prefix that a DHCP client has got.
fn delegated(route: &Route) -> Option<Delegated> {
    let prefix = refused(route)?;
    let word = if route.kind == RouteKind::Blackhole { "blackhole" } else { "unreachable" };
    Some(Delegated { prefix, line: format!("{word} {prefix} proto {}", protocol(route.protocol)) })
}

fn lines(host: &Host) -> Vec<String> {
    let mut lines = Vec::new();
    for device in &host.devices {
        let kind = device.kind.as_ref().map(|kind| format!(" {kind}")).unwrap_or_default();
        let state = match (device.up, device.carrier) {
            (false, _) => "down",
            (true, false) => "no carrier",
            (true, true) => "up",
        };
        lines.push(format!("{}:{kind} {state}", device.name));
        for own in &device.addresses {
            let peer = own.peer.map(|peer| format!(" peer {peer}")).unwrap_or_default();
            let lifetime = if own.permanent { "" } else { " dynamic" };
            let lease = own.lease.as_ref().map(|file| format!(" ({file})")).unwrap_or_default();
            lines.push(format!("  {}/{}{peer}{lifetime}{lease}", own.address, own.length));
        }
    }
    lines.extend(host.defaults.iter().map(|route| route.line.clone()));
    lines.extend(host.delegated.iter().map(|delegated| delegated.line.clone()));
    lines
}

#[cfg(test)]
mod tests;
