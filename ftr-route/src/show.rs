//! `show`: what the kernel has, for people.

use ftr_core::cli::{Common, Failure};
use ftr_core::layout::Layout;
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
        address: standing.way.as_ref().map(|way| way.source),
        gateway: standing.far_end(),
        weight: carrying.iter().find(|part| part.uplink == i).map(|part: &Part| part.weight),
        state: state(standing),
    };
    Overview {
        family,
        balanced_table: layout.balanced_table(),
        uplinks: observed.standings.iter().enumerate().filter(|(_, standing)| standing.configured).map(row).collect(),
        changes: plan.len(),
        foreign: plan.conflicts.len() + plan.foreign.len(),
    }
}

fn state(standing: &Standing) -> &'static str {
    match (standing.device, &standing.way) {
        (DeviceState::Absent, _) => "absent",
        (DeviceState::Off, _) => "switched off",
        (_, None) if standing.addresses.is_empty() => "no address",
        (_, None) => "no way",
        (DeviceState::NoCarrier, _) => "no carrier",
        (DeviceState::Running, _) => "ready",
    }
}

fn lines(overview: &Overview) -> Vec<String> {
    let total: u32 = overview.uplinks.iter().filter_map(|row| row.weight).map(u32::from).sum();
    let text = |address: Option<IpAddr>| address.map_or_else(|| "-".to_owned(), |address| address.to_string());
    let line = |name: &str, table: &str, mark: &str, address: &str, gateway: &str, part: &str, state: &str| {
        format!("{name:<15} {table:>5} {mark:>6} {address:<15} {gateway:<15} {part:>5} {state}").trim_end().to_owned()
    };
    let mut lines = vec![line("UPLINK", "TABLE", "MARK", "ADDRESS", "GATEWAY", "NEW", "STATE")];
    lines.extend(overview.uplinks.iter().map(|row| {
        let part = row.weight.map_or_else(|| "-".to_owned(), |weight| format!("{}%", u32::from(weight) * 100 / total));
        let (table, mark) = (row.table.to_string(), format!("{:#x}", row.mark));
        line(row.uplink.as_str(), &table, &mark, &text(row.address), &text(row.gateway), &part, row.state)
    }));
    lines.push(format!("new connections: table {}", overview.balanced_table));
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
        };
        let uplinks = vec![row(Some(3)), row(Some(1)), row(None)];
        let lines = lines(&Overview { family: Family::V4, balanced_table: 4, uplinks, changes: 2, foreign: 1 });
        assert!(lines.iter().all(|line| line.len() <= 80), "{lines:#?}");
        assert!(lines[1].contains(" 75% ") && lines[2].contains(" 25% ") && lines[3].contains(" - switched off"));
    }
}
