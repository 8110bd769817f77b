//! `explain`: which way a flow goes, and why.
//!
//! `walk` finds it from the rules and routes that were read, and the kernel is asked as well. What the configuration
//! intends is found in the same way, from the rules and routes that there would be after `apply`.

mod answer;
mod case;
mod end;
mod flow;
mod hash;
mod loaded;
mod mark;
mod planned;
mod purpose;
mod sets;
mod text;
mod translation;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ftr_core::{Config, Exit};
use ftr_netlink::{Connection, Link, Lookup, RouteKind};
use ftr_tool::cli::{Common, Failure};
use nix::unistd::getuid;

use crate::answer::answer;
use crate::cli::Explain;
use crate::cli::position;
use crate::diagnose::look;
use crate::kernel::{Kernel, connections};
use crate::plan::active_set::ActiveSet;
use crate::plan::diff::Plan;
use crate::snapshot::{Search, Snapshot};
use crate::walk::packet::Packet;
use crate::walk::{Answer, walk};
use answer::Explanation;
use case::Case;
use end::End;
use flow::Flow;
use hash::Hashing;
use loaded::Loaded;
use mark::{Mark, Origin, Whence};
use planned::Routing;

/// Finds the way, and prints it.
pub(crate) fn run(config: &Config, common: &Common, asked: &Explain) -> Result<Exit, Failure> {
    let told = explain(config, asked)?;
    if common.json && !common.quiet {
        answer([serde_json::to_string(&told).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?])?;
    } else if !common.quiet {
        answer(text::lines(&told, common.verbose))?;
    }
    Ok(told.exit())
}

fn explain(config: &Config, asked: &Explain) -> Result<Explanation, Failure> {
    let flow = Flow::of(asked)?;
    let failed = asked.assume.iter().map(|name| position(config, name)).collect::<Result<Vec<_>, _>>()?;
    let mut kernel = Kernel::open()?;
    let snapshot = Snapshot::look(&mut kernel, config, flow.family(), Search::Tables, &[])?;
    let config = &*snapshot.learned.within(config);
    let now = Routing { rules: snapshot.rules.clone(), routes: kernel.all_routes(flow.family())? };
    let device = match &asked.iif {
        Some(name) => Some(link(&snapshot, name)?),
        None => incoming(&flow, &now, &snapshot)?,
    };
    let (connection, unseen) = connection(&flow);
    let name = device.map(|link| link.name.as_str());
    let sets = sets::held(config, flow.to);
    let firewall = look::effects(flow.family());
    let loaded = firewall.as_ref().ok().map(|effects| Loaded::of(effects, flow.family(), config));
    let taken_for = firewall
        .as_ref()
        .err()
        .map(|reason| format!("the firewall is taken to have the rules of ftr-rules, for it cannot be seen: {reason}"));
    let connected = connection.as_ref();
    let origin = Origin { flow: &flow, device: name, connection: connected, failed: &failed, sets: &sets, loaded };
    let (mark, note) = match asked.mark {
        Some(value) => (Mark { value, whence: Whence::Given }, None),
        None => origin.mark(config),
    };
    let packet = packet(&flow, device, mark.value);
    let own = kernel.way(&lookup(&flow, device, mark.value))?;
    let is_now = failed.is_empty();
    let plan = plan(config, &snapshot, &failed);
    let planned = now.after(&plan, &|index| is_dead(&snapshot, index));
    let planned = if is_now { planned.tidied(&plan) } else { planned };
    let then = walk(&packet, &planned.rules, &planned.routes);
    let case = Case {
        config,
        snapshot: &snapshot,
        flow: &flow,
        device: name,
        established: connection.filter(|_| is_now).map(|connection| leaves_as(&connection, &flow)),
        steps: &if is_now { walk(&packet, &now.rules, &now.routes) } else { then.clone() },
        kernel: is_now.then_some(own),
        intended: is_now.then(|| End::of(&then)),
        failed: &failed,
        missing: Hashing::read(flow.family()).missing(&flow, device.is_some()),
        mark,
        loaded,
        notes: unseen.into_iter().chain(taken_for).chain(note).collect(),
    };
    Ok(case.explain())
}

/// The connection that the flow belongs to, or why that cannot be told.
fn connection(flow: &Flow) -> (Option<Connection>, Option<String>) {
    let Some(tuple) = flow.tuple() else { return (None, None) };
    match connections::find(&tuple) {
        Ok(connection) => (connection, None),
        Err(error) => (None, Some(format!("taken for a new connection, for others cannot be seen: {error}"))),
    }
}

/// What would be changed: by `apply` as things are, or with these uplinks failed and all others at work.
fn plan(config: &Config, snapshot: &Snapshot, failed: &[usize]) -> Plan {
    if failed.is_empty() {
        return snapshot.missing(config);
    }
    let active_set = ActiveSet::Eligible { failed: failed.to_vec() };
    snapshot.plan(config, &active_set, &BTreeSet::new())
}

fn link<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Link, Failure> {
    let found = snapshot.links.iter().find(|link| link.name == name);
    found.ok_or_else(|| Failure::new(Exit::Usage, format!("{name}: no device of this host")))
}

/// The device that the flow comes in by: the one by which its sender is reached. None for a flow of this host.
fn incoming<'a>(flow: &Flow, now: &Routing, snapshot: &'a Snapshot) -> Result<Option<&'a Link>, Failure> {
    let Some(from) = flow.from else { return Ok(None) };
    let steps = walk(&Packet::to(from), &now.rules, &now.routes);
    let unknown = || {
        let message = format!("{from}: neither this host nor on a network that is known; name its device with --iif");
        Failure::new(Exit::Usage, message)
    };
    match steps.last().map(|step| &step.answer) {
        Some(Answer::Found(route, _)) if route.kind == RouteKind::Local => Ok(None),
        Some(Answer::Found(route, nexthops)) if route.destination.is_some() => {
            let index = nexthops.first().map(|nexthop| nexthop.index);
            let link = snapshot.links.iter().find(|link| Some(link.index) == index);
            link.map(Some).ok_or_else(unknown)
        }
        _ => Err(unknown()),
    }
}

fn packet<'a>(flow: &Flow, device: Option<&'a Link>, mark: u32) -> Packet<'a> {
    Packet {
        source: flow.from,
        mark,
        iif: device.map(|link| link.name.as_str()),
        protocol: flow.number_looked_up(),
        sport: flow.sport,
        dport: flow.dport,
        user: if device.is_some() { 0 } else { getuid().as_raw() },
        ..Packet::to(flow.to)
    }
}

fn lookup(flow: &Flow, device: Option<&Link>, mark: u32) -> Lookup {
    Lookup {
        source: flow.from,
        iif: device.map(|link| link.index),
        mark,
        protocol: flow.number(),
        sport: flow.sport,
        dport: flow.dport,
        ..Lookup::to(flow.to)
    }
}

/// Whether the kernel would not use a nexthop over the device, as it is told to heed a lost carrier.
fn is_dead(snapshot: &Snapshot, index: u32) -> bool {
    let link = snapshot.links.iter().find(|link| link.index == index);
    link.is_none_or(|link| !link.flags.is_up() || !link.flags.has_carrier())
}

/// The source of the flow's packets after address translation.
fn leaves_as(connection: &Connection, flow: &Flow) -> IpAddr {
    let opened = Some(connection.original) == flow.tuple();
    if opened { connection.leaves_as() } else { connection.original.destination }
}

#[cfg(test)]
mod tests;
