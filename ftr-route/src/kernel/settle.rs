//! Datagrams of the router whose uplink is given up or comes back: by which one they went is forgotten.

use std::collections::BTreeSet;

use ftr_core::config::Config;
use ftr_core::numbering::Numbering;
use ftr_netlink::{Ctnetlink, Error, Flow, Link, Lookup, Prefix, Rtnetlink, SocketProtocol, Transport};
use nix::errno::Errno;

/// Forgets by which uplink datagrams of this host with these sources went, where they leave by another one now: theirs is
/// given up or comes back. Without a rule of the firewall that keeps them where they were, they would leave with a foreign
/// source from now on. Returns what went wrong.
pub(crate) fn settle(config: &Config, links: &[Link], sources: &BTreeSet<Prefix>) -> Option<String> {
    let numbering = Numbering::of(config);
    let bits = |mark: u32| mark & numbering.mask().unwrap_or(u32::MAX);
    let uplink = |index| config.position(&links.iter().find(|link| link.index == index)?.name);
    let settle = || -> Result<(), Error> {
        let (mut connections, mut routing) = (Ctnetlink::open()?, Rtnetlink::open()?);
        // A delegated prefix has hosts inside, whose connections are their own.
        for source in sources.iter().map(|source| source.address()).filter(|it| sources.contains(&Prefix::host(*it))) {
            for connection in connections.opened_from(source, SocketProtocol::Udp.number())? {
                let route = match routing.lookup(&lookup(&connection.original)) {
                    Ok(route) => route,
                    Err(Error::Rejected { .. }) => continue,
                    Err(error) => return Err(error),
                };
                let now = route.nexthops.first().and_then(|nexthop| uplink(nexthop.index));
                if now.is_some_and(|now| numbering.mark(now) != bits(connection.mark)) {
                    connections.forget(&connection.original)?;
                }
            }
        }
        Ok(())
    };
    let error = settle().err().filter(|error| !is_lacking(error))?;
    Some(format!("warning: datagrams of the router may have a foreign source: {error}"))
}

/// The way of what this host sends now, before the firewall marks it.
fn lookup(flow: &Flow) -> Lookup {
    let (sport, dport) = match flow.transport {
        Transport::Ports { source, destination, .. } => (Some(source), Some(destination)),
        _ => (None, None),
    };
    let protocol = Some(flow.transport.protocol(flow.family()));
    Lookup { source: Some(flow.source), protocol, sport, dport, ..Lookup::to(flow.destination) }
}

/// Whether the kernel has no connection tracking, or none that takes requests: no attempt will ever succeed.
///
/// `EINVAL` is how nfnetlink refuses a subsystem that it cannot load, and a protocol of sockets that is out of range;
/// `EOPNOTSUPP` how one refuses what it was built without.
pub(crate) const fn is_lacking(error: &Error) -> bool {
    match error {
        Error::Open(errno) => {
            matches!(errno, Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP | Errno::EINVAL)
        }
        Error::Rejected { error, .. } => {
            matches!(error.errno, Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EINVAL)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, Error, is_lacking};
    use ftr_netlink::NetlinkError;

    #[test]
    fn only_what_is_not_there_is_lacking() {
        for errno in [Errno::EOPNOTSUPP, Errno::EPROTONOSUPPORT, Errno::EINVAL] {
            assert!(is_lacking(&Error::Open(errno)) && is_lacking(&refused(errno)), "{errno}");
        }
        for errno in [Errno::EMFILE, Errno::ENOMEM, Errno::EPERM] {
            assert!(!is_lacking(&Error::Open(errno)) && !is_lacking(&refused(errno)), "{errno}");
        }
        assert!(!is_lacking(&Error::Receive(Errno::EINVAL)));
    }

    fn refused(errno: Errno) -> Error {
        Error::Rejected { operation: "delete tracked connections", error: NetlinkError { errno, message: None } }
    }
}
