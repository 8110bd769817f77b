//! Named cases: a script, and the moves that have to follow, in `cases.yaml`. A third of them are about what must not move.

use ftr_core::record::{Active, Event, EventKind, Record};
use ftr_core::{Config, Family, InterfaceName};
use serde::Deserialize;

use super::fixture::config;
use super::play::Play;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// What the lines of eth1, eth2 and eth3 have beside the usual.
    #[serde(default)]
    uplinks: [String; 3],
    /// Other sections.
    #[serde(default)]
    config: String,
    /// `SECONDS VERB WORDS`.
    script: Vec<String>,
    /// `SECONDS UPLINKS`: every change of the active set after the first, and of what policies use.
    moves: Vec<String>,
}

impl Case {
    fn play(&self) -> Vec<String> {
        let [one, two, three] = &self.uplinks;
        let mut play = Play::new(config([one, two, three], &self.config));
        for line in &self.script {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [at, verb, rest @ ..] = words.as_slice() else { panic!("{}: {line}", self.name) };
            play.until(seconds(at));
            act(&mut play, verb, rest).unwrap_or_else(|| panic!("{}: {line}", self.name));
        }
        moves(&play)
    }
}

fn seconds(text: &str) -> u64 {
    let seconds: f64 = text.parse().unwrap();
    u64::try_from(std::time::Duration::from_secs_f64(seconds).as_millis()).unwrap()
}

/// Does what a line of a script says; none where that makes no sense.
fn act(play: &mut Play, verb: &str, words: &[&str]) -> Option<()> {
    let families = [Family::V4, Family::V6];
    let index = |play: &Play, uplink: &str| play.config.position(uplink);
    match verb {
        "up" | "down" | "bad" | "up6" | "down6" => {
            let family = if verb.ends_with('6') { Family::V6 } else { Family::V4 };
            for uplink in words {
                play.check(uplink, family, verb.starts_with("up"), verb == "bad");
            }
        }
        // flap eth1 every 20 times 30: goes down and works again half of the time later.
        "flap" => {
            let [uplink, "every", every, "times", times] = words else { return None };
            let (every, start) = (seconds(every), play.mono);
            for n in 0..times.parse().ok()? {
                play.until(start + n * every);
                play.check(uplink, Family::V4, false, false);
                play.until(start + n * every + every / 2);
                play.check(uplink, Family::V4, true, false);
            }
        }
        "drain" | "undrain" | "trust" => {
            let at = play.stamp();
            let uplink = index(play, words.first()?)?;
            let until = words.get(2).map(|lasts| play.mono + seconds(lasts));
            let decided = match verb {
                "drain" => play.decider.drain(uplink, &families, until, &at),
                "undrain" => play.decider.undrain(uplink, &families, &at),
                _ => play.decider.trust(uplink, &families, &at),
            };
            play.take(decided);
        }
        "restart" => play.restart(),
        // clock +3600: somebody sets the wall clock.
        "clock" => play.wall += words.first()?.parse::<i64>().ok()? * 1000,
        "wait" => {}
        _ => return None,
    }
    Some(())
}

/// The changes of what carries connections, and of what is given up.
fn moves(play: &Play) -> Vec<String> {
    let mut moves = Vec::new();
    for family in [Family::V4, Family::V6] {
        let mut last: Option<&Active> = None;
        for active in play.actives().filter(|active| active.family == family) {
            let at = std::time::Duration::from_millis(active.at.mono).as_secs_f64();
            let six = if family == Family::V6 { " IPv6" } else { "" };
            if last.is_some_and(|last| last.uplinks != active.uplinks) {
                moves.push(format!("{at}{six} {}", shares(&play.config, active)));
            }
            for policy in active.policies.iter().flatten() {
                let before =
                    last.and_then(|last| last.policies.as_ref()?.iter().find(|one| one.policy == policy.policy));
                if before.is_some_and(|before| before.uplinks.first() != policy.uplinks.first()) {
                    let first = policy.uplinks.first().map_or("nothing", InterfaceName::as_str);
                    moves.push(format!("{at}{six} {} by {first}", policy.policy));
                }
            }
            for policy in active.policies.iter().flatten().filter(|policy| !policy.flush.is_empty()) {
                moves.push(format!("{at}{six} {} flush {}", policy.policy, names(&policy.flush)));
            }
            let gone = |last: &Active| last.policies.as_ref().map_or(0, Vec::len);
            if last.is_some_and(|last| gone(last) != gone(active)) {
                moves.push(format!("{at}{six} {} policies", gone(active)));
            }
            if last.is_some() && !active.flush.is_empty() {
                moves.push(format!("{at}{six} flush {}", names(&active.flush)));
            }
            last = Some(active);
        }
    }
    moves
}

fn names(names: &[InterfaceName]) -> String {
    names.iter().map(InterfaceName::as_str).collect::<Vec<_>>().join(" ")
}

/// The uplinks, with their weights where these are not as configured.
fn shares(config: &Config, active: &Active) -> String {
    let usual = |name: &InterfaceName| config.uplinks.iter().find(|one| one.name == *name).map(|one| one.weight);
    let as_usual = active.uplinks.iter().all(|share| usual(&share.uplink) == Some(share.weight));
    let one = |share: &ftr_core::record::Share| {
        if as_usual { share.uplink.to_string() } else { format!("{}*{}", share.uplink, share.weight) }
    };
    active.uplinks.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_case_moves_as_it_has_to_and_not_otherwise() {
    let cases: Vec<Case> = serde_yaml::from_str(include_str!("cases.yaml")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let moves = case.play();
        if moves != case.moves {
            wrong.push(format!("{}:\n  has to be {:?}\n  but is    {moves:?}", case.name, case.moves));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let still = cases.iter().filter(|case| case.moves.is_empty()).count();
    assert!(cases.len() >= 50 && still * 3 >= cases.len(), "{} cases, {still} of which must not move", cases.len());
}

#[test]
fn one_that_keeps_going_down_is_told_to_be_held_down() {
    let mut play = Play::new(config([""; 3], ""));
    for uplink in ["eth1", "eth2", "eth3"] {
        play.check(uplink, Family::V4, true, false);
    }
    for n in 0..3 {
        play.until(10_000 + n * 20_000);
        play.check("eth1", Family::V4, false, false);
        play.until(20_000 + n * 20_000);
        play.check("eth1", Family::V4, true, false);
    }
    let told = |record: &Record| match record {
        Record::Event(Event { kind: EventKind::State, held: Some(held), .. }) => Some(held.to_string()),
        _ => None,
    };
    assert_eq!(play.said.iter().filter_map(told).collect::<Vec<_>>(), ["held down for 4m 31s more: 3 flaps in 50s"]);
    let reason = play.actives().last().unwrap().reason.as_str();
    assert_eq!(reason, "eth1 up, held down for 4m 31s more: 3 flaps in 50s");
}
