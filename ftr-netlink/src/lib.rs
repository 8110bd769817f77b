//! Netlink for ftr: links, addresses, routes, rules, neighbours, tracked connections and sockets as plain Rust types.
//!
//! What the kernel reports and what it is asked to do are the same types, so that a caller can compare what it wants
//! with what it sees. The codecs are pure (bytes in, values out, and back); [`Rtnetlink`], [`Listener`],
//! [`RulesetListener`], [`Ctnetlink`] and [`SockDiag`] are the only parts that touch a socket. [`egress`] tells where an uplink leads, by what the kernel has.
//!
//! Sources: netlink(7), rtnetlink(7), `sock_diag(7)`, and the kernel's `include/uapi/linux/{netlink,rtnetlink,fib_rules,if_link}.h`.

mod address;
mod attribute;
mod connection;
mod counters;
pub mod egress;
mod error;
mod event;
mod family;
mod flow;
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod inet_socket;
mod label;
mod link;
mod listener;
mod lookup;
mod neighbour;
mod netconf;
mod netlink_error;
mod nexthop;
mod route;
mod rtnetlink;
mod rule;
mod ruleset;
mod sock_diag;
mod socket;
mod write;

pub use address::{Address, Lifetime};
pub use attribute::Attribute;
pub use connection::{Connection, Ctnetlink};
pub use counters::Counters;
pub use error::Error;
pub use event::{Event, Group};
pub use flow::{Flow, Transport};
pub use ftr_core::{Family, Prefix};
pub use inet_socket::{InetSocket, SocketProtocol};
pub use label::Label;
pub use link::{Link, LinkFlags};
pub use listener::Listener;
pub use lookup::Lookup;
pub use neighbour::Neighbour;
pub use netconf::{Netconf, NetconfOf};
pub use netlink_error::NetlinkError;
pub use nexthop::Nexthop;
pub use route::{Preference, Route, RouteKind};
pub use rtnetlink::Rtnetlink;
pub use rule::{Action, Rule};
pub use ruleset::RulesetListener;
pub use sock_diag::SockDiag;
pub use write::Write;
