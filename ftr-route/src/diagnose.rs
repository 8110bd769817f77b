//! What about this host works against several uplinks although nothing of ours is wrong, and what to do about it.
//!
//! Every evaluation is pure: what was read goes in, hazards come out. What they are told is read in `look`, from the
//! kernel, from files, and from the programs of the firewall; nothing is changed on the way.

mod delegated;
mod features;
mod firewall;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod hazard;
mod listeners;
pub(crate) mod look;
mod marks;
mod network_manager;
mod networkd;
mod networks;
mod other_address;
mod owner;
pub(crate) mod rules;
mod second_filter;
mod sysctls;
mod translated;

use std::borrow::Cow;

use ftr_core::config::Config;
use ftr_core::numbering::{DEFAULT_TABLE, MAIN_TABLE, Numbering};
use ftr_core::{Exit, Family};
use ftr_netlink::Route;
use ftr_tool::cli::Failure;

use crate::error::Error;
use crate::iproute::Names;
use crate::kernel::Kernel;
use crate::snapshot::{Search, Snapshot};
use firewall::Firewall;
use hazard::Hazard;
use look::{HostFacts, is_legacy_possible};

/// Looks for hazards; `seen` is what the kernel has of each family that is used.
pub(crate) fn find(config: &Config, seen: &[Snapshot]) -> Result<Vec<Hazard>, Error> {
    Ok(evaluate(config, seen, &HostFacts::look(config, seen, &mut None)?))
}

/// Looks again and again, and at the firewall only where it may have changed.
#[derive(Debug)]
pub(crate) struct Watch {
    config: Config,
    families: Vec<Family>,
    firewall: Option<Firewall>,
}

impl Watch {
    pub(crate) const fn new(config: Config, families: Vec<Family>) -> Self {
        Self { config, families, firewall: None }
    }

    /// Looks for hazards. Other programs are asked for the firewall where it `changed`, or where nobody tells of changes.
    pub(crate) fn look(&mut self, changed: bool) -> Result<Vec<Hazard>, Error> {
        if changed || is_legacy_possible(&self.families) {
            self.firewall = None;
        }
        let mut kernel = Kernel::open()?;
        let look = |&family| Snapshot::look(&mut kernel, &self.config, family, Search::Tables, &[]);
        let seen = self.families.iter().map(look).collect::<Result<Vec<_>, Error>>()?;
        Ok(evaluate(&self.config, &seen, &HostFacts::look(&self.config, &seen, &mut self.firewall)?))
    }
}

/// Looks only for what takes all new connections where the table main is asked before ours. Where ours are asked first
/// nothing is looked at.
pub(crate) fn main_comes_first(config: &Config, snapshot: &Snapshot) -> Result<Vec<Hazard>, Error> {
    let numbering = Numbering::of(config);
    if numbering.local_priority().is_some() {
        return Ok(Vec::new());
    }
    let routes = Kernel::open()?.routes(snapshot.family, &[MAIN_TABLE, DEFAULT_TABLE], &[])?;
    let name = |index| snapshot.name(index);
    Ok(rules::main(config, &numbering, &tables(snapshot, &routes, &name)))
}

fn tables<'a>(snapshot: &'a Snapshot, routes: &'a [Route], names: &'a Names<'a>) -> rules::Tables<'a> {
    rules::Tables { family: snapshot.family, rules: &snapshot.rules, routes, own: &snapshot.routes, names }
}

/// What a failure to look at the kernel comes from, where that is something that the kernel lacks.
pub(crate) fn explain(family: Family, error: Error) -> Failure {
    let lack = match &error {
        Error::Netlink(error) => features::without_rules(family, error),
        _ => None,
    };
    match lack {
        Some(Hazard { object, what, advice, .. }) => {
            Failure::new(Exit::Unavailable, format!("{object}: {what}: {advice}"))
        }
        None => error.into(),
    }
}

fn evaluate(config: &Config, seen: &[Snapshot], facts: &HostFacts) -> Vec<Hazard> {
    let learned = seen.iter().find(|snapshot| snapshot.family == Family::V6).map(|snapshot| &snapshot.learned);
    let config = &*learned.map_or(Cow::Borrowed(config), |learned| learned.within(config));
    let delegated = learned.map(|learned| delegated::evaluate(config, learned, facts.firewall));
    let numbering = Numbering::of(config);
    let mut hazards = Vec::new();
    for (snapshot, routes) in seen.iter().zip(&facts.routes) {
        let name = |index| snapshot.name(index);
        let tables = tables(snapshot, routes, &name);
        hazards.extend(rules::main(config, &numbering, &tables));
        hazards.extend(rules::foreign(config, &numbering, &tables));
        hazards.extend(sysctls::evaluate(config, snapshot.family, &facts.sysctls));
    }
    hazards.extend(networks::evaluate(config, &facts.networks, &facts.sysctls));
    hazards.extend(networks::far_gateways(config, &facts.networks));
    let families: Vec<_> = seen.iter().map(|snapshot| snapshot.family).collect();
    let rules: Vec<_> = seen.iter().flat_map(|snapshot| &snapshot.rules).collect();
    hazards.extend(marks::evaluate(config, &numbering, &rules, &facts.firewall.effects.sets));
    hazards.extend(firewall::evaluate(config, &numbering, &families, facts.firewall, &facts.networks));
    for snapshot in seen {
        let (family, translations) = (snapshot.family, &facts.firewall.effects.translations);
        hazards.extend(other_address::evaluate(config, family, &snapshot.states, translations, &facts.networks));
    }
    hazards.extend(second_filter::evaluate(config, &families, &facts.firewall.effects.filters));
    hazards.extend(delegated.unwrap_or_default());
    hazards.extend(features::evaluate(&families, &facts.features));
    hazards.extend(networkd::evaluate(facts.networkd.as_ref()));
    hazards.extend(network_manager::evaluate(&facts.network_manager));
    let addresses: Vec<_> =
        seen.iter().flat_map(|snapshot| &snapshot.states).flat_map(|state| &state.addresses).collect();
    hazards.extend(listeners::evaluate(&facts.listeners, &addresses));
    hazards
}
