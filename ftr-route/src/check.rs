//! `check`: is the kernel as wanted?

use std::collections::BTreeSet;

use ftr_core::cli::{Common, Failure, say};
use ftr_core::record::{NoWay, Reason};
use ftr_core::{Config, Exit, Family};
use serde::Serialize;

use crate::diff::Plan;
use crate::hazards::{self, Hazard};
use crate::iproute;
use crate::observed::{Carriers, Observed};
use crate::router::Router;
use crate::{TOOL, answer};

/// The difference for one family.
#[derive(Debug, Serialize)]
struct Difference {
    family: Family,
    differs: bool,
    /// The commands that would make it as wanted.
    commands: Vec<String>,
    /// What others have put where ours should be.
    foreign: Vec<String>,
    /// The uplinks that have no way out although nothing is wrong with their lines.
    no_way: Vec<NoWay>,
}

/// What works against us, of all families together.
#[derive(Debug, Serialize)]
struct Hazards {
    hazards: Vec<Hazard>,
}

/// Compares, and prints what differs. An uplink whose line is fine and that has no way out all the same is no difference
/// that a command would mend, but nothing is as wanted then. Hazards are told beside it, and do not count.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family]) -> Result<Exit, Failure> {
    let mut exit = Exit::Yes;
    let mut seen = Vec::new();
    for &family in families {
        let observed = Router::new(config, family)?.look().map_err(|error| hazards::explain(family, error))?;
        let plan = wanted(&observed, config, family);
        let foreign = observed.objections(&plan);
        let names = |index| observed.name(index);
        let commands: Vec<String> =
            plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)).collect();
        let differs = !commands.is_empty() || !foreign.is_empty();
        let no_way = observed.stranded();
        if differs || !no_way.is_empty() {
            exit = Exit::No;
        }
        if common.json && !common.quiet {
            answer_json(&Difference { family, differs, commands, foreign, no_way })?;
        } else if !common.quiet {
            answer(commands)?;
            for line in foreign.into_iter().chain(no_way.iter().map(|one| stranded(one, family))) {
                say(TOOL, &line);
            }
        }
        seen.push((family, observed));
    }
    if !common.quiet {
        tell(common, hazards::find(config, &seen)?)?;
    }
    Ok(exit)
}

fn tell(common: &Common, hazards: Vec<Hazard>) -> Result<(), Failure> {
    if common.json {
        return answer_json(&Hazards { hazards });
    }
    for hazard in hazards {
        say(TOOL, &hazard.to_string());
    }
    Ok(())
}

fn answer_json(object: &impl Serialize) -> Result<(), Failure> {
    answer([serde_json::to_string(object).map_err(|error| Failure::new(Exit::Bug, error.to_string()))?])
}

/// That an uplink has no way out, in words.
pub(crate) fn stranded(NoWay { uplink, reason }: &NoWay, family: Family) -> String {
    let advice = match reason {
        Reason::NoAddress => "the device does not have the configured address",
        Reason::NoGateway => "no gateway is stated or learned, and the device needs one",
        _ => "see ftr-probe",
    };
    format!("{uplink}: {family}: no way out, so its table refuses all: {reason}: {advice}")
}

/// The changes that are missing. Who carries new connections is for others to decide: whoever does now may. But if
/// nobody does, those that the configuration lets should.
pub(crate) fn wanted(observed: &Observed, config: &Config, family: Family) -> Plan {
    let carrying = observed.carrying(config);
    let carriers = if carrying.is_empty() {
        Carriers::Eligible { failed: Vec::new() }
    } else {
        Carriers::These { parts: carrying, failed: None, given_up: None }
    };
    observed.plan(config, family, &carriers, &BTreeSet::new())
}
