use super::*;
use crate::decide::Decider;
use crate::decide::fixture::{check, config};
use ftr_core::Severity;
use ftr_core::record::{Active, Event};
use proptest::prelude::*;

const START: Duration = Duration::from_secs(100);
const PATIENCE: Duration = Duration::from_secs(60);
const ALL: Wanted = Wanted { route: true, notify: true, hooks: false };

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// An instant just before something is due.
fn before(due: Duration) -> Duration {
    due.saturating_sub(ms(1))
}

fn children(wanted: Wanted) -> Children {
    Children::new(wanted, vec![Family::V4], PATIENCE, START)
}

/// All that is to be done at the instant.
fn orders(children: &mut Children, now: Duration) -> Vec<Order> {
    std::iter::from_fn(|| children.next(now)).collect()
}

/// Has all programs started, and the tables prepared.
fn running(wanted: Wanted) -> Children {
    let mut children = children(wanted);
    orders(&mut children, START);
    children.applied(Family::V4, START);
    orders(&mut children, START);
    children
}

fn decided(checks: &[(&str, bool)]) -> (Vec<Active>, Vec<Event>) {
    let mut decider = Decider::new(&config([""; 3], ""), None);
    let (mut actives, mut events) = (Vec::new(), Vec::new());
    for &(uplink, up) in [("eth1", true), ("eth2", true), ("eth3", true)].iter().chain(checks) {
        for record in decider.handle(&Record::Check(check(uplink, up, 0))) {
            match record {
                Record::Active(active) => actives.push(active),
                Record::Event(event) => events.push(event),
                _ => {}
            }
        }
    }
    (actives, events)
}

fn feed(program: Program, record: Record) -> Order {
    Order::Feed(program, Box::new(record))
}

/// The set that flushes eth1.
fn failover() -> Active {
    decided(&[("eth1", false)]).0.remove(1)
}

/// The sets that the route program is given at the instant, which has room for each.
fn fed(children: &mut Children, now: Duration) -> Vec<Active> {
    let mut fed = Vec::new();
    while let Some(order) = children.next(now) {
        if let Order::Feed(program, record) = order {
            children.has_room(program);
            fed.extend(if let Record::Active(active) = *record { Some(active) } else { None });
        }
    }
    fed
}

#[test]
fn the_tables_are_prepared_before_anything_is_probed() {
    let mut children = Children::new(ALL, vec![Family::V4, Family::V6], PATIENCE, START);
    assert_eq!(orders(&mut children, START), [Order::Start(Program::Route), Order::Start(Program::Notify)]);
    children.applied(Family::V4, START);
    assert_eq!(orders(&mut children, START), [], "those of IPv6 are missing");
    children.applied(Family::V6, START + ms(3));
    assert_eq!(orders(&mut children, START + ms(3)), [Order::Start(Program::Probe)]);
    children.applied(Family::V6, START + ms(4));
    assert_eq!(orders(&mut children, START + ms(4)), [], "one is enough");
}

#[test]
fn what_is_not_wanted_is_not_started() {
    let dry = Wanted { route: false, notify: false, hooks: false };
    assert_eq!(orders(&mut children(dry), START), [Order::Start(Program::Probe)]);
    let silent = Wanted { route: true, notify: false, hooks: false };
    assert_eq!(orders(&mut children(silent), START), [Order::Start(Program::Route)]);
}

#[test]
fn one_that_ends_is_started_again_after_its_backoff() {
    let mut children = running(ALL);
    children.heard(Program::Probe, START + ms(5));
    let told = children.ended(Program::Probe, Some(74), "exit status: 74", START + ms(10)).unwrap();
    assert_eq!(told, Entry::warning("ftr-probe ended (exit status: 74); started again at once"));
    assert_eq!(orders(&mut children, START + ms(10)), [Order::Start(Program::Probe)]);
    // One that has never said anything waits ever longer.
    let mut now = START + ms(10);
    for wait in [100, 200, 400] {
        children.ended(Program::Notify, Some(1), "exit status: 1", now);
        assert_eq!(orders(&mut children, now + ms(wait - 1)), []);
        now += ms(wait);
        assert_eq!(orders(&mut children, now), [Order::Start(Program::Notify)]);
    }
    children.not_started(Program::Notify, now);
    assert_eq!(orders(&mut children, now + ms(799)), []);
    assert_eq!(orders(&mut children, now + ms(800)), [Order::Start(Program::Notify)]);
}

#[test]
fn one_that_wants_a_change_waits_for_it_or_for_five_minutes() {
    let mut children = running(ALL);
    let told = children.ended(Program::Notify, Some(78), "exit status: 78", START).unwrap();
    assert_eq!(told.severity, Severity::Error);
    assert!(told.text.ends_with("in 5m, or at a SIGHUP, because something has to be changed first"), "{told:?}");
    assert_eq!((children.refused(Program::Notify), orders(&mut children, START + ms(5000)).len()), (Some(78), 0));
    children.try_again(START + ms(5000));
    assert_eq!(orders(&mut children, START + ms(5000)), [Order::Start(Program::Notify)]);
    assert_eq!(children.refused(Program::Notify), None);
    children.try_again(START + ms(6000));
    assert_eq!(orders(&mut children, START + ms(6000)), [], "it runs");
}

#[test]
fn a_probe_that_is_silent_for_too_long_is_killed_once() {
    let mut children = running(Wanted { route: false, notify: false, hooks: false });
    children.heard(Program::Probe, START + ms(1000));
    let end = START + ms(1000) + PATIENCE;
    let kill = |order: &Order| matches!(order, Order::Kill(Program::Probe, _));
    assert!(!orders(&mut children, before(end)).iter().any(kill));
    let ordered = orders(&mut children, end);
    assert_eq!(ordered.iter().filter(|order| kill(order)).count(), 1, "{ordered:?}");
    assert!(!orders(&mut children, end + ms(100)).iter().any(kill), "it gets the time to die");
}

#[test]
fn who_stood_still_together_with_this_host_gets_time_to_say_something() {
    let kill = |order: &Order| matches!(order, Order::Kill(..));
    let mut children = running(ALL);
    children.orders.put(failover());
    fed(&mut children, START);
    let woken = START + Duration::from_secs(3600);
    assert!(!orders(&mut children, woken).iter().any(kill), "neither of the two");
    assert!(!orders(&mut children, before(woken + ORDER_PATIENCE / 2)).iter().any(kill));
    assert!(orders(&mut children, woken + ORDER_PATIENCE / 2).iter().any(kill), "it goes on saying nothing");
    let mut children = running(Wanted { route: false, notify: false, hooks: false });
    assert!(!orders(&mut children, woken).iter().any(kill));
    assert!(orders(&mut children, woken + PATIENCE / 2).iter().any(kill));
}

#[test]
fn a_route_program_that_does_not_answer_is_killed() {
    let kill = |order: &Order| matches!(order, Order::Kill(Program::Route, _));
    // While it prepares.
    let mut children = children(ALL);
    orders(&mut children, START);
    assert!(!orders(&mut children, before(START + PREPARE_PATIENCE)).iter().any(kill));
    assert!(orders(&mut children, START + PREPARE_PATIENCE).iter().any(kill));
    // After an order.
    let mut children = running(ALL);
    let active = failover();
    children.orders.put(active.clone());
    assert_eq!(fed(&mut children, START), std::slice::from_ref(&active));
    assert!(!orders(&mut children, before(START + ORDER_PATIENCE)).iter().any(kill));
    children.orders.read(&active);
    assert!(children.applied(Family::V4, before(START + ORDER_PATIENCE)));
    assert!(!orders(&mut children, START + ORDER_PATIENCE).iter().any(kill), "it has answered");
}

#[test]
fn a_flush_is_owed_again_to_the_successor_of_a_crash_and_not_when_it_is_done() {
    let mut children = running(ALL);
    let active = failover();
    children.orders.put(active.clone());
    assert_eq!(fed(&mut children, START), std::slice::from_ref(&active));
    children.heard(Program::Route, START);
    children.ended(Program::Route, None, "signal: 9", START + ms(1));
    assert_eq!(fed(&mut children, START + ms(1)), std::slice::from_ref(&active), "with all that it flushes");
    assert!(!children.applied(Family::V4, START + ms(2)), "it prepares, and has read nothing yet");
    children.orders.read(&active);
    assert!(children.applied(Family::V4, START + ms(3)));
    children.ended(Program::Route, None, "signal: 9", START + ms(4));
    let again = fed(&mut children, START + ms(4));
    assert_eq!((again[0].uplinks == active.uplinks, again[0].flush.len()), (true, 0));
}

#[test]
fn one_without_room_is_given_the_newest_when_it_has_some() {
    let mut children = running(ALL);
    let (actives, events) = decided(&[("eth1", false), ("eth2", false)]);
    children.orders.put(actives[0].clone());
    for event in &events {
        children.events.put(event.clone());
    }
    let given = orders(&mut children, START);
    assert_eq!(
        given,
        [
            feed(Program::Route, Record::Active(actives[0].clone())),
            feed(Program::Notify, Record::Event(events[0].clone())),
        ]
    );
    children.orders.put(actives[1].clone());
    children.orders.put(actives[2].clone());
    assert_eq!(orders(&mut children, START + ms(1)), [], "neither has room");
    children.has_room(Program::Notify);
    assert_eq!(orders(&mut children, START + ms(2)), [feed(Program::Notify, Record::Event(events[1].clone()))]);
    children.has_room(Program::Route);
    let given = orders(&mut children, START + ms(2));
    assert_eq!(given, [feed(Program::Route, Record::Active(actives[2].clone()))]);
    // The notifier's successor gets what nobody has acknowledged.
    assert!(children.events.acknowledge(events[0].seq));
    children.heard(Program::Notify, START);
    children.ended(Program::Notify, None, "signal: 9", START + ms(3));
    let given = orders(&mut children, START + ms(3));
    let successor = feed(Program::Notify, Record::Event(events[1].clone()));
    assert_eq!(given, [Order::Start(Program::Notify), successor]);
}

#[test]
fn the_route_program_is_reminded_while_nothing_happens() {
    let mut children = running(ALL);
    children.orders.put(failover());
    let first = fed(&mut children, START);
    children.orders.read(&first[0]);
    children.applied(Family::V4, START);
    assert_eq!(fed(&mut children, before(START + REMINDER)), []);
    assert_eq!(fed(&mut children, START + REMINDER).len(), 1);
}

#[test]
fn the_end_is_a_word_then_a_signal_then_a_kill_and_starts_nothing() {
    let mut children = running(ALL);
    children.heard(Program::Notify, START);
    let stop = START + ms(1000);
    children.stop(stop);
    let signal = Order::Signal;
    assert_eq!(
        orders(&mut children, stop),
        [
            Order::CloseInput(Program::Route),
            signal(Program::Route, Signal::SIGTERM),
            signal(Program::Route, Signal::SIGCONT),
            Order::CloseInput(Program::Probe),
            signal(Program::Probe, Signal::SIGTERM),
            signal(Program::Probe, Signal::SIGCONT),
            Order::CloseInput(Program::Notify),
            signal(Program::Notify, Signal::SIGCONT),
        ]
    );
    assert_eq!(children.ended(Program::Route, Some(0), "exit status: 0", stop + ms(2)), None, "as it was told");
    assert_eq!((orders(&mut children, stop + ms(499)), children.due()), (vec![], Some(stop + LATER_GRACE)));
    assert_eq!(orders(&mut children, stop + ms(500)), [signal(Program::Notify, Signal::SIGTERM)]);
    assert_eq!(children.due(), Some(stop + GRACE));
    children.stop(stop + ms(600));
    let kill = |program| signal(program, Signal::SIGKILL);
    assert_eq!(orders(&mut children, stop + GRACE), [kill(Program::Probe), kill(Program::Notify)]);
    assert!(!children.are_over());
    for program in [Program::Probe, Program::Notify] {
        children.ended(program, None, "signal: 9", stop + GRACE);
    }
    assert!(children.are_over());
    assert_eq!((orders(&mut children, stop + ms(60_000)), children.due()), (vec![], None));
}

/// What may happen to a program.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It ends, with an exit code or by a signal.
    Ends(Program, Option<i32>),
    /// It says something.
    Speaks(Program),
    /// It takes what it was given.
    Takes(Program),
    /// The tables are in place.
    Applied,
    /// Something is decided.
    Decided,
    /// Time passes, in milliseconds.
    Passes(u64),
    /// It is all to end.
    Stop,
}

fn fate() -> impl Strategy<Value = Fate> {
    let program = || prop_oneof![Just(Program::Route), Just(Program::Probe), Just(Program::Notify)];
    prop_oneof![
        6 => (program(), proptest::option::of(0i32..80)).prop_map(|(program, exit)| Fate::Ends(program, exit)),
        4 => program().prop_map(Fate::Speaks),
        4 => program().prop_map(Fate::Takes),
        1 => Just(Fate::Applied),
        2 => Just(Fate::Decided),
        6 => (0u64..2000).prop_map(Fate::Passes),
        1 => prop_oneof![30 => Just(Fate::Passes(1)), 1 => Just(Fate::Stop)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Whatever happens: a program runs at most once, is fed only while it has room, nothing starts while all are to end, a
    /// crowd of starts is never seen, and what is said to be due is due.
    #[test]
    fn programs_run_once_are_fed_with_room_and_never_storm(fates in proptest::collection::vec(fate(), 0..300)) {
        let mut children = children(ALL);
        let mut now = START;
        let mut runs = Each::new(|_| false);
        let mut room = Each::new(|_| true);
        let mut starts = Each::new(|_| Vec::new());
        let (mut prepared, mut stopped) = (false, false);
        for fate in fates {
            match fate {
                Fate::Ends(program, exit) if *runs.of(program) => {
                    *runs.of_mut(program) = false;
                    children.ended(program, exit, "", now);
                }
                Fate::Speaks(program) if *runs.of(program) => children.heard(program, now),
                Fate::Takes(program) => {
                    *room.of_mut(program) = true;
                    children.has_room(program);
                }
                Fate::Applied if *runs.of(Program::Route) => {
                    prepared = true;
                    children.applied(Family::V4, now);
                }
                Fate::Decided => {
                    let (actives, events) = decided(&[("eth1", false)]);
                    for active in actives {
                        children.orders.put(active);
                    }
                    for event in events {
                        children.events.put(event);
                    }
                }
                Fate::Passes(millis) => now += ms(millis),
                Fate::Stop => {
                    stopped = true;
                    children.stop(now);
                }
                _ => {}
            }
            let mut count = 0;
            while let Some(order) = children.next(now) {
                count += 1;
                prop_assert!(count < 20, "it never ends: {order:?}");
                match order {
                    Order::Start(program) => {
                        prop_assert!(!stopped && !*runs.of(program), "{program:?}");
                        prop_assert!(prepared || program != Program::Probe);
                        *runs.of_mut(program) = true;
                        *room.of_mut(program) = true;
                        starts.of_mut(program).push(now);
                    }
                    Order::Feed(program, _) => {
                        prop_assert!(!stopped && *runs.of(program) && *room.of(program), "{program:?}");
                        *room.of_mut(program) = false;
                    }
                    Order::CloseInput(program) | Order::Signal(program, _) => {
                        prop_assert!(stopped && *runs.of(program));
                    }
                    Order::Kill(program, _) => prop_assert!(!stopped && *runs.of(program)),
                    Order::Renew => prop_assert!(!stopped),
                    other => prop_assert!(false, "{other:?} is none of its business"),
                }
            }
            prop_assert!(children.due().is_none_or(|due| due > now), "{:?} at {now:?}", children.due());
            prop_assert_eq!(children.are_over(), stopped && runs.iter().all(|(_, runs)| !runs));
        }
        for (program, starts) in starts.iter() {
            // Three at once, and from then on at most ten in the first second, and one a second.
            for (index, start) in starts.iter().enumerate() {
                let crowd = starts.iter().skip(index).take_while(|later| **later < *start + ms(1000)).count();
                prop_assert!(crowd <= 8, "{program:?}: {crowd} starts in a second: {starts:?}");
            }
        }
    }
}
