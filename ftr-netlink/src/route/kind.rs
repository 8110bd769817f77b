//! What a route does with a packet.

use neli::consts::rtnl::Rtn;

/// What a route does with a packet (rtnetlink(7), `rtm_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// Sends it on.
    Unicast,
    /// Delivers it here.
    Local,
    /// Drops it silently.
    Blackhole,
    /// Refuses it: "host unreachable".
    Unreachable,
    /// Refuses it: "administratively prohibited".
    Prohibit,
    /// Looks further, in the next rule's table.
    Throw,
    /// Any other, by number.
    Other(u8),
}

impl RouteKind {
    pub(super) const fn of(kind: Rtn) -> Self {
        match kind {
            Rtn::Unicast => Self::Unicast,
            Rtn::Local => Self::Local,
            Rtn::Blackhole => Self::Blackhole,
            Rtn::Unreachable => Self::Unreachable,
            Rtn::Prohibit => Self::Prohibit,
            Rtn::Throw => Self::Throw,
            Rtn::Unspec => Self::Other(0),
            Rtn::Broadcast => Self::Other(3),
            Rtn::Anycast => Self::Other(4),
            Rtn::Multicast => Self::Other(5),
            Rtn::Nat => Self::Other(10),
            Rtn::Xresolve => Self::Other(11),
            Rtn::UnrecognizedConst(number) => Self::Other(number),
        }
    }

    pub(super) fn to_kernel(self) -> Rtn {
        match self {
            Self::Unicast => Rtn::Unicast,
            Self::Local => Rtn::Local,
            Self::Blackhole => Rtn::Blackhole,
            Self::Unreachable => Rtn::Unreachable,
            Self::Prohibit => Rtn::Prohibit,
            Self::Throw => Rtn::Throw,
            Self::Other(number) => Rtn::from(number),
        }
    }

    /// Packets go nowhere: the kernel keeps no nexthop, though IPv6 shows the loopback device as one.
    pub(super) const fn refuses(self) -> bool {
        matches!(self, Self::Blackhole | Self::Unreachable | Self::Prohibit | Self::Throw)
    }
}
