//! `ftr-monitor drain`: no new connections for an uplink; and waiting until it has none.

use std::path::absolute;
use std::process::Stdio;
use std::time::Duration;

use clap::Args;
use ftr_core::{Exit, Family};
use ftr_tool::cli::{Common, Failure, say};
use ftr_tool::completion::uplinks;
use ftr_tool::run::{Bounds, finish};
use ftr_tool::{configuration, ready};
use serde::Deserialize;

use crate::program::Program;
use crate::request::Request;
use crate::starter::Starter;
use crate::status::UplinkStatus;
use crate::status::command::known;
use crate::{control, tool};

/// How long ftr-route may count, and how much it may say.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), bytes: 1 << 16 };
/// Between two looks. Connections end by themselves, after minutes or hours.
const LOOK: Duration = Duration::from_secs(1);

/// An uplink, and of which family.
#[derive(Args, Clone, Debug)]
pub(crate) struct Named {
    /// The uplink
    #[arg(value_name = "UPLINK", add = uplinks())]
    pub(crate) uplink: String,
    /// IPv4 alone [default: both families]
    #[arg(short = '4', long = "ipv4", conflicts_with = "ipv6")]
    ipv4: bool,
    /// IPv6 alone
    #[arg(short = '6', long = "ipv6")]
    ipv6: bool,
}

impl Named {
    /// The family that is meant; none: both.
    pub(crate) const fn family(&self) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        }
    }
}

/// What is to be drained, and for how long.
#[derive(Args, Clone, Debug)]
pub(crate) struct Drain {
    #[command(flatten)]
    pub(crate) named: Named,
    /// It ends by itself after so long [default: undrain ends it]
    #[arg(long = "for", value_name = "DURATION", value_parser = ftr_core::duration::parse)]
    pub(crate) lasts: Option<Duration>,
    /// Wait until no connection of it is left, and say how many are
    #[arg(long)]
    pub(crate) wait: bool,
}

/// Has the monitor drain an uplink, and waits where that is wanted.
pub(crate) fn run(common: &Common, drain: &Drain) -> Result<Exit, Failure> {
    let (uplink, family) = (drain.named.uplink.clone(), drain.named.family());
    let for_ms = drain.lasts.map(|lasts| u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX));
    let exit = control::run(common, &Request::Drain { uplink: uplink.clone(), for_ms, family })?;
    if exit != Exit::Yes || !drain.wait {
        return Ok(exit);
    }
    let (config, text) = configuration::load_with_text(&common.source.file()?)?;
    let file = absolute(&config.file).unwrap_or_else(|_| config.file.clone());
    let (starter, _) = Starter::new(&config, &text, &file)?;
    let options: Vec<&str> = family.map(|family| if family.number() == 6 { "-6" } else { "-4" }).into_iter().collect();
    let mut last = None;
    loop {
        let left = count(&starter, &uplink, &options)?;
        if last != Some(left) && !common.quiet {
            let connections = if left == 1 { "connection is" } else { "connections are" };
            say(tool::NAME, &format!("drain: {uplink}: {left} {connections} left"));
        }
        if left == 0 {
            return Ok(Exit::Yes);
        }
        // A monitor that is started again still knows of the drain, and so does the next cycle of `once`.
        if known(common).is_ok_and(|status| has_ended(&status.uplinks, &uplink, family)) {
            say(tool::NAME, &format!("drain: {uplink}: is no longer drained"));
            return Ok(Exit::No);
        }
        last = Some(left);
        ready::wait(&mut [], Some(LOOK)).map_err(|error| Failure::new(Exit::Bug, format!("poll: {error}")))?;
    }
}

/// Whether the uplink takes new connections again, in a family that is asked for.
fn has_ended(uplinks: &[UplinkStatus], uplink: &str, family: Option<Family>) -> bool {
    let is_asked_for = |one: &UplinkStatus| family.is_none_or(|family| family.number() == one.family);
    uplinks.iter().any(|one| one.uplink.as_str() == uplink && is_asked_for(one) && !one.drained)
}

/// How many connections an uplink has, in all families that are asked for.
fn count(starter: &Starter, uplink: &str, family: &[&str]) -> Result<u64, Failure> {
    let failed = |why: String| Failure::new(Exit::Unavailable, format!("drain: ftr-route connections: {why}"));
    let args = [&["--json"], family, &["connections", uplink]].concat();
    let child = starter.start(Program::Route, &args, |command| {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
    });
    let ended = child.and_then(|child| finish(child, b"", BOUNDS)).map_err(|error| failed(error.to_string()))?;
    if ended.status.code() == Some(77) {
        let what =
            "drain: ftr-route connections: the capability CAP_NET_ADMIN is missing, so nobody waits; the drain goes on";
        return Err(Failure::new(Exit::NotPermitted, what));
    }
    if !ended.status.success() {
        return Err(failed(format!("ended with {}", ended.status)));
    }
    sum(&ended.stdout).ok_or_else(|| failed("its answer is not understood".to_owned()))
}

/// The sum of what `ftr-route connections -j` has counted; none where that is no answer.
fn sum(answer: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Count {
        connections: u64,
    }
    let lines = answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let counts: Vec<Count> = lines.map(serde_json::from_slice).collect::<Result<_, _>>().ok()?;
    counts.iter().try_fold(0u64, |sum, count| sum.checked_add(count.connections))
}

#[cfg(test)]
mod tests {
    use super::{has_ended, sum};
    use crate::decide::Decider;
    use crate::decide::fixture::{check, config};
    use crate::status;
    use ftr_core::Family;
    use ftr_core::record::Record;

    #[test]
    fn a_drain_ends_in_each_family_for_itself() {
        let ipv6 = ", ip6: '2001:db8::2', gateway6: '2001:db8::1'";
        let config = config([ipv6, "", ""], "");
        let mut decider = Decider::new(&config, None);
        for uplink in ["eth1", "eth2", "eth3"] {
            decider.handle(&Record::Check(check(uplink, true, 1000)));
        }
        let at = check("eth1", true, 2000).at;
        decider.drain(0, &[Family::V4, Family::V6], Some(3000), &at);
        decider.undrain(0, &[Family::V6], &at);
        let ended = |uplink: &str, family: Option<Family>, now: u64| {
            has_ended(&status::uplinks(&decider, &config, 0, now), uplink, family)
        };
        assert!(!ended("eth1", Some(Family::V4), 2999) && ended("eth1", Some(Family::V4), 3000));
        assert!(ended("eth1", Some(Family::V6), 2000) && ended("eth1", None, 2000));
        assert!(ended("eth2", None, 2000) && !ended("eth9", None, 2000));
    }

    #[test]
    fn connections_of_both_families_are_added() {
        let answer = b"{\"uplink\":\"eth1\",\"family\":4,\"connections\":3}\n{\"uplink\":\"eth1\",\"family\":6,\"connections\":2}\n";
        assert_eq!((sum(answer), sum(b""), sum(b"eth1 3\n")), (Some(5), Some(0), None));
    }
}
