//! Where a packet goes in the end.

use std::net::IpAddr;

use ftr_netlink::{NetlinkError, Nexthop, Route, RouteKind};

use crate::walk::{Answer, Step};

/// Where a packet goes in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// To this host itself.
    Here,
    /// Out by one of these, in an order of their own.
    Out(Vec<Hop>),
    /// Nowhere: a rule or a route refuses it.
    Refused,
    /// Nowhere: no rule leads to a route.
    Nowhere,
}

/// A nexthop, without what the kernel has found out about its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hop {
    pub(crate) index: u32,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) weight: u16,
}

impl End {
    /// What came of a walk.
    pub(super) fn of(steps: &[Step<'_>]) -> Self {
        match steps.last().map(|step| &step.answer) {
            Some(Answer::Found(route, _)) if route.kind == RouteKind::Local => Self::Here,
            Some(Answer::Found(_, nexthops)) => Self::out(nexthops),
            Some(Answer::Refused(_)) => Self::Refused,
            _ => Self::Nowhere,
        }
    }

    fn out(nexthops: &[&Nexthop]) -> Self {
        let hop = |nexthop: &&Nexthop| Hop {
            index: nexthop.index,
            gateway: nexthop.gateway,
            // Alone it has no share to speak of.
            weight: if nexthops.len() > 1 { nexthop.weight } else { 1 },
        };
        let mut hops: Vec<Hop> = nexthops.iter().map(hop).collect();
        hops.sort_unstable();
        Self::Out(hops)
    }

    /// Whether it is what the kernel answers, which names the one nexthop that it takes now.
    pub(super) fn agrees(&self, kernel: &Result<Route, NetlinkError>) -> bool {
        match (self, kernel) {
            (Self::Here, Ok(route)) => route.kind == RouteKind::Local,
            (Self::Out(_), Ok(route)) => self.taken(route).is_some(),
            (Self::Refused | Self::Nowhere, Err(_)) => true,
            _ => false,
        }
    }

    /// The nexthop that the kernel takes now.
    pub(super) fn taken(&self, kernel: &Route) -> Option<Hop> {
        let Self::Out(hops) = self else { return None };
        let [nexthop] = kernel.nexthops.as_slice() else { return None };
        // The neighbour itself is the gateway where it is on the link; some kernels name it, some do not.
        let same = |hop: &&Hop| hop.index == nexthop.index && (hop.gateway == nexthop.gateway || hop.gateway.is_none());
        hops.iter().find(same).copied().filter(|_| kernel.kind != RouteKind::Local)
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Hop};
    use crate::walk::packet::Packet;
    use crate::walk::walk;
    use ftr_core::Family;
    use ftr_netlink::{NetlinkError, Nexthop, Route, RouteKind, Rule};
    use nix::errno::Errno;

    fn route(kind: RouteKind, nexthops: Vec<Nexthop>) -> Route {
        Route { nexthops, ..Route::default(Family::V4, 1, kind) }
    }

    fn end(route: Route) -> End {
        let (rules, routes) = ([Rule::lookup(Family::V4, 1, 1)], [route]);
        End::of(&walk(&Packet::to([8, 8, 8, 8].into()), &rules, &routes))
    }

    fn hop(host: u8, index: u32, weight: u16) -> Nexthop {
        Nexthop { weight, ..Nexthop::new(Some([10, 0, 0, host].into()), index) }
    }

    #[test]
    fn the_kernel_takes_one_of_the_next_hops() {
        let balanced = end(route(RouteKind::Unicast, vec![hop(2, 4, 2), hop(1, 3, 1)]));
        let End::Out(hops) = &balanced else { panic!("{balanced:?}") };
        assert_eq!((hops.len(), hops[0].index, hops[1].weight), (2, 3, 2));
        let answer = |nexthop| Ok(route(RouteKind::Unicast, vec![nexthop]));
        assert!(balanced.agrees(&answer(hop(2, 4, 1))));
        assert!(!balanced.agrees(&answer(hop(9, 4, 1))) && !balanced.agrees(&answer(hop(2, 5, 1))));
        assert!(!balanced.agrees(&Err(NetlinkError { errno: Errno::ENETUNREACH, message: None })));
    }

    #[test]
    fn a_next_hop_alone_has_no_weight() {
        let alone = Hop { index: 3, gateway: Some([10, 0, 0, 1].into()), weight: 1 };
        assert_eq!(end(route(RouteKind::Unicast, vec![hop(1, 3, 7)])), End::Out(vec![alone]));
    }

    #[test]
    fn refusals_and_local_delivery_are_ends_too() {
        let error = Err(NetlinkError { errno: Errno::EHOSTUNREACH, message: None });
        let refused = end(route(RouteKind::Unreachable, Vec::new()));
        assert!(refused == End::Refused && refused.agrees(&error));
        let nowhere = End::of(&[]);
        assert!(nowhere == End::Nowhere && nowhere.agrees(&error));
        let here = end(route(RouteKind::Local, vec![Nexthop::new(None, 1)]));
        assert!(here == End::Here && !here.agrees(&error));
        assert!(here.agrees(&Ok(route(RouteKind::Local, Vec::new()))));
    }
}
