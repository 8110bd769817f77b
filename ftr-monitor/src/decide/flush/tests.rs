use crate::decide::fixture::{check, config};
use crate::decide::{Decider, Memory};
use ftr_core::Config;
use ftr_core::record::{Active, Applied, AppliedUplink, Check, NoWay, Reason, Record};
use proptest::prelude::*;

/// What a check of an uplink found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Up,
    /// Too much is lost, but something comes through.
    Bad,
    Dead,
}
use Found::{Bad, Dead, Up};

/// A decider whose orders are carried out as they come.
struct Run {
    config: Config,
    decider: Decider,
    mono: u64,
}

impl Run {
    fn new(ends: [&str; 3], more: &str) -> Self {
        let config = config(ends, more);
        Self { decider: Decider::new(&config, None), config, mono: 0 }
    }

    /// So long passes that connections may be given up again.
    fn rest(&mut self) -> &mut Self {
        self.mono += 10_000;
        self
    }

    /// Hears a check without carrying out what follows.
    fn order(&mut self, uplink: usize, found: Found) -> Vec<Active> {
        self.mono += 10;
        let mut heard = check(&format!("eth{uplink}"), found == Up, self.mono);
        if found == Bad {
            heard.reason = Some(Reason::Loss);
        }
        self.take(&Record::Check(heard))
    }

    fn take(&mut self, record: &Record) -> Vec<Active> {
        let decided = self.decider.handle(record).into_iter();
        decided.filter_map(|record| if let Record::Active(active) = record { Some(active) } else { None }).collect()
    }

    /// Hears checks and carries out what follows; the uplinks that the last order gives up, if there was one.
    fn handle(&mut self, checks: &[(usize, Found)]) -> Option<Vec<usize>> {
        let mut flushed = None;
        for &(uplink, found) in checks {
            for active in self.order(uplink, found) {
                flushed = Some(numbers(&active));
                self.decider.confirm_all();
            }
        }
        flushed
    }

    fn restart(&mut self) {
        let memory: Memory = serde_json::from_str(&serde_json::to_string(self.decider.memory()).unwrap()).unwrap();
        self.decider = Decider::new(&self.config, Some(memory));
    }
}

fn numbers(active: &Active) -> Vec<usize> {
    active.flush.iter().map(|name| usize::from(name.as_str().as_bytes()[3] - b'0')).collect()
}

const ALL_UP: [(usize, Found); 3] = [(1, Up), (2, Up), (3, Up)];

#[test]
fn what_died_while_nothing_worked_is_given_up_once_something_does() {
    let mut run = Run::new(["", "", ", default_route: false"], "");
    run.handle(&ALL_UP);
    assert_eq!(run.handle(&[(2, Dead)]), Some(vec![2]));
    assert_eq!(run.handle(&[(1, Dead)]), Some(vec![]), "nobody could take them over");
    assert_eq!(run.handle(&[(2, Up)]), Some(vec![1]), "those of eth2 were, a moment ago; those of eth1 not yet");
}

#[test]
fn what_began_while_all_were_down_is_given_up_too() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    assert_eq!(run.handle(&[(1, Dead)]), Some(vec![1]));
    assert_eq!(run.handle(&[(2, Dead)]), Some(vec![2]));
    run.handle(&[(3, Dead)]);
    // New connections were spread over all three meanwhile, those of eth1 and eth2 included.
    assert_eq!(run.rest().handle(&[(1, Up)]), Some(vec![2, 3]));
    assert_eq!(run.rest().handle(&[(1, Up), (2, Dead), (3, Dead)]), None, "never twice");
}

#[test]
fn a_bad_line_is_given_up_when_nothing_comes_through_any_more() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    assert_eq!(run.handle(&[(1, Bad)]), Some(vec![]));
    assert_eq!(run.handle(&[(1, Dead)]), Some(vec![1]), "though nothing else has changed");
    assert_eq!(run.rest().handle(&[(1, Bad), (1, Dead)]), None);
    assert_eq!(run.handle(&[(1, Up), (1, Dead)]), Some(vec![1]), "it has worked in between");
}

#[test]
fn a_restart_remembers_what_was_given_up_and_what_was_not() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    run.handle(&[(1, Dead)]);
    run.restart();
    assert_eq!(run.handle(&[(1, Dead), (2, Up), (3, Up)]), Some(vec![]));
    // Nobody looked when eth2 died.
    run.restart();
    assert_eq!(run.handle(&[(1, Dead), (2, Dead), (3, Up)]), Some(vec![2]));
}

#[test]
fn an_order_that_nobody_has_confirmed_is_given_again() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    assert_eq!(run.order(1, Dead).iter().map(numbers).collect::<Vec<_>>(), [[1]]);
    assert_eq!(run.order(2, Dead).iter().map(numbers).collect::<Vec<_>>(), [[1, 2]]);
    run.restart();
    assert_eq!(run.handle(&[(1, Dead), (2, Up), (3, Up)]), Some(vec![1]), "eth2 is back and keeps its connections");
}

#[test]
fn with_hard_failback_a_restart_gives_up_what_is_on_standby_again() {
    let mut run =
        Run::new([", priority_group: 1", ", priority_group: 2", ", priority_group: 3"], "routing: {failback: hard}");
    run.handle(&ALL_UP);
    run.handle(&[(1, Dead)]);
    run.restart();
    assert_eq!(run.handle(&[(2, Up), (3, Up), (1, Up)]), Some(vec![2]));
}

#[test]
fn an_uplink_without_a_route_is_down_until_it_has_one() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    let mut applied = |no_way: Option<&str>, has: &str| {
        run.mono += 10;
        let at = check("eth1", true, run.mono).at;
        let no_way = no_way.map(|name| NoWay { uplink: name.parse().unwrap(), reason: Reason::NoGateway });
        let address = Some("192.0.2.1".parse().unwrap());
        let uplinks = vec![AppliedUplink {
            uplink: has.parse().unwrap(),
            address,
            gateway: None,
            prefixes: Vec::new(),
            networks: Vec::new(),
        }];
        let family = ftr_core::Family::V4;
        let (active, no_way) = (Vec::new(), no_way.into_iter().collect());
        let said = run.take(&Record::Applied(Applied { at, family, writes: 0, took_us: 0, active, uplinks, no_way }));
        run.decider.confirm_all();
        let names =
            |active: &Active| active.uplinks.iter().map(|share| share.uplink.to_string()).collect::<Vec<_>>().join(" ");
        said.iter().map(|active| (names(active), numbers(active))).collect::<Vec<_>>()
    };
    assert_eq!(applied(Some("eth2"), "eth1"), [("eth1 eth3".to_owned(), vec![2])]);
    assert_eq!(applied(Some("eth2"), "eth1"), [], "known already");
    assert_eq!(applied(None, "eth1"), [], "nothing is said of it, so nothing has changed");
    assert_eq!(applied(None, "eth2"), [("eth1 eth2 eth3".to_owned(), vec![])]);
}

#[test]
fn a_line_that_drops_in_pulses_is_given_up_once_in_ten_seconds() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    let mut flushed = Vec::new();
    // 55 seconds of a second up and a second and a half down.
    for pulse in 0..22 {
        for (at, found) in [(0, Up), (1000, Dead), (1800, Dead)] {
            run.mono = pulse * 2500 + at;
            if run.handle(&[(2, found)]).is_some_and(|flush| flush == [2]) {
                flushed.push(run.mono);
            }
        }
    }
    assert!((5..=6).contains(&flushed.len()), "{flushed:?}");
    assert!(flushed.windows(2).all(|two| two[1] - two[0] >= 10_000), "{flushed:?}");
}

#[test]
fn what_was_put_off_is_given_up_when_the_time_has_come_if_it_is_dead_then() {
    let mut run = Run::new([""; 3], "routing: {hold_down: 0}");
    run.handle(&ALL_UP);
    assert_eq!(run.handle(&[(2, Dead)]), Some(vec![2]));
    let first = run.mono;
    assert_eq!(run.decider.due(), None);
    assert_eq!(run.handle(&[(2, Up), (2, Dead)]), Some(vec![]), "it is down, and keeps its connections for now");
    assert_eq!(run.decider.due(), Some(first + 10_000));
    // The waiting outlives a restart.
    run.restart();
    run.handle(&ALL_UP[..1]);
    run.handle(&[(3, Up)]);
    assert_eq!(run.handle(&[(2, Dead)]), Some(vec![]));
    assert_eq!(run.decider.due(), Some(first + 10_000));
    assert_eq!(run.decider.look_again(&check("eth1", true, first + 9999).at), []);
    let said = run.decider.look_again(&check("eth1", true, first + 10_000).at);
    let [Record::Active(active)] = &said[..] else { panic!("{said:?}") };
    assert_eq!((numbers(active), active.reason.as_str()), (vec![2], "eth2 down"));
    assert_eq!(run.decider.due(), None);
    // Another time it works again before.
    run.decider.confirm_all();
    assert_eq!(run.handle(&[(2, Up), (2, Dead), (2, Up)]), Some(vec![]));
    assert_eq!(run.decider.due(), None);
    assert_eq!(run.rest().handle(&[(1, Up)]), None);
}

#[test]
fn a_record_that_is_older_than_the_death_gives_up_as_well() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    run.restart();
    // A single check of all uplinks tells of them in the order of the file, whenever each was over.
    let checks = [("eth1", true, 5000), ("eth2", false, 6300), ("eth3", true, 5001)];
    let said = checks
        .into_iter()
        .flat_map(|(name, up, mono)| run.decider.handle(&Record::Check(check(name, up, run.mono + mono))));
    let given_up =
        said.filter_map(|record| if let Record::Active(active) = record { Some(numbers(&active)) } else { None });
    assert_eq!(given_up.collect::<Vec<_>>(), [[2]]);
}

#[test]
fn with_a_delay_nothing_is_given_up_where_all_go_down_one_after_the_other() {
    let mut run = Run::new([""; 3], "routing: {flush_delay: 2s}");
    run.handle(&ALL_UP);
    assert_eq!(run.handle(&[(2, Dead)]), Some(vec![]), "it is left at once");
    assert_eq!(run.decider.due(), Some(run.mono + 2000));
    run.mono += 1000;
    assert_eq!(run.handle(&[(1, Dead), (3, Dead)]), Some(vec![]));
    assert_eq!(run.decider.due(), None, "nobody is left to take them over");
    run.mono += 60_000;
    assert_eq!(run.handle(&[(2, Up)]), Some(vec![1, 3]), "somebody is");
}

#[test]
fn with_a_delay_the_connections_of_one_that_stays_down_are_given_up_when_it_is_over() {
    let mut run = Run::new([""; 3], "routing: {flush_delay: 2s}");
    run.handle(&ALL_UP);
    run.handle(&[(2, Dead), (2, Up), (2, Dead)]);
    let died = run.mono;
    // The waiting outlives a restart.
    run.restart();
    assert_eq!(run.handle(&[(1, Up), (3, Up), (2, Dead)]), Some(vec![]));
    assert_eq!(run.decider.due(), Some(died + 2000));
    assert_eq!(run.decider.look_again(&check("eth1", true, died + 1999).at), []);
    let said = run.decider.look_again(&check("eth1", true, died + 2000).at);
    let [Record::Active(active)] = &said[..] else { panic!("{said:?}") };
    assert_eq!(numbers(active), [2]);
    assert_eq!(run.decider.due(), None);
}

#[test]
fn with_hard_failback_pulses_of_the_better_one_end_what_they_interrupt_once_in_ten_seconds() {
    let mut run =
        Run::new([", priority_group: 1", ", priority_group: 2", ", priority_group: 3"], "routing: {failback: hard}");
    run.handle(&ALL_UP);
    assert_eq!(run.handle(&[(1, Dead)]), Some(vec![1]));
    assert_eq!(run.handle(&[(1, Up)]), Some(vec![2]));
    let first = run.mono;
    assert_eq!(run.handle(&[(1, Dead)]), Some(vec![]));
    assert_eq!(run.handle(&[(1, Up)]), Some(vec![]), "those of eth2 were given up a moment ago");
    assert_eq!(run.decider.due(), Some(first + 10_000), "but they are on standby");
    assert_eq!(run.rest().handle(&[(1, Up)]), Some(vec![2]));
    assert_eq!(run.rest().handle(&[(1, Up), (2, Up)]), None);
}

#[test]
fn what_former_versions_remember_is_understood() {
    let health = r#"{"up":false,"since":1,"contrary":0,"given_up":true,"address":null,"gateway":null,"routing":false}"#;
    let other = health.replace("false", "true").replace(r#""given_up":true,"#, "");
    let memory = format!(r#"{{"seq":7,"judged":{{"4":[{health},{other},{other}]}},"owed":{{}}}}"#);
    let mut run = Run::new([""; 3], "");
    run.decider = Decider::new(&run.config, Some(serde_json::from_str(&memory).unwrap()));
    assert_eq!(run.handle(&[(1, Dead), (2, Up), (3, Up)]), Some(vec![]), "eth1 was given up");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Check(usize, Found),
    /// So many milliseconds pass, and nobody says a word.
    Wait(u64),
    /// Every uplink is found so.
    All(Found),
    Restart,
    /// A restart in which every uplink is checked before anything else, as `once` does.
    Once([Found; 3]),
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![3 => Just(Up), 1 => Just(Bad), 3 => Just(Dead)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1usize..4, found()).prop_map(|(uplink, found)| Step::Check(uplink, found)),
        1 => found().prop_map(Step::All),
        2 => (1u64..12_000).prop_map(Step::Wait),
        1 => Just(Step::Restart),
        2 => [found(), found(), found()].prop_map(Step::Once),
    ]
}

/// What the world looks like to those who have connections.
struct World {
    found: [Option<Found>; 3],
    /// Whether anybody may have a connection over the uplink.
    used: [bool; 3],
    /// When connections of the uplink were last given up.
    given_up: [Option<u64>; 3],
    active: Vec<usize>,
}

/// Whether they were a short while ago, so that they are left alone.
fn rests(given_up: Option<u64>, mono: u64) -> bool {
    given_up.is_some_and(|at| mono < at + 10_000)
}

impl World {
    fn order(&mut self, active: &Active) -> Result<(), TestCaseError> {
        let index = |name: &ftr_core::InterfaceName| usize::from(name.as_str().as_bytes()[3] - b'1');
        self.active = active.uplinks.iter().map(|share| index(&share.uplink)).collect();
        let rescued = self.active.iter().any(|&i| self.found[i] == Some(Up));
        for i in active.flush.iter().map(index) {
            prop_assert!(rescued, "eth{} is given up, and nobody takes over", i + 1);
            prop_assert!(self.found[i] == Some(Dead), "eth{} is given up and is not dead", i + 1);
            prop_assert!(self.used[i], "eth{} is given up twice", i + 1);
            prop_assert!(!rests(self.given_up[i], active.at.mono), "eth{} is given up again so soon", i + 1);
            (self.used[i], self.given_up[i]) = (false, Some(active.at.mono));
        }
        Ok(())
    }

    /// New connections begin, over the active uplinks and from outside over those that work.
    fn live(&mut self, decided: bool, mono: u64) -> Result<(), TestCaseError> {
        for i in 0..3 {
            self.used[i] |= self.found[i] == Some(Up) || self.active.contains(&i);
        }
        let rescued = decided && self.active.iter().any(|&i| self.found[i] == Some(Up));
        for i in (0..3).filter(|&i| rescued && self.found[i] == Some(Dead)) {
            let waits = rests(self.given_up[i], mono);
            prop_assert!(!self.used[i] || waits, "eth{} is dead beside a working one, and was not given up", i + 1);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_dead_uplink_beside_a_working_one_keeps_connections_for_long_and_none_is_given_up_twice_or_too_soon(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let mut run = Run::new([""; 3], "");
        let mut world = World { found: [None; 3], used: [true; 3], given_up: [None; 3], active: Vec::new() };
        let mut heard = [false; 3];
        for step in steps {
            let checks: Vec<(usize, Found)> = match step {
                Step::Check(uplink, found) => vec![(uplink, found)],
                Step::All(found) => (1..4).map(|uplink| (uplink, found)).collect(),
                Step::Once(all) => (1..4).zip(all).collect(),
                Step::Restart | Step::Wait(_) => Vec::new(),
            };
            if let Step::Wait(millis) = step {
                run.mono += millis;
                let at = check("eth1", true, run.mono).at;
                // What was put off until now has to follow without a check.
                for active in run.decider.look_again(&at) {
                    let Record::Active(active) = active else { continue };
                    world.order(&active)?;
                    run.decider.confirm_all();
                }
                world.live(heard == [true; 3], run.mono)?;
            }
            if matches!(step, Step::Restart | Step::Once(_)) {
                run.restart();
                heard = [false; 3];
            }
            for (uplink, found) in checks {
                // A line that is found bad after it was found dead is as dead as before to those who were given up.
                world.found[uplink - 1] = Some(found);
                heard[uplink - 1] = true;
                for active in run.order(uplink, found) {
                    world.order(&active)?;
                    run.decider.confirm_all();
                }
                world.live(heard == [true; 3], run.mono)?;
            }
        }
    }
}

#[test]
fn a_check_without_a_reason_counts_as_dead() {
    let mut run = Run::new([""; 3], "");
    run.handle(&ALL_UP);
    let unreasoned = Check { reason: None, ..check("eth1", false, 100) };
    assert_eq!(run.take(&Record::Check(unreasoned)).iter().map(numbers).collect::<Vec<_>>(), [[1]]);
}
