//! The routes of each table, and the metrics that let one replace another without a hole.

use std::net::Ipv6Addr;

use ftr_core::Family;
use ftr_core::config::Otherwise;
use ftr_core::numbering::PROTOCOL;
use ftr_netlink::egress::Egress;
use ftr_netlink::{Nexthop, Route, RouteKind};

use super::balance::WeightedUplink;
use super::learned::Network;

/// The metrics of the route that packets take. Each new one goes below the one before.
///
/// An IPv6 look-up that has found a route just when it is deleted fails, though another stands behind it. So what
/// replaces a route has to be found before it, and nobody be on the way to the old one any more when that goes. 0 is left
/// out, for it would mean "any" in a deletion.
const FIRST: Metrics = Metrics::Falling { highest: 1_000_000 };
/// The metrics of the refusing route at the end of a table.
const LAST: Metrics = Metrics::Either([u32::MAX, u32::MAX - 1]);
/// Metrics from here on are those of the fallback routes behind the one that packets take: two for each.
const FALLBACKS: u32 = 2_000_000;

/// A gateway for IPv6 nexthops of point-to-point devices in a multipath route, where the kernel wants one. Such a
/// device has no neighbours to ask for it: any link-local address will do.
const STAND_IN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// `RT_SCOPE_LINK`: what an IPv4 route without a gateway reaches.
const LINK: u8 = 253;

/// What a table should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) number: u32,
    /// None: it is left as it is.
    pub(crate) routes: Option<Vec<DesiredRoute>>,
}

/// Under which metrics a route may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metrics {
    /// Any from 1 up to this; a new one is below those in use.
    Falling { highest: u32 },
    /// One of two: the old one goes when the new one is in the other.
    Either([u32; 2]),
}

impl Metrics {
    /// The one that is taken first.
    const fn first(self) -> u32 {
        match self {
            Self::Falling { highest } => highest,
            Self::Either([first, _]) => first,
        }
    }

    pub(crate) fn contains(self, metric: u32) -> bool {
        match self {
            Self::Falling { highest } => (1..=highest).contains(&metric),
            Self::Either(both) => both.contains(&metric),
        }
    }
}

/// A route that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DesiredRoute {
    /// The route, with the first of its metrics.
    pub(crate) route: Route,
    pub(crate) metrics: Metrics,
    /// The uplink that it depends on, where that is one alone.
    pub(crate) uplink: Option<usize>,
}

impl DesiredRoute {
    fn new(route: Route, metrics: Metrics, uplink: Option<usize>) -> Self {
        Self { route: Route { metric: metrics.first(), ..route }, metrics, uplink }
    }

    /// Whether the route leads nowhere.
    pub(crate) fn refuses(&self) -> bool {
        self.route.kind != RouteKind::Unicast
    }

    /// Whether a route is this one but for its metric, its tag, and what the kernel has found out about its devices.
    pub(crate) fn is_met_by(&self, route: &Route) -> bool {
        let mut route = Route { metric: self.route.metric, protocol: self.route.protocol, ..route.clone() };
        for nexthop in &mut route.nexthops {
            (nexthop.dead, nexthop.linkdown) = (false, false);
        }
        route == self.route
    }
}

/// Those of the table of an uplink.
pub(super) fn uplink_routes(family: Family, table: u32, uplink: usize, egress: Option<&Egress>) -> Vec<DesiredRoute> {
    let mut wanted = Vec::new();
    if let Some(egress) = egress {
        let route = Route { source: egress.source, ..default_route(family, table, egress) };
        wanted.push(DesiredRoute::new(route, FIRST, Some(uplink)));
    }
    wanted.push(unreachable_default(family, table, Some(uplink)));
    wanted
}

/// The metrics of routes to networks inside.
const INSIDE: Metrics = Metrics::Either([FALLBACKS - 2, FALLBACKS - 1]);

/// Those to networks inside that have a learned prefix of the uplink. A packet finds them in the table main first; they are for
/// the time when the client has taken its routes away, and hosts still have addresses.
pub(super) fn inside_routes<'a>(
    family: Family,
    table: u32,
    networks: impl Iterator<Item = &'a Network>,
) -> Vec<DesiredRoute> {
    let route = |network: &Network| Route {
        destination: Some(network.prefix),
        protocol: PROTOCOL,
        nexthops: vec![Nexthop::new(None, network.index)],
        ..Route::default(family, table, RouteKind::Unicast)
    };
    networks.map(|network| DesiredRoute::new(route(network), INSIDE, None)).collect()
}

/// The route at the end of a table, which refuses what would fall through to another uplink.
fn unreachable_default(family: Family, table: u32, uplink: Option<usize>) -> DesiredRoute {
    let route = Route { protocol: PROTOCOL, ..Route::default(family, table, RouteKind::Unreachable) };
    DesiredRoute::new(route, LAST, uplink)
}

/// The preferred one of the policy's working uplinks, and behind it a fallback route for each, in their order: what takes
/// over when a device goes is in the kernel already.
pub(super) fn policy_routes<'a>(
    family: Family,
    table: u32,
    egresses: impl Iterator<Item = (usize, usize, &'a Egress)>,
    otherwise: Otherwise,
) -> Vec<DesiredRoute> {
    let mut wanted = Vec::new();
    for (nth, uplink, egress) in egresses {
        if wanted.is_empty() {
            wanted.push(DesiredRoute::new(default_route(family, table, egress), FIRST, Some(uplink)));
        }
        wanted.push(DesiredRoute::new(default_route(family, table, egress), fallback_metrics(nth), Some(uplink)));
    }
    if otherwise == Otherwise::None {
        wanted.push(unreachable_default(family, table, None));
    }
    wanted
}

/// The two metrics of the fallback route that is the nth.
fn fallback_metrics(nth: usize) -> Metrics {
    let metric = FALLBACKS.saturating_add(u32::try_from(nth).unwrap_or(u32::MAX).saturating_mul(2));
    Metrics::Either([metric, metric.saturating_add(1)])
}

/// The balanced route, and behind it a fallback for each uplink: the kernel deletes a whole IPv4 multipath route when
/// one of its devices goes. They name no source, because the kernel would delete them with that address.
pub(super) fn balanced_routes(family: Family, table: u32, egresses: &[(WeightedUplink, &Egress)]) -> Vec<DesiredRoute> {
    let mut wanted: Vec<DesiredRoute> = egresses
        .iter()
        .map(|(member, egress)| {
            DesiredRoute::new(
                default_route(family, table, egress),
                fallback_metrics(member.uplink),
                Some(member.uplink),
            )
        })
        .collect();
    match egresses {
        [] => {}
        [(member, egress)] => {
            wanted.push(DesiredRoute::new(default_route(family, table, egress), FIRST, Some(member.uplink)));
        }
        several => {
            let nexthops = several
                .iter()
                .map(|(member, egress)| Nexthop { weight: member.weight, ..multipath_nexthop(family, egress) })
                .collect();
            let route = Route { protocol: PROTOCOL, nexthops, ..Route::default(family, table, RouteKind::Unicast) };
            wanted.push(DesiredRoute::new(route, FIRST, None));
        }
    }
    wanted
}

/// A nexthop among others.
fn multipath_nexthop(family: Family, egress: &Egress) -> Nexthop {
    let nexthop = nexthop(egress);
    let stand_in = (family == Family::V6).then_some(STAND_IN.into());
    Nexthop { gateway: nexthop.gateway.or(stand_in), ..nexthop }
}

fn nexthop(egress: &Egress) -> Nexthop {
    Nexthop { onlink: egress.onlink, ..Nexthop::new(egress.gateway, egress.index) }
}

fn default_route(family: Family, table: u32, egress: &Egress) -> Route {
    let mut route = Route::default(family, table, RouteKind::Unicast);
    route.protocol = PROTOCOL;
    route.nexthops.push(nexthop(egress));
    if egress.gateway.is_none() && family == Family::V4 {
        route.scope = LINK;
    }
    route
}
