//! `clear`: takes away what was put into the kernel, and nothing else.

use std::cmp::Reverse;

use ftr_core::cli::{Common, Failure, say};
use ftr_core::{Config, Exit, Family};
use ftr_netlink::{Route, Rule, Write};

use crate::cli::Clear;
use crate::error::Error;
use crate::iproute::{self, is_ours};
use crate::kernel::Kernel;
use crate::legacy;
use crate::operation::Operation;
use crate::remembered::Remembered;
use crate::{TOOL, answer, sysctl};

/// Takes away rules first, so that look-ups go to the host's own routes again, then routes, and puts sysctls back.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family], clear: Clear) -> Result<Exit, Failure> {
    let mut kernel = Kernel::open()?;
    let remembered = Remembered::usual();
    let links = kernel.links()?;
    let names = |index| links.iter().find(|link| link.index == index).map(|link| link.name.as_str());
    let (mut rules, mut routes) = (Vec::new(), Vec::new());
    for &family in families {
        if !kernel.has(family)? {
            continue;
        }
        let (some_rules, some_routes) = deletions(&mut kernel, config, family, clear.legacy)?;
        rules.extend(some_rules);
        routes.extend(some_routes);
    }
    // Not to know what parameters were is no reason to leave the rest behind.
    let lock =
        remembered.lock().inspect_err(|error| say(TOOL, &format!("others may change sysctls meanwhile: {error}")));
    let undo = remembered.paths(families).and_then(|paths| remembered.undo(&sysctl::read(paths)));
    let mut exit = Exit::Yes;
    let settings = undo.unwrap_or_else(|error| {
        say(TOOL, &format!("sysctls stay as they are: {error}"));
        exit = Exit::No;
        Vec::new()
    });
    let is_known = exit == Exit::Yes;
    let stages = [rules, routes, settings.into_iter().map(Operation::Sysctl).collect()];
    if clear.dry.dry_run {
        answer(stages.iter().flatten().map(|operation| iproute::command(operation, &names)))?;
        return Ok(exit);
    }
    for stage in &stages {
        let fate = kernel.make(stage)?;
        for (operation, denial) in fate.refused.iter().filter_map(|denial| Some((stage.get(denial.place)?, denial))) {
            say(TOOL, &format!("{}: {}", iproute::command(operation, &names), denial.reason));
            exit = Exit::No;
        }
    }
    if is_known {
        remembered.forget(families)?;
    }
    drop(lock);
    if common.verbose {
        answer(stages.iter().flatten().map(|operation| iproute::command(operation, &names)))?;
    }
    Ok(exit)
}

fn deletions(
    kernel: &mut Kernel,
    config: &Config,
    family: Family,
    legacy: bool,
) -> Result<(Vec<Operation>, Vec<Operation>), Error> {
    let mut rules: Vec<Rule> = kernel.rules(family)?;
    rules.retain(|rule| is_ours(rule.protocol) || (legacy && legacy::is_rule(config, rule)));
    // The last one first: what an earlier one has kept to its uplink stays there until its own rule goes.
    rules.sort_by_key(|rule| Reverse(rule.priority));
    let mut routes: Vec<Route> = kernel.all_routes(family)?;
    routes.retain(|route| is_ours(route.protocol) || (legacy && legacy::is_route(config, route)));
    let rules = rules.into_iter().map(|rule| Operation::write(Write::DeleteRule(rule))).collect();
    let routes = routes.into_iter().map(|route| Operation::write(Write::DeleteRoute(route))).collect();
    Ok((rules, routes))
}
