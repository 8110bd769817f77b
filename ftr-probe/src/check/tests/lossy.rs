//! Lines that lose packets, and targets that answer one question a second.

use super::*;

/// Checks of a line that loses packets.
const CHECKS: u32 = 4000;
/// Lines that are watched for ten minutes.
const SEEDS: u64 = 5;
const SECOND: Duration = Duration::from_secs(1);

/// How many checks fail on a line that loses each packet with this chance, in either direction.
fn failures(loss: f64, seed: u64) -> u32 {
    let mut check = learned(4, 6, MS * 20);
    let mut rng = fastrand::Rng::with_seed(seed);
    let unanswered = 1.0 - (1.0 - loss) * (1.0 - loss);
    let down = (0..CHECKS).filter(|n| {
        let start = START + Duration::from_secs(1) * *n;
        let reply = |_| if rng.f64() < unanswered { Reply::Lost } else { Reply::Answer(MS * 20) };
        run(&mut check, start, u64::from(*n), reply).verdict == Verdict::Down
    });
    u32::try_from(down.count()).unwrap()
}

#[test]
fn some_loss_is_no_failure_and_much_loss_is() {
    assert!(failures(0.10, 7) <= CHECKS / 1000, "one packet in ten, each way");
    assert!(failures(0.50, 7) >= CHECKS / 10 * 9, "half of all packets, each way");
}

/// How the state of a line changes in ten minutes of checks, a second apart: how often it goes down and comes back, and
/// how many of the checks found it down. Each packet is lost with this chance, in either direction. `limit`: every target
/// answers one question a second.
fn ten_minutes(loss: f64, limit: bool, seed: u64) -> (u32, u32) {
    let mut check = learned(4, 6, MS * 20);
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut start, mut up, mut moves, mut downs) = (START, true, 0, 0);
    for n in 0.. {
        if start >= START + Duration::from_secs(600) {
            break;
        }
        let mut used = std::collections::BTreeSet::new();
        let reply = |to| {
            let arrives = rng.f64() >= loss && (!limit || used.insert(to));
            if arrives && rng.f64() >= loss { Reply::Answer(MS * 20) } else { Reply::Lost }
        };
        let outcome = run(&mut check, start, n, reply);
        start += Duration::from_millis(if outcome.verdict == Verdict::Unsettled { 1100 } else { 1000 });
        let now = if outcome.verdict == Verdict::Unsettled { up } else { outcome.verdict == Verdict::Up };
        moves += u32::from(now != up);
        downs += u32::from(!now);
        up = now;
    }
    (moves, downs)
}

#[test]
fn a_lossy_line_goes_down_and_stays_down() {
    for (loss, most) in [(0.1, 0), (0.3, 2), (0.4, 2), (0.5, 2)] {
        for seed in 0..SEEDS {
            let (moves, downs) = ten_minutes(loss, false, seed);
            assert!(moves <= most, "{moves} moves with {loss}, seed {seed}");
            assert!(loss < 0.2 || downs > 500, "{downs} of 600 with {loss}, seed {seed}");
        }
    }
}

#[test]
fn targets_that_answer_one_question_a_second_do_not_spoil_a_line() {
    for seed in 0..SEEDS {
        assert_eq!(ten_minutes(0.1, true, seed), (0, 0), "seed {seed}");
        let (moves, downs) = ten_minutes(0.5, true, seed);
        assert!(moves <= 2 && downs > 500, "{moves} moves, {downs} of 600, seed {seed}");
    }
    let mut check = learned(4, 6, MS * 20);
    let outcome = run(&mut check, START, 1, |_| Reply::Lost);
    assert!(outcome.verdict == Verdict::Down && outcome.took < MS * 200, "nothing at all came back: {outcome:?}");
}

/// Whether a line is believed again within twenty seconds of its second outage, over this round trip, where every target answers
/// one question a second.
fn returns_from_a_second_outage(rtt: Duration) -> bool {
    let mut check = learned(2, 4, rtt);
    let outages = [START + SECOND * 2..START + SECOND * 7, START + SECOND * 16..START + SECOND * 21];
    let mut answered: BTreeMap<IpAddr, Duration> = BTreeMap::new();
    let (mut now, mut is_up) = (START, true);
    for seed in 0.. {
        if now >= START + SECOND * 41 {
            break;
        }
        let mut reply = |to, at: Duration| {
            if outages.iter().any(|outage| outage.contains(&at))
                || answered.get(&to).is_some_and(|last| at < *last + SECOND)
            {
                return Reply::Lost;
            }
            answered.insert(to, at);
            Reply::Answer(rtt)
        };
        let mut network = Network { reply: &mut reply, gateway: Gateway::Honest };
        let outcome = play(&mut check, &mut network, now, (seed, false));
        is_up = if outcome.verdict == Verdict::Unsettled { is_up } else { outcome.verdict == Verdict::Up };
        let end = now + outcome.took;
        check.finish(end, outcome.verdict == Verdict::Up);
        now = if check.is_slow_to_prove() { end + MS * 1100 } else { now + SECOND * 2 };
    }
    is_up
}

#[test]
fn a_line_whose_targets_answer_one_question_a_second_comes_back_each_time() {
    for rtt in [20, 60, 80, 150, 300] {
        assert!(returns_from_a_second_outage(MS * rtt), "{rtt} ms");
    }
}
