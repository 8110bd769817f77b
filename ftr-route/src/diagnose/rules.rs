//! Rules and routes of others that packets meet before ours.

use ftr_core::Family;
use ftr_core::config::Config;
use ftr_core::numbering::{DEFAULT_TABLE, LOCAL_TABLE, MAIN_TABLE, Numbering};
use ftr_netlink::{Action, Attribute, Prefix, Route, RouteKind, Rule};

use super::hazard::{Hazard, Kind};
use super::owner::{self, Owner};
use crate::iproute::{self, Names, is_ours};
use crate::plan::foundation::SUPPRESSED;

/// `RTPROT_KERNEL`: the rules that a kernel begins with, and those for virtual routing domains.
const KERNEL: u8 = 2;
/// Tables whose numbers are taken: the kernel's, that of every TPROXY recipe, and those of programs that people run beside
/// us.
const TAKEN: [u32; 8] = [52, 100, 205, 220, DEFAULT_TABLE, MAIN_TABLE, LOCAL_TABLE, 7120];

/// What the kernel has of one family.
pub(super) struct Tables<'a> {
    pub(super) family: Family,
    pub(super) rules: &'a [Rule],
    /// Of main, default, and the tables that rules of others look into.
    pub(super) routes: &'a [Route],
    /// Of the tables that should be ours.
    pub(super) own: &'a [Route],
    pub(super) names: &'a Names<'a>,
}

impl Tables<'_> {
    /// The routes of a table that lead more or less everywhere, and whose prefix is longer than what is suppressed.
    fn everywhere(&self, table: u32, suppressed: Option<u32>) -> Vec<&Route> {
        let leads = |route: &&Route| {
            route.table == table
                && route.kind != RouteKind::Throw
                && route.from.is_none()
                && is_wide(route.destination)
                && suppressed.is_none_or(|suppressed| length(route) > suppressed)
        };
        self.routes.iter().filter(leads).collect()
    }

    fn command(&self, words: &str) -> String {
        format!("ip -{} {words}", self.family.number())
    }

    fn routes_in_words(&self, routes: &[&Route]) -> String {
        let words: Vec<String> = routes.iter().map(|route| iproute::route(route, self.names)).collect();
        words.join(", ")
    }
}

/// Whether a prefix covers so much that it is no network but a way to the internet: a default route, its halves as VPNs
/// have them, or `2000::/3`. Multicast is none.
pub(crate) fn is_wide(destination: Option<Prefix>) -> bool {
    let Some(prefix) = destination else { return true };
    match Family::of(prefix.address()) {
        Family::V4 => {
            prefix.length() < 8
                && !Prefix::new([224, 0, 0, 0].into(), 3)
                    .is_some_and(|multicast| prefix.length() >= 3 && multicast.contains(prefix.address()))
        }
        Family::V6 => prefix.length() <= 3,
    }
}

/// The table main leads everywhere, and is asked first; or it has the halves of a default, which ours pass over.
pub(super) fn main(config: &Config, numbering: &Numbering, tables: &Tables<'_>) -> Vec<Hazard> {
    let before = numbering.local_priority().is_some();
    let mut routes = tables.everywhere(MAIN_TABLE, before.then_some(0));
    if !before {
        routes.extend(tables.everywhere(DEFAULT_TABLE, None));
    }
    let hazard = |route: &Route| {
        let shown = iproute::route(route, tables.names);
        let delete = tables.command(&format!("route del {shown}"));
        let (what, advice, loses) = if !before {
            let own = format!("set base_priority: 20000 in {} and restart ftr-monitor", config.file.display());
            ("takes all new connections, for the table main is asked before ours", format!("{own}, or {delete}"), true)
        } else if length(route) <= SUPPRESSED {
            let own = format!("name its device as an uplink in {}", config.file.display());
            let what = "is passed over: what somebody wants sent that way leaves by the uplinks";
            (what, format!("{own}, or {delete}"), false)
        } else {
            ("takes new connections past the uplinks, for it is more specific than a default", delete, true)
        };
        Hazard::new(Kind::DefaultInMain, format!("route {shown}"), what, advice).with_loss(loses)
    };
    routes.into_iter().map(hazard).collect()
}

fn length(route: &Route) -> u32 {
    route.destination.map_or(0, |prefix| prefix.length().into())
}

/// Rules of others that take packets before ours see them, or share a table with us that they fill as well. Those between
/// ours are part of what differs from what is wanted, and no hazard.
pub(super) fn foreign(config: &Config, numbering: &Numbering, tables: &Tables<'_>) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let between = numbering.first_priority()..=numbering.balanced_priority();
    for rule in tables.rules.iter().filter(|rule| is_foreign(rule) && !between.contains(&rule.priority)) {
        let owner = owner::of_rule(rule);
        let object = match owner {
            Some(Owner { name, .. }) => format!("rule {} ({name})", iproute::rule(rule)),
            None => format!("rule {}", iproute::rule(rule)),
        };
        let table = numbering.tables().find(|own| rule.action == Action::Lookup(*own));
        if let Some(table) = table {
            // To send packets into a table that is ours alone is a fine thing to do.
            if tables.own.iter().any(|route| route.table == table && !is_ours(route.protocol)) {
                let what = "looks into a table of ours, where others have put routes too";
                hazards.push(Hazard::new(
                    Kind::SharedTable,
                    object,
                    what,
                    other_tables(config, numbering, tables.rules),
                ));
            }
        } else if rule.priority < numbering.first_priority() {
            let delete = tables.command(&format!("rule del {}", iproute::rule(rule)));
            let remedy = owner.and_then(|owner| owner.advice).map_or(delete, str::to_owned);
            // Whoever names some packets means those.
            let takes_all = !is_selective(rule) && (rule.mask == 0 || rule.invert);
            hazards.extend(taking(numbering, tables, rule).map(|(what, own)| {
                Hazard::new(Kind::ForeignRule, object, what, own.unwrap_or(remedy)).with_loss(takes_all)
            }));
        }
    }
    hazards
}

fn is_foreign(rule: &Rule) -> bool {
    !is_ours(rule.protocol) && rule.protocol != KERNEL
}

/// What a rule takes from us, and the advice where it is not to do without the rule.
fn taking(numbering: &Numbering, tables: &Tables<'_>, rule: &Rule) -> Option<(String, Option<String>)> {
    // Packets that a program has marked as its own, or for destinations of its own, are not for us.
    let own_mark = rule.mask != 0 && !rule.invert;
    let own_destination = rule.to.is_some_and(|to| !is_wide(Some(to)));
    let whom = if is_selective(rule) { "the packets that it is for" } else { "all packets" };
    match rule.action {
        Action::Lookup(table) => {
            let routes = tables.everywhere(table, rule.suppress_prefixlength);
            if own_destination || routes.is_empty() {
                return None;
            }
            let words = tables.routes_in_words(&routes);
            if own_mark {
                let cure = detour(numbering, tables, rule, table)?;
                let what =
                    format!("comes before ours: packets with that mark go by {words}, whether that works or not");
                return Some((what, Some(cure)));
            }
            Some((format!("comes before ours and takes {whom} past the uplinks ({words})"), None))
        }
        Action::Other(6..=8) if own_mark => {
            // Its owner means it to be met only by what has found no route in main, where we let nobody keep a default.
            let leads = |action: Action| match action {
                Action::Lookup(table) => !tables.everywhere(table, None).is_empty(),
                Action::Goto(target) => target > rule.priority,
                Action::Other(_) => false,
            };
            let finds = |other: &&Rule| {
                (other.mark, other.mask, other.priority < rule.priority) == (rule.mark, rule.mask, true)
                    && leads(other.action)
            };
            if tables.rules.iter().any(|other| finds(&other)) {
                return None;
            }
            let way = format!(
                "rule add priority {} fwmark {:#x}/{:#x} lookup {}",
                rule.priority.saturating_sub(1),
                rule.mark,
                rule.mask,
                numbering.balanced_table()
            );
            let what = "comes before ours: packets with that mark find no route".to_owned();
            Some((what, Some(tables.command(&way))))
        }
        Action::Other(6..=8) if !own_destination => Some((format!("comes before ours and refuses {whom}"), None)),
        Action::Goto(target) if own_mark && !own_destination => {
            let table = landing(numbering, tables, rule, target)?;
            let words = tables.routes_in_words(&tables.everywhere(table, None));
            let cure = detour(numbering, tables, rule, table)?;
            Some((format!("leads packets with that mark past ours to {words}, whether that works or not"), Some(cure)))
        }
        Action::Goto(target) if target > numbering.first_priority() && !own_mark && !own_destination => {
            Some((format!("leads {whom} past rules of ours"), None))
        }
        _ => None,
    }
}

/// The rule that leads what a program has marked for the table main to ours instead, local networks included; none where
/// there is no need. A table of its own is a program's own affair, but nobody keeps the default in main at work.
fn detour(numbering: &Numbering, tables: &Tables<'_>, rule: &Rule, table: u32) -> Option<String> {
    let first = numbering.local_priority()?;
    let ours = first..=numbering.balanced_priority();
    let leads_to_ours = |action: Action| match action {
        Action::Goto(target) => ours.contains(&target),
        Action::Lookup(table) => numbering.has_table(table),
        Action::Other(_) => false,
    };
    let covers = |other: &Rule| {
        other.priority <= rule.priority
            && !other.invert
            && other.mask & rule.mask == other.mask
            && rule.mark & other.mask == other.mark
            && (!is_selective(other) || selectors(other) == selectors(rule))
            && leads_to_ours(other.action)
    };
    // Else the command would be about other packets.
    let is_plain = rule.others.iter().all(|other| iproute::selector(other).is_some()) && rule.tos == 0;
    if !matches!(table, MAIN_TABLE | DEFAULT_TABLE) || !is_plain || tables.rules.iter().any(covers) {
        return None;
    }
    let way = Rule { action: Action::Goto(first), suppress_prefixlength: None, ..rule.clone() };
    let way = iproute::rule(&Rule { priority: rule.priority.saturating_sub(1), ..way });
    Some(tables.command(&format!("rule add {way}")))
}

/// The table with a default route that what jumps to `target` comes to; none where it meets ours first.
fn landing(numbering: &Numbering, tables: &Tables<'_>, rule: &Rule, target: u32) -> Option<u32> {
    let meets = |other: &&Rule| {
        !other.invert
            && other.mask & rule.mask == other.mask
            && rule.mark & other.mask == other.mark
            && (!is_selective(other) || selectors(other) == selectors(rule))
    };
    let mut next = target;
    // In the order in which they are asked, as the kernel lists them.
    for other in tables.rules.iter().filter(meets) {
        if next <= numbering.balanced_priority() && other.priority >= numbering.first_priority() {
            return None;
        }
        match other.action {
            _ if other.priority < next => {}
            Action::Lookup(table) if !tables.everywhere(table, other.suppress_prefixlength).is_empty() => {
                return Some(table);
            }
            Action::Goto(further) => next = further,
            _ => {}
        }
    }
    None
}

/// Whether a rule is for some packets only.
fn is_selective(rule: &Rule) -> bool {
    let Rule { from, to, iif, oif, tos, others, .. } = rule;
    from.is_some() || to.is_some() || iif.is_some() || oif.is_some() || *tos != 0 || !others.is_empty()
}

/// Which packets a rule is for, but for their mark.
fn selectors(rule: &Rule) -> Selectors<'_> {
    let Rule { from, to, iif, oif, tos, others, .. } = rule;
    (*from, *to, iif.as_deref(), oif.as_deref(), *tos, others)
}

/// Source, destination, the device that it comes in by, that which it is bound to, traffic class, and what else.
type Selectors<'a> = (Option<Prefix>, Option<Prefix>, Option<&'a str>, Option<&'a str>, u8, &'a [Attribute]);

/// The first hundred from which on all our tables have numbers that nobody uses.
fn other_tables(config: &Config, numbering: &Numbering, rules: &[Rule]) -> String {
    let length = u32::try_from(numbering.tables().count()).unwrap_or(u32::MAX).saturating_sub(1);
    let used = |rule: &Rule| match rule.action {
        Action::Lookup(table) if is_foreign(rule) => Some(table),
        _ => None,
    };
    let taken: Vec<u32> = rules.iter().filter_map(used).chain(TAKEN).collect();
    let is_free = |base: &u32| !taken.iter().any(|table| (*base..=base.saturating_add(length)).contains(table));
    let base = (100..u32::MAX - length).step_by(100).find(is_free).unwrap_or(1);
    let file = config.file.display();
    format!("run `ftr-route clear`, set base_table: {base} in {file}, and restart ftr-monitor")
}

#[cfg(test)]
mod tests;
