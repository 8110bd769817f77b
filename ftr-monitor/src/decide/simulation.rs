//! Days of random faults. Every seed is a configuration and a day; whatever happens, what is decided has to be sound.
//!
//! `FTR_SEEDS=10000 cargo nextest run -p ftr-monitor simulated` plays more of them than the usual; a failure names its seed,
//! and `FTR_SEED=N` plays that one alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use ftr_core::Family;
use ftr_core::record::{Active, Event, EventKind, Record};

use super::Decider;
use super::fixture::config;
use super::play::Play;

/// How many days are played where nobody says otherwise.
const SEEDS: u64 = 200;
/// The seed of the day that is recorded.
const RECORDED: u64 = 17;
const DAY: u64 = 86_400_000;
const HOUR: u64 = 3_600_000;
/// Between two checks of an uplink that tell no news: what time alone decides is decided in between as well.
const INTERVAL: u64 = 600_000;
/// The most returns of an uplink in any hour while another one carries connections, with the usual hold-down: see the
/// property of `damping`.
const RETURNS: usize = 19;

/// What a seed makes of the configuration.
struct Draft {
    ends: [String; 3],
    more: String,
    /// The usual hold-down holds, and nothing but faults moves anything.
    is_bounded: bool,
}

impl Draft {
    fn draw(rng: &mut Rng, hours: bool) -> Self {
        let six = ", ip6: '2001:db8::2', gateway6: 'fe80::1', tests: {ips: [198.51.100.1, '2001:db8:f::1']";
        let end = |rng: &mut Rng| {
            let mut end = String::new();
            if rng.bool() {
                let _ = write!(end, ", priority_group: {}", rng.u8(1..3));
            }
            if hours && rng.u8(0..4) == 0 {
                end.push_str(", active: 08:00-18:00 mon-fri");
            }
            match rng.u8(0..3) {
                0 => {
                    let _ = write!(end, "{six}, fall: {}, rise: {}}}", rng.u8(1..4), rng.u8(1..4));
                }
                1 => {
                    let _ = write!(end, ", tests: {{fall: {}}}", rng.u8(1..4));
                }
                _ => {}
            }
            end
        };
        let ends = [end(rng), end(rng), end(rng)];
        let usual = rng.u8(0..4) > 0;
        let mut keys = Vec::new();
        if !usual {
            keys.push(format!("hold_down: {}s", rng.choice([0, 30, 3600]).unwrap_or_default()));
        }
        for key in ["failback_delay", "min_down"] {
            if rng.u8(0..3) == 0 {
                keys.push(format!("{key}: {}s", rng.u16(1..300)));
            }
        }
        if rng.u8(0..3) == 0 {
            keys.push(format!("failback: {{canary: {}%, for: {}s}}", rng.u8(1..100), rng.u16(1..600)));
        }
        if rng.bool() {
            keys.push("when_all_down: keep".to_owned());
        }
        let policies = "policies: [{name: a, uplinks: [eth2, eth1], failback_delay: 90s}, {name: b, uplinks: eth3}]\n";
        let more = format!("routing: {{{}}}\n{}", keys.join(", "), if rng.bool() { policies } else { "" });
        Self { ends, more, is_bounded: usual && !hours }
    }
}

/// How a line is on a day.
#[derive(Clone, Copy)]
enum Line {
    /// It fails a few times.
    Usual,
    /// It comes and goes, so many seconds apart, for an hour or more.
    Flapping(u64),
    /// It is dead.
    Dead,
}

/// The instants at which a line of a family goes down or comes back.
fn faults(rng: &mut Rng) -> Vec<u64> {
    let line = match rng.u8(0..10) {
        0..=5 => Line::Usual,
        6..=8 => Line::Flapping(rng.u64(2..400)),
        _ => Line::Dead,
    };
    let mut faults = match line {
        Line::Usual => (0..2 * rng.usize(0..6)).map(|_| rng.u64(0..DAY)).collect(),
        Line::Flapping(apart) => {
            let (start, count) = (rng.u64(0..DAY / 2), rng.u64(10..200));
            (0..count).map(|n| start + (n * apart + rng.u64(0..apart)) * 1000).filter(|at| *at < DAY).collect()
        }
        Line::Dead => vec![rng.u64(0..DAY)],
    };
    faults.sort_unstable();
    faults
}

/// What happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Check(usize, Family),
    Turn(usize, Family),
    Restart,
    Drain(usize),
    Undrain(usize),
    Trust(usize),
}

/// A day's events, in order.
fn script(rng: &mut Rng, families: &[(usize, Family)], operated: bool) -> Vec<(u64, Happens)> {
    let mut script = Vec::new();
    for &(uplink, family) in families {
        let first = rng.u64(0..INTERVAL);
        script.extend((0..DAY / INTERVAL).map(|n| (n * INTERVAL + first, Happens::Check(uplink, family))));
        script.extend(faults(rng).into_iter().map(|at| (at, Happens::Turn(uplink, family))));
    }
    script.extend((0..rng.usize(0..4)).map(|_| (rng.u64(0..DAY), Happens::Restart)));
    for _ in 0..if operated { rng.usize(1..6) } else { 0 } {
        let (at, uplink) = (rng.u64(0..DAY), rng.usize(0..3));
        script.push((at, Happens::Drain(uplink)));
        script.push((rng.u64(at..DAY), Happens::Undrain(uplink)));
        script.push((rng.u64(0..DAY), Happens::Trust(uplink)));
    }
    script.sort_unstable();
    script
}

/// A day that is played.
struct Day {
    play: Play,
    /// Which line works.
    works: BTreeMap<(usize, Family), bool>,
}

impl Day {
    fn check(&mut self, uplink: usize, family: Family) {
        let up = self.works.get(&(uplink, family)) != Some(&false);
        self.play.check(["eth1", "eth2", "eth3"][uplink], family, up, false);
    }

    fn happen(&mut self, what: Happens) {
        let both = [Family::V4, Family::V6];
        let at = self.play.stamp();
        match what {
            Happens::Check(uplink, family) => self.check(uplink, family),
            Happens::Turn(uplink, family) => {
                let works = self.works.entry((uplink, family)).or_insert(true);
                *works = !*works;
                // As often as any fall or rise takes.
                (0..3).for_each(|_| self.check(uplink, family));
            }
            Happens::Restart => self.play.restart(),
            Happens::Drain(uplink) => {
                let until = (uplink == 0).then_some(self.play.mono + HOUR);
                let decided = self.play.decider.drain(uplink, &both, until, &at);
                self.play.take(decided);
            }
            Happens::Undrain(uplink) => {
                let decided = self.play.decider.undrain(uplink, &both, &at);
                self.play.take(decided);
            }
            Happens::Trust(uplink) => {
                let decided = self.play.decider.trust(uplink, &both, &at);
                self.play.take(decided);
            }
        }
    }
}

/// Plays a day: what was decided, and what is wrong with it.
fn day(seed: u64, hours: bool, clock: i64) -> (Vec<Record>, Vec<String>) {
    let mut rng = Rng::with_seed(seed);
    let draft = Draft::draw(&mut rng, hours);
    let [one, two, three] = &draft.ends;
    let mut play = Play::new(config([one, two, three], &draft.more));
    play.wall += clock;
    let has_six = |i: usize| draft.ends.get(i).is_some_and(|end| end.contains("ip6"));
    let families: Vec<(usize, Family)> = (0..3)
        .flat_map(|i| [(i, Family::V4), (i, Family::V6)])
        .filter(|(i, f)| *f == Family::V4 || has_six(*i))
        .collect();
    let mut day = Day { play, works: BTreeMap::new() };
    let mut wrong = Vec::new();
    let operated = !draft.is_bounded;
    for (at, what) in script(&mut rng, &families, operated) {
        day.play.until(at);
        day.happen(what);
        let unsound = unsound(&day.play.decider).map(|unsound| format!("seed {seed}, {at} ms, {what:?}: {unsound}"));
        wrong.extend(unsound);
    }
    if draft.is_bounded {
        wrong.extend(restless(&day.play.said).into_iter().map(|restless| format!("seed {seed}: {restless}")));
    }
    (day.play.said, wrong)
}

/// Whoever works is used, and whoever does not is left at once where anybody works.
fn unsound(decider: &Decider) -> Option<String> {
    for (number, last) in &decider.last {
        let (_, candidates) = decider.candidates.iter().find(|(family, _)| family.number() == *number)?;
        let works = |uplink: usize| decider.memory.uplinks.get(number)?.get(uplink)?.up();
        let active = last.active();
        if active.is_empty() && !candidates.is_empty() {
            return Some(format!("IPv{number}: nobody carries anything"));
        }
        let anybody = candidates.iter().any(|one| works(one.uplink) == Some(true));
        if let Some(dead) = active.iter().find(|&&uplink| anybody && works(uplink) != Some(true)) {
            return Some(format!("IPv{number}: uplink {dead} does not work, and another one does"));
        }
    }
    None
}

/// Returns that nobody needed, where there are too many in an hour; and moves of policies.
fn restless(said: &[Record]) -> Vec<String> {
    let mut returns: BTreeMap<(Family, &str, &str), Vec<u64>> = BTreeMap::new();
    let actives: Vec<_> = said
        .iter()
        .filter_map(|record| if let Record::Active(active) = record { Some(active) } else { None })
        .collect();
    for family in [Family::V4, Family::V6] {
        let of_family: Vec<_> = actives.iter().filter(|active| active.family == family).collect();
        for two in of_family.windows(2) {
            for (policy, uplink) in moved(two[0], two[1]) {
                returns.entry((family, policy, uplink)).or_default().push(two[1].at.mono);
            }
            let (before, after) = (&two[0].uplinks, &two[1].uplinks);
            if before.iter().all(|share| two[1].failed.contains(&share.uplink)) {
                continue;
            }
            for share in after.iter().filter(|share| before.iter().all(|other| other.uplink != share.uplink)) {
                returns.entry((family, "all", share.uplink.as_str())).or_default().push(two[1].at.mono);
            }
        }
    }
    let worst = |times: &Vec<u64>| {
        let within = |from: &u64| times.iter().filter(|at| (*from..*from + HOUR).contains(at)).count();
        times.iter().map(within).max().unwrap_or_default()
    };
    let too_many = returns.iter().filter(|(_, times)| worst(times) > RETURNS);
    too_many
        .map(|((family, what, uplink), times)| format!("{family} {what} {uplink}: {} returns in an hour", worst(times)))
        .collect()
}

/// The policies that leave an uplink which works, and where they go.
fn moved<'a>(before: &'a Active, after: &'a Active) -> Vec<(&'a str, &'a str)> {
    let before: Vec<_> = before.policies.iter().flatten().collect();
    let moved = after.policies.iter().flatten().filter_map(|policy| {
        let left = before.iter().find(|one| one.policy == policy.policy)?.uplinks.first()?;
        let taken = policy.uplinks.first().filter(|taken| *taken != left)?;
        (!after.failed.contains(left)).then_some((policy.policy.as_str(), taken.as_str()))
    });
    moved.collect()
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("FTR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FTR_SEEDS").unwrap_or(SEEDS),
    }
}

/// Plays days on as many threads as there are processors.
fn play_all(one: impl Fn(u64) -> Vec<String> + Sync) -> Vec<String> {
    let (next, wrong) = (std::sync::atomic::AtomicU64::new(seeds().start), std::sync::Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds().end {
                        break;
                    }
                    let found = one(seed);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

/// The active sets of a day, a line each.
fn decisions(said: &[Record]) -> String {
    said.iter().filter(|record| matches!(record, Record::Active(_))).map(|record| record.line().unwrap()).collect()
}

#[test]
fn simulated_days_are_sound() {
    let days = std::env::var_os("FTR_DAYS").map(std::path::PathBuf::from);
    let wrong = play_all(|seed| {
        let (said, wrong) = day(seed, seed % 4 == 0, 0);
        if let Some(days) = &days {
            std::fs::write(days.join(format!("{seed}.jsonl")), decisions(&said)).unwrap();
        }
        wrong
    });
    assert!(wrong.is_empty(), "{} wrong, such as:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
}

/// What plans the routes is tested with one of these days: `FTR_RECORD=1` writes it anew.
#[test]
fn the_recorded_day_is_one_of_them() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/decisions.jsonl");
    let decided = decisions(&day(RECORDED, false, 0).0);
    if std::env::var_os("FTR_RECORD").is_some() {
        std::fs::write(&file, &decided).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap() == decided, "write it anew: FTR_RECORD=1");
}

/// Without what is for people: the wall clock.
fn timeless(said: Vec<Record>) -> Vec<Record> {
    let blank = |record| match record {
        Record::Active(mut active) => {
            active.at.time.clear();
            Record::Active(active)
        }
        Record::Event(mut event) => {
            event.at.time.clear();
            Record::Event(event)
        }
        other => other,
    };
    said.into_iter().map(blank).collect()
}

#[test]
fn simulated_days_are_the_same_again_whatever_the_wall_clock_says() {
    let ten_years = 10 * 366 * 86_400_000;
    let differing = play_all(|seed| {
        if seed % 10 > 0 {
            return Vec::new();
        }
        let (first, _) = day(seed, false, 0);
        let news = first.iter().any(|record| matches!(record, Record::Event(Event { kind: EventKind::State, .. })));
        assert!(news || first.len() < 4, "nothing happened on that day");
        let (again, _) = day(seed, false, 0);
        let mut wrong = Vec::new();
        if first != again {
            wrong.push(format!("seed {seed}: another day"));
        }
        let first = timeless(first);
        for clock in [ten_years, -ten_years] {
            if timeless(day(seed, false, clock).0) != first {
                wrong.push(format!("seed {seed}: the clock decides"));
            }
        }
        wrong
    });
    assert!(differing.is_empty(), "{differing:?}");
}
