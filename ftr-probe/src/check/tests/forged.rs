//! What somebody makes up who has not seen the targets, or only his own.

use super::*;

proptest! {
    #[test]
    fn an_error_without_proof_ends_nothing_and_only_says_why_no_answer_came(count in 1u8..8, after in 0u32..100, seed: u64) {
        let mut check = check(1, count, 1, Duration::from_secs(2));
        let silent = run(&mut check, START, seed, |_| Reply::Lost);
        let later = START + Duration::from_secs(1000);
        let told = run(&mut check, later, seed, |_| Reply::Hint(MS * after));
        let of = |outcome: &Outcome| (outcome.verdict, outcome.took, outcome.targets.len());
        prop_assert_eq!(of(&told), of(&silent));
        prop_assert_eq!(told.verdict, Verdict::Down);
        let end = later + told.took;
        prop_assert!(check.answers(end).all(|answer| answer.result == Err(Some("host-unreachable"))));
        prop_assert_eq!(check.figures(end).loss, Some(1.0));
    }

    #[test]
    fn what_was_not_asked_for_does_not_count(
        from: [u8; 4], sequence: u16, token: [u8; 16], quoted in prop::collection::vec(any::<u8>(), 1..20), seed: u64,
    ) {
        let mut check = check(1, 4, 1, Duration::from_secs(1));
        check.begin(START, &mut fastrand::Rng::with_seed(seed), |_| true, false);
        let (target, echo) = check.ask(0, [7; 16], START).unwrap();
        let to = target.address();
        let forged = [
            (from.into(), echo),
            (to, Echo { sequence, ..echo }),
            (to, Echo { token, ..echo }),
            (from.into(), Echo { sequence, token }),
        ];
        for (from, other) in forged.into_iter().filter(|&one| one != (to, echo)) {
            prop_assert_eq!(check.echoed((from, Some(FAR)), &other, START, Duration::ZERO), Heard::Nothing);
        }
        if !echo.token.starts_with(&quoted) {
            let quote = Quote { sequence: echo.sequence, token: &quoted };
            prop_assert!(!check.failed(to, quote, "net-unreachable", START), "a forged error");
        }
        prop_assert_eq!(check.echoed((to, Some(FAR)), &echo, START, Duration::ZERO), Heard::Answer);
        prop_assert_eq!(check.echoed((to, Some(FAR)), &echo, START, Duration::ZERO), Heard::Nothing, "a duplicate");
        prop_assert_eq!(check.tally(START).answered, 1);
        let ignored = check.take_ignored();
        prop_assert_eq!(ignored.duplicate, 1);
        prop_assert!(ignored.spoofed + ignored.foreign >= 2 || token == echo.token);
    }
}

/// Somebody who was asked himself, and so knows identifier and addresses, makes up errors about the others.
#[test]
fn errors_that_quote_every_number_there_is_change_nothing() {
    let mut check = learned(4, 6, MS * 20);
    check.begin(START, &mut fastrand::Rng::with_seed(1), |_| true, false);
    let mut asked = Vec::new();
    while let Some(turn) = check.due(START) {
        let (target, echo) = check.ask(turn, fastrand::u128(..).to_ne_bytes(), START).unwrap();
        asked.push((target.address(), echo));
    }
    for to in addresses(6) {
        for sequence in 0..=u16::MAX {
            assert!(!check.failed(to, Quote { sequence, token: &[] }, "host-unreachable", START));
        }
    }
    check.advance(START + MS * 10);
    assert_eq!((check.due(START + MS * 10), check.is_in_doubt()), (None, false), "nobody else is asked");
    for (from, echo) in asked {
        assert_eq!(check.echoed((from, Some(FAR)), &echo, START + MS * 20, Duration::ZERO), Heard::Answer);
    }
    assert_eq!(check.verdict(START + MS * 20, false), Verdict::Up);
}

#[test]
fn half_a_token_is_proof_and_less_is_none() {
    for length in 0..=16 {
        let mut check = check(1, 1, 1, Duration::from_secs(1));
        check.begin(START, &mut fastrand::Rng::with_seed(1), |_| true, false);
        let (target, echo) = check.ask(0, [7; 16], START).unwrap();
        let to = target.address();
        let quote = Quote { sequence: echo.sequence, token: &echo.token[..length] };
        assert_eq!(check.failed(to, quote, "net-unreachable", START), length >= 8, "{length}");
    }
}

#[test]
fn one_target_does_not_make_a_gateway_captive_where_the_time_to_live_is_set_anew() {
    for turncoat in addresses(6) {
        let mut check = check(4, 6, 1, Duration::from_secs(2));
        for n in 0..30 {
            let gateway = if n < 15 { Gateway::Rewritten(FAR) } else { Gateway::Turncoat(FAR, turncoat) };
            let mut reply = |_, _| Reply::Answer(MS * 5);
            let start = START + Duration::from_secs(n);
            let outcome = play(&mut check, &mut Network { reply: &mut reply, gateway }, start, (n, n % 10 == 0));
            assert_eq!(outcome.verdict, Verdict::Up, "{turncoat} {n}");
        }
    }
}
