//! Round trips as `ftr-probe` and as ping measure them, on the same path at the same time.

use super::routed::Routed;
use super::watch::{Seen, Watch};
use crate::figure::Figure;
use crate::table::Line;
use ftr_lab::error::{LabError, Result};
use ftr_lab::plan::{self, TARGETS};
use ftr_lab::program::Daemon;
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

/// How many round trips ping measures to each target.
const SAMPLES: u32 = 250;

/// From one to the next, for both.
const INTERVAL: Duration = Duration::from_millis(200);

/// Between the first packets of two pings, so that the six and the probe are spread over the interval.
const APART: Duration = Duration::from_millis(27);

/// One target alone, which is like with like: nothing has warmed the way for the packet. And all six in one batch, where
/// only the first of the probe's packets meets cold caches, but each of the pings'.
pub(super) fn lines() -> Result<Vec<Line>> {
    let routed = Routed::build(&plan::alike(1), "{}", &[])?;
    let [first, ..] = TARGETS;
    let alone = line("one target", &compare(&routed, &[first])?);
    Ok(vec![alone, line("each of 6 targets in one batch", &compare(&routed, &TARGETS)?)])
}

/// The medians of ping and of the probe in µs, target by target.
fn compare(routed: &Routed, targets: &[Ipv4Addr]) -> Result<Vec<(f64, f64)>> {
    let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let required = targets.len().to_string();
    let mut arguments = vec!["eth1", "--interval", "200ms", "--required", &required];
    arguments.extend(names.iter().flat_map(|name| ["--target", name]));
    let began = Instant::now();
    let watch = Watch::start(routed, &arguments)?;
    watch.up("eth1", began)?;
    let mut pings = Vec::new();
    for target in &names {
        thread::sleep(APART);
        pings.push((target, ping(routed, target, names.len())?));
    }
    let seen = watch.during(INTERVAL * SAMPLES)?;
    let mut medians = Vec::new();
    for (target, mut ping) in pings {
        ping.ended(Duration::from_secs(5))?;
        medians.push((median(target, pinged(&ping.output()))?, median(target, probed(&seen, target))?));
    }
    Ok(medians)
}

fn line(of: &str, medians: &[(f64, f64)]) -> Line {
    let theirs = Figure::new(medians.iter().map(|pair| pair.0), "µs");
    let ours = Figure::new(medians.iter().map(|pair| pair.1), "µs");
    let differences = Figure::new(medians.iter().map(|(theirs, ours)| ours - theirs), "µs");
    Line {
        what: format!("median round trip, {of}, {SAMPLES} of both at the same time; difference"),
        cells: vec![format!("ping {theirs}"), format!("{ours}; {differences}")],
    }
}

fn ping(routed: &Routed, target: &str, count: usize) -> Result<Daemon> {
    let mut command = routed.lab.router.command("ping");
    command.args(["-n", "-I", "eth1", "-i", "0.2", "-c", &SAMPLES.to_string(), target]);
    Daemon::start(&format!("ping-{count}-{target}"), &mut command, routed.lab.directory())
}

/// The median of at least 200 round trips, in µs.
fn median(target: &str, times: Vec<f64>) -> Result<f64> {
    let figure = Figure::new(times, "µs");
    let enough = figure.median().filter(|_| figure.count() >= 200);
    enough.ok_or_else(|| LabError::Unexpected(format!("{target}: only {} round trips", figure.count())))
}

fn probed(seen: &[Seen], target: &str) -> Vec<f64> {
    let answers = seen.iter().flat_map(|one| &one.check.targets).filter(|answer| answer.target == target);
    answers.filter_map(|answer| answer.rtt_ms).map(|millis| millis * 1000.0).collect()
}

/// From lines of the form `64 bytes from 8.8.8.8: icmp_seq=1 ttl=62 time=0.061 ms`.
fn pinged(text: &str) -> Vec<f64> {
    let millis = |line: &str| line.split_once(" time=")?.1.strip_suffix(" ms")?.parse::<f64>().ok();
    text.lines().filter_map(millis).map(|millis| millis * 1000.0).collect()
}

#[cfg(test)]
mod tests {
    use super::pinged;

    #[test]
    fn reads_what_ping_says() {
        let text = "PING 8.8.8.8 from 1.0.0.2 eth1: 56(84) bytes of data.\n\
                    64 bytes from 8.8.8.8: icmp_seq=1 ttl=62 time=0.0625 ms\n\nrtt min/avg/max/mdev = 1/1/1/0 ms\n";
        assert_eq!(pinged(text), [62.5]);
    }
}
