//! `check`: is the kernel as wanted?

use ftr_core::record::NoWay;
use ftr_core::{Config, Exit, Family};
use ftr_tool::cli::{Common, Failure, say};
use serde::Serialize;

use crate::answer::{TOOL, answer};
use crate::diagnose::{self, hazard::Hazard};
use crate::iproute;
use crate::router::{Router, stranded_text};

/// The difference for one family.
#[derive(Debug, Serialize)]
struct Difference {
    /// Which family it is about.
    family: Family,
    /// The kernel has something else than is wanted.
    differs: bool,
    /// The commands that would make it as wanted.
    commands: Vec<String>,
    /// What others have put where ours should be.
    foreign: Vec<String>,
    /// The uplinks that have no egress although nothing is wrong with their lines.
    no_way: Vec<NoWay>,
}

/// What works against us, of all families together.
#[derive(Debug, Serialize)]
struct Hazards {
    /// Each of them.
    hazards: Vec<Hazard>,
}

/// Compares, and prints what differs. An uplink whose line is fine and that has no egress all the same is no difference
/// that a command would repair, but nothing is as wanted then. Hazards are told beside it, and do not count.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family]) -> Result<Exit, Failure> {
    let mut exit = Exit::Yes;
    let mut seen = Vec::new();
    for &family in families {
        let snapshot = Router::new(config, family)?.look().map_err(|error| diagnose::explain(family, error))?;
        let plan = snapshot.missing(config);
        let foreign = snapshot.objections(&plan);
        let names = |index| snapshot.name(index);
        let commands: Vec<String> =
            plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)).collect();
        let differs = !commands.is_empty() || !foreign.is_empty();
        let no_way = snapshot.stranded();
        if differs || !no_way.is_empty() {
            exit = Exit::No;
        } else if common.verbose && !common.quiet {
            say(TOOL, &format!("{family}: as wanted"));
        }
        if common.json && !common.quiet {
            answer_json(&Difference { family, differs, commands, foreign, no_way })?;
        } else if !common.quiet {
            answer(commands)?;
            for line in foreign.into_iter().chain(no_way.iter().map(|one| stranded_text(one, family))) {
                say(TOOL, &line);
            }
        }
        seen.push(snapshot);
    }
    if !common.quiet {
        report(common, diagnose::find(config, &seen)?)?;
    }
    Ok(exit)
}

fn report(common: &Common, hazards: Vec<Hazard>) -> Result<(), Failure> {
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
