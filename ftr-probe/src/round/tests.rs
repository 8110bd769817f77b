//! Whole checks against a simulated network and a virtual clock.

use super::Round;
use crate::icmp::{Echo, Quote};
use crate::schedule::Timing;
use crate::verdict::Verdict;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const START: Duration = Duration::from_secs(100);

/// What becomes of a try: an answer or an error after some milliseconds, or nothing.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answer(u64),
    Error(u64),
    Lost,
}

/// A question that was sent: when, to whom, and what became of it.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Duration,
    to: IpAddr,
    echo: Echo,
    fate: Fate,
}

fn targets(count: u8) -> Vec<IpAddr> {
    (1..=count).map(|last| IpAddr::from([192, 0, 2, last])).collect()
}

/// Plays a whole check against a network in which the n-th packet has the n-th fate, and against a clock that
/// jumps from one moment at which something happens to the next.
fn play(round: &mut Round, fates: &[Fate], seed: u64) -> (Verdict, Duration, Vec<Sent>) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut sent: Vec<Sent> = Vec::new();
    let mut arrivals: BTreeMap<(Duration, usize), Sent> = BTreeMap::new();
    let mut now = START;
    round.begin(now, &mut rng);
    loop {
        round.advance(now);
        for question in 0..round.len() {
            if round.is_due(question, now) {
                let (to, echo) = round.ask(question, rng.u128(..).to_ne_bytes(), now).unwrap();
                let one = Sent { at: now, to, echo, fate: fates[sent.len()] };
                if let Fate::Answer(after) | Fate::Error(after) = one.fate {
                    arrivals.insert((now + Duration::from_millis(after), sent.len()), one);
                }
                sent.push(one);
            }
        }
        match round.verdict(now) {
            Verdict::Undecided => {}
            verdict => return (verdict, now, sent),
        }
        let wake = round.wake();
        assert!(wake > now, "the check would spin");
        now = arrivals.first_key_value().map_or(wake, |(&(at, _), _)| at.min(wake));
        while let Some(first) = arrivals.first_entry().filter(|first| first.key().0 <= now) {
            let Sent { to, echo, fate, .. } = first.remove();
            match fate {
                Fate::Answer(_) => drop(round.answered(to, &echo, now, Duration::ZERO)),
                _ => drop(round.failed(to, quote(&echo), "net-unreachable", now)),
            }
        }
    }
}

fn quote(echo: &Echo) -> Quote<'_> {
    Quote { sequence: echo.sequence, token: &echo.token[..3] }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![3 => (0u64..3000).prop_map(Fate::Answer), 1 => (0u64..500).prop_map(Fate::Error), 2 => Just(Fate::Lost)]
}

proptest! {
    #[test]
    fn the_verdict_is_right_and_comes_as_soon_as_it_is_certain(
        (count, required) in (1u8..8).prop_flat_map(|count| (Just(count), 1..=count)),
        tries in 1u32..4,
        timeout in 1u64..1000,
        fates in prop::collection::vec(fate(), 24),
        seed: u64,
    ) {
        let timeout = Duration::from_millis(timeout);
        let timing = Timing { required: required.into(), tries, timeout };
        let mut round = Round::new(timing, &targets(count));
        let (verdict, end, sent) = play(&mut round, &fates, seed);
        let deadline = START + timeout * tries;
        prop_assert!(verdict == Verdict::Up || verdict == Verdict::Down, "{:?}", verdict);
        prop_assert!(end <= deadline);
        // Who has answered by when, as the network knows it.
        let mut answers: BTreeMap<IpAddr, Duration> = BTreeMap::new();
        for one in &sent {
            if let Fate::Answer(after) = one.fate {
                let at = one.at + Duration::from_millis(after);
                let first = answers.entry(one.to).or_insert(at);
                *first = at.min(*first);
            }
        }
        let mut in_time: Vec<_> = answers.values().copied().filter(|&at| at <= deadline).collect();
        in_time.sort_unstable();
        match verdict {
            Verdict::Up => prop_assert_eq!(in_time.get(usize::from(required) - 1), Some(&end)),
            _ if end < deadline => {
                // Only errors make a check fail early: they leave too few targets.
                let dead = targets(count).iter().filter(|&&target| {
                    let failed = |one: &&Sent| matches!(one.fate, Fate::Error(after) if one.at + Duration::from_millis(after) <= end);
                    sent.iter().filter(|one| one.to == target).filter(failed).count() == tries as usize
                }).count();
                prop_assert!(usize::from(count) - dead < usize::from(required));
            }
            _ => prop_assert!(in_time.len() < usize::from(required)),
        }
        // Nobody is asked too often, or again before the timeout.
        for target in targets(count) {
            let asked: Vec<_> = sent.iter().filter(|one| one.to == target).map(|one| one.at).collect();
            prop_assert!(asked.len() <= tries as usize);
            prop_assert!(asked.windows(2).all(|pair| pair[1] >= pair[0] + timeout));
        }
        let figures = round.figures(end);
        prop_assert!(figures.loss.is_none_or(|loss| (0.0..=1.0).contains(&loss)));
    }

    #[test]
    fn a_healthy_check_asks_no_more_than_it_needs(
        (count, required) in (1u8..8).prop_flat_map(|count| (Just(count), 1..=count)),
        fates in prop::collection::vec((0u64..100).prop_map(Fate::Answer), 8),
        seed: u64,
    ) {
        let timing = Timing { required: required.into(), tries: 3, timeout: Duration::from_secs(2) };
        let mut round = Round::new(timing, &targets(count));
        let (verdict, _, sent) = play(&mut round, &fates, seed);
        prop_assert_eq!((verdict, sent.len()), (Verdict::Up, usize::from(required)));
        prop_assert_eq!(round.figures(START).loss, Some(0.0));
    }

    #[test]
    fn a_dead_uplink_costs_the_timeouts_and_nothing_more(count in 1u8..8, tries in 1u32..4, timeout in 1u64..3000, seed: u64) {
        let timeout = Duration::from_millis(timeout);
        let mut round = Round::new(Timing { required: 1, tries, timeout }, &targets(count));
        let (verdict, end, sent) = play(&mut round, &[Fate::Lost; 24], seed);
        prop_assert_eq!((verdict, end), (Verdict::Down, START + timeout * tries));
        prop_assert_eq!(sent.len(), usize::from(count) * tries as usize);
        prop_assert_eq!(round.figures(end).loss, Some(1.0));
        prop_assert!(round.answers(end).all(|answer| answer.fate == Err(Some("timeout"))));
    }

    #[test]
    fn what_was_not_asked_for_does_not_count(
        from: [u8; 4], sequence: u16, token: [u8; 16], quoted in prop::collection::vec(any::<u8>(), 1..20), seed: u64,
    ) {
        let mut round = Round::new(Timing { required: 1, tries: 1, timeout: Duration::from_secs(1) }, &targets(4));
        round.begin(START, &mut fastrand::Rng::with_seed(seed));
        let (to, echo) = round.ask(0, [7; 16], START).unwrap();
        let forged = [
            (from.into(), echo),
            (to, Echo { sequence, ..echo }),
            (to, Echo { token, ..echo }),
            (from.into(), Echo { sequence, token }),
        ];
        for (from, other) in forged.into_iter().filter(|&one| one != (to, echo)) {
            prop_assert!(!round.answered(from, &other, START, Duration::ZERO));
        }
        if !echo.token.starts_with(&quoted) {
            let quote = Quote { sequence: echo.sequence, token: &quoted };
            prop_assert!(!round.failed(to, quote, "net-unreachable", START), "a forged error");
        }
        prop_assert!(round.answered(to, &echo, START, Duration::ZERO));
        prop_assert!(!round.answered(to, &echo, START, Duration::ZERO), "a duplicate");
    }
}

#[test]
fn an_answer_to_the_last_check_is_not_one_to_this() {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut round = Round::new(Timing { required: 1, tries: 1, timeout: Duration::from_secs(1) }, &targets(1));
    round.begin(START, &mut rng);
    let (to, old) = round.ask(0, [7; 16], START).unwrap();
    round.begin(START, &mut rng);
    round.ask(0, [7; 16], START).unwrap();
    assert!(!round.answered(to, &old, START, Duration::ZERO));
}

#[test]
fn an_answer_that_waited_here_was_in_time_and_an_impossible_wait_is_ignored() {
    let second = Duration::from_secs(1);
    let answered = |now, waited| {
        let mut round = Round::new(Timing { required: 1, tries: 1, timeout: second }, &targets(1));
        round.begin(START, &mut fastrand::Rng::with_seed(1));
        let (to, echo) = round.ask(0, [7; 16], START).unwrap();
        round.answered(to, &echo, START + now, waited).then(|| round.figures(START).rtt_ms.unwrap())
    };
    assert_eq!(answered(second * 9, Duration::from_millis(8980)), Some(20.0));
    assert_eq!(answered(second * 9, Duration::ZERO), None);
    assert_eq!(answered(Duration::from_millis(30), second * 3600), Some(30.0));
}

#[test]
fn without_room_to_send_nothing_is_said_about_the_uplink() {
    let mut round = Round::new(Timing { required: 1, tries: 1, timeout: Duration::from_secs(1) }, &targets(1));
    round.begin(START, &mut fastrand::Rng::with_seed(1));
    round.ask(0, [7; 16], START).unwrap();
    round.unasked(START);
    let end = round.wake().max(START + Duration::from_secs(1));
    assert_eq!((round.verdict(end), round.answers(end).count()), (Verdict::Void, 0));
    assert_eq!(round.figures(end).loss, None);
}
