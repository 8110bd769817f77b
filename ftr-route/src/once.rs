//! `prepare` and `apply`: one thing done, and the end.

use ftr_core::cli::{Common, Failure, say};
use ftr_core::record::Record;
use ftr_core::{Config, Exit, Family};

use crate::balance;
use crate::cli::{Apply, DryRun};
use crate::diff::Plan;
use crate::error::Error;
use crate::following;
use crate::iproute;
use crate::observed::{Carriers, conflicts};
use crate::router::{Report, Router};
use crate::{TOOL, answer, position};

/// Rules, uplink tables and sysctls.
pub(crate) fn prepare(config: &Config, common: &Common, families: &[Family], dry: DryRun) -> Result<Exit, Failure> {
    carry_out(config, common, families, dry, &Carriers::AsFound)
}

/// The same, and who carries new connections.
pub(crate) fn apply(config: &Config, common: &Common, families: &[Family], apply: &Apply) -> Result<Exit, Failure> {
    let places = |names: &[String]| names.iter().map(|name| position(config, name)).collect::<Result<Vec<_>, _>>();
    let (failed, named) = (places(&apply.failed)?, places(&apply.uplinks)?);
    let carriers = if named.is_empty() {
        Carriers::Eligible { failed }
    } else {
        let parts = balance::of(config, named.into_iter().filter(|uplink| !failed.contains(uplink)));
        Carriers::These { parts, failed: Some(failed), given_up: None }
    };
    carry_out(config, common, families, apply.dry, &carriers)
}

fn carry_out(
    config: &Config,
    common: &Common,
    families: &[Family],
    dry: DryRun,
    carriers: &Carriers,
) -> Result<Exit, Failure> {
    let mut routers = families.iter().map(|&family| Router::new(config, family)).collect::<Result<Vec<_>, Error>>()?;
    // All are looked at before anything is changed in one: half a change helps nobody.
    let seen = routers.iter_mut().map(|router| router.compare(carriers)).collect::<Result<Vec<_>, Error>>()?;
    refuse_conflicts(seen.iter().map(|(_, plan)| plan))?;
    let mut exit = Exit::Yes;
    if dry.dry_run {
        for (observed, plan) in &seen {
            remark(&observed.objections(plan));
            warn(common, &observed.warnings);
            let names = |index| observed.name(index);
            answer(plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)))?;
        }
        return Ok(exit);
    }
    if let Some(who) = following::who().filter(|_| !common.quiet) {
        say(TOOL, &format!("note: {who}, and puts back what differs from its orders"));
    }
    for router in &mut routers {
        let report = router.apply(carriers)?;
        tell(common, &report)?;
        // Who names an uplink wants that one. Of all that the configuration lets, some may have no way out yet.
        let named = matches!(carriers, Carriers::These { .. });
        if !report.remarks.is_empty() || (named && !report.stranded.is_empty()) {
            exit = Exit::No;
        }
    }
    Ok(exit)
}

/// Stops where rules of others stand between ours, and says which.
pub(crate) fn refuse_conflicts<'p>(plans: impl Iterator<Item = &'p Plan>) -> Result<(), Error> {
    let conflicts: Vec<String> = plans.flat_map(conflicts).collect();
    remark(&conflicts);
    if conflicts.is_empty() { Ok(()) } else { Err(Error::Conflict) }
}

fn tell(common: &Common, report: &Report) -> Result<(), Failure> {
    remark(&report.remarks);
    warn(common, &report.warnings);
    warn(common, &report.stranded);
    if common.quiet {
        Ok(())
    } else if common.json {
        let line = Record::Applied(report.applied.clone()).line();
        let line = line.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?;
        answer([line.trim_end()])
    } else if common.verbose {
        answer(&report.commands)
    } else {
        Ok(())
    }
}

fn remark(remarks: &[String]) {
    for remark in remarks {
        say(TOOL, remark);
    }
}

fn warn(common: &Common, warnings: &[String]) {
    if !common.quiet {
        remark(warnings);
    }
}
