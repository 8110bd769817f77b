//! Verdicts over minutes: troubles that must not turn an uplink down, and answers of others that must not turn it up.

use super::routed::Routed;
use super::watch::{self, Check, Seen, Watch};
use crate::table::{Effort, Line, dash};
use ftr_lab::error::{LabError, Result};
use ftr_lab::fault::Fault;
use ftr_lab::hostile;
use ftr_lab::plan::{self, TARGETS};
use ftr_lab::upload::Upload;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What the probe is told: the lab's 4 of 6 targets, a check a second.
const EACH_SECOND: [&str; 2] = ["--interval", "1s"];

/// How many hostile packets are sent in which time.
const HOSTILE: (u64, Duration) = (1_000_000, Duration::from_secs(60));

/// Harmless troubles side by side, one on each uplink, for as many minutes as there are runs.
pub(super) fn false_down(defaults: &str, effort: Effort) -> Result<Vec<Line>> {
    let mut routed = Routed::build(&plan::alike(6), defaults, &[])?;
    let began = Instant::now();
    let watch = Watch::start(&routed, &EACH_SECOND)?;
    for uplink in &routed.lab.uplinks {
        watch.up(&uplink.device(), began)?;
    }
    at_provider(&routed, "eth1", "iifname \"access\" numgen random mod 100 < 10 drop")?;
    routed.lab.fail("eth2", Fault::Loss(10))?;
    let [dead, ..] = TARGETS;
    at_provider(&routed, "eth3", &format!("ip daddr {dead} drop"))?;
    let upload = Upload::start(&routed.lab, "eth4", "1mbit")?;
    routed.lab.fail("eth5", Fault::GatewayDeaf)?;
    let seen = watch.during(minutes(effort))?;
    upload.end(&routed.lab)?;
    let troubles = [
        ("eth1", "10% of round trips lost"),
        ("eth2", "10% lost each way"),
        ("eth3", "one of six targets dead"),
        ("eth4", "upload over 1 Mbit/s, 1 s of queue"),
        ("eth5", "gateway deaf to ping"),
        ("eth6", "no trouble"),
    ];
    Ok(troubles
        .map(|(uplink, trouble)| line(&format!("{trouble}: checks that said down"), &seen, uplink, false))
        .into())
}

/// Answers that do not come from the internet through the uplink, for a tenth of that time.
pub(super) fn false_up(defaults: &str, effort: Effort) -> Result<Vec<Line>> {
    // Where eth2 is among those that carry connections, its gateway is in the balanced table as well.
    let mut routed = Routed::build(&plan::alike(4), defaults, &["eth1", "eth3", "eth4"])?;
    routed.lab.fail("eth1", Fault::Captive)?;
    routed.lab.fail("eth2", Fault::ProxyArp)?;
    let table = routed.lab.uplink("eth2")?.number;
    routed.lab.router.ip(&format!("route flush table {table}"))?;
    routed.lab.fail("eth3", Fault::AnsweredElsewhere)?;
    let began = Instant::now();
    let watch = Watch::start(&routed, &EACH_SECOND)?;
    let seen = watch.collect(began, began + minutes(effort) / 10)?;
    let deceits = [
        ("eth1", "captive"),
        ("eth2", "uplink table empty, proxy ARP at the provider"),
        ("eth3", "answers come in through another uplink"),
        ("eth4", "no deceit, as a proof of the lab"),
    ];
    Ok(deceits.map(|(uplink, deceit)| line(&format!("{deceit}: checks that said up"), &seen, uplink, true)).into())
}

/// Half of the targets are silent, and somebody who overhears every request sends a million wrong answers.
pub(super) fn hostile(defaults: &str, effort: Effort) -> Result<Vec<Line>> {
    let routed = Routed::build(&plan::alike(1), defaults, &[])?;
    let silent: BTreeSet<String> = TARGETS.iter().skip(3).map(ToString::to_string).collect();
    let list: Vec<&str> = silent.iter().map(String::as_str).collect();
    at_provider(&routed, "eth1", &format!("ip daddr {{ {} }} drop", list.join(", ")))?;
    let began = Instant::now();
    let watch = Watch::start(&routed, &["--interval", "200ms"])?;
    let (count, during) = HOSTILE;
    let provider = &routed.lab.provider("eth1")?.space;
    let sent = hostile::attack(provider, routed.lab.uplink("eth1")?, count, during, effort.seed)?;
    let seen = watch.collect(began, Instant::now())?;
    let believed = seen.iter().flat_map(|one| &one.check.targets);
    let believed = believed.filter(|answer| answer.rtt_ms.is_some() && silent.contains(&answer.target)).count();
    let too_many = seen.iter().filter(|one| one.check.up || one.check.answered > 3).count();
    let ignored: u64 = seen.iter().filter_map(|one| one.check.ignored.as_ref()).flat_map(BTreeMap::values).sum();
    if seen.is_empty() {
        return Err(LabError::Unexpected("no check was made during the attack".to_owned()));
    }
    let cell = format!(
        "{believed} believed; {too_many} of {} checks with more than the 3 true answers; {ignored} reported as ignored",
        seen.len()
    );
    let what = format!("hostile packets ({sent}), 3 of 6 targets silent");
    Ok(vec![Line { what, cells: vec![dash(), cell] }])
}

fn minutes(effort: Effort) -> Duration {
    Duration::from_secs(60) * u32::try_from(effort.runs).unwrap_or(u32::MAX)
}

/// A rule for what an uplink's provider forwards.
fn at_provider(routed: &Routed, uplink: &str, rule: &str) -> Result<()> {
    let chain = format!("chain c {{ type filter hook forward priority 0; {rule}; }}");
    routed.lab.provider(uplink)?.space.nft(&format!("table ip trouble {{\n{chain}\n}}\n"))
}

fn line(what: &str, seen: &[Seen], uplink: &str, verdict: bool) -> Line {
    let checks: Vec<&Check> = seen.iter().map(|one| &one.check).filter(|check| check.uplink == uplink).collect();
    let such = checks.iter().filter(|check| check.up == verdict).count();
    let cell = format!("{such} of {}{}", checks.len(), watch::reasons(checks));
    Line { what: what.to_owned(), cells: vec![dash(), cell] }
}
