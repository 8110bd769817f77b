//! The rows of the published table.

use super::burden::Burden;
use super::contender::Contender;
use super::{failover, restart, spread, upkeep};
use crate::error::Result;
use crate::fault::Fault;
use std::fmt;
use std::io::{self, Write};

/// A row, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Row {
    /// Upstream silently dead, timeout 2 s.
    Silent2s,
    /// Upstream silently dead, timeout 450 ms.
    Silent,
    /// Gateway mute.
    Mute,
    /// Half of all packets lost.
    Loss,
    /// Carrier lost.
    Carrier,
    /// Device deleted.
    Deleted,
    /// Gateway deaf to ping but forwarding.
    Deaf,
    /// Six restarts under load.
    Restart,
    /// A restart while an uplink is dead.
    RestartDead,
    /// A default route in main.
    Main,
    /// Distribution of connections over the uplinks.
    Spread,
    /// A mute mail server, the mailer stopped or killed, a reader that does not read.
    Burdens,
    /// Processor time, 3 uplinks.
    Cpu3,
    /// Processor time and memory, 16 uplinks.
    Cpu16,
    /// One round over 16 dead uplinks.
    DeadRound,
}

impl Row {
    /// Every row in the order of the table.
    pub const ALL: [Self; 15] = [
        Self::Silent2s,
        Self::Silent,
        Self::Mute,
        Self::Loss,
        Self::Carrier,
        Self::Deleted,
        Self::Deaf,
        Self::Restart,
        Self::RestartDead,
        Self::Main,
        Self::Spread,
        Self::Burdens,
        Self::Cpu3,
        Self::Cpu16,
        Self::DeadRound,
    ];
}

/// How a row is measured.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Repetitions.
    pub runs: usize,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether the peers are measured as well.
    pub peers: bool,
}

/// One line of the table: what was measured, and what each contender showed.
#[derive(Debug, Default)]
pub struct Line {
    what: String,
    cells: [String; 3],
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.what, self.cells.join(" | "))
    }
}

/// Measures rows and writes each line of the table as soon as it is known.
///
/// # Errors
/// When the lab fails; a contender that fails stands in its cell.
pub fn table(rows: &[Row], effort: Effort, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Least / median / most (number of trials); seed {}.\n", effort.seed)?;
    let heads: Vec<String> = Contender::ALL.iter().map(ToString::to_string).collect();
    writeln!(out, "| | {} |\n|---|---|---|---|", heads.join(" | "))?;
    for row in rows {
        for line in measure(*row, effort) {
            writeln!(out, "{line}")?;
            out.flush()?;
        }
    }
    Ok(())
}

fn measure(row: Row, effort: Effort) -> Vec<Line> {
    match row {
        Row::Silent2s => {
            let alone = Effort { peers: false, ..effort };
            failover(Fault::Silent, alone, "{tests: {timeout: 2s}}", "upstream silently dead, timeout 2 s")
        }
        Row::Silent => failover(Fault::Silent, effort, "{}", "upstream silently dead, timeout 450 ms"),
        Row::Mute => failover(Fault::GatewayMute, effort, "{}", "gateway mute"),
        // With one good check to rise an uplink that loses half of all packets is taken back now and then by chance, as
        // that is configured to mean; the peers want two.
        Row::Loss => failover(Fault::Loss(50), effort, "{tests: {rise: 2}}", "50% loss, rise 2"),
        Row::Carrier => failover(Fault::Carrier, effort, "{}", "carrier lost"),
        Row::Deleted => failover(Fault::Deleted, effort, "{}", "device deleted"),
        Row::Deaf => vec![line("gateway deaf to ping but forwarding: taken out of use", effort, |contender| {
            let seen = failover::measure(contender, Fault::GatewayDeaf, 2, "{}", effort.seed)?;
            Ok(format!("{} of 2 times", seen.left))
        })],
        Row::Restart => {
            vec![line("6 restarts under load: new connections failed; held ones stalled", effort, |contender| {
                restart::under_load(contender, effort.seed).map(|seen| restarted(&seen))
            })]
        }
        Row::RestartDead => vec![ours("restart while an uplink is dead", || {
            restart::while_dead(effort.seed).map(|seen| restarted(&seen))
        })],
        Row::Main => vec![ours("default route in main, priorities below 32766: connections by uplink", || {
            spread::measure(&[effort.seed], "{base_priority: 1000}", true).map(|seen| spreads(&seen))
        })],
        Row::Spread => vec![ours("600 connections from 64 sources, weights 1/2/1", || {
            let seeds = [effort.seed, effort.seed + 1, effort.seed + 2];
            spread::measure(&seeds, "{}", false).map(|seen| spreads(&seen))
        })],
        Row::Burdens => [Burden::MuteMail, Burden::NotifyStopped, Burden::NotifyKilled, Burden::StuckReader]
            .map(|burden| {
                ours(&format!("{burden}; upstream silently dead, timeout 450 ms: last failed new connection"), || {
                    let seen = failover::burdened(burden, effort.runs, effort.seed)?;
                    Ok(format!("{}, mean {:.2}", seen.last_failed, seen.mean))
                })
            })
            .into(),
        Row::Cpu3 => upkeep(3, effort),
        Row::Cpu16 => upkeep(16, effort),
        Row::DeadRound => vec![ours("one round, 16 uplinks all dead, timeout 450 ms", || {
            upkeep::dead_round(effort.runs, "{}").map(|figure| figure.to_string())
        })],
    }
}

fn failover(fault: Fault, effort: Effort, overrides: &str, what: &str) -> Vec<Line> {
    let mut lines = ["last failed new connection after the break", "connections failed", "back in use after the mend"]
        .map(|detail| Line { what: format!("{what}: {detail}"), ..Line::default() });
    for (number, contender) in Contender::ALL.into_iter().enumerate() {
        let cells = if skipped(contender, effort) {
            [dash(), dash(), dash()]
        } else {
            match failover::measure(contender, fault, effort.runs, overrides, effort.seed) {
                Ok(seen) => [
                    format!("{}, mean {:.2}", seen.last_failed, seen.mean),
                    seen.failed.to_string(),
                    seen.back.to_string(),
                ],
                Err(error) => [failure(&error), dash(), dash()],
            }
        };
        for (line, cell) in lines.iter_mut().zip(cells) {
            line.cells.iter_mut().skip(number).take(1).for_each(|place| place.clone_from(&cell));
        }
    }
    lines.into()
}

fn upkeep(uplinks: u8, effort: Effort) -> Vec<Line> {
    let mut memory = Line { what: format!("memory (PSS), {uplinks} healthy uplinks"), ..Line::default() };
    let mut sizes = Vec::new();
    let processor = line(&format!("processor time, {uplinks} healthy uplinks"), effort, |contender| {
        let cost = upkeep::measure(contender, uplinks, effort.runs.min(3))?;
        sizes.push((contender, cost.memory.to_string()));
        Ok(cost.processor.to_string())
    });
    for (place, contender) in memory.cells.iter_mut().zip(Contender::ALL) {
        let size = sizes.iter().find(|(who, _)| *who == contender);
        *place = size.map_or_else(dash, |(_, size)| size.clone());
    }
    vec![processor, memory]
}

fn line(what: &str, effort: Effort, mut cell: impl FnMut(Contender) -> Result<String>) -> Line {
    let cells = Contender::ALL.map(|contender| {
        if skipped(contender, effort) { dash() } else { cell(contender).unwrap_or_else(|error| failure(&error)) }
    });
    Line { what: what.to_owned(), cells }
}

fn ours(what: &str, cell: impl Fn() -> Result<String>) -> Line {
    Line { what: what.to_owned(), cells: [dash(), dash(), cell().unwrap_or_else(|error| failure(&error))] }
}

fn skipped(contender: Contender, effort: Effort) -> bool {
    contender != Contender::Ftr && !effort.peers
}

fn dash() -> String {
    "–".to_owned()
}

fn failure(error: &crate::error::LabError) -> String {
    eprintln!("bench: {error}");
    "failed".to_owned()
}

fn restarted(seen: &restart::Outcome) -> String {
    format!("{} of {}; {} of {}", seen.failed.1, seen.failed.0, seen.stalled.1, seen.stalled.0)
}

fn spreads(seen: &[spread::Spread]) -> String {
    let one = |spread: &spread::Spread| {
        let counts: Vec<String> = spread.counts.iter().map(ToString::to_string).collect();
        format!("{}: χ² {:.1}, p {:.3}, seed {}", counts.join("/"), spread.chi_square, spread.p, spread.seed)
    };
    seen.iter().map(one).collect::<Vec<_>>().join("; ")
}
