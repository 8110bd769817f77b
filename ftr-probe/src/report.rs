//! The outcome of a check, as a record and as text for people.

use std::fmt::Write as _;
use std::time::Duration;

use ftr_core::Family;
use ftr_core::record::{Check, Ignored, Prompt, Reason, Stamp, TargetResult, Window};

use crate::figures::millis;
use crate::path::{Break, Way};
use crate::plan::Plan;
use crate::round::Round;

/// What is told of a check besides its answers.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    pub(crate) at: Stamp,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) window: Option<Window>,
    pub(crate) ignored: Ignored,
    pub(crate) probe_bytes: u64,
}

/// The record of an uplink that is down before anything is sent.
pub(crate) fn broken(plan: &Plan, broken: Break, circumstances: Circumstances) -> Check {
    Check { address: broken.address, ..check(plan, Some(broken.reason), circumstances) }
}

/// The record of a check that has come to a verdict now; `reason` where it is down.
pub(crate) fn asked(
    plan: &Plan,
    way: Way,
    reason: Option<Reason>,
    (round, now): (&Round, Duration),
    circumstances: Circumstances,
) -> Check {
    let (figures, tally) = (round.figures(now), round.tally(now));
    let targets: Vec<_> = round
        .answers(now)
        .map(|answer| TargetResult {
            target: answer.target.to_string(),
            rtt_ms: answer.fate.ok().map(millis),
            error: answer.fate.err().flatten().map(str::to_owned),
        })
        .collect();
    Check {
        answered: count(tally.answered),
        asked: count(targets.len()),
        questions: count(tally.sent),
        replies: count(tally.back),
        rtt_ms: figures.rtt_ms,
        jitter_ms: figures.jitter_ms,
        loss: figures.loss,
        address: Some(way.address),
        gateway: way.gateway,
        targets,
        ..check(plan, reason, circumstances)
    }
}

fn check(plan: &Plan, reason: Option<Reason>, circumstances: Circumstances) -> Check {
    Check {
        at: circumstances.at,
        uplink: plan.uplink.clone(),
        family: plan.family,
        up: reason.is_none(),
        reason,
        answered: 0,
        required: count(plan.timing.required),
        asked: 0,
        questions: 0,
        replies: 0,
        rtt_ms: None,
        jitter_ms: None,
        loss: None,
        address: None,
        gateway: None,
        targets: Vec::new(),
        prompt: circumstances.prompt,
        window: circumstances.window,
        ignored: Some(circumstances.ignored).filter(|ignored| !ignored.is_empty()),
        probe_bytes: Some(circumstances.probe_bytes),
    }
}

/// A check as text: a line, and when `verbose` more about each target and the uplink.
pub(crate) fn text(check: &Check, verbose: bool) -> String {
    let state = if check.up { "up" } else { "down" };
    let family = if check.family == Family::V6 { " IPv6" } else { "" };
    let mut text = format!("{}{family} {state} {}/{}", check.uplink, check.answered, check.asked);
    // Writing to a String never fails.
    let _ = match (check.reason, check.rtt_ms) {
        // Enough hosts answered something, and still most of what they were asked was lost.
        (Some(Reason::NoAnswer), _) if check.answered >= check.required => {
            write!(text, " no-answer {}/{} back", check.replies, check.questions)
        }
        (Some(reason), _) => write!(text, " {reason}"),
        (None, Some(rtt)) => write!(text, " rtt {}", time(rtt)),
        (None, None) => Ok(()),
    };
    text.push('\n');
    if verbose {
        let _ = more(&mut text, check);
    }
    text
}

fn more(text: &mut String, check: &Check) -> std::fmt::Result {
    for target in &check.targets {
        match (target.rtt_ms, &target.error) {
            (Some(rtt), _) => writeln!(text, "  {} {}", target.target, time(rtt))?,
            (None, Some(error)) => writeln!(text, "  {} {error}", target.target)?,
            (None, None) => writeln!(text, "  {} not awaited", target.target)?,
        }
    }
    if let Some(remedy) = check.reason.and_then(Reason::remedy) {
        writeln!(text, "  {remedy}")?;
    }
    if let Some(gateway) = check.gateway {
        writeln!(text, "  gateway {gateway}")?;
    }
    if let Some(window) = check.window.filter(|window| window.probes > check.asked) {
        write!(text, "  last {} probes: loss {:.1}%", window.probes, window.loss * 100.0)?;
        for (name, value) in [("rtt", window.rtt_ms), ("jitter", window.jitter_ms)] {
            if let Some(value) = value {
                write!(text, ", {name} {}", time(value))?;
            }
        }
        text.push('\n');
    }
    if let Some(ignored) = check.ignored {
        let Ignored { spoofed, duplicate, late, truncated, foreign } = ignored;
        let kinds = [
            ("spoofed", spoofed),
            ("duplicate", duplicate),
            ("late", late),
            ("truncated", truncated),
            ("foreign", foreign),
        ];
        let words: Vec<_> =
            kinds.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(text, "  ignored: {}", words.join(", "))?;
    }
    Ok(())
}

fn time(millis: f64) -> String {
    if millis < 1.0 { format!("{millis:.2}ms") } else { format!("{millis:.1}ms") }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Circumstances, asked, broken, text};
    use crate::path::{Break, Way};
    use crate::plan::Plan;
    use crate::round::Round;
    use crate::schedule::Timing;
    use crate::window::Window;
    use ftr_core::Family;
    use ftr_core::config::{Limits, Target};
    use ftr_core::record::{Ignored, Reason, Stamp};
    use std::net::IpAddr;
    use std::time::{Duration, SystemTime};

    const WAY: Way = Way { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), gateway: None };
    const SECOND: Duration = Duration::from_secs(1);

    fn plan(family: Family) -> Plan {
        Plan {
            uplink: "eth2".parse().unwrap(),
            family,
            targets: vec![Target::Echo(IpAddr::from([198, 51, 100, 1])); 3],
            timing: Timing { required: 2, tries: 1, timeout: SECOND },
            interval: SECOND,
            metered: None,
            fall: 1,
            rise: 1,
            limits: Limits::default(),
            window: 10,
            watch_traffic: true,
            detect_captive: true,
        }
    }

    fn circumstances(ignored: Ignored) -> Circumstances {
        let at = Stamp::new(SystemTime::UNIX_EPOCH, SECOND * 9);
        Circumstances { at, prompt: None, window: None, ignored, probe_bytes: 88 }
    }

    #[test]
    fn text_says_how_many_answered_and_why_not() {
        let plan = plan(Family::V4);
        let mut round = Round::new(plan.timing, &plan.targets, Window::new(10, Limits::default()));
        round.begin(SECOND, &mut fastrand::Rng::with_seed(1), |_| true, false);
        let to = plan.targets[0].address();
        let (_, first) = round.ask(0, [1; 16], SECOND).unwrap();
        let (_, second) = round.ask(1, [2; 16], SECOND).unwrap();
        round.echoed((to, Some(60)), &first, SECOND + Duration::from_micros(12_400), Duration::ZERO);
        let now = SECOND + Duration::from_millis(20);
        let early = asked(&plan, WAY, None, (&round, now), circumstances(Ignored::default()));
        assert_eq!(text(&early, true), "eth2 up 1/2 rtt 12.4ms\n  198.51.100.1 12.4ms\n  198.51.100.1 not awaited\n");
        round.refused(second.sequence, "net-unreachable", SECOND);
        round.ask(2, [3; 16], SECOND).unwrap();
        let spoofed = Ignored { spoofed: 3, late: 1, ..Ignored::default() };
        let down = asked(&plan, WAY, Some(Reason::NoAnswer), (&round, SECOND * 2), circumstances(spoofed));
        assert_eq!(text(&down, false), "eth2 down 1/3 no-answer\n");
        let lines = "eth2 down 1/3 no-answer\n  198.51.100.1 12.4ms\n  198.51.100.1 net-unreachable\n  \
                     198.51.100.1 timeout\n  ignored: 3 spoofed, 1 late\n";
        assert_eq!(text(&down, true), lines);
        assert_eq!(down.loss, Some(0.667));
    }

    #[test]
    fn text_of_a_break_and_of_the_other_family() {
        let no_carrier = Break { reason: Reason::NoCarrier, address: None };
        let check = broken(&plan(Family::V6), no_carrier, circumstances(Ignored::default()));
        assert_eq!(text(&check, true), "eth2 IPv6 down 0/0 no-carrier\n");
        assert_eq!(check.probe_bytes, Some(88));
    }
}
