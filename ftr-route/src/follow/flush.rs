//! Connections of an uplink that is given up: forgotten, so that both ends notice at once.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use ftr_core::Family;
use ftr_core::config::{Config, ConnectionsOnDown, Match, Protocol};
use ftr_core::numbering::Numbering;
use ftr_core::record::Active;
use ftr_netlink::{Ctnetlink, Error, Flow, Prefix, SocketProtocol, Transport};
use ftr_tool::cli::say;

use super::renumbered::{Former, Renumbered};
use super::sockets::ending::Ending;
use super::sockets::{Lost, marks};
use crate::answer::TOOL;
use crate::kernel::settle::is_lacking;
use crate::plan::found::LeftBehind;
use crate::plan::uplink_state::Addresses;
use crate::snapshot::Snapshot;

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
        let numbering = Numbering::of(config);
        let Some(masked) = NonZeroU32::new(numbering.mask().unwrap_or(u32::MAX)) else { return };
        let family = lost.family;
        let known = |&uplink: &usize| Some((config.uplinks.get(uplink)?.name.to_string(), numbering.mark(uplink)));
        let marks: Vec<(String, u32)> = lost.uplinks.iter().filter_map(known).collect();
        // Tracked connections tell which uplink a socket uses, as long as there are any.
        let mut warnings = self.ending.begin(numbering, lost, &marks);
        if !self.given_up {
            warnings.extend(match Ctnetlink::open() {
                Ok(mut connections) => self.each(&marks, |mark| connections.flush(family, mark, masked)),
                Err(error) => vec![self.failed("failed uplinks", &error)],
            });
        }
        warnings.extend(self.ending.end());
        for warning in warnings {
            say(TOOL, &warning);
        }
    }

    /// Gives up the connections of policies that go with them to a better uplink; `addresses` are those of the uplinks.
    pub(crate) fn policies(&mut self, config: &Config, active: &Active, addresses: &Addresses) {
        let numbering = Numbering::of(config);
        let Some(masked) = NonZeroU32::new(numbering.mask().unwrap_or(u32::MAX)) else { return };
        let own: Vec<Prefix> = addresses.values().flatten().copied().collect();
        for stated in active.policies.iter().flatten().filter(|policy| !policy.flush.is_empty()) {
            let Some(policy) = config.policies.iter().position(|policy| policy.name == stated.policy) else { continue };
            for uplink in stated.flush.iter().filter_map(|uplink| config.position(uplink.as_str())) {
                let forget = |mut connections: Ctnetlink| {
                    let all = connections.marked(active.family, numbering.mark(uplink), masked)?.into_iter();
                    all.filter(|connection| is_meant(config, active, (policy, &own), &connection.original))
                        .try_for_each(|connection| connections.forget(&connection.original).map(drop))
                };
                if let (false, Err(error)) = (self.given_up, Ctnetlink::open().and_then(forget)) {
                    let warning = self.failed(&format!("policy {}", stated.policy), &error);
                    say(TOOL, &warning);
                }
            }
        }
    }

    /// Gives up what an address was used for that its uplink no longer has.
    pub(crate) fn renumbered(&mut self, config: &Config, family: Family, former: Former) {
        let Former { uplink, address, translated } = former;
        let numbering = Numbering::of(config);
        let Some(masked) = NonZeroU32::new(numbering.mask().unwrap_or(u32::MAX)) else { return };
        let Some(name) = config.uplinks.get(uplink).map(|uplink| uplink.name.to_string()) else { return };
        let (mark, whose) = (numbering.mark(uplink), format!("{address} ({name})"));
        // Of every uplink an entry, for a mark tells of one of these.
        let mut addresses: Addresses = (0..config.uplinks.len()).map(|i| (i, BTreeSet::new())).collect();
        addresses.insert(uplink, [Prefix::host(address)].into());
        let lost = Lost { family, uplinks: [uplink].into(), moved: BTreeSet::new(), addresses, marks: marks(config) };
        let mut warnings = self.ending.begin(numbering, lost, &[(whose.clone(), mark)]);
        if translated && !self.given_up {
            let forget = |mut connections: Ctnetlink| {
                let all = connections.marked(family, mark, masked)?.into_iter();
                all.filter(|connection| connection.leaves_as() == address)
                    .try_for_each(|connection| connections.forget(&connection.original).map(drop))
            };
            let error = Ctnetlink::open().and_then(forget).err();
            warnings.extend(error.map(|error| self.failed(&whose, &error)));
        }
        warnings.extend(self.ending.end());
        say(TOOL, &format!("{name}: {address} is no longer used; its connections are given up"));
        for warning in warnings {
            say(TOOL, &warning);
        }
    }

    /// Gives up all that an earlier run has left behind, now that the kernel is as it is here.
    pub(crate) fn left_behind(&mut self, config: &Config, snapshot: &Snapshot, left: &LeftBehind) {
        let family = snapshot.family;
        if config.routing.connections_on_down == ConnectionsOnDown::Flush {
            for former in Renumbered::found(&left.addresses).take(config, family, &snapshot.states) {
                self.renumbered(config, family, former);
            }
        }
        for (mark, sources) in &left.uplinks {
            self.departed(config, family, (*mark, sources), snapshot.addresses(config));
        }
        while self.is_pending() {
            self.go_on();
        }
    }

    /// Gives up the connections of an uplink that the configuration no longer has, by its mark and what it had sent from;
    /// `addresses` are those of the others.
    pub(crate) fn departed(
        &mut self,
        config: &Config,
        family: Family,
        (mark, sources): (u32, &BTreeSet<Prefix>),
        mut addresses: Addresses,
    ) {
        if config.routing.connections_on_down != ConnectionsOnDown::Flush {
            return;
        }
        let numbering = Numbering::of(config);
        let Some(masked) = NonZeroU32::new(numbering.mask().unwrap_or(u32::MAX)) else { return };
        let (whose, beyond) = (format!("the uplink that had the mark {mark:#x}"), config.uplinks.len());
        let mut marks = marks(config);
        // An uplink that has lost one family still has this mark for the other.
        marks.retain(|_, of| *of != mark);
        marks.insert(beyond, mark);
        addresses.insert(beyond, sources.clone());
        let lost = Lost { family, uplinks: [beyond].into(), moved: BTreeSet::new(), addresses, marks };
        let mut warnings = self.ending.begin(numbering, lost, &[(whose.clone(), mark)]);
        let has_any = |it: &mut Ctnetlink| it.marked(family, mark, masked).map(|connections| !connections.is_empty());
        let forget = |mut it: Ctnetlink| {
            // Only a word hangs on it.
            let any = has_any(&mut it).unwrap_or(true);
            it.flush(family, mark, masked).map(|()| any)
        };
        match if self.given_up { Ok(false) } else { Ctnetlink::open().and_then(forget) } {
            Ok(true) => say(TOOL, &format!("connections of {whose}, which is gone, are given up")),
            Ok(false) => {}
            Err(error) => warnings.push(self.failed(&whose, &error)),
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

/// Whether a tracked connection is one of those that a policy is for: it fits no policy before it that is in force, did not come
/// in by an uplink, to an address of ours, and is not the router's own. Where a policy goes by more than a connection tells, nobody knows.
fn is_meant(config: &Config, active: &Active, (policy, own): (usize, &[Prefix]), flow: &Flow) -> bool {
    let protocol = match flow.transport {
        Transport::Icmp { .. } => Some(Protocol::Icmp),
        other if other.protocol(active.family) == SocketProtocol::Tcp.number() => Some(Protocol::Tcp),
        other if other.protocol(active.family) == SocketProtocol::Udp.number() => Some(Protocol::Udp),
        _ => None,
    };
    let ports = match flow.transport {
        Transport::Ports { source, destination, .. } => Some((source, destination)),
        _ => None,
    };
    let fits = |matching: &Match| matching.fits((flow.source, flow.destination), protocol, ports);
    let is_in_force = |name: &str| active.policies.iter().flatten().any(|stated| stated.policy == name);
    let of = |index: usize| config.policies.get(index).and_then(|one| Some((one, one.matching.as_ref()?)));
    let goes_before = |index| of(index).is_some_and(|(one, matching)| is_in_force(&one.name) && fits(matching));
    of(policy).is_some_and(|(_, matching)| matching.is_of_flows() && fits(matching))
        && !(0..policy).any(goes_before)
        && !own.iter().any(|prefix| prefix.contains(flow.destination) || *prefix == Prefix::host(flow.source))
}

#[cfg(test)]
mod tests {
    use super::{Error, Flush, is_meant};
    use crate::plan::uplink_state::tests::{CONFIG, config};
    use ftr_core::Family;
    use ftr_core::record::{Active, PolicyUplinks, Stamp};
    use ftr_netlink::{Flow, NetlinkError, Prefix, Transport};
    use nix::errno::Errno;

    #[test]
    fn connections_of_a_policy_are_those_that_no_earlier_one_takes_and_that_began_inside() {
        let policies = "policies:
- {name: sip, match: {protocol: tcp, dports: 5060}, uplinks: eth1}
- {name: lan, match: {source: 10.0.0.0/24}, uplinks: [eth2, eth1], failback: hard}
- {name: voip, match: {protocol: tcp, dports: 5060-5070}, uplinks: [eth2, eth1], failback: hard}
";
        let config = config(&format!("{CONFIG}{policies}"));
        let own = ["1.0.0.2", "2.0.0.2"].map(|own| Prefix::host(own.parse().unwrap()));
        let is_of = |policy: usize, in_force: &[&str], [source, destination]: [&str; 2], port: u16| {
            let stated = |policy: &&str| PolicyUplinks { policy: (*policy).to_owned(), uplinks: vec![], flush: vec![] };
            let active = Active {
                at: Stamp { time: String::new(), mono: 0 },
                family: Family::V4,
                uplinks: vec![],
                failed: vec![],
                flush: vec![],
                policies: Some(in_force.iter().map(stated).collect()),
                reason: String::new(),
            };
            let transport = Transport::Ports { protocol: 6, source: 40_000, destination: port };
            let flow = Flow { source: source.parse().unwrap(), destination: destination.parse().unwrap(), transport };
            is_meant(&config, &active, (policy, &own), &flow)
        };
        let out = ["10.0.0.7", "9.9.9.9"];
        assert!(is_of(1, &["sip", "lan", "voip"], out, 443));
        assert!(!is_of(1, &["sip", "lan", "voip"], out, 5060), "sip takes it, which stays where it is");
        assert!(is_of(1, &["lan", "voip"], out, 5060), "outside of its hours it takes nothing");
        assert!(is_of(2, &["sip", "lan", "voip"], ["10.0.9.7", "9.9.9.9"], 5061));
        assert!(!is_of(2, &["sip", "lan", "voip"], ["9.9.9.9", "1.0.0.2"], 5061), "it came in by eth1");
        assert!(!is_of(2, &["sip", "lan", "voip"], ["1.0.0.2", "9.9.9.9"], 5061), "the router has begun it");
    }

    fn refused(errno: Errno) -> Error {
        Error::Rejected { operation: "delete tracked connections", error: NetlinkError { errno, message: None } }
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
}
