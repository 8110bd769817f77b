//! `clear`: takes away what was put into the kernel, and nothing else.

mod legacy;

use std::cmp::Reverse;

use ftr_core::{Config, Exit, Family};
use ftr_netlink::{Route, Rule, Write};
use ftr_tool::cli::{Common, Failure, say};
use ftr_tool::running::Running;

use crate::answer::{TOOL, answer_commands};
use crate::cli::Clear;
use crate::error::Error;
use crate::iproute::{self, is_ours};
use crate::kernel::following;
use crate::kernel::{Kernel, sysctl};
use crate::plan::foundation::last_way;
use crate::plan::labels;
use crate::plan::operation::Operation;
use crate::remembered::Remembered;

/// Takes away rules first, so that look-ups go to the host's own routes again, then routes, and puts sysctls back.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family], clear: Clear) -> Result<Exit, Failure> {
    // Its ftr-route may be about to be started anew.
    let monitor = || Running::here().map(|running| format!("ftr-monitor (process {}) is at work", running.process()));
    if let Some(who) = following::who().or_else(monitor) {
        let message = format!("{who} and would put it all back: stop it first (systemctl stop ftr-monitor)");
        if !clear.dry.dry_run {
            return Err(Failure::new(Exit::Again, format!("{message}; nothing was changed")));
        }
        say(TOOL, &message);
    }
    let mut kernel = Kernel::open()?;
    let mut remembered = Remembered::usual();
    let links = kernel.links()?;
    let names = |index| links.iter().find(|link| link.index == index).map(|link| link.name.as_str());
    let mut exit = Exit::Yes;
    let (mut rules, mut routes, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for &family in families {
        if !kernel.has(family)? {
            continue;
        }
        let deletions = deletions(&mut kernel, config, family, clear.legacy)?;
        rules.extend(deletions.rules);
        routes.extend(deletions.routes);
        for line in deletions.kept {
            say(TOOL, &line);
            exit = Exit::No;
        }
        let ours = kernel.labels(family)?.into_iter().filter(labels::is_ours);
        labels.extend(ours.map(|label| Operation::write(Write::DeleteLabel(label))));
    }
    // Nobody changes parameters between our look and our change. Not to know what they were is no reason to leave the rest
    // behind.
    let held = if clear.dry.dry_run { Ok(None) } else { remembered.hold().map(Some) };
    for line in remembered.strange() {
        say(TOOL, &line);
        exit = Exit::No;
    }
    let undo = held.and_then(|held| {
        let paths = remembered.paths(families)?;
        Ok((remembered.undo(&sysctl::read(paths))?, held))
    });
    let (settings, held) = undo.unwrap_or_else(|error| {
        say(TOOL, &format!("sysctls stay as they are: {error}"));
        exit = Exit::No;
        (Vec::new(), None)
    });
    let stages = [rules, routes, labels, settings.into_iter().map(Operation::Sysctl).collect()];
    let commands = || stages.iter().flatten().map(|operation| iproute::command(operation, &names)).collect();
    if clear.dry.dry_run {
        answer_commands(common, commands())?;
        return Ok(exit);
    }
    for stage in &stages {
        let outcome = kernel.make(stage)?;
        for (operation, rejected) in
            outcome.refused.iter().filter_map(|rejected| Some((stage.get(rejected.index)?, rejected)))
        {
            say(TOOL, &format!("{}: {}", iproute::command(operation, &names), rejected.reason));
            exit = Exit::No;
        }
    }
    if let Some(held) = held {
        remembered.forget(families, &held)?;
    }
    if (common.verbose || common.json) && !common.quiet {
        answer_commands(common, commands())?;
    }
    Ok(exit)
}

/// What to delete of one family.
struct Deletions {
    rules: Vec<Operation>,
    routes: Vec<Operation>,
    /// Which rules stay, and why.
    kept: Vec<String>,
}

fn deletions(kernel: &mut Kernel, config: &Config, family: Family, legacy: bool) -> Result<Deletions, Error> {
    let rules: Vec<Rule> = kernel.rules(family)?;
    let (rules, left): (Vec<Rule>, Vec<Rule>) =
        rules.into_iter().partition(|rule| is_ours(rule.protocol) || (legacy && legacy::is_rule(config, rule)));
    let (rules, kept) = deletable(rules, &left);
    let mut routes: Vec<Route> = kernel.all_routes(family)?;
    routes.retain(|route| is_ours(route.protocol) || (legacy && legacy::is_route(config, route)));
    let rules = rules.into_iter().map(|rule| Operation::write(Write::DeleteRule(rule))).collect();
    let routes = routes.into_iter().map(|route| Operation::write(Write::DeleteRoute(route))).collect();
    Ok(Deletions { rules, routes, kept })
}

/// Those of the rules that may go, in their order, and why the others stay. `left` are those of others.
fn deletable(mut rules: Vec<Rule>, left: &[Rule]) -> (Vec<Rule>, Vec<String>) {
    // The last one first: what an earlier one has kept to its uplink stays there until its own rule goes, and so does
    // what is for this host itself.
    rules.sort_by_key(|rule| Reverse(rule.priority));
    let mut kept = Vec::new();
    rules.retain(|rule| {
        let reason = last_way(rule, left);
        kept.extend(reason.map(|what| {
            let shown = iproute::rule(rule);
            format!("rule {shown}: stays, for no other leads to {what}; add the kernel's own again and clear once more")
        }));
        reason.is_none()
    });
    (rules, kept)
}

#[cfg(test)]
mod tests {
    use super::deletable;
    use ftr_core::Family;
    use ftr_netlink::Rule;

    #[test]
    fn rules_go_from_the_last_to_the_first_unless_nothing_else_leads_to_this_host() {
        let rule = |priority, table| Rule::lookup(Family::V4, priority, table);
        let ours = || {
            [rule(20003, 4), rule(19999, 255), rule(20000, 254), rule(20001, 1)]
                .map(|rule| Rule { protocol: 117, ..rule })
        };
        let order = |rules: &[Rule]| rules.iter().map(|rule| rule.priority).collect::<Vec<u32>>();
        let kernel = [rule(32765, 255), rule(32766, 254)];
        let (rules, kept) = deletable(ours().to_vec(), &kernel);
        assert_eq!((order(&rules), kept), (vec![20003, 20001, 20000, 19999], Vec::new()));
        let (rules, kept) = deletable(ours().to_vec(), &kernel[1..]);
        assert_eq!(order(&rules), [20003, 20001, 20000]);
        assert!(kept[0].starts_with("rule priority 19999 lookup 255 protocol 117: stays"), "{kept:?}");
        assert_eq!(deletable(ours().to_vec(), &[]).1.len(), 2);
    }
}
