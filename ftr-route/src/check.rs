//! `check`: is the kernel as wanted?

use std::collections::BTreeSet;

use ftr_core::cli::{Common, Failure, say};
use ftr_core::{Config, Exit, Family};
use serde::Serialize;

use crate::diff::Plan;
use crate::iproute;
use crate::observed::{Carriers, Conflicts, Observed};
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
}

/// Compares, and prints what differs.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family]) -> Result<Exit, Failure> {
    let mut exit = Exit::Yes;
    for &family in families {
        let observed = Router::new(config, family)?.look()?;
        let plan = wanted(&observed, config, family);
        let foreign = observed.objections(&plan, Conflicts::GoOn)?;
        let names = |index| observed.name(index);
        let commands: Vec<String> =
            plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)).collect();
        let differs = !commands.is_empty() || !foreign.is_empty();
        if differs {
            exit = Exit::No;
        }
        if common.json && !common.quiet {
            let line = serde_json::to_string(&Difference { family, differs, commands, foreign });
            answer([line.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?])?;
        } else if !common.quiet {
            answer(commands)?;
            for line in foreign.iter().chain(&observed.warnings) {
                say(TOOL, line);
            }
        }
    }
    Ok(exit)
}

/// The changes that are missing. Who carries new connections is for others to decide: whoever does now may. But if
/// nobody does, those that the configuration lets should.
pub(crate) fn wanted(observed: &Observed, config: &Config, family: Family) -> Plan {
    let carrying = observed.carrying(config);
    let carriers = if carrying.is_empty() {
        Carriers::Eligible { failed: Vec::new() }
    } else {
        Carriers::These { parts: carrying, failed: None }
    };
    observed.plan(config, family, &carriers, &BTreeSet::new())
}
