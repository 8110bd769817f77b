//! The rows that compare whole daemons: keepalived, the fping script and ftr.

use super::burden::Burden;
use super::changes::Script;
use super::contender::Contender;
use super::table::{Effort, Line, dash, failure, with_mean};
use super::{cable, changes, failover, moves, pair, rescue, restart, spread, standby, upkeep};
use ftr_lab::error::Result;
use ftr_lab::fault::Fault;
use ftr_lab::firewall::Firewall;
use ftr_lab::spread::Spread;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// The heads of the table, in the order of [`Contender::ALL`].
pub(crate) const COLUMNS: [&str; 3] = ["keepalived", "fping script", "ftr"];

/// A row of the table of daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DaemonRow {
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
    /// Carrier lost and back, ten times a run, under many new connections.
    Cable,
    /// 10, 30, 40 and 50% of all packets lost for as many minutes as runs: turns of the uplink.
    Moves,
    /// A metered standby that nobody used, when the uplink in use fails.
    Standby,
    /// One of two routers under keepalived loses its uplinks, is killed, loses its LAN.
    Pair,
    /// Hosts with IPv6 addresses of two providers while one breaks and returns: silent and without carrier, iptables and nft.
    Ipv6Rescue,
    /// Device deleted.
    Deleted,
    /// Gateway deaf to ping but forwarding.
    Deaf,
    /// Six restarts under load.
    Restart,
    /// 200 reloads under load, 50 of them of bad files.
    Reloads,
    /// 200 kills of the monitor and its programs under load.
    Kills,
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

/// Measures a row.
#[must_use]
pub(crate) fn measure(row: DaemonRow, effort: Effort) -> Vec<Line> {
    match row {
        DaemonRow::Silent2s => {
            let alone = Effort { peers: false, ..effort };
            failover(Fault::Silent, alone, "{tests: {timeout: 2s}}", "upstream silently dead, timeout 2 s")
        }
        DaemonRow::Silent => failover(Fault::Silent, effort, "{}", "upstream silently dead, timeout 450 ms"),
        DaemonRow::Mute => failover(Fault::GatewayMute, effort, "{}", "gateway mute"),
        // With one good check to rise an uplink that loses half of all packets is taken back now and then by chance, as
        // that is configured to mean; the peers want two.
        DaemonRow::Loss => failover(Fault::Loss(50), effort, "{tests: {rise: 2}}", "50% loss, rise 2"),
        DaemonRow::Carrier => failover(Fault::Carrier, effort, "{}", "carrier lost"),
        DaemonRow::Cable => {
            let pulls = 10 * effort.runs;
            vec![ours(&format!("{pulls} cable pulls, 400 new connections a second: failed"), || {
                cable::measure(pulls, effort.seed).map(|seen| seen.to_string())
            })]
        }
        DaemonRow::Moves => {
            let row = |loss| {
                let what = format!("{loss}% loss each way for {} minutes, rise 1", effort.runs);
                ours(&what, || moves::measure(loss, effort.runs).map(|turns| turns.to_string()))
            };
            moves::LOSSES.map(row).into()
        }
        DaemonRow::Standby => standby(effort),
        DaemonRow::Pair => {
            let row = |(loss, what)| {
                let what = format!(
                    "one of two routers, {what}: the other one has the addresses; last failed new connection; held ones \
                     broken, and their longest stall"
                );
                ours(&what, || pair::measure(loss, effort.runs, effort.seed).map(|seen| seen.to_string()))
            };
            pair::LOSSES.map(row).into()
        }
        DaemonRow::Ipv6Rescue => [Fault::SilentV6, Fault::Carrier]
            .into_iter()
            .flat_map(|fault| [Firewall::Iptables, Firewall::Nft].map(|firewall| (fault, firewall)))
            .map(|(fault, firewall)| {
                let what = format!("hosts with addresses of two prefixes, one uplink {fault} and back, {firewall}");
                ours(&what, || rescue::measure(firewall, fault, effort.runs, effort.seed).map(|seen| seen.to_string()))
            })
            .collect(),
        DaemonRow::Deleted => failover(Fault::Deleted, effort, "{}", "device deleted"),
        DaemonRow::Deaf => line("gateway deaf to ping but forwarding: taken out of use", effort, |contender| {
            let seen = failover::measure(contender, Fault::GatewayDeaf, 2, "{}", effort.seed)?;
            Ok(format!("{} of 2 times", seen.left))
        }),
        DaemonRow::Restart => {
            line("6 restarts under load: new connections failed; held ones stalled", effort, |contender| {
                restart::under_load(contender, effort.seed).map(|seen| restarted(&seen))
            })
        }
        DaemonRow::Reloads => {
            let gone = Some(Ipv4Addr::new(3, 0, 0, 2).into());
            let config = "{tests: {interval: 500ms}}";
            changed("200 reloads under load", Script { line: "reloads 0.5", config, gone }, effort.seed)
        }
        DaemonRow::Kills => {
            // Nobody takes the mail, and the hook has nothing to do.
            let config = "{tests: {interval: 500ms}, email: {send: true, recipients: [admin@ftr.test]}, \
                          hooks: [{on: [down, up], run: [/bin/true]}]}";
            changed("200 kills under load", Script { line: "kills", config, gone: None }, effort.seed)
        }
        DaemonRow::RestartDead => vec![ours("restart while an uplink is dead", || {
            restart::while_dead(effort.seed).map(|seen| restarted(&seen))
        })],
        DaemonRow::Main => vec![ours("default route in main, priorities below 32766: connections by uplink", || {
            spread::measure(&[effort.seed], "{base_priority: 1000}", true).map(|seen| spreads(&seen))
        })],
        DaemonRow::Spread => vec![ours("600 connections from 64 sources, weights 1/2/1", || {
            let seeds = [effort.seed, effort.seed + 1, effort.seed + 2];
            spread::measure(&seeds, "{}", false).map(|seen| spreads(&seen))
        })],
        DaemonRow::Burdens => [Burden::MuteMail, Burden::NotifyStopped, Burden::NotifyKilled, Burden::StuckReader]
            .map(|burden| {
                ours(&format!("{burden}; upstream silently dead, timeout 450 ms: last failed new connection"), || {
                    let seen = failover::burdened(burden, effort.runs, effort.seed)?;
                    Ok(with_mean(&seen.last_failed))
                })
            })
            .into(),
        DaemonRow::Cpu3 => upkeep(3, effort),
        DaemonRow::Cpu16 => upkeep(16, effort),
        DaemonRow::DeadRound => vec![ours("one round, 16 uplinks all dead, timeout 450 ms", || {
            upkeep::dead_round(effort.runs, "{}").map(|figure| figure.to_string())
        })],
    }
}

fn failover(fault: Fault, effort: Effort, overrides: &str, what: &str) -> Vec<Line> {
    let whats = ["last failed new connection after the break", "connections failed", "back in use after the mend"]
        .map(|detail| format!("{what}: {detail}"));
    lines(whats, effort, |contender| {
        let seen = failover::measure(contender, fault, effort.runs, overrides, effort.seed)?;
        Ok([with_mean(&seen.last_failed), seen.failed.to_string(), seen.back.to_string()])
    })
}

fn standby(effort: Effort) -> Vec<Line> {
    let whats = ["found out", "a new connection by the standby", "from the one to the other"]
        .map(|detail| format!("upstream silently dead, the standby metered and idle: {detail}"));
    lines(whats, Effort { peers: false, ..effort }, |_| {
        let seen = standby::measure(effort.runs, effort.seed)?;
        Ok([seen.found, seen.used, seen.after].map(|figure| figure.to_string()))
    })
}

fn upkeep(uplinks: u8, effort: Effort) -> Vec<Line> {
    let whats = ["processor time", "memory (PSS)"].map(|what| format!("{what}, {uplinks} healthy uplinks"));
    let mut keepalived = None;
    lines(whats, effort, |contender| {
        let cost = upkeep::measure(contender, uplinks, effort.runs.min(3))?;
        let mut processor = cost.processor.to_string();
        match (contender, cost.processor.median(), keepalived) {
            (Contender::Keepalived, share, _) => keepalived = share,
            // Writing to a String cannot fail.
            (Contender::Ftr, Some(ours), Some(theirs)) => {
                let _ = write!(processor, ", {:.2} of keepalived's", ours / theirs);
            }
            _ => {}
        }
        Ok([processor, cost.memory.to_string()])
    })
}

fn line(what: &str, effort: Effort, mut cell: impl FnMut(Contender) -> Result<String>) -> Vec<Line> {
    lines([what.to_owned()], effort, |contender| cell(contender).map(|cell| [cell]))
}

/// Lines that are measured together, a contender after the other.
fn lines<const N: usize>(
    whats: [String; N],
    effort: Effort,
    mut cells: impl FnMut(Contender) -> Result<[String; N]>,
) -> Vec<Line> {
    let mut lines = whats.map(|what| Line { what, cells: Vec::new() });
    for contender in Contender::ALL {
        let skipped = contender != Contender::Ftr && !effort.peers;
        let cells = if skipped {
            std::array::from_fn(|_| dash())
        } else {
            cells(contender).unwrap_or_else(|error| {
                let failed = failure(&error);
                std::array::from_fn(|_| failed.clone())
            })
        };
        for (line, cell) in lines.iter_mut().zip(cells) {
            line.cells.push(cell);
        }
    }
    lines.into()
}

fn ours(what: &str, cell: impl Fn() -> Result<String>) -> Line {
    Line { what: what.to_owned(), cells: vec![dash(), dash(), cell().unwrap_or_else(|error| failure(&error))] }
}

fn changed(what: &str, script: Script, seed: u64) -> Vec<Line> {
    vec![ours(&format!("{what}: new connections failed; held ones stalled"), || {
        let (outcome, said) = changes::under_load(script, 200, seed)?;
        Ok(format!("{}; {said}", restarted(&outcome)))
    })]
}

fn restarted(seen: &restart::Outcome) -> String {
    format!("{} of {}; {} of {}", seen.failed.1, seen.failed.0, seen.stalled.1, seen.stalled.0)
}

fn spreads(seen: &[(u64, Spread)]) -> String {
    let one = |(seed, spread): &(u64, Spread)| {
        let counts: Vec<String> = spread.counts.iter().map(ToString::to_string).collect();
        format!("{}: χ² {:.1}, p {:.3}, seed {seed}", counts.join("/"), spread.chi_square, spread.p)
    };
    seen.iter().map(one).collect::<Vec<_>>().join("; ")
}
