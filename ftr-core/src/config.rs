//! The configuration: what a router's administrator states, checked.
//!
//! It is YAML with the keys of Fault Tolerant Router (whose files load unchanged) and some of our own. Each key is
//! declared once, in the struct of its section ([`key`]): reading it, writing it out, `ftr.yaml(5)` and the example follow
//! from that. Reading goes in three steps: `serde_yaml` parses the text, [`section`] takes the [`tree`] apart key by key and
//! collects every problem on the way, [`cross_checks`] tells what no single key can, [`warnings`] and [`units`] what is
//! seldom meant, and [`host_checks`] what does not fit the host. [`location`] then finds line and column of each problem.

mod cross_checks;
mod domain;
mod downlinks;
mod effective;
mod email;
mod excerpt;
mod failback;
mod firewall;
mod form;
mod forward;
mod hook;
mod host_checks;
mod hours;
mod ipv4;
mod ipv6;
mod key;
mod limits;
mod location;
mod log;
mod matching;
mod path;
mod policy;
mod problem;
mod problems;
mod quota;
mod quote;
mod read;
mod resolver;
mod routing;
mod scalar;
mod section;
mod smtp;
mod target;
mod tests_section;
mod tree;
mod units;
mod uplink;
mod warnings;
mod whole;
mod words;

pub use domain::Domain;
pub use downlinks::Downlinks;
pub use email::Email;
pub use failback::{Failback, FailbackMode};
pub use firewall::Firewall;
pub use forward::Forward;
pub use hook::{Hook, Occasion};
pub use host_checks::FileFaults;
pub use hours::Hours;
pub use ipv4::UplinkKind;
pub use ipv6::{Ipv6Kind, Ipv6Rescue, Nat6, Prefixes6};
pub use key::{Key, Reader};
pub use limits::{Limit, Limits};
pub use log::Log;
pub use matching::{Match, Ports, Protocol};
pub use policy::{Otherwise, Policy};
pub use problem::Problem;
pub use problems::Problems;
pub use quota::{Period, Quota};
pub use read::{BYTE_ORDER_MARK, MAX_FILE};
pub use resolver::{Resolver, is_routable};
pub use routing::{ConnectionsOnDown, Hash, Routing, WhenAllDown};
pub use smtp::{Authentication, Encryption, Smtp};
pub use target::read::BadTarget;
pub use target::{DnsTarget, HttpTarget, Target};
pub use tests_section::{LATE, Tests};
pub use uplink::{ClampMss, Nat, Uplink};
pub use whole::{Config, known_keys, unread_by};

#[cfg(test)]
mod tests;
