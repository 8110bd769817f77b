//! `show`: what the kernel has, for people.

use ftr_core::cli::{Common, Failure};
use ftr_core::config::{Otherwise, Policy};
use ftr_core::layout::Layout;
use ftr_core::record::Reason;
use ftr_core::{Config, Exit, Family, InterfaceName};
use serde::Serialize;
use std::net::IpAddr;

use crate::answer;
use crate::balance::Part;
use crate::check;
use crate::observed::Observed;
use crate::router::Router;
use crate::standing::{DeviceState, Standing};

/// What there is for one family.
#[derive(Debug, Serialize)]
struct Overview {
    family: Family,
    balanced_table: u32,
    uplinks: Vec<Row>,
    policies: Vec<PolicyRow>,
    /// How many changes would make it as wanted.
    changes: usize,
    /// How many rules and routes of others are in the way.
    foreign: usize,
}

/// One uplink.
#[derive(Debug, Serialize)]
struct Row {
    uplink: InterfaceName,
    table: u32,
    mark: u32,
    address: Option<IpAddr>,
    gateway: Option<IpAddr>,
    /// Its part of the new connections, while it carries any.
    weight: Option<u16>,
    state: &'static str,
    /// Why it has no way out.
    reason: Option<Reason>,
}

/// One policy.
#[derive(Debug, Serialize)]
struct PolicyRow {
    policy: String,
    table: u32,
    mark: u32,
    /// The uplinks that its connections may take now, the one that takes them first.
    uplinks: Vec<InterfaceName>,
    /// What becomes of them where there is none.
    otherwise: &'static str,
}

/// Prints a table for each family, or one object a line.
pub(crate) fn run(config: &Config, common: &Common, families: &[Family]) -> Result<Exit, Failure> {
    for &family in families {
        let observed = Router::new(config, family)?.look()?;
        let overview = overview(config, family, &observed);
        if common.quiet {
            continue;
        }
        if common.json {
            let line = serde_json::to_string(&overview);
            answer([line.map_err(|error| Failure::new(Exit::Bug, error.to_string()))?])?;
        } else {
            answer(lines(&overview))?;
        }
    }
    Ok(Exit::Yes)
}

fn overview(config: &Config, family: Family, observed: &Observed) -> Overview {
    let layout = Layout::of(config);
    let carrying = observed.carrying(config);
    let plan = check::wanted(observed, config, family);
    let row = |(i, standing): (usize, &Standing)| Row {
        uplink: standing.name.clone(),
        table: layout.table(i),
        mark: layout.mark(i),
        address: standing.way.as_ref().and_then(|way| way.source),
        reason: standing.missing,
        gateway: standing.far_end(),
        weight: carrying.iter().find(|part| part.uplink == i).map(|part: &Part| part.weight),
        state: state(standing),
    };
    Overview {
        family,
        balanced_table: layout.balanced_table(),
        uplinks: observed.standings.iter().enumerate().filter(|(_, standing)| standing.configured).map(row).collect(),
        policies: policies(config, observed),
        changes: plan.len(),
        foreign: plan.conflicts.len() + plan.foreign.len(),
    }
}

fn policies(config: &Config, observed: &Observed) -> Vec<PolicyRow> {
    let layout = Layout::of(config);
    let row = |(k, policy): (usize, &Policy)| {
        let table = layout.policy_table(k);
        let used: Vec<usize> = observed.carrying_by(config, table).iter().map(|part| part.uplink).collect();
        let names = policy.uplinks.iter().filter(|uplink| used.contains(uplink));
        PolicyRow {
            policy: policy.name.clone(),
            table,
            mark: layout.policy_mark(k),
            uplinks: names.filter_map(|place| config.uplinks.get(*place)).map(|uplink| uplink.name.clone()).collect(),
            otherwise: match policy.otherwise {
                Otherwise::Any => "balanced",
                Otherwise::None => "refused",
            },
        }
    };
    config.policies.iter().enumerate().map(row).collect()
}

fn state(standing: &Standing) -> &'static str {
    match (standing.device, standing.missing) {
        (DeviceState::Absent, _) => "absent",
        (DeviceState::Off, _) => "switched off",
        (_, Some(Reason::NoAddress)) => "no address",
        (_, Some(Reason::NoGateway)) => "no gateway",
        (DeviceState::NoCarrier, _) => "no carrier",
        (DeviceState::Running, Some(_)) => "no way",
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
        };
        let uplinks = vec![row(Some(3)), row(Some(1)), row(None)];
        let lines = lines(&Overview {
            family: Family::V4,
            balanced_table: 4,
            uplinks,
            policies: Vec::new(),
            changes: 2,
            foreign: 1,
        });
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
        assert!(lines[1].contains(" 75% ") && lines[2].contains(" 25% ") && lines[3].contains(" - switched off"));
    }
}
