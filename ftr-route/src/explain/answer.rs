//! The answer: which way a flow goes, and why.

use std::net::IpAddr;

use ftr_core::config::{Config, UplinkKind};
use ftr_core::{Exit, Family, InterfaceName};
use ftr_netlink::{Refusal, Route};
use serde::Serialize;

use super::end::{End, Hop};
use super::flow::Flow;
use super::mark::Mark;
use super::purpose::purpose;
use crate::iproute;
use crate::observed::Observed;
use crate::walk::{Answer, Step};

/// What was found out about a flow.
pub(super) struct Case<'a> {
    pub(super) config: &'a Config,
    pub(super) observed: &'a Observed,
    pub(super) flow: &'a Flow,
    /// The device that it comes in by; none for one of this host.
    pub(super) device: Option<&'a str>,
    pub(super) mark: Mark,
    /// The source that its connection leaves with, where that is established.
    pub(super) established: Option<IpAddr>,
    pub(super) steps: &'a [Step<'a>],
    /// The kernel's own answer; none for a planned state.
    pub(super) kernel: Option<&'a Result<Route, Refusal>>,
    /// Where the configuration would have it go.
    pub(super) intended: Option<&'a End>,
    /// Uplinks that are taken to be down.
    pub(super) failed: &'a [usize],
    /// What is not known of the flow but decides among several next hops.
    pub(super) missing: Option<&'static str>,
    pub(super) notes: Vec<String>,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    pub(super) family: Family,
    pub(super) from: Option<IpAddr>,
    pub(super) to: IpAddr,
    pub(super) proto: Option<&'static str>,
    pub(super) sport: Option<u16>,
    pub(super) dport: Option<u16>,
    /// The device that it comes in by; null for a flow of this host.
    pub(super) iif: Option<String>,
    pub(super) assumed_down: Vec<InterfaceName>,
    #[serde(flatten)]
    pub(super) mark: Mark,
    /// The rule that decided, and what it is for.
    pub(super) rule: Option<String>,
    pub(super) purpose: Option<String>,
    pub(super) route: Option<String>,
    pub(super) outcome: Outcome,
    /// The next hop; null where it is one of several.
    pub(super) way: Option<Leg>,
    /// All next hops that new connections of this kind are shared among.
    pub(super) shares: Vec<Leg>,
    /// What would have to be known to tell which one.
    pub(super) missing: Option<&'static str>,
    /// The source address that it leaves with, and whether it has another before.
    pub(super) source: Option<IpAddr>,
    pub(super) translated: bool,
    /// What the kernel answers, where that is something else.
    pub(super) kernel: Option<String>,
    /// Where the configuration would have it go, where that is somewhere else.
    pub(super) intended: Option<Vec<Leg>>,
    pub(super) notes: Vec<String>,
    /// Every rule that was asked, in their order.
    pub(super) asked: Vec<Asked>,
    /// It goes by an uplink that is taken to be down.
    #[serde(skip)]
    lost: bool,
}

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Uplink,
    /// Out by a device that is no uplink.
    Elsewhere,
    /// To this host itself.
    Here,
    Refused,
    Nowhere,
}

/// A next hop in words.
#[derive(Debug, Serialize)]
pub(super) struct Leg {
    pub(super) device: String,
    /// What people call the uplink; null for a device that is none.
    pub(super) description: Option<String>,
    pub(super) gateway: Option<IpAddr>,
    /// Its part of the new connections.
    pub(super) percent: f64,
}

/// A rule that was asked.
#[derive(Debug, Serialize)]
pub(super) struct Asked {
    pub(super) rule: String,
    pub(super) purpose: String,
    pub(super) answer: String,
}

impl Explanation {
    pub(super) fn of(case: Case<'_>) -> Self {
        let end = End::of(case.steps);
        let hops: &[Hop] = if let End::Out(hops) = &end { hops } else { &[] };
        let taken = case.taken(&end);
        let (source, translated) = case.source(taken);
        let lost =
            !hops.is_empty() && hops.iter().all(|hop| case.place(*hop).is_some_and(|i| case.failed.contains(&i)));
        let decided = case.steps.last().filter(|step| matches!(step.answer, Answer::Refused(_) | Answer::Found(..)));
        let agrees = |kernel: &&Result<Route, Refusal>| !end.agrees(kernel);
        Self {
            family: case.flow.family(),
            from: case.flow.from,
            to: case.flow.to,
            proto: case.flow.protocol.map(ftr_core::config::Protocol::as_str),
            sport: case.flow.sport,
            dport: case.flow.dport,
            iif: case.device.map(str::to_owned),
            assumed_down: case
                .failed
                .iter()
                .filter_map(|i| case.config.uplinks.get(*i))
                .map(|one| one.name.clone())
                .collect(),
            mark: case.mark.clone(),
            rule: decided.map(|step| iproute::rule(step.rule)),
            purpose: decided.map(|step| purpose(case.config, step.rule)),
            route: decided.and_then(|step| case.route(&step.answer)),
            outcome: case.outcome(&end),
            way: taken.map(|hop| case.leg(hop, hops)),
            shares: hops.iter().map(|hop| case.leg(*hop, hops)).collect(),
            missing: case.missing.filter(|_| taken.is_none() && hops.len() > 1),
            source,
            translated,
            kernel: case.kernel.filter(agrees).map(|kernel| case.kernels(kernel)),
            intended: case.intended.filter(|intended| **intended != end).map(|intended| match intended {
                End::Out(hops) => hops.iter().map(|hop| case.leg(*hop, hops)).collect(),
                _ => Vec::new(),
            }),
            asked: case.steps.iter().map(|step| case.asked(step)).collect(),
            notes: case.notes,
            lost,
        }
    }

    /// Yes, if there is a way, the kernel agrees, and the configuration would have it so.
    pub(super) fn exit(&self) -> Exit {
        let leads = matches!(self.outcome, Outcome::Uplink | Outcome::Elsewhere | Outcome::Here);
        let settled = self.kernel.is_none() && self.intended.is_none() && !self.lost;
        if leads && settled { Exit::Yes } else { Exit::No }
    }
}

impl Case<'_> {
    /// The uplink behind a next hop.
    fn place(&self, hop: Hop) -> Option<usize> {
        self.config.position(self.observed.name(hop.index)?)
    }

    /// The next hop that it takes, as far as that can be told.
    fn taken(&self, end: &End) -> Option<Hop> {
        match (end, self.kernel) {
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
            End::Out(hops) if hops.iter().any(|hop| self.place(*hop).is_some()) => Outcome::Uplink,
            End::Out(_) => Outcome::Elsewhere,
        }
    }

    fn leg(&self, hop: Hop, among: &[Hop]) -> Leg {
        let total: u32 = among.iter().map(|hop| u32::from(hop.weight)).sum();
        Leg {
            device: self.device_name(hop.index),
            description: self.place(hop).and_then(|i| self.config.uplinks.get(i)).map(|one| one.description.clone()),
            gateway: hop.gateway,
            percent: 100.0 * f64::from(hop.weight) / f64::from(total.max(1)),
        }
    }

    fn device_name(&self, index: u32) -> String {
        self.observed.name(index).map_or_else(|| format!("if{index}"), str::to_owned)
    }

    /// The source address that it leaves with, and whether that is another than it has before.
    fn source(&self, taken: Option<Hop>) -> (Option<IpAddr>, bool) {
        let named = self.kernel.and_then(|kernel| kernel.as_ref().ok()).and_then(|route| route.source);
        let own = self.flow.from.or(named);
        let place = taken.and_then(|hop| self.place(hop));
        let translated = place.filter(|_| self.flow.family() == Family::V4).and_then(|i| self.translation(i));
        let leaves = match (self.established, taken, place) {
            (Some(established), ..) => Some(established),
            (None, None, _) => None,
            (None, Some(_), Some(i)) => translated.or(own).or_else(|| self.address(i)),
            (None, Some(_), None) => own,
        };
        (leaves, own.is_some() && leaves.is_some() && leaves != own)
    }

    /// The address that the firewall gives to what leaves by an uplink over IPv4.
    fn translation(&self, i: usize) -> Option<IpAddr> {
        match self.config.uplinks.get(i)?.kind {
            UplinkKind::Static { ip, .. } => Some(ip.into()),
            UplinkKind::Ppp | UplinkKind::Dhcp => self.address(i),
        }
    }

    fn address(&self, i: usize) -> Option<IpAddr> {
        Some(self.observed.standings.get(i)?.way.as_ref()?.source)
    }

    fn words(&self, route: &Route) -> String {
        iproute::route(route, &|index| self.observed.name(index))
    }

    fn route(&self, answer: &Answer<'_>) -> Option<String> {
        match answer {
            Answer::Found(route, _) | Answer::Refused(Some(route)) => Some(self.words(route)),
            _ => None,
        }
    }

    fn kernels(&self, kernel: &Result<Route, Refusal>) -> String {
        match kernel {
            Err(refusal) => refusal.to_string(),
            Ok(route) => self.words(route),
        }
    }

    fn asked(&self, step: &Step<'_>) -> Asked {
        let answer = match &step.answer {
            Answer::Mismatch(condition) => condition.to_string(),
            Answer::Goto(target) => format!("goes on at priority {target}"),
            Answer::Nothing => "does nothing".to_owned(),
            Answer::Empty => "has no route to there".to_owned(),
            Answer::Thrown(route) => format!("goes on: {}", self.words(route)),
            Answer::Suppressed(route) => format!("does not count: {}", self.words(route)),
            Answer::Refused(None) => "refuses".to_owned(),
            Answer::Refused(Some(route)) => format!("refuses: {}", self.words(route)),
            Answer::Found(route, _) => format!("leads there: {}", self.words(route)),
        };
        Asked { rule: iproute::rule(step.rule), purpose: purpose(self.config, step.rule), answer }
    }
}
