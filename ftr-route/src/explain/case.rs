//! What was found out about a flow, and the answer that follows.

use std::net::IpAddr;

use ftr_core::Prefix;
use ftr_core::config::{Config, Firewall, Protocol, Uplink};
use ftr_netlink::{NetlinkError, Route};

use super::answer::{Asked, Explanation, NexthopShare, Outcome};
use super::end::{End, Hop};
use super::flow::Flow;
use super::loaded::Loaded;
use super::mark::Mark;
use super::purpose::purpose;
use super::translation::{Translation, translation};
use crate::iproute;
use crate::snapshot::Snapshot;
use crate::walk::{Answer, Step};

/// What was found out about a flow.
pub(super) struct Case<'a> {
    pub(super) config: &'a Config,
    pub(super) snapshot: &'a Snapshot,
    pub(super) flow: &'a Flow,
    /// The device that it comes in by; none for one of this host.
    pub(super) device: Option<&'a str>,
    pub(super) mark: Mark,
    /// What the firewall does; none where it cannot be seen, and is taken to be as it should.
    pub(super) loaded: Option<Loaded<'a>>,
    /// The source that its connection leaves with, where that is established.
    pub(super) established: Option<IpAddr>,
    pub(super) steps: &'a [Step<'a>],
    /// The kernel's own answer; none for a planned state.
    pub(super) kernel: Option<Result<Route, NetlinkError>>,
    /// Where the configuration would have it go; none for a planned state.
    pub(super) intended: Option<End>,
    /// Uplinks that are taken to be down.
    pub(super) failed: &'a [usize],
    /// What is not known of the flow but decides among several nexthops.
    pub(super) missing: Option<&'static str>,
    pub(super) notes: Vec<String>,
}

/// Said where the kernel refuses a packet for which there is a way.
const REFUSED: &str = "what comes in may be refused for its sender (rp_filter) or because the device does not forward; \
                       see ftr-route check";

impl Case<'_> {
    /// The answer.
    pub(super) fn explain(self) -> Explanation {
        let end = End::of(self.steps);
        let hops: &[Hop] = if let End::Out(hops) = &end { hops } else { &[] };
        let filtered = self.is_filtered(hops);
        let taken = self.taken(&end).filter(|_| !filtered);
        let (source, translated) = self.source(taken);
        let decided = self.steps.last().filter(|step| matches!(step.answer, Answer::Refused(_) | Answer::Found(..)));
        let name = |i: &usize| Some(self.config.uplinks.get(*i)?.name.clone());
        Explanation {
            family: self.flow.family(),
            from: self.flow.from,
            to: self.flow.to,
            proto: self.flow.protocol.map(Protocol::as_str),
            sport: self.flow.sport,
            dport: self.flow.dport,
            iif: self.device.map(str::to_owned),
            assumed_down: self.failed.iter().filter_map(name).collect(),
            mark: self.mark.clone(),
            rule: decided.map(|step| iproute::rule(step.rule)),
            purpose: decided.map(|step| purpose(self.config, step.rule)),
            route: decided.and_then(|step| self.route(&step.answer)),
            outcome: if filtered { Outcome::Refused } else { self.outcome(&end) },
            way: taken.map(|hop| self.nexthop(hop, hops)),
            shares: if filtered { Vec::new() } else { self.nexthops(&end) },
            missing: self.missing.filter(|_| taken.is_none() && hops.len() > 1 && !filtered),
            source,
            translated,
            kernel: self.kernel.as_ref().filter(|kernel| !end.agrees(kernel)).map(|kernel| self.objection(kernel)),
            intended: self
                .intended
                .as_ref()
                .filter(|intended| **intended != end)
                .map(|intended| self.nexthops(intended)),
            notes: self.notes(&end),
            asked: self.steps.iter().map(|step| self.asked(step)).collect(),
            lost: !hops.is_empty() && hops.iter().all(|hop| self.is_failed(*hop)),
        }
    }

    fn notes(&self, end: &End) -> Vec<String> {
        let refused = matches!((end, &self.kernel), (End::Out(_) | End::Here, Some(Err(_)))) && self.device.is_some();
        let untranslated = self.untranslated(end);
        self.notes.iter().cloned().chain(refused.then(|| REFUSED.to_owned())).chain(untranslated).collect()
    }

    /// Said where the source should be another outside and no rule makes it that.
    fn untranslated(&self, end: &End) -> Option<String> {
        let End::Out(hops) = end else { return None };
        let own = self.own();
        let lacks = |i: &usize| {
            let is_its = |own: &IpAddr| self.snapshot.states.get(*i).is_some_and(|state| state.addresses.contains(own));
            let wanted = translation(self.config, *i, own, self.flow.family()) != Translation::None
                && !own.as_ref().is_some_and(is_its);
            wanted && !self.is_translated(*i, own)
        };
        let lacking = hops.iter().filter_map(|hop| self.index(*hop)).filter(lacks);
        let names: Vec<&str> = lacking.filter_map(|i| Some(self.config.uplinks.get(i)?.name.as_str())).collect();
        (self.established.is_none() && !names.is_empty()).then(|| {
            format!("no rule translates its address where it leaves by {}, see ftr-route check", names.join(", "))
        })
    }

    /// Whether the rules that are loaded translate what leaves an uplink.
    fn is_translated(&self, i: usize, own: Option<IpAddr>) -> bool {
        let name = self.config.uplinks.get(i).map_or("", |uplink| uplink.name.as_str());
        self.loaded.is_none_or(|loaded| loaded.translates(name, own))
    }

    /// The source that it has before it leaves.
    fn own(&self) -> Option<IpAddr> {
        let named = self.kernel.as_ref().and_then(|kernel| kernel.as_ref().ok()).and_then(|route| route.source);
        self.flow.from.or(named)
    }

    /// Whether the filter refuses it by all of these for its source. What is established has passed.
    fn is_filtered(&self, hops: &[Hop]) -> bool {
        let passes_by =
            self.device.is_none() || self.established.is_some() || self.loaded.is_some_and(|it| !it.refuses());
        if passes_by || self.config.firewall != Some(Firewall::Safe) {
            return false;
        }
        let is_from = |prefix: &Prefix| self.flow.from.is_some_and(|from| prefix.contains(from));
        let mut all = self.config.delegated().chain(self.config.formerly_delegated());
        let is_known = all.any(|(_, prefix)| is_from(&prefix));
        let is_global = self.flow.from.is_some_and(|from| Prefix::host(from).is_global());
        let refuses = |uplink: &Uplink| match uplink.prefixes6.iter().any(is_from) {
            true => false,
            false if is_known => self.config.filter_refuses(),
            false => is_global && uplink.takes_stated_prefixes_alone(),
        };
        let uplink = |hop: &Hop| self.config.uplinks.get(self.index(*hop)?);
        !hops.is_empty() && hops.iter().all(|hop| uplink(hop).is_some_and(refuses))
    }

    fn is_failed(&self, hop: Hop) -> bool {
        self.index(hop).is_some_and(|i| self.failed.contains(&i))
    }

    fn nexthops(&self, end: &End) -> Vec<NexthopShare> {
        let End::Out(hops) = end else { return Vec::new() };
        hops.iter().map(|hop| self.nexthop(*hop, hops)).collect()
    }

    /// The uplink behind a nexthop.
    fn index(&self, hop: Hop) -> Option<usize> {
        self.config.position(self.snapshot.name(hop.index)?)
    }

    /// The nexthop that it takes, as far as that can be told.
    fn taken(&self, end: &End) -> Option<Hop> {
        match (end, &self.kernel) {
            (End::Out(hops), _) if hops.len() == 1 => hops.first().copied(),
            (End::Out(_), Some(Ok(route))) if self.missing.is_none() => end.taken(route),
            _ => None,
        }
    }

    fn outcome(&self, end: &End) -> Outcome {
        match end {
            End::Here => Outcome::Here,
            End::Refused => Outcome::Refused,
            End::Nowhere => Outcome::Nowhere,
            End::Out(hops) if hops.iter().any(|hop| self.index(*hop).is_some()) => Outcome::Uplink,
            End::Out(_) => Outcome::Elsewhere,
        }
    }

    fn nexthop(&self, hop: Hop, among: &[Hop]) -> NexthopShare {
        let total: u32 = among.iter().map(|hop| u32::from(hop.weight)).sum();
        NexthopShare {
            device: self.device_name(hop.index),
            description: self.index(hop).and_then(|i| self.config.uplinks.get(i)).map(|one| one.description.clone()),
            gateway: hop.gateway,
            percent: 100.0 * f64::from(hop.weight) / f64::from(total.max(1)),
            source: self.flow.from.and_then(|from| self.leaves(hop, Some(from))),
        }
    }

    fn device_name(&self, index: u32) -> String {
        self.snapshot.name(index).map_or_else(|| format!("if{index}"), str::to_owned)
    }

    /// The source address that it leaves with, as far as that can be told, and whether that is another than it has before.
    fn source(&self, taken: Option<Hop>) -> (Option<IpAddr>, bool) {
        let own = self.own();
        let leaves = match (self.established, taken) {
            (Some(established), _) => Some(established),
            (None, Some(hop)) => self.leaves(hop, own),
            (None, None) => None,
        };
        (leaves, own.is_some() && leaves.is_some() && leaves != own)
    }

    /// The address that a new connection from `own` leaves by a nexthop with.
    fn leaves(&self, hop: Hop, own: Option<IpAddr>) -> Option<IpAddr> {
        self.index(hop).map_or(own, |i| self.translated(i, own))
    }

    /// The address that a new connection from `own` leaves an uplink with.
    fn translated(&self, i: usize, own: Option<IpAddr>) -> Option<IpAddr> {
        match translation(self.config, i, own, self.flow.family()) {
            Translation::None => own,
            _ if !self.is_translated(i, own) => own,
            Translation::To(address) => Some(address),
            // The kernel chooses among those of the device; how it does for IPv6 nobody follows here.
            Translation::Masquerade => {
                let state = self.snapshot.states.get(i)?;
                match (&state.masquerade, state.addresses.as_slice()) {
                    (Some(address), _) => Some(address.local),
                    (None, [only]) => Some(*only),
                    _ => None,
                }
            }
        }
    }

    fn format(&self, route: &Route) -> String {
        iproute::route(route, &|index| self.snapshot.name(index))
    }

    fn route(&self, answer: &Answer<'_>) -> Option<String> {
        match answer {
            Answer::Found(route, _) | Answer::Refused(Some(route)) => Some(self.format(route)),
            _ => None,
        }
    }

    fn objection(&self, kernel: &Result<Route, NetlinkError>) -> String {
        match kernel {
            Err(error) => error.to_string(),
            Ok(route) => self.format(route),
        }
    }

    fn asked(&self, step: &Step<'_>) -> Asked {
        let answer = match &step.answer {
            Answer::Mismatch(condition) => condition.to_string(),
            Answer::Goto(target) => format!("goes on at priority {target}"),
            Answer::Nothing => "does nothing".to_owned(),
            Answer::Empty => "has no route to there".to_owned(),
            Answer::Thrown(route) => format!("goes on: {}", self.format(route)),
            Answer::Suppressed(route) => format!("does not count: {}", self.format(route)),
            Answer::Refused(None) => "refuses".to_owned(),
            Answer::Refused(Some(route)) => format!("refuses: {}", self.format(route)),
            Answer::Found(route, _) => format!("leads there: {}", self.format(route)),
        };
        Asked { rule: iproute::rule(step.rule), purpose: purpose(self.config, step.rule), answer }
    }
}
