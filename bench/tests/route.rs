//! `ftr-route` on the real kernel, in small: what `scripts/bench` measures at length.

use ftr_bench::route::back::{self, Return};
use ftr_bench::route::drift::{self, Fight};
use ftr_bench::route::stepwise::{self, CHANGES};
use ftr_bench::route::{flush, foreign, killed, lookups, order, pipeline};
use ftr_lab::suite;
use libtest_mimic::{Failed, Trial};
use std::process::ExitCode;
use std::time::Duration;

/// How soon what is moved has moved at the latest, on a machine that others share.
const MOVED: Duration = Duration::from_secs(1);

type Test = fn(u64) -> Result<(), Failed>;

fn main() -> ExitCode {
    let all: [(&str, Test); 10] = [
        ("what_others_made_stays", what_others_made_stays),
        ("what_is_taken_away_is_back_and_nothing_else_changes", what_is_taken_away_is_back_and_nothing_else_changes),
        ("a_fight_gets_ever_fewer_repairs_and_one_word", a_fight_gets_ever_fewer_repairs_and_one_word),
        ("records_become_routes", records_become_routes),
        ("no_look_up_fails_while_the_active_set_changes", no_look_up_fails_while_the_active_set_changes),
        (
            "no_look_up_fails_while_a_host_leaves_the_former_order",
            no_look_up_fails_while_a_host_leaves_the_former_order,
        ),
        ("the_former_order_and_half_of_it_is_cleared", the_former_order_and_half_of_it_is_cleared),
        ("killed_at_random_moments", killed_at_random_moments),
        ("connections_of_a_dead_uplink_move_when_flushed", connections_of_a_dead_uplink_move_when_flushed),
        ("connections_of_a_dead_uplink_wait_when_kept", connections_of_a_dead_uplink_wait_when_kept),
    ];
    let mut trials: Vec<Trial> = all.into_iter().map(|(name, test)| trial(name, test)).collect();
    trials.extend(CHANGES.map(|change| trial(&format!("stopped_in_{}", change.name), move |_| stopped(change))));
    trials.extend(Return::ALL.map(|which| {
        let name = format!("return_of_{which:?}").to_lowercase();
        trial(&name, move |seed| comes_back(which, seed))
    }));
    suite::run(trials)
}

/// A test whose random choices can be made again: the runner prints the seed when it fails.
fn trial(name: &str, test: impl Fn(u64) -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let seed = fastrand::u64(..);
        eprintln!("seed: {seed}");
        test(seed)
    })
}

fn what_others_made_stays(seed: u64) -> Result<(), Failed> {
    let outcome = foreign::measure(1, 600, seed)?;
    assert_eq!(outcome, foreign::Outcome { entries: 600, ..foreign::Outcome::default() });
    Ok(())
}

/// Rules keep their order, and each entry is as before: the measurement fails where they are not.
fn what_is_taken_away_is_back_and_nothing_else_changes(seed: u64) -> Result<(), Failed> {
    let outcome = drift::measure(60, 20, seed)?;
    assert!(outcome.entries > 40 && outcome.alone.len() == 60 && outcome.together.len() == 20, "{outcome:?}");
    Ok(())
}

fn a_fight_gets_ever_fewer_repairs_and_one_word(seed: u64) -> Result<(), Failed> {
    let Fight { pauses, words } = drift::fight(Duration::from_secs(3), seed)?;
    assert!((6..=20).contains(&pauses.len()), "{pauses:?}");
    let anew = pauses.windows(2).filter(|pair| is_late(pair)).count();
    let calm = 1 + pauses.windows(2).take_while(|pair| !is_late(pair)).count();
    let (first, last) = pauses.split_at(calm).0.split_at(calm / 2);
    assert!(first.iter().max() < last.iter().min(), "{pauses:?}");
    let said = words.matches("again and again").count();
    assert!((1..=1 + anew).contains(&said), "{pauses:?}: {words}");
    Ok(())
}

/// Whether the second repair came much later than it was put off to, for the machine stood still: it is none of the fight any
/// more, which begins anew then.
fn is_late(pair: &[Duration]) -> bool {
    matches!(pair, [one, next] if *next > *one * 2 + Duration::from_millis(50))
}

/// Each has its route: the measurement fails where it has not.
fn records_become_routes(seed: u64) -> Result<(), Failed> {
    assert_eq!(pipeline::through_pipe(10, seed)?.len(), 10);
    assert_eq!(pipeline::through_daemon(2, seed)?.len(), 2);
    Ok(())
}

fn no_look_up_fails_while_the_active_set_changes(_: u64) -> Result<(), Failed> {
    let outcome = lookups::measure(200_000, 100)?;
    assert!(outcome.failed.is_empty() && outcome.asked >= 200_000 && outcome.changes >= 100, "{outcome:?}");
    Ok(())
}

fn no_look_up_fails_while_a_host_leaves_the_former_order(_: u64) -> Result<(), Failed> {
    let outcome = order::measure(10_000)?;
    assert_eq!((outcome.failed, outcome.astray, outcome.incomplete), (0, 0, 0), "{outcome:?}");
    assert!(outcome.asked >= 10_000 && outcome.writes >= outcome.moves * 40, "{outcome:?}");
    Ok(())
}

fn the_former_order_and_half_of_it_is_cleared(seed: u64) -> Result<(), Failed> {
    let half = 1 + usize::try_from(seed % 30).unwrap_or_default();
    for steps in [0, half] {
        assert_eq!(order::cleared(steps)?, 0, "after {steps} steps");
    }
    Ok(())
}

fn killed_at_random_moments(seed: u64) -> Result<(), Failed> {
    let outcome = killed::measure(30, seed)?;
    assert!(outcome.half > 0, "never killed half way: {outcome:?}");
    assert_eq!((outcome.lost, outcome.incomplete), (0, 0), "{outcome:?}");
    Ok(())
}

fn stopped(change: stepwise::Change) -> Result<(), Failed> {
    let outcome = stepwise::measure(change)?;
    assert!(outcome.steps > 1 && outcome.holes.is_empty() && outcome.incomplete.is_empty(), "{outcome:#?}");
    Ok(())
}

fn connections_of_a_dead_uplink_move_when_flushed(seed: u64) -> Result<(), Failed> {
    let outcome = flush::measure("{}", seed)?;
    assert_eq!((outcome.stuck, outcome.hung, outcome.harmed.0), (0, 0, 0), "{outcome:?}");
    assert!(!outcome.moved.is_empty() && !outcome.reset.is_empty() && outcome.harmed.1 > 10, "{outcome:?}");
    // They are elsewhere long before the uplink is back. How soon exactly, `scripts/bench` measures on a machine of its own.
    assert!(outcome.moved.iter().all(|moved| *moved <= MOVED), "{outcome:?}");
    // The next repetition comes at most as much later as the connection has waited already (RFC 6298).
    let repetition = outcome.detection + MOVED;
    assert!(outcome.reset.iter().all(|reset| *reset <= repetition), "{outcome:?}");
    Ok(())
}

/// What the original does always.
fn connections_of_a_dead_uplink_wait_when_kept(seed: u64) -> Result<(), Failed> {
    let outcome = flush::measure("{routing: {connections_on_down: keep}}", seed)?;
    assert!(
        outcome.moved.is_empty() && outcome.reset.is_empty() && outcome.stuck > 0 && outcome.hung > 0,
        "{outcome:?}"
    );
    assert_eq!(outcome.harmed.0, 0, "{outcome:?}");
    Ok(())
}

/// A connection that is just being made when its uplink goes may fail; no other does.
fn comes_back(which: Return, seed: u64) -> Result<(), Failed> {
    let outcome = back::measure(which, 2, seed)?;
    assert!(outcome.back.len() == 2 && outcome.back.iter().all(|back| *back <= Duration::from_secs(1)), "{outcome:?}");
    assert!(outcome.failed.0 > 50 && outcome.failed.1 <= 1, "{outcome:?}");
    Ok(())
}
