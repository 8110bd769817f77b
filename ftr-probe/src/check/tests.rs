//! Whole checks against a simulated network and a virtual clock.

mod forged;
mod lossy;
mod narrow;

use super::{Heard, RunningCheck};
use crate::estimate::FLOOR;
use crate::icmp::{Echo, Quote};
use crate::schedule::Timing;
use crate::verdict::Verdict;
use crate::window::Window;
use ftr_core::config::{Limits, Target};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const START: Duration = Duration::from_secs(100);
const MS: Duration = Duration::from_millis(1);
/// What is left of the time to live of honest answers, and of made-up ones.
const FAR: u8 = 57;
const MADE_UP: u8 = 64;

fn addresses(count: u8) -> Vec<IpAddr> {
    (1..=count).map(|last| IpAddr::from([192, 0, 2, last])).collect()
}

fn check(required: usize, count: u8, tries: u32, timeout: Duration) -> RunningCheck {
    let targets: Vec<_> = addresses(count).into_iter().map(Target::Echo).collect();
    RunningCheck::new(Timing { required, tries, timeout }, &targets, Window::new(50, Limits::default()))
}

/// How the network behaves.
struct Network<'a> {
    /// What becomes of a question that is sent to this target at this time.
    reply: &'a mut dyn FnMut(IpAddr, Duration) -> Reply,
    /// Whether the gateway answers by itself, says "time exceeded", or nothing.
    gateway: Gateway,
}

#[derive(Clone, Copy, Debug)]
enum Reply {
    Answer(Duration),
    Error(Duration),
    /// An error that quotes no more than the header.
    Hint(Duration),
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Gateway {
    Honest,
    Silent,
    /// It answers for everybody, even for nobody.
    Captive,
    /// It has the addresses of the targets.
    Impostor,
    /// The time to live of what is sent is set anew, so that each request arrives; that of answers too, perhaps.
    Rewritten(u8),
    /// The same, and one target sends answers as if it were nearer now.
    Turncoat(u8, IpAddr),
}

/// What a check came to.
#[derive(Debug)]
struct Outcome {
    verdict: Verdict,
    took: Duration,
    targets: Vec<IpAddr>,
    tests: usize,
}

#[derive(Clone, Copy)]
enum Arrival {
    Reply(IpAddr, u8, Echo),
    Error(IpAddr, Echo, &'static str),
    Hint(IpAddr, Echo),
}

/// Plays a whole check from `start` on, against a clock that jumps from one moment at which something happens to the
/// next.
fn play(check: &mut RunningCheck, network: &mut Network<'_>, start: Duration, (seed, test): (u64, bool)) -> Outcome {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut arrivals: BTreeMap<(Duration, (u32, usize)), Arrival> = BTreeMap::new();
    let (mut targets, mut tests, mut now) = (Vec::new(), 0, start);
    let gateway = network.gateway;
    let ttl = |from| match gateway {
        Gateway::Captive | Gateway::Impostor => MADE_UP,
        Gateway::Turncoat(_, turncoat) if turncoat == from => MADE_UP,
        Gateway::Rewritten(ttl) | Gateway::Turncoat(ttl, _) => ttl,
        Gateway::Honest | Gateway::Silent => FAR,
    };
    check.begin(now, &mut rng, |_| false, test);
    for number in 0u32.. {
        assert!(number < 10_000, "the check would spin");
        check.advance(now);
        while let Some((to, echo)) =
            check.has_tests().then(|| check.test(u128::from(number).to_ne_bytes(), now)).flatten()
        {
            tests += 1;
            let arrival = match network.gateway {
                Gateway::Honest => Arrival::Error(to, echo, "time-exceeded"),
                Gateway::Captive => Arrival::Reply(to, ttl(to), echo),
                Gateway::Impostor | Gateway::Rewritten(_) | Gateway::Turncoat(..) if addresses(8).contains(&to) => {
                    Arrival::Reply(to, ttl(to), echo)
                }
                Gateway::Silent | Gateway::Impostor | Gateway::Rewritten(_) | Gateway::Turncoat(..) => continue,
            };
            arrivals.insert((now + MS, (number, arrivals.len())), arrival);
        }
        while let Some(turn) = check.due(now) {
            let (target, echo) = check.ask(turn, rng.u128(..).to_ne_bytes(), now).unwrap();
            let to = target.address();
            targets.push(to);
            let (after, arrival) = match (network.reply)(to, now) {
                Reply::Answer(after) => (after, Arrival::Reply(to, ttl(to), echo)),
                Reply::Error(after) => (after, Arrival::Error(to, echo, "net-unreachable")),
                Reply::Hint(after) => (after, Arrival::Hint(to, echo)),
                Reply::Lost => continue,
            };
            arrivals.insert((now + after, (number, arrivals.len())), arrival);
        }
        match check.verdict(now, false) {
            Verdict::Undecided => {}
            verdict => return Outcome { verdict, took: now.saturating_sub(start), targets, tests },
        }
        let wake = check.wake();
        assert!(wake > now, "the check would spin at {now:?}");
        now = arrivals.first_key_value().map_or(wake, |(&(at, _), _)| at.min(wake));
        while let Some(first) = arrivals.first_entry().filter(|first| first.key().0 <= now) {
            match first.remove() {
                Arrival::Reply(from, ttl, echo) => {
                    check.echoed((from, Some(ttl)), &echo, now, Duration::ZERO);
                }
                Arrival::Error(to, echo, error) => {
                    let quote = Quote { sequence: echo.sequence, token: &echo.token };
                    check.failed(to, quote, error, now);
                }
                Arrival::Hint(to, echo) => {
                    let quote = Quote { sequence: echo.sequence, token: &[] };
                    assert!(!check.failed(to, quote, "host-unreachable", now));
                }
            }
        }
    }
    unreachable!()
}

/// A check without a test of the gateway, over an honest one.
fn run(check: &mut RunningCheck, start: Duration, seed: u64, mut reply: impl FnMut(IpAddr) -> Reply) -> Outcome {
    run_timed(check, start, seed, |to, _| reply(to))
}

fn run_timed(
    check: &mut RunningCheck,
    start: Duration,
    seed: u64,
    mut reply: impl FnMut(IpAddr, Duration) -> Reply,
) -> Outcome {
    let outcome = play(check, &mut Network { reply: &mut reply, gateway: Gateway::Honest }, start, (seed, false));
    if outcome.verdict != Verdict::Unsettled {
        check.finish(start + outcome.took, outcome.verdict == Verdict::Up);
    }
    outcome
}

/// A check whose targets are known to answer after `rtt`.
fn learned(required: usize, count: u8, rtt: Duration) -> RunningCheck {
    let mut check = check(required, count, 1, Duration::from_secs(2));
    for n in 0..30 {
        let start = Duration::from_secs(50) + Duration::from_secs(1) * n;
        assert_eq!(run(&mut check, start, u64::from(n), |_| Reply::Answer(rtt)).verdict, Verdict::Up);
    }
    check
}

proptest! {
    #[test]
    fn a_healthy_check_asks_no_more_than_it_needs(
        (count, required) in (1u8..8).prop_flat_map(|count| (Just(count), 1..=usize::from(count))),
        rtts in prop::collection::vec(0u64..100, 8), seed: u64,
    ) {
        let mut check = check(required, count, 3, Duration::from_secs(2));
        let rtt = |to: IpAddr| Reply::Answer(MS * u32::try_from(rtts[addresses(8).iter().position(|a| *a == to).unwrap()]).unwrap());
        let outcome = run(&mut check, START, seed, rtt);
        prop_assert_eq!((outcome.verdict, outcome.targets.len()), (Verdict::Up, required));
        prop_assert_eq!(check.figures(START).loss, Some(0.0));
    }

    #[test]
    fn a_dead_uplink_costs_the_timeouts_and_nothing_more(count in 1u8..8, tries in 1u32..4, timeout in 20u32..3000, seed: u64) {
        let mut check = check(1, count, tries, MS * timeout);
        let outcome = run(&mut check, START, seed, |_| Reply::Lost);
        prop_assert_eq!(outcome.verdict, Verdict::Down);
        prop_assert!(outcome.took <= MS * timeout * tries);
        let end = START + outcome.took;
        prop_assert_eq!(check.figures(end).loss, Some(1.0));
        prop_assert!(check.answers(end).all(|answer| answer.result == Err(Some("timeout"))));
        prop_assert_eq!(check.answers(end).count(), usize::from(count));
    }

    #[test]
    fn an_unreachable_net_is_judged_as_soon_as_it_is_told(count in 1u8..8, after in 0u32..100, seed: u64) {
        let mut check = check(1, count, 1, Duration::from_secs(2));
        let outcome = run(&mut check, START, seed, |_| Reply::Error(MS * after));
        prop_assert_eq!((outcome.verdict, outcome.took <= MS * after * 2), (Verdict::Down, true));
        prop_assert!(check.answers(START).all(|answer| answer.result == Err(Some("net-unreachable"))));
    }

    #[test]
    fn whatever_happens_a_check_ends_in_time_and_is_up_only_with_enough_answers(
        (count, required) in (1u8..8).prop_flat_map(|count| (Just(count), 1..=usize::from(count))),
        tries in 1u32..4, timeout in 20u32..1000, seed: u64,
        counts in prop::collection::vec((0u8..7, 0u32..1500), 64),
    ) {
        let mut check = check(required, count, tries, MS * timeout);
        let mut counts = counts.into_iter().cycle();
        let outcome = run(&mut check, START, seed, |_| match counts.next().unwrap() {
            (0 | 1, _) => Reply::Lost,
            (2, after) => Reply::Error(MS * after),
            (3, after) => Reply::Hint(MS * after),
            (_, after) => Reply::Answer(MS * after),
        });
        prop_assert!(outcome.took <= MS * timeout * tries);
        let answered = check.answers(START + outcome.took).filter(|answer| answer.result.is_ok()).count();
        match outcome.verdict {
            Verdict::Up => prop_assert!(answered >= required),
            verdict => prop_assert!(matches!(verdict, Verdict::Down | Verdict::Unsettled), "{verdict:?}"),
        }
    }
}

#[test]
fn a_dead_line_whose_targets_are_known_is_judged_in_a_moment() {
    for rtt in [1, 30, 90] {
        let mut check = learned(4, 6, MS * rtt);
        let outcome = run(&mut check, START, 1, |_| Reply::Lost);
        assert_eq!((outcome.verdict, outcome.targets.len()), (Verdict::Down, 24));
        assert!(outcome.took <= FLOOR + MS * (rtt * 3 + 60), "{:?} with {rtt} ms", outcome.took);
    }
}

#[test]
fn a_clean_return_is_believed_at_once() {
    for (required, count) in [(1, 1), (1, 2), (2, 4), (4, 6)] {
        let mut check = learned(required, count, MS * 20);
        assert_eq!(run(&mut check, START, 1, |_| Reply::Lost).verdict, Verdict::Down);
        let outcome = run(&mut check, START + MS * 1000, 2, |_| Reply::Answer(MS * 20));
        assert!(outcome.verdict == Verdict::Up && outcome.took <= MS * 80, "{required} of {count}: {outcome:?}");
        // One target that is dead for itself delays it no more.
        let dead = addresses(count)[0];
        if usize::from(count) > required {
            let later = START + Duration::from_secs(2000);
            assert_eq!(run(&mut check, later, 3, |_| Reply::Lost).verdict, Verdict::Down);
            let reply = |to| if to == dead { Reply::Lost } else { Reply::Answer(MS * 20) };
            let outcome = run(&mut check, later + MS * 1000, 4, reply);
            assert!(outcome.verdict == Verdict::Up && outcome.took <= MS * 200, "{required} of {count}: {outcome:?}");
        }
    }
}

#[test]
fn a_target_that_is_dead_is_no_failure() {
    let mut check = learned(4, 6, MS * 20);
    let dead = addresses(6)[2];
    for seed in 0..200 {
        let reply = |to| if to == dead { Reply::Lost } else { Reply::Answer(MS * 20) };
        let outcome = run(&mut check, START + Duration::from_secs(seed), seed, reply);
        assert!(outcome.verdict == Verdict::Up && outcome.targets.len() <= 6);
    }
}

#[test]
fn a_busy_line_is_waited_for() {
    let mut check = learned(1, 1, MS);
    check.begin(START, &mut fastrand::Rng::with_seed(1), |_| true, false);
    let (_, echo) = check.ask(0, [7; 16], START).unwrap();
    let mut now = START;
    while now < START + Duration::from_secs(1) {
        now = check.wake().max(now + MS);
        check.advance(now);
        while let Some(turn) = check.due(now) {
            check.ask(turn, [8; 16], now);
        }
        assert_eq!(check.verdict(now, true), Verdict::Undecided);
    }
    assert_eq!(check.echoed((addresses(1)[0], Some(FAR)), &echo, now, Duration::ZERO), Heard::Answer);
    assert_eq!(check.verdict(now, true), Verdict::Up);
    now = START + Duration::from_secs(2);
    assert_eq!(check.verdict(now, false), Verdict::Unsettled, "perhaps it answers one question a second");
}

#[test]
fn a_gateway_that_answers_itself_is_found_out() {
    for (test, gateway, verdict) in [
        (true, Gateway::Captive, Verdict::Down),
        (true, Gateway::Honest, Verdict::Up),
        (true, Gateway::Silent, Verdict::Up),
        (false, Gateway::Captive, Verdict::Down),
    ] {
        let mut check = check(4, 6, 1, Duration::from_secs(2));
        let mut reply = |_, _| Reply::Answer(MS * 2);
        let outcome = play(&mut check, &mut Network { reply: &mut reply, gateway }, START, (3, test));
        assert_eq!((outcome.verdict, check.is_captive()), (verdict, gateway == Gateway::Captive), "{gateway:?} {test}");
        assert!(outcome.took < MS * 20, "{:?}", outcome.took);
        if verdict == Verdict::Up {
            assert_eq!((outcome.tests, outcome.targets.len()), (1, 4));
        }
    }
}

#[test]
fn one_test_is_enough_until_answers_come_another_way() {
    let mut check = learned(4, 6, MS * 5);
    let mut tests = |gateway, seconds| {
        let mut reply = |_, _| Reply::Answer(MS * 5);
        let start = START + Duration::from_secs(seconds);
        let outcome = play(&mut check, &mut Network { reply: &mut reply, gateway }, start, (seconds, false));
        (outcome.verdict, outcome.tests)
    };
    assert_eq!(tests(Gateway::Honest, 0), (Verdict::Up, 0));
    let (verdict, count) = tests(Gateway::Captive, 1);
    assert!(verdict == Verdict::Down && count >= 3, "{count} tests");
    assert_eq!(tests(Gateway::Captive, 2).0, Verdict::Down, "it stays found out");
    assert_eq!(tests(Gateway::Honest, 3).0, Verdict::Up);
    for seconds in 4..8 {
        assert_eq!(tests(Gateway::Impostor, seconds).0, Verdict::Down, "answers are nearer than they were");
    }
    assert_eq!(tests(Gateway::Honest, 9), (Verdict::Up, 0));
}

#[test]
fn where_the_time_to_live_is_set_anew_only_an_answer_for_nobody_tells() {
    for ttl in [FAR, MADE_UP, 255] {
        let mut check = check(4, 6, 1, Duration::from_secs(2));
        let mut tests = |gateway, seconds, test| {
            let mut reply = |_, _| Reply::Answer(MS * 5);
            let start = START + Duration::from_secs(seconds);
            let outcome = play(&mut check, &mut Network { reply: &mut reply, gateway }, start, (seconds, test));
            (outcome.verdict, outcome.tests)
        };
        let counts: Vec<_> = (0..8).map(|n| tests(Gateway::Rewritten(ttl), n, n == 0)).collect();
        assert!(counts.iter().all(|(verdict, _)| *verdict == Verdict::Up), "{counts:?}");
        assert_eq!(counts[6].1 + counts[7].1, 0, "it is used to them: {counts:?}");
        assert_eq!(tests(Gateway::Rewritten(ttl), 9, true), (Verdict::Up, 2));
        assert_eq!(tests(Gateway::Captive, 10, true).0, Verdict::Down);
        assert_eq!(tests(Gateway::Captive, 11, false).0, Verdict::Down, "it stays found out");
        assert_eq!(tests(Gateway::Rewritten(ttl), 12, false).0, Verdict::Up);
    }
}

#[test]
fn a_target_is_never_taken_for_nobody() {
    let targets: Vec<_> = [[198, 51, 100, 1], [203, 0, 113, 1]].map(|at| Target::Echo(at.into())).into();
    let timing = Timing { required: 1, tries: 1, timeout: Duration::from_secs(1) };
    let check = RunningCheck::new(timing, &targets, Window::new(50, Limits::default()));
    let nobody = |random: u8| check.nobody(targets[0].address(), [random; 16]);
    for random in 0..=255 {
        assert!(matches!(nobody(random), IpAddr::V4(address) if matches!(address.octets(), [192, 0, 2, 1..=254])));
    }
}

#[test]
fn an_answer_to_the_last_check_is_late_and_a_third_one_a_duplicate() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut check = check(1, 1, 1, Duration::from_secs(1));
    check.begin(START, &mut rng, |_| true, false);
    let (target, old) = check.ask(0, [7; 16], START).unwrap();
    let to = target.address();
    let later = START + Duration::from_secs(2);
    check.begin(later, &mut rng, |_| true, false);
    check.ask(0, [7; 16], later).unwrap();
    assert_eq!(check.echoed((to, Some(FAR)), &old, later, Duration::ZERO), Heard::Late);
    assert_eq!(check.echoed((to, Some(FAR)), &old, later, Duration::ZERO), Heard::Nothing);
    let ignored = check.take_ignored();
    assert_eq!((ignored.late, ignored.duplicate, check.tally(START).answered), (1, 1, 0));
}

#[test]
fn what_nobody_waited_for_is_answered_or_lost_in_its_time() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut check = check(1, 3, 1, Duration::from_secs(1));
    check.begin(START, &mut rng, |_| true, false);
    let mut ask = |turn| {
        let (target, echo) = check.ask(turn, [7; 16], START).unwrap();
        (target.address(), echo)
    };
    let asked = [ask(0), ask(1), ask(2)];
    let hear = |check: &mut RunningCheck, n: usize, millis| {
        let (to, echo) = asked[n];
        check.echoed((to, Some(FAR)), &echo, START + MS * millis, Duration::ZERO)
    };
    assert_eq!(hear(&mut check, 0, 20), Heard::Answer);
    assert_eq!(
        check.finish(START + MS * 20, true).figures().map(|window| (window.probes, window.loss)),
        Some((1, 0.0))
    );
    assert_eq!(hear(&mut check, 1, 90), Heard::Answer, "in time, though nobody waits for it");
    check.begin(START + MS * 1500, &mut rng, |_| true, false);
    let figures = check.finish(START + MS * 1500, true).figures().unwrap();
    assert_eq!((figures.probes, figures.loss, check.take_ignored().late), (3, 0.333, 0));
    assert_eq!(hear(&mut check, 2, 1600), Heard::Late);
}

#[test]
fn a_late_answer_that_was_not_counted_yet_does_not_hide_the_loss_of_another() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut check = check(1, 1, 1, Duration::from_secs(1));
    let mut ask = |check: &mut RunningCheck, at| {
        check.begin(at, &mut rng, |_| true, false);
        let (target, echo) = check.ask(0, [7; 16], at).unwrap();
        (target.address(), echo)
    };
    ask(&mut check, START);
    let second = START + MS * 2000;
    let (to, echo) = ask(&mut check, second);
    assert_eq!(check.echoed((to, Some(FAR)), &echo, second + MS * 1001, Duration::ZERO), Heard::Late);
    let figures = check.finish(second + MS * 1002, true).figures().unwrap();
    assert_eq!((figures.probes, figures.loss), (2, 0.5));
}

#[test]
fn what_cannot_be_answered_any_more_is_lost_only_if_its_time_was_over() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut check = check(1, 3, 1, Duration::from_secs(1));
    check.begin(START, &mut rng, |_| true, false);
    let asked = [0, 1, 2].map(|turn| check.ask(turn, [7; 16], START).unwrap().1.sequence);
    check.answered(asked[0], MS * 20);
    check.finish(START + MS * 20, true);
    check.abandoned(asked[1], START + MS * 20);
    check.abandoned(asked[2], START + MS * 1000);
    check.begin(START + MS * 1500, &mut rng, |_| true, false);
    let figures = check.finish(START + MS * 1500, true).figures().unwrap();
    assert_eq!((figures.probes, figures.loss), (2, 0.5));
}

#[test]
fn a_short_break_does_not_spoil_the_window() {
    let mut check = learned(4, 6, MS * 5);
    let before = check.finish(START, true).figures().unwrap();
    let outcome = run(&mut check, START, 1, |_| Reply::Lost);
    assert_eq!(outcome.verdict, Verdict::Down);
    assert_eq!(check.finish(START + MS * 900, false).figures(), Some(before));
    assert_eq!(run(&mut check, START + MS * 1000, 2, |_| Reply::Answer(MS * 5)).verdict, Verdict::Up);
    assert_eq!(check.finish(START + MS * 1100, true).figures().map(|window| window.loss), Some(0.0));
}

#[test]
fn an_answer_that_waited_here_was_in_time_and_an_impossible_wait_is_ignored() {
    let second = Duration::from_secs(1);
    let answered = |now, waited| {
        let mut check = check(1, 1, 1, second);
        check.begin(START, &mut fastrand::Rng::with_seed(1), |_| true, false);
        let (target, echo) = check.ask(0, [7; 16], START).unwrap();
        let to = target.address();
        let heard = check.echoed((to, Some(FAR)), &echo, START + now, waited);
        (heard == Heard::Answer).then(|| check.figures(START).rtt_ms.unwrap())
    };
    assert_eq!(answered(second * 9, Duration::from_millis(8980)), Some(20.0));
    assert_eq!(answered(second * 9, Duration::ZERO), None);
    assert_eq!(answered(Duration::from_millis(30), second * 3600), Some(30.0));
}

#[test]
fn without_room_to_send_nothing_is_said_about_the_uplink() {
    let mut check = check(1, 1, 1, Duration::from_secs(1));
    check.begin(START, &mut fastrand::Rng::with_seed(1), |_| true, false);
    let (_, echo) = check.ask(0, [7; 16], START).unwrap();
    check.unasked(echo.sequence, START);
    let end = START + Duration::from_secs(1);
    check.advance(end);
    assert_eq!((check.verdict(end, false), check.answers(end).count()), (Verdict::Inconclusive, 0));
    assert_eq!(check.figures(end).loss, None);
}
