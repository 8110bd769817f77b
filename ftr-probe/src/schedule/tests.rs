use super::{CONFIRMATIONS, STEP, Schedule, Timing};
use crate::estimate::{Estimate, FLOOR};
use crate::verdict::{Confirmation, Verdict};
use proptest::prelude::*;
use std::time::Duration;

const START: Duration = Duration::from_secs(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn heard(rtt: Duration) -> Estimate {
    let mut estimate = Estimate::default();
    (0..30).for_each(|_| estimate.learn(rtt));
    estimate
}

/// A check of targets that usually take `rtt`, or were never heard.
fn begun(required: usize, count: usize, tries: u32, timeout: u64, rtt: Option<Duration>) -> Schedule {
    let mut schedule = Schedule::new(Timing { required, tries, timeout: ms(timeout) });
    schedule.begin((0..count).map(|_| rtt.map(heard).unwrap_or_default()), START, None);
    schedule
}

/// Lets time pass, asks whoever is due, and tells their numbers.
fn ask(schedule: &mut Schedule, count: usize, now: Duration) -> Vec<usize> {
    schedule.advance(now);
    let due: Vec<_> = (0..count).filter(|&target| schedule.is_due(target, now)).collect();
    for &target in &due {
        schedule.sent(target, now);
    }
    due
}

/// A check in which nobody answers: when who is asked, in milliseconds from its start, and when it is over.
fn silence(schedule: &mut Schedule, count: usize) -> (Vec<(u128, usize)>, u128) {
    let (mut now, mut asked, mut sent) = (START, Vec::new(), 0);
    for _ in 0..100 {
        let due = ask(schedule, count, now);
        if !due.is_empty() {
            asked.push((now.saturating_sub(START).as_millis(), due.len()));
        }
        sent += due.len();
        let over = now >= schedule.deadline();
        match schedule.tally((sent, 0, sent), now).verdict(over) {
            Verdict::Undecided => {}
            verdict => {
                assert_eq!(verdict, Verdict::Down);
                return (asked, now.saturating_sub(START).as_millis());
            }
        }
        assert!(schedule.wake() > now, "asleep for ever at {now:?}");
        now = schedule.wake();
    }
    panic!("never over: {schedule:?}");
}

#[test]
fn a_dead_line_whose_targets_are_known_is_judged_soon() {
    let (asked, over) = silence(&mut begun(4, 6, 1, 2000, Some(Duration::from_micros(300))), 6);
    // The first four; all, three times, once these are late and the reserve alone could not save the check.
    assert_eq!(asked, [(0, 4), (10, 6), (20, 6), (30, 6)]);
    assert_eq!(over, 30 + FLOOR.as_millis());
}

#[test]
fn a_dead_line_whose_targets_are_unknown_is_judged_when_the_timeout_is_over() {
    for (timeout, first, second) in [(2000, 500, 1000), (450, 112, 225), (120, 40, 80)] {
        let (asked, over) = silence(&mut begun(2, 6, 1, timeout, None), 6);
        let step = STEP.as_millis().min(u128::from(timeout) / 12);
        assert_eq!(asked[..3], [(0, 2), (first, 4), (second, 6)], "timeout {timeout}");
        assert_eq!(asked[4].0, asked[2].0 + 2 * step);
        assert_eq!(over, u128::from(timeout));
    }
}

#[test]
fn tries_come_before_doubt() {
    let (asked, over) = silence(&mut begun(1, 1, 3, 1000, Some(ms(40))), 1);
    let times: Vec<_> = asked.iter().map(|(at, _)| *at).collect();
    assert_eq!(times[..3], [0, 100, 200]);
    assert_eq!((times.len(), u32::try_from(times.len()).unwrap() - 3), (6, CONFIRMATIONS));
    assert_eq!(over, times[5] + 100);
}

#[test]
fn a_slow_line_is_not_doubted_before_its_answers_can_be_there() {
    let mut schedule = begun(2, 3, 1, 450, Some(ms(300)));
    assert_eq!(ask(&mut schedule, 3, START), [0, 1]);
    assert!(schedule.wake() >= START + ms(300));
    schedule.answered(0, ms(300));
    assert_eq!(ask(&mut schedule, 3, START + ms(305)), [0; 0]);
    schedule.answered(1, ms(300));
    assert_eq!(schedule.tally((2, 2, 0), START + ms(306)).confirmation, Confirmation::NotNeeded);
}

#[test]
fn a_target_that_never_answered_calls_the_reserve_and_no_more() {
    let mut schedule = Schedule::new(Timing { required: 2, tries: 1, timeout: ms(2000) });
    let fast = heard(ms(1));
    schedule.begin([fast, Estimate::default(), fast].into_iter(), START, None);
    assert_eq!(ask(&mut schedule, 3, START), [0, 1]);
    schedule.answered(0, ms(300));
    assert_eq!(ask(&mut schedule, 3, START + ms(500)), [2]);
    schedule.answered(2, ms(1));
    assert_eq!(schedule.tally((3, 2, 1), START + ms(502)).verdict(false), Verdict::Up);
}

#[test]
fn the_reserve_is_called_when_one_has_failed_and_what_is_refused_is_not_doubted() {
    let mut schedule = begun(1, 3, 1, 2000, None);
    assert_eq!(ask(&mut schedule, 3, START), [0]);
    schedule.failed(0, START + ms(3));
    assert_eq!(ask(&mut schedule, 3, START + ms(3)), [1, 2]);
    let tally = schedule.tally((3, 0, 2), START + ms(3));
    assert_eq!((tally.open, tally.confirmation), (2, Confirmation::NotNeeded));
    schedule.failed(1, START + ms(4));
    schedule.failed(2, START + ms(4));
    assert_eq!(schedule.tally((3, 0, 0), START + ms(4)).verdict(false), Verdict::Down);
    assert_eq!(ask(&mut schedule, 3, START + ms(5)), [0; 0]);
}

#[test]
fn without_room_to_send_it_is_tried_again_soon() {
    let mut schedule = begun(1, 1, 1, 2000, None);
    assert_eq!(ask(&mut schedule, 1, START), [0]);
    schedule.unsent(0, START);
    assert_eq!(schedule.wake(), START + ms(10));
    assert_eq!(ask(&mut schedule, 1, START + ms(9)), [0; 0]);
    assert_eq!(ask(&mut schedule, 1, START + ms(10)), [0]);
}

#[test]
fn a_host_that_was_asleep_does_not_blame_the_uplink() {
    for nap in [1900, 2100, 100_000] {
        let mut schedule = begun(2, 3, 1, 2000, None);
        assert_eq!(ask(&mut schedule, 3, START), [0, 1]);
        let now = START + ms(nap);
        assert_eq!(ask(&mut schedule, 3, now), [0; 0]);
        let deadline = schedule.deadline();
        assert!(schedule.wake() <= deadline);
        assert_eq!(schedule.tally((2, 0, 0), now.max(deadline)).verdict(true), Verdict::Inconclusive);
    }
}

/// A check of six targets that were down, after their first answers came back; `proof` questions are to be answered.
fn proving(proof: usize, rtt: Duration) -> Schedule {
    let mut schedule = Schedule::new(Timing { required: 4, tries: 1, timeout: ms(2000) });
    schedule.begin((0..6).map(|_| heard(ms(20))), START, Some(proof));
    assert_eq!(ask(&mut schedule, 6, START).len(), 4);
    schedule.answered(0, rtt);
    schedule
}

#[test]
fn a_line_that_was_down_and_stays_silent_is_not_asked_again() {
    let mut schedule = Schedule::new(Timing { required: 4, tries: 1, timeout: ms(2000) });
    schedule.begin((0..6).map(|_| heard(ms(20))), START, Some(0));
    let (asked, over) = silence(&mut schedule, 6);
    assert_eq!((asked, over), (vec![(0, 4), (30, 2)], 130));
}

#[test]
fn what_a_line_has_to_prove_beyond_the_first_questions_is_asked_a_round_trip_apart() {
    let mut schedule = proving(40, ms(20));
    let mut asked = Vec::new();
    for after in 20..400 {
        if !ask(&mut schedule, 6, START + ms(after)).is_empty() {
            asked.push(after);
        }
    }
    assert_eq!(asked[..3], [20, 30, 40]);
    assert!(asked[2..].windows(2).all(|two| two[1] - two[0] >= 30), "{asked:?}");
    assert!(asked.len() > 8, "{asked:?}");
}

#[test]
fn a_late_answer_is_a_queue_and_what_stands_in_it_is_waited_for() {
    let mut schedule = proving(40, ms(20));
    for after in 20..200 {
        ask(&mut schedule, 6, START + ms(after));
    }
    assert_eq!(schedule.queue(), Duration::ZERO);
    schedule.answered(1, ms(200));
    assert_eq!(schedule.queue(), ms(400));
    assert_eq!(ask(&mut schedule, 6, START + ms(398)), [0; 0]);
    assert_eq!(ask(&mut schedule, 6, START + ms(399)).len(), 6, "no more before the queue had time to shrink");
    schedule.answered(2, ms(1500));
    assert_eq!(schedule.queue(), ms(2000), "no longer than the timeout");
}

proptest! {
    #[test]
    fn silence_always_ends_in_time_and_after_everyone_was_asked(
        count in 1usize..8, required in 1usize..8, tries in 1u32..4, timeout in 20u64..3000,
        rtt in proptest::option::of(1u64..4000),
    ) {
        let required = required.min(count);
        let mut schedule = begun(required, count, tries, timeout, rtt.map(ms));
        let (asked, over) = silence(&mut schedule, count);
        prop_assert!(over <= u128::from(timeout) * u128::from(tries) + 1);
        let probes: usize = asked.iter().map(|(_, probes)| probes).sum();
        prop_assert!((count * CONFIRMATIONS as usize..=count * (tries + CONFIRMATIONS) as usize).contains(&probes));
    }
}
