//! The outcome of a check, as a record and as text for people.

use std::fmt::Write as _;
use std::time::Duration;

use ftr_core::Family;
use ftr_core::record::{Check, Ignored, Reason, Stamp, TargetResult, Trigger, Window};

use crate::check::RunningCheck;
use crate::figures::millis;
use crate::path::{Break, Path};
use crate::plan::Plan;

/// What is told of a check besides its answers.
#[derive(Clone, Debug)]
pub(crate) struct Circumstances {
    pub(crate) at: Stamp,
    pub(crate) trigger: Option<Trigger>,
    pub(crate) window: Option<Window>,
    pub(crate) ignored: Ignored,
    pub(crate) probe_bytes: u64,
    pub(crate) not_looked_for: Vec<Reason>,
}

/// The record of an uplink that is down before anything is sent.
pub(crate) fn broken(plan: &Plan, broken: Break, circumstances: Circumstances) -> Check {
    Check { address: broken.address, ..check(plan, Some(broken.reason), circumstances) }
}

/// The record of a check that has come to a verdict now; `reason` where it is down.
pub(crate) fn asked(
    plan: &Plan,
    way: Path,
    reason: Option<Reason>,
    (run, now): (&RunningCheck, Duration),
    mut circumstances: Circumstances,
) -> Check {
    // A gateway that somebody answers through is not silent.
    circumstances.not_looked_for.retain(|sign| *sign != Reason::GatewaySilent || reason == Some(Reason::NoAnswer));
    let (figures, tally) = (run.figures(now), run.tally(now));
    let targets: Vec<_> = run
        .answers(now)
        .map(|answer| TargetResult {
            target: answer.target.to_string(),
            rtt_ms: answer.result.ok().map(millis),
            error: answer.result.err().flatten().map(str::to_owned),
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
    let (uplink, family) = (plan.uplink.clone(), plan.family);
    Check {
        required: count(plan.timing.required),
        trigger: circumstances.trigger,
        window: circumstances.window,
        ignored: Some(circumstances.ignored).filter(|ignored| !ignored.is_empty()),
        probe_bytes: Some(circumstances.probe_bytes),
        not_looked_for: circumstances.not_looked_for,
        ..Check::without_questions(circumstances.at, uplink, family, reason.is_none(), reason)
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
    if !check.not_looked_for.is_empty() {
        let signs: Vec<_> = check.not_looked_for.iter().map(ToString::to_string).collect();
        writeln!(text, "  not looked for: {}", signs.join(", "))?;
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
    use crate::check::RunningCheck;
    use crate::path::{Break, Path};
    use crate::plan::Plan;
    use crate::schedule::Timing;
    use ftr_core::Family;
    use ftr_core::config::{Limits, Target};
    use ftr_core::record::{Ignored, Reason, Stamp};
    use std::net::IpAddr;
    use std::time::{Duration, SystemTime};

    const WAY: Path = Path { address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), gateway: None };
    const SECOND: Duration = Duration::from_secs(1);

    fn plan(family: Family) -> Plan {
        Plan {
            uplink: "eth2".parse().unwrap(),
            family,
            targets: vec![Target::Echo(IpAddr::from([198, 51, 100, 1])); 3],
            timing: Timing { required: 2, tries: 1, timeout: SECOND },
            interval: SECOND,
            metered: None,
            counted: false,
            before: None,
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
        Circumstances { at, trigger: None, window: None, ignored, probe_bytes: 88, not_looked_for: Vec::new() }
    }

    #[test]
    fn text_says_how_many_answered_and_why_not() {
        let plan = plan(Family::V4);
        let mut run = RunningCheck::of(&plan);
        run.begin(SECOND, &mut fastrand::Rng::with_seed(1), |_| true, false);
        let to = plan.targets[0].address();
        let (_, first) = run.ask(0, [1; 16], SECOND).unwrap();
        let (_, second) = run.ask(1, [2; 16], SECOND).unwrap();
        run.echoed((to, Some(60)), &first, SECOND + Duration::from_micros(12_400), Duration::ZERO);
        let now = SECOND + Duration::from_millis(20);
        let early = asked(&plan, WAY, None, (&run, now), circumstances(Ignored::default()));
        assert_eq!(text(&early, true), "eth2 up 1/2 rtt 12.4ms\n  198.51.100.1 12.4ms\n  198.51.100.1 not awaited\n");
        run.refused(second.sequence, "net-unreachable", SECOND);
        run.ask(2, [3; 16], SECOND).unwrap();
        let spoofed = Ignored { spoofed: 3, late: 1, ..Ignored::default() };
        let down = asked(&plan, WAY, Some(Reason::NoAnswer), (&run, SECOND * 2), circumstances(spoofed));
        assert_eq!(text(&down, false), "eth2 down 1/3 no-answer\n");
        let lines = "eth2 down 1/3 no-answer\n  198.51.100.1 12.4ms\n  198.51.100.1 net-unreachable\n  \
                     198.51.100.1 timeout\n  ignored: 3 spoofed, 1 late\n";
        assert_eq!(text(&down, true), lines);
        assert_eq!(down.loss, Some(0.667));
    }

    #[test]
    fn what_was_not_looked_for_is_told_where_it_could_be_the_reason() {
        let plan = plan(Family::V4);
        let mut run = RunningCheck::of(&plan);
        run.begin(SECOND, &mut fastrand::Rng::with_seed(1), |_| true, false);
        for (reason, told) in [
            (Some(Reason::NoAnswer), "  not looked for: gateway-silent, captive\n"),
            (None, "  not looked for: captive\n"),
        ] {
            let not_looked_for = vec![Reason::GatewaySilent, Reason::Captive];
            let circumstances = Circumstances { not_looked_for, ..circumstances(Ignored::default()) };
            let check = asked(&plan, WAY, reason, (&run, SECOND), circumstances);
            assert!(text(&check, true).contains(told), "{check:?}");
        }
    }

    #[test]
    fn text_of_a_break_and_of_the_other_family() {
        let no_carrier = Break { reason: Reason::NoCarrier, address: None };
        let check = broken(&plan(Family::V6), no_carrier, circumstances(Ignored::default()));
        assert_eq!(text(&check, true), "eth2 IPv6 down 0/0 no-carrier\n");
        assert_eq!(check.probe_bytes, Some(88));
    }
}
