//! What watching costs: processor time an answered probe, and memory.

use super::routed::Routed;
use super::steady_fping::{Manner, SteadyFping};
use super::watch::Watch;
use crate::figure::Figure;
use crate::table::{Line, dash};
use ftr_lab::error::Result;
use ftr_lab::plan;
use ftr_lab::process;
use std::thread;
use std::time::Duration;

/// How long answers and processor time are counted for one value.
const WINDOW: Duration = Duration::from_secs(20);

/// How long a program runs before that.
const SETTLING: Duration = Duration::from_secs(3);

/// The intervals of the table.
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(200)];

/// Microseconds of processor time an answer, and MiB.
type Cost = (f64, f64);

/// Watches `uplinks` healthy uplinks with 6 targets, of which all and of which four have to answer.
pub(super) fn lines(uplinks: u8, runs: usize, peers: bool) -> Result<Vec<Line>> {
    let routed = Routed::build(&plan::alike(uplinks), "{}", &[])?;
    let mut lines = Vec::new();
    for interval in INTERVALS {
        let mut six = Vec::new();
        let mut four = Vec::new();
        let mut fpings = Manner::ALL.map(|manner| (manner, Vec::new()));
        // In turn, so that what else happens on the machine meets all of them.
        for _ in 0..runs.clamp(1, 2) {
            six.push(ours(&routed, interval, "6")?);
            four.push(ours(&routed, interval, "4")?);
            for (manner, costs) in fpings.iter_mut().filter(|_| peers) {
                costs.push(theirs(&routed, *manner, interval)?);
            }
        }
        let setting = format!("{uplinks} uplinks, interval {}", humantime::format_duration(interval));
        for (asked, costs) in [("6 of 6", &six), ("4 of 6", &four)] {
            let what = format!("processor time an answered probe, {setting}, {asked}");
            lines.push(Line { what, cells: beside(&fpings, costs) });
        }
        let [(_, each), ..] = &fpings;
        let cells = vec![mebibytes(each).to_string(), mebibytes(&six).to_string()];
        lines.push(Line { what: format!("memory (PSS), {setting}, 6 of 6; a fping an uplink"), cells });
    }
    Ok(lines)
}

/// The processor time of the peers, and of the probe with its part of each peer's.
fn beside(fpings: &[(Manner, Vec<Cost>)], costs: &[Cost]) -> Vec<String> {
    let ours = microseconds(costs);
    let (mut theirs, mut shares) = (Vec::new(), Vec::new());
    for (manner, costs) in fpings {
        let figure = microseconds(costs);
        if let (Some(ours), Some(median)) = (ours.median(), figure.median()) {
            theirs.push(format!("{manner} {figure}"));
            shares.push(format!("{:.2}", ours / median));
        }
    }
    if theirs.is_empty() {
        return vec![dash(), ours.to_string()];
    }
    vec![theirs.join("; "), format!("{ours}; {} of those", shares.join(", "))]
}

fn ours(routed: &Routed, interval: Duration, required: &str) -> Result<Cost> {
    let interval = humantime::format_duration(interval).to_string();
    let watch = Watch::start(routed, &["--interval", &interval, "--required", required])?;
    thread::sleep(SETTLING);
    let before = process::processor_time(watch.pid())?;
    let seen = watch.during(WINDOW)?;
    let used = process::processor_time(watch.pid())?.saturating_sub(before);
    let answers: u64 = seen.iter().map(|one| u64::from(one.check.answered)).sum();
    Ok(cost(used, answers, process::memory(watch.pid())?))
}

fn theirs(routed: &Routed, manner: Manner, interval: Duration) -> Result<Cost> {
    let mut fping = SteadyFping::start(routed, manner, interval)?;
    thread::sleep(SETTLING);
    fping.answers()?;
    let before = fping.processor_time()?;
    thread::sleep(WINDOW);
    let used = fping.processor_time()?.saturating_sub(before);
    let answers = fping.answers()?;
    Ok(cost(used, answers, fping.memory()?))
}

fn cost(used: Duration, answers: u64, kibibytes: u64) -> Cost {
    let number = |count: u64| u32::try_from(count).map_or(f64::NAN, f64::from);
    (used.as_secs_f64() * 1e6 / number(answers), number(kibibytes) / 1024.0)
}

fn microseconds(costs: &[Cost]) -> Figure {
    Figure::new(costs.iter().map(|cost| cost.0), "µs")
}

fn mebibytes(costs: &[Cost]) -> Figure {
    Figure::new(costs.iter().map(|cost| cost.1), "MiB")
}
