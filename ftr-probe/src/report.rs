//! The outcome of a check, as a record and as text for people.

use std::fmt::Write as _;

use ftr_core::record::{Check, Reason, Stamp, TargetResult};
use ftr_core::{Family, InterfaceName};

use crate::figures::millis;
use crate::path::{Break, Way};
use crate::round::Round;

/// The record of an uplink that is down before anything is sent.
pub(crate) fn broken(uplink: &InterfaceName, required: usize, broken: Break, at: Stamp) -> Check {
    Check {
        at,
        uplink: uplink.clone(),
        family: Family::V4,
        up: false,
        reason: Some(broken.reason),
        answered: 0,
        required: count(required),
        asked: 0,
        rtt_ms: None,
        jitter_ms: None,
        loss: None,
        address: broken.address,
        gateway: None,
        targets: Vec::new(),
    }
}

/// The record of a check that has come to a verdict now.
pub(crate) fn asked(
    uplink: &InterfaceName,
    way: Way,
    up: bool,
    round: &Round,
    at: (Stamp, std::time::Duration),
) -> Check {
    let (stamp, now) = at;
    let figures = round.figures(now);
    let targets: Vec<_> = round
        .answers(now)
        .map(|answer| TargetResult {
            target: answer.target.to_string(),
            rtt_ms: answer.fate.ok().map(millis),
            error: answer.fate.err().flatten().map(str::to_owned),
        })
        .collect();
    let tally = round.tally();
    Check {
        at: stamp,
        uplink: uplink.clone(),
        family: Family::V4,
        up,
        reason: (!up).then_some(Reason::NoAnswer),
        answered: count(tally.answered),
        required: count(tally.required),
        asked: count(targets.len()),
        rtt_ms: figures.rtt_ms,
        jitter_ms: figures.jitter_ms,
        loss: figures.loss,
        address: Some(way.address),
        gateway: way.gateway,
        targets,
    }
}

/// A check as text: a line, and when `verbose` one more for each target.
pub(crate) fn text(check: &Check, verbose: bool) -> String {
    let state = if check.up { "up" } else { "down" };
    let mut text = format!("{} {state} {}/{}", check.uplink, check.answered, check.asked);
    // Writing to a String never fails.
    let _ = match (check.reason, check.rtt_ms) {
        (Some(reason), _) => write!(text, " {reason}"),
        (None, Some(rtt)) => write!(text, " rtt {}", time(rtt)),
        (None, None) => Ok(()),
    };
    text.push('\n');
    for target in check.targets.iter().filter(|_| verbose) {
        let _ = match (target.rtt_ms, &target.error) {
            (Some(rtt), _) => writeln!(text, "  {} {}", target.target, time(rtt)),
            (None, Some(error)) => writeln!(text, "  {} {error}", target.target),
            (None, None) => writeln!(text, "  {} not awaited", target.target),
        };
    }
    text
}

fn time(millis: f64) -> String {
    if millis < 1.0 { format!("{millis:.2}ms") } else { format!("{millis:.1}ms") }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{asked, broken, text};
    use crate::path::{Break, Way};
    use crate::round::Round;
    use crate::schedule::Timing;
    use ftr_core::record::{Reason, Stamp};
    use std::net::IpAddr;
    use std::time::{Duration, SystemTime};

    const WAY: Way = Way { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), gateway: None };

    fn stamp() -> Stamp {
        Stamp::new(SystemTime::UNIX_EPOCH, Duration::from_secs(9))
    }

    #[test]
    fn text_says_how_many_answered_and_why_not() {
        let second = Duration::from_secs(1);
        let targets = [[198, 51, 100, 1], [198, 51, 100, 1], [198, 51, 100, 1]].map(IpAddr::from);
        let mut round = Round::new(Timing { required: 2, tries: 1, timeout: second }, &targets);
        round.begin(second, &mut fastrand::Rng::with_seed(1));
        let (to, echo) = round.ask(0, [1; 16], second).unwrap();
        let (_, second_echo) = round.ask(1, [2; 16], second).unwrap();
        round.answered(to, &echo, second + Duration::from_micros(12_400), Duration::ZERO);
        let uplink = "eth2".parse().unwrap();
        let early = asked(&uplink, WAY, true, &round, (stamp(), second + Duration::from_millis(20)));
        assert_eq!(text(&early, true), "eth2 up 1/2 rtt 12.4ms\n  198.51.100.1 12.4ms\n  198.51.100.1 not awaited\n");
        round.refused(second_echo.sequence, "net-unreachable", second);
        round.ask(2, [3; 16], second).unwrap();
        let down = asked(&uplink, WAY, false, &round, (stamp(), second * 2));
        assert_eq!(text(&down, false), "eth2 down 1/3 no-answer\n");
        let lines =
            "eth2 down 1/3 no-answer\n  198.51.100.1 12.4ms\n  198.51.100.1 net-unreachable\n  198.51.100.1 timeout\n";
        assert_eq!(text(&down, true), lines);
        assert_eq!(down.loss, Some(0.667));
        let broken = broken(&uplink, 2, Break { reason: Reason::NoCarrier, address: None }, stamp());
        assert_eq!(text(&broken, true), "eth2 down 0/0 no-carrier\n");
    }
}
