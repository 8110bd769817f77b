//! Connections of an uplink that is given up: forgotten, so that both ends notice at once.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use ftr_core::Family;
use ftr_core::cli::say;
use ftr_core::config::Config;
use ftr_core::layout::Layout;
use ftr_netlink::{Ctnetlink, Error, Flow, Link, Lookup, Prefix, Rtnetlink, SocketProtocol, Transport};
use nix::errno::Errno;

use crate::TOOL;
use crate::renumbered::Former;
use crate::sockets::{Addresses, Ending, Lost};

/// Deletes tracked connections by the mark of their uplink, and ends the router's own sockets.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    /// The kernel cannot delete tracked connections, and that has been said.
    given_up: bool,
    ending: Ending,
}

impl Flush {
    /// Gives up the connections of these uplinks, now that the routes are in.
    pub(crate) fn run(&mut self, config: &Config, lost: Lost) {
        let layout = Layout::of(config);
        let Some(mask) = NonZeroU32::new(layout.mask().unwrap_or(u32::MAX)) else { return };
        let family = lost.family;
        let known = |&uplink: &usize| Some((config.uplinks.get(uplink)?.name.to_string(), layout.mark(uplink)));
        let marks: Vec<(String, u32)> = lost.uplinks.iter().filter_map(known).collect();
        // Tracked connections tell which uplink a socket uses, as long as there are any.
        let mut warnings = self.ending.begin(layout, lost, &marks);
        if !self.given_up {
            warnings.extend(match Ctnetlink::open() {
                Ok(mut connections) => self.each(&marks, |mark| connections.flush(family, mark, mask)),
                Err(error) => vec![self.failed("failed uplinks", &error)],
            });
        }
        warnings.extend(self.ending.end());
        for warning in warnings {
            say(TOOL, &warning);
        }
    }

    /// Gives up what an address was used for that its uplink no longer has.
    pub(crate) fn renumbered(&mut self, config: &Config, family: Family, former: Former) {
        let Former { uplink, address, translated } = former;
        let layout = Layout::of(config);
        let Some(heeded) = NonZeroU32::new(layout.mask().unwrap_or(u32::MAX)) else { return };
        let Some(name) = config.uplinks.get(uplink).map(|uplink| uplink.name.to_string()) else { return };
        say(TOOL, &format!("{name}: {address} is no longer used; its connections are given up"));
        let (mark, whose) = (layout.mark(uplink), format!("{address} ({name})"));
        // Of every uplink an entry, for a mark tells of one of these.
        let mut addresses: Addresses = (0..config.uplinks.len()).map(|i| (i, BTreeSet::new())).collect();
        addresses.insert(uplink, [Prefix::host(address)].into());
        let lost = Lost { family, uplinks: [uplink].into(), moved: BTreeSet::new(), addresses };
        let mut warnings = self.ending.begin(layout, lost, &[(whose.clone(), mark)]);
        if translated && !self.given_up {
            let forget = |mut connections: Ctnetlink| {
                let all = connections.marked(family, mark, heeded)?.into_iter();
                all.filter(|connection| connection.leaves_as() == address)
                    .try_for_each(|connection| connections.forget(&connection.original).map(drop))
            };
            let error = Ctnetlink::open().and_then(forget).err();
            warnings.extend(error.map(|error| self.failed(&whose, &error)));
        }
        warnings.extend(self.ending.end());
        for warning in warnings {
            say(TOOL, &warning);
        }
    }

    /// Whether there are sockets left to look at.
    pub(crate) fn is_pending(&self) -> bool {
        self.ending.is_pending()
    }

    /// Looks at more of them.
    pub(crate) fn go_on(&mut self) {
        for warning in self.ending.go_on() {
            say(TOOL, &warning);
        }
    }

    /// Flushes one uplink after the other: one that fails does not keep the others from it. Returns what went wrong.
    fn each(&mut self, marks: &[(String, u32)], mut flush: impl FnMut(u32) -> Result<(), Error>) -> Vec<String> {
        let mut warnings = Vec::new();
        for (uplink, mark) in marks {
            if let Err(error) = flush(*mark) {
                warnings.push(self.failed(uplink, &error));
            }
            if self.given_up {
                break;
            }
        }
        warnings
    }

    fn failed(&mut self, whose: &str, error: &Error) -> String {
        self.given_up = is_lacking(error);
        let always = if self.given_up { ", now and later" } else { "" };
        format!("warning: connections of {whose} stay as they are{always}: {error}")
    }
}

/// Forgets by which uplink datagrams of this host with these sources went, where they leave by another one now: theirs is
/// given up or comes back. Without a rule of the firewall that keeps them where they were, they would leave with a foreign
/// source from now on. Returns what went wrong.
pub(crate) fn settle(config: &Config, links: &[Link], sources: &BTreeSet<Prefix>) -> Option<String> {
    let layout = Layout::of(config);
    let bits = |mark: u32| mark & layout.mask().unwrap_or(u32::MAX);
    let uplink = |index| config.position(&links.iter().find(|link| link.index == index)?.name);
    let settle = || -> Result<(), Error> {
        let (mut connections, mut routing) = (Ctnetlink::open()?, Rtnetlink::open()?);
        // A delegated prefix has hosts inside, whose connections are their own.
        for source in sources.iter().map(|source| source.address()).filter(|it| sources.contains(&Prefix::host(*it))) {
            for connection in connections.opened_from(source, SocketProtocol::Udp.number())? {
                let route = match routing.lookup(&lookup(&connection.original)) {
                    Ok(route) => route,
                    Err(Error::Refused { .. }) => continue,
                    Err(error) => return Err(error),
                };
                let now = route.nexthops.first().and_then(|nexthop| uplink(nexthop.index));
                if now.is_some_and(|now| layout.mark(now) != bits(connection.mark)) {
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
const fn is_lacking(error: &Error) -> bool {
    match error {
        Error::Open(errno) => {
            matches!(errno, Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP | Errno::EINVAL)
        }
        Error::Refused { refusal, .. } => {
            matches!(refusal.errno, Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EINVAL)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, Error, Flush, is_lacking};
    use ftr_netlink::Refusal;

    fn refused(errno: Errno) -> Error {
        Error::Refused { operation: "delete tracked connections", refusal: Refusal { errno, message: None } }
    }

    /// Flushes two uplinks, the first of which fails so. Returns the marks tried and the warnings.
    fn flush(flush: &mut Flush, error: &Error) -> (Vec<u32>, Vec<String>) {
        let mut tried = Vec::new();
        let warnings = flush.each(&[("eth1".to_owned(), 1), ("eth2".to_owned(), 2)], |mark| {
            tried.push(mark);
            if mark == 1 { Err(error.clone()) } else { Ok(()) }
        });
        (tried, warnings)
    }

    #[test]
    fn one_uplink_that_fails_keeps_no_other_from_its_flush() {
        let mut it = Flush::default();
        for error in [Error::Receive(Errno::ENOBUFS), refused(Errno::EBUSY), refused(Errno::EPERM)] {
            let (tried, warnings) = flush(&mut it, &error);
            assert_eq!((tried, warnings.len(), it.given_up), (vec![1, 2], 1, false));
            assert!(warnings[0].starts_with("warning: connections of eth1 stay as they are: "), "{warnings:?}");
        }
    }

    #[test]
    fn a_kernel_that_cannot_do_it_is_asked_no_more() {
        let mut it = Flush::default();
        let (tried, warnings) = flush(&mut it, &refused(Errno::EOPNOTSUPP));
        assert_eq!((tried, warnings.len(), it.given_up), (vec![1], 1, true));
    }

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
}
