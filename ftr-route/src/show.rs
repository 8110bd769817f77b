//! `show`: what the kernel has, for people.

use ftr_core::config::{Otherwise, Policy};
use ftr_core::numbering::Numbering;
use ftr_core::record::Reason;
use ftr_core::{Config, Exit, Family, InterfaceName, Prefix};
use ftr_tool::cli::{Common, Failure};
use serde::Serialize;
use std::net::IpAddr;

use crate::answer::answer;
use crate::iproute;
use crate::plan::balance::WeightedUplink;
use crate::plan::uplink_state::{DeviceState, UplinkState};
use crate::router::Router;
use crate::snapshot::Snapshot;

/// What there is for one family.
#[derive(Debug, Serialize)]
struct Overview {
    /// Which family it is about.
    family: Family,
    /// The table of new connections.
    balanced_table: u32,
    /// Each uplink of the family.
    uplinks: Vec<Row>,
    /// Each policy.
    policies: Vec<PolicyRow>,
    /// How many changes would make it as wanted.
    changes: usize,
    /// How many rules and routes of others are in the way.
    foreign: usize,
    /// These changes, as commands.
    #[serde(skip)]
    commands: Vec<String>,
}

/// One uplink.
#[derive(Debug, Serialize)]
struct Row {
    /// Which uplink.
    uplink: InterfaceName,
    /// Its table.
    table: u32,
    /// The mark of its connections.
    mark: u32,
    /// The address that it leaves with; null while it has none.
    address: Option<IpAddr>,
    /// The gateway that it leaves by; null while it has none, or needs none.
    gateway: Option<IpAddr>,
    /// Its part of the new connections, while it carries any.
    weight: Option<u16>,
    /// How its device is, in words; `ready` where it can carry connections.
    state: &'static str,
    /// Why it has no egress.
    reason: Option<Reason>,
    /// The IPv6 prefixes that it has been delegated, where they are learned.
    prefixes: Vec<Prefix>,
    /// Those networks of prefixes that it had until lately.
    former: Vec<Prefix>,
}

/// One policy.
#[derive(Debug, Serialize)]
struct PolicyRow {
    /// Its name.
    policy: String,
    /// The table of its connections.
    table: u32,
    /// The mark of its connections.
    mark: u32,
    /// The uplinks that its connections may take now, the one that takes them first.
    uplinks: Vec<InterfaceName>,
    /// What becomes of them where there is none.
    otherwise: &'static str,
}

/// Prints a table for each family, or one object a line.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family]) -> Result<Exit, Failure> {
    for &family in families {
        let snapshot = Router::new(config, family)?.look()?;
        let overview = overview(config, family, &snapshot);
        if common.quiet {
            continue;
        }
        if common.json {
            let line = serde_json::to_string(&overview);
            answer([line.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?])?;
        } else {
            answer(lines(&overview))?;
            if common.verbose {
                answer(&overview.commands)?;
            }
        }
    }
    Ok(Exit::Yes)
}

fn overview(config: &Config, family: Family, snapshot: &Snapshot) -> Overview {
    let numbering = Numbering::of(config);
    let carrying = snapshot.carrying(config);
    let plan = snapshot.missing(config);
    let names = |index| snapshot.name(index);
    let former = snapshot.learned.former.iter();
    let row = |(i, state): (usize, &UplinkState)| Row {
        uplink: state.name.clone(),
        table: numbering.table(i),
        mark: numbering.mark(i),
        address: state.egress.as_ref().and_then(|egress| egress.source),
        reason: state.missing,
        gateway: state.far_end(),
        weight: carrying.iter().find(|member| member.uplink == i).map(|member: &WeightedUplink| member.weight),
        state: state_text(state),
        prefixes: snapshot
            .learned
            .prefixes
            .iter()
            .filter(|(whose, _)| *whose == i)
            .map(|(_, prefix)| *prefix)
            .collect(),
        former: former.clone().filter(|network| network.uplink == i).map(|network| network.prefix).collect(),
    };
    Overview {
        family,
        balanced_table: numbering.balanced_table(),
        uplinks: snapshot.states.iter().enumerate().filter(|(_, state)| state.configured).map(row).collect(),
        policies: policies(config, snapshot),
        changes: plan.len(),
        commands: plan.stages.iter().flatten().map(|operation| iproute::command(operation, &names)).collect(),
        foreign: plan.conflicts.len() + plan.foreign.len(),
    }
}

fn policies(config: &Config, snapshot: &Snapshot) -> Vec<PolicyRow> {
    let numbering = Numbering::of(config);
    let row = |(k, policy): (usize, &Policy)| {
        let table = numbering.policy_table(k);
        let used: Vec<usize> = snapshot.carrying_by(config, table).iter().map(|member| member.uplink).collect();
        let names = policy.uplinks.iter().filter(|uplink| used.contains(uplink));
        PolicyRow {
            policy: policy.name.clone(),
            table,
            mark: numbering.policy_mark(k),
            uplinks: names.filter_map(|index| config.uplinks.get(*index)).map(|uplink| uplink.name.clone()).collect(),
            otherwise: match policy.otherwise {
                Otherwise::Any => "balanced",
                Otherwise::None => "refused",
            },
        }
    };
    config.policies.iter().enumerate().map(row).collect()
}

fn state_text(state: &UplinkState) -> &'static str {
    match (state.device, state.missing) {
        (DeviceState::Absent, _) => "absent",
        (DeviceState::Off, _) => "switched off",
        (_, Some(Reason::NoAddress)) => "no address",
        (_, Some(Reason::NoGateway)) => "no gateway",
        (DeviceState::NoCarrier, _) => "no carrier",
        (DeviceState::Dormant, _) => "dormant",
        (DeviceState::Running, Some(_)) => "no egress",
        (DeviceState::Running, None) => "ready",
    }
}

fn lines(overview: &Overview) -> Vec<String> {
    let total: u32 = overview.uplinks.iter().filter_map(|row| row.weight).map(u32::from).sum();
    let text = |address: Option<IpAddr>| address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let line = |[name, table, mark, part, state]: [&str; 5], [address, gateway]: [&str; 2]| {
        let line = match overview.family {
            Family::V4 => format!("{name:<15} {table:>5} {mark:>6} {address:<15} {gateway:<15} {part:>5} {state}"),
            // Addresses of IPv6 are too long to stand in a line with the rest.
            Family::V6 => format!("{name:<15} {table:>5} {mark:>6} {part:>5} {state}"),
        };
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(["UPLINK", "TABLE", "MARK", "NEW", "STATE"], ["ADDRESS", "GATEWAY"])];
    for row in &overview.uplinks {
        let part = row.weight.map_or_else(|| "-".to_owned(), |weight| format!("{}%", u32::from(weight) * 100 / total));
        let (table, mark) = (row.table.to_string(), format!("{:#x}", row.mark));
        let (address, gateway) = (text(row.address), text(row.gateway));
        lines.push(line([row.uplink.as_str(), &table, &mark, &part, row.state], [&address, &gateway]));
        let via = row.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        lines.extend((overview.family == Family::V6).then(|| format!("  {address}{via}")));
        lines.extend(row.prefixes.iter().map(|prefix| format!("  prefix {prefix}")));
        lines.extend(row.former.iter().map(|prefix| format!("  former {prefix}")));
    }
    lines.push(format!("new {} connections: table {}", overview.family, overview.balanced_table));
    lines.extend(overview.policies.iter().map(|row| {
        let names: Vec<&str> = row.uplinks.iter().map(InterfaceName::as_str).collect();
        let by = if names.is_empty() { row.otherwise.to_owned() } else { names.join(", then ") };
        format!("policy {}: table {}, mark {:#x}: {by}", row.policy, row.table, row.mark)
    }));
    if overview.changes + overview.foreign > 0 {
        lines.push(format!(
            "not as wanted: {} changes missing, {} entries of others: see ftr-route check",
            overview.changes, overview.foreign
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Overview, Row, lines};
    use ftr_core::Family;

    #[test]
    fn the_table_fits_a_terminal_of_eighty_columns() {
        let row = |weight| Row {
            uplink: "fifteen-letters".parse().unwrap(),
            table: 70001,
            mark: 0xff00,
            address: Some("255.255.255.255".parse().unwrap()),
            gateway: None,
            weight,
            state: "switched off",
            reason: None,
            prefixes: Vec::new(),
            former: Vec::new(),
        };
        let uplinks = vec![row(Some(3)), row(Some(1)), row(None)];
        let lines = lines(&Overview {
            family: Family::V4,
            balanced_table: 4,
            uplinks,
            policies: Vec::new(),
            changes: 2,
            foreign: 1,
            commands: Vec::new(),
        });
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
        assert!(lines[1].contains(" 75% ") && lines[2].contains(" 25% ") && lines[3].contains(" - switched off"));
    }
}
