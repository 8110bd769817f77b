//! One check from start to end, as scripts use it.

use super::routed::Routed;
use crate::figure::Figure;
use crate::table::{Line, dash};
use ftr_lab::error::{Context, LabError, Result, malformed};
use ftr_lab::plan::{self, TARGETS};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How often each program is started for a repetition asked for.
const STARTS: usize = 20;

/// Keeps a gateway from answering the probe's question whether it answers in the internet's stead.
const SECRETIVE: &str = "table ip secretive {\n\
    chain c { type filter hook output priority 0; icmp type time-exceeded drop; }\n}\n";

/// The round trip and what the program took beyond it, both in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Took {
    round_trip: f64,
    beyond: f64,
}

/// Starts `ftr-probe eth1` (4 of 6 targets), ping and fping (one target) in turn.
pub(super) fn lines(runs: usize, peers: bool) -> Result<Vec<Line>> {
    let routed = Routed::build(&plan::alike(1), "{}", &[])?;
    let gateway = &routed.lab.provider("eth1")?.space;
    // A router sends few ICMP errors a second to one host, and this is many checks a second.
    gateway.sysctl("net/ipv4/icmp_ratelimit", "0")?;
    let open = line("", &routed, runs, peers)?;
    gateway.nft(SECRETIVE)?;
    Ok(vec![open, line(" whose gateway never says that a packet's time was exceeded", &routed, runs, peers)?])
}

fn line(of: &str, routed: &Routed, runs: usize, peers: bool) -> Result<Line> {
    let [target, ..] = TARGETS.map(|target| target.to_string());
    let mut took: [Vec<Took>; 3] = Default::default();
    let [probe, ping, fping] = &mut took;
    for _ in 0..runs * STARTS {
        let mut command = routed.command("ftr-probe")?;
        probe.push(start(routed, command.arg("eth1"), |text| between(text, "rtt ", "ms"))?);
        if peers {
            let mut command = Command::new("ping");
            command.args(["-c1", "-W2", "-I", "eth1", &target]);
            ping.push(start(routed, &mut command, |text| between(text, "time=", " ms"))?);
            let mut command = Command::new("fping");
            command.args(["-c1", "-I", "eth1", &target]);
            fping.push(start(routed, &mut command, |text| between(text, "64 bytes, ", " ms"))?);
        }
    }
    let [probe, ping, fping] = took.map(|took| shown(&took));
    let theirs = if peers { format!("ping {ping}; fping {fping}") } else { dash() };
    let what = format!("one check of a healthy uplink{of}: wall time beyond the round trip (and that)");
    Ok(Line { what, cells: vec![theirs, probe] })
}

fn start(routed: &Routed, command: &mut Command, round_trip: impl Fn(&str) -> Option<f64>) -> Result<Took> {
    command.stdin(Stdio::null());
    let run = || -> Result<(Output, Duration)> {
        let began = Instant::now();
        let output = command.output().context(|| format!("start {command:?}"))?;
        Ok((output, began.elapsed()))
    };
    let (output, wall) = routed.lab.router.enter(run)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        return Err(LabError::Unexpected(format!("{command:?} ended with {}: {text}", output.status)));
    }
    let round_trip = round_trip(&text).ok_or_else(|| malformed(format!("answer of {command:?}"), &text))?;
    Ok(Took { round_trip, beyond: wall.as_secs_f64() * 1000.0 - round_trip })
}

fn between(text: &str, before: &str, after: &str) -> Option<f64> {
    text.split_once(before)?.1.split_once(after)?.0.trim().parse().ok()
}

fn shown(took: &[Took]) -> String {
    let beyond = Figure::new(took.iter().map(|took| took.beyond), "ms");
    let round_trip = Figure::new(took.iter().map(|took| took.round_trip), "ms");
    format!("{beyond} ({:.2})", round_trip.median().unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn finds_the_round_trip() {
        assert_eq!(between("eth1 up 4/4 rtt 0.12ms\n", "rtt ", "ms"), Some(0.12));
        assert_eq!(between("8.8.8.8 : [0], 64 bytes, 0.040 ms (0.040 avg, 0% loss)", "64 bytes, ", " ms"), Some(0.04));
        assert_eq!(between("eth1 down 0/6 no-answer\n", "rtt ", "ms"), None);
    }
}
