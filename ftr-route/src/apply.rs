//! `prepare` and `apply`: one thing done, and the end.

use ftr_core::record::Record;
use ftr_core::{Config, Exit, Family};
use ftr_tool::cli::{Common, Failure, say};

use crate::answer::{TOOL, answer, answer_commands};
use crate::cli::position;
use crate::cli::{Apply, DryRun};
use crate::diagnose;
use crate::error::Error;
use crate::follow::flush::Flush;
use crate::iproute;
use crate::kernel::following;
use crate::plan::active_set::ActiveSet;
use crate::plan::balance;
use crate::plan::diff::Plan;
use crate::router::{Report, Router, refuse_conflicts};
use crate::snapshot::Snapshot;

/// Rules, uplink tables and sysctls.
pub(crate) fn prepare(config: &Config, common: &Common, families: &[Family], dry: DryRun) -> Result<Exit, Failure> {
    carry_out(config, common, families, dry, &ActiveSet::AsFound)
}

/// The same, and the active set.
pub(crate) fn apply(config: &Config, common: &Common, families: &[Family], apply: &Apply) -> Result<Exit, Failure> {
    let indexes = |names: &[String]| names.iter().map(|name| position(config, name)).collect::<Result<Vec<_>, _>>();
    let (failed, named) = (indexes(&apply.failed)?, indexes(&apply.uplinks)?);
    let active_set = if named.is_empty() {
        ActiveSet::Eligible { failed }
    } else {
        let members = balance::of(config, named.into_iter().filter(|uplink| !failed.contains(uplink)));
        ActiveSet::These { members, failed: Some(failed), given_up: None, policies: None }
    };
    carry_out(config, common, families, apply.dry, &active_set)
}

fn carry_out(
    config: &Config,
    common: &Common,
    families: &[Family],
    dry: DryRun,
    active_set: &ActiveSet,
) -> Result<Exit, Failure> {
    let mut routers = families.iter().map(|&family| Router::new(config, family)).collect::<Result<Vec<_>, Error>>()?;
    // All are looked at before anything is changed in one: half a change helps nobody.
    let seen = routers.iter_mut().map(|router| router.compare(active_set)).collect::<Result<Vec<_>, Error>>()?;
    refuse_conflicts(seen.iter().map(|(_, plan)| plan))?;
    let mut exit = Exit::Yes;
    if dry.dry_run {
        let mut commands = Vec::new();
        for (snapshot, plan) in &seen {
            remark(&snapshot.objections(plan));
            warn(common, &main_comes_first(config, snapshot)?);
            let names = |index| snapshot.name(index);
            commands.extend(plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)));
        }
        answer_commands(common, commands)?;
        return Ok(exit);
    }
    let follower = following::who();
    if let Some(who) = follower.as_ref().filter(|_| !common.quiet) {
        say(TOOL, &format!("note: {who}, and puts back what differs from its orders"));
    }
    let mut flush = Flush::default();
    // After changes in the family before it a look is old.
    let mut is_fresh = true;
    for (router, (snapshot, _)) in routers.iter_mut().zip(seen) {
        let left = snapshot.left_behind(config);
        let report = router.apply(active_set, is_fresh.then_some(snapshot))?;
        // Whoever follows goes by another configuration, or has given it up already.
        if follower.is_none() {
            flush.left_behind(config, &report.snapshot, &left);
        }
        is_fresh &= report.applied.writes == 0;
        print_report(common, &report)?;
        warn(common, &main_comes_first(config, &report.snapshot)?);
        // Who names an uplink wants that one. Of all that the configuration lets, some may have no egress yet.
        let named = matches!(active_set, ActiveSet::These { .. });
        if !report.remarks.is_empty() {
            remark(&[what_is_left(router.family, &router.compare(active_set)?.1)]);
        }
        if !report.remarks.is_empty() || (named && !report.stranded.is_empty()) {
            exit = Exit::No;
        }
    }
    Ok(exit)
}

/// What was done beside that which others or the kernel have kept from being done.
fn what_is_left(family: Family, left: &Plan) -> String {
    match left.stages.iter().flatten().count() {
        0 => format!("{family}: all else is done"),
        count => {
            format!("{family}: what could be done is done; `ftr-route check` prints what is not ({count} changes)")
        }
    }
}

/// What takes all new connections before our rules are asked.
fn main_comes_first(config: &Config, snapshot: &Snapshot) -> Result<Vec<String>, Error> {
    Ok(diagnose::main_comes_first(config, snapshot)?.iter().map(ToString::to_string).collect())
}

fn print_report(common: &Common, report: &Report) -> Result<(), Failure> {
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
